//! Label selectors: `app=x,tier!=y,env in (a,b),zone notin (c),owned,!gone,size>3`.
//!
//! A requirement that an object's label differs (`!=`, `notin`) is met by an object without that label.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::{
    names,
    status::{Result, Status},
};

/// All of them have to hold.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Labels(Vec<Requirement>);

#[derive(Clone, Debug, PartialEq)]
struct Requirement {
    key: String,
    must: Must,
}

#[derive(Clone, Debug, PartialEq)]
enum Must {
    /// `in (…)`, and `=` with one value.
    In(BTreeSet<String>),
    NotIn(BTreeSet<String>),
    Exist,
    NotExist,
    Exceed(i64),
    FallBelow(i64),
}

impl Labels {
    /// # Errors
    /// 400 for what is no selector.
    pub fn parse(text: &str) -> Result<Self> {
        let mut parser = Parser { tokens: tokens(text), next: 0 };
        parser.requirements().map(Labels).map_err(Status::bad_request)
    }

    pub fn matches(&self, object: &Value) -> bool {
        self.0.is_empty() || {
            let labels = &object["metadata"]["labels"];
            self.0.iter().all(|requirement| requirement.matches(labels[&requirement.key].as_str()))
        }
    }
}

impl Requirement {
    fn matches(&self, label: Option<&str>) -> bool {
        let number = || label.and_then(|text| text.parse::<i64>().ok());
        match &self.must {
            Must::In(values) => label.is_some_and(|text| values.contains(text)),
            Must::NotIn(values) => label.is_none_or(|text| !values.contains(text)),
            Must::Exist => label.is_some(),
            Must::NotExist => label.is_none(),
            Must::Exceed(bound) => number().is_some_and(|n| n > *bound),
            Must::FallBelow(bound) => number().is_some_and(|n| n < *bound),
        }
    }
}

/// One sign, or a word. `in` and `notin` are words: only between a key and a parenthesis do they mean anything.
#[derive(Clone, Copy, PartialEq)]
enum Token<'a> {
    Sign(&'a str),
    Word(&'a str),
    End,
}

impl<'a> Token<'a> {
    fn text(self) -> &'a str {
        match self {
            Token::Sign(text) | Token::Word(text) => text,
            Token::End => "",
        }
    }
}

fn tokens(mut text: &str) -> Vec<Token<'_>> {
    const SIGNS: [char; 7] = ['=', '!', '(', ')', ',', '>', '<'];
    const BLANKS: [char; 4] = [' ', '\t', '\r', '\n'];
    let mut tokens = Vec::new();
    loop {
        text = text.trim_start_matches(BLANKS);
        if text.is_empty() {
            tokens.push(Token::End);
            return tokens;
        }
        let length = match text.find(|c| SIGNS.contains(&c) || BLANKS.contains(&c)) {
            Some(0) if text.starts_with("==") || text.starts_with("!=") => 2,
            Some(0) => 1,
            Some(end) => end,
            None => text.len(),
        };
        let (token, rest) = text.split_at(length);
        tokens.push(if token.starts_with(SIGNS) { Token::Sign(token) } else { Token::Word(token) });
        text = rest;
    }
}

/// Goes through the tokens once, and never beyond the end.
struct Parser<'a> {
    tokens: Vec<Token<'a>>,
    next: usize,
}

impl<'a> Parser<'a> {
    fn peek(&self) -> Token<'a> {
        self.tokens.get(self.next).copied().unwrap_or(Token::End)
    }

    fn take(&mut self) -> Token<'a> {
        let token = self.peek();
        self.next += 1;
        token
    }

    fn requirements(&mut self) -> Result<Vec<Requirement>, String> {
        let mut all = Vec::new();
        match self.peek() {
            Token::End => return Ok(all),
            Token::Word(_) | Token::Sign("!") => {}
            token => return Err(format!("found '{}', expected: !, identifier, or 'end of string'", token.text())),
        }
        loop {
            all.push(self.requirement().map_err(|why| format!("unable to parse requirement: {why}"))?);
            match self.take() {
                Token::End => return Ok(all),
                Token::Sign(",") => {}
                token => return Err(format!("found '{}', expected: ',' or 'end of string'", token.text())),
            }
            if !matches!(self.peek(), Token::Word(_) | Token::Sign("!")) {
                return Err(format!("found '{}', expected: identifier after ','", self.peek().text()));
            }
        }
    }

    fn requirement(&mut self) -> Result<Requirement, String> {
        let mut token = self.take();
        let negated = token == Token::Sign("!");
        if negated {
            token = self.take();
        }
        let Token::Word(key) = token else { return Err(format!("found '{}', expected: identifier", token.text())) };
        let wrong = names::label_key(key);
        if !wrong.is_empty() {
            // The real one says this too: it has no name for the place.
            return Err(format!("<nil>: Invalid value: {key:?}: {}", wrong.join("; ")));
        }
        let key = key.to_owned();
        if negated {
            return Ok(Requirement { key, must: Must::NotExist });
        }
        if matches!(self.peek(), Token::End | Token::Sign(",")) {
            return Ok(Requirement { key, must: Must::Exist });
        }
        let operator = self.take().text();
        let values = match operator {
            "in" | "notin" => self.values()?,
            "=" | "==" | "!=" | ">" | "<" => BTreeSet::from([self.value()?]),
            other => return Err(format!("found '{other}', expected: in, notin, =, ==, !=, gt, lt")),
        };
        let mut wrong = Vec::new();
        let mut number = 0;
        if let (">" | "<", Some(value)) = (operator, values.first()) {
            match value.parse() {
                Ok(parsed) => number = parsed,
                Err(_) => wrong.push(format!(
                    "values[0]: Invalid value: {value:?}: for 'Gt', 'Lt' operators, the value must be an integer"
                )),
            }
        }
        for (i, value) in values.iter().enumerate() {
            let texts = names::label_value(value);
            if !texts.is_empty() {
                wrong.push(format!("values[{i}][{key}]: Invalid value: {value:?}: {}", texts.join("; ")));
            }
        }
        match &wrong[..] {
            [] => {}
            [one] => return Err(one.clone()),
            more => return Err(format!("[{}]", more.join(", "))),
        }
        let values = values.into_iter().map(str::to_owned).collect();
        let must = match operator {
            "notin" | "!=" => Must::NotIn(values),
            ">" => Must::Exceed(number),
            "<" => Must::FallBelow(number),
            _ => Must::In(values),
        };
        Ok(Requirement { key, must })
    }

    /// One value, or the empty text where there is none.
    fn value(&mut self) -> Result<&'a str, String> {
        match self.peek() {
            Token::End | Token::Sign(",") => Ok(""),
            Token::Word(word) => {
                self.next += 1;
                Ok(word)
            }
            Token::Sign(sign) => Err(format!("found '{sign}', expected: identifier")),
        }
    }

    /// `(a,b)`. Nothing between two signs is the empty text, as in `(a,)`.
    fn values(&mut self) -> Result<BTreeSet<&'a str>, String> {
        let token = self.take();
        if token != Token::Sign("(") {
            return Err(format!("found '{}' expected: '('", token.text()));
        }
        if !matches!(self.peek(), Token::Word(_) | Token::Sign("," | ")")) {
            return Err(format!("found '{}', expected: ',', ')' or identifier", self.peek().text()));
        }
        let mut values = BTreeSet::new();
        loop {
            let value = match self.peek() {
                Token::Word(word) => {
                    self.next += 1;
                    word
                }
                _ => "",
            };
            values.insert(value);
            match self.take() {
                Token::Sign(")") => return Ok(values),
                Token::Sign(",") => {}
                token if value.is_empty() => {
                    return Err(format!("found '{}', expected: ',', or identifier", token.text()));
                }
                token => return Err(format!("found '{}', expected: ',' or ')'", token.text())),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn matches(selector: &str) -> bool {
        let object = json!({ "metadata": { "labels": { "app": "web", "in": "notin", "size": "7", "empty": "" } } });
        Labels::parse(selector).expect("is a selector").matches(&object)
    }

    /// What the real server says of nonsense.
    fn refusal(selector: &str) -> String {
        let status = Labels::parse(selector).expect_err("is nonsense");
        assert_eq!((status.code, status.reason), (400, "BadRequest"));
        status.message
    }

    #[test]
    fn every_operator_of_the_grammar_works() {
        let all = "app; !gone; app=web; app==web; app!=db; gone!=db; app in (web,db); app notin (db); gone notin (web); size>6; \
                   size<8; empty=; empty in (); empty in (a,); app = web , size , !gone ; in in (notin); in=notin";
        assert!(all.split(';').chain([""]).all(matches));
        let none = "gone; !app; app=db; app!=web; gone=x; app in (db); gone in (); app notin (web,db); size>7; size<7; app>1; \
                    gone>1; app,gone";
        assert!(!none.split(';').any(matches));
        let bare = json!({ "metadata": {} });
        assert!(Labels::parse("!a,b!=c").expect("is a selector").matches(&bare));
        assert!(!Labels::parse("a").expect("is a selector").matches(&bare));
    }

    #[test]
    fn nonsense_is_refused_in_the_real_words() {
        let operators = "expected: in, notin, =, ==, !=, gt, lt";
        for (selector, message) in [
            ("a b", format!("unable to parse requirement: found 'b', {operators}")),
            ("=", "found '=', expected: !, identifier, or 'end of string'".into()),
            ("a,", "found '', expected: identifier after ','".into()),
            ("a=b=c", "found '=', expected: ',' or 'end of string'".into()),
            ("a in (x", "unable to parse requirement: found '', expected: ',' or ')'".into()),
        ] {
            assert_eq!(refusal(selector), message, "{selector}");
        }
        assert!(
            refusal("-x").starts_with(r#"unable to parse requirement: <nil>: Invalid value: "-x": name part must"#)
        );
        assert!(
            refusal("a=-b")
                .starts_with(r#"unable to parse requirement: values[0][a]: Invalid value: "-b": a valid label"#)
        );
        assert!(refusal("a in (\u{e9})").contains("a valid label must be"));
    }
}
