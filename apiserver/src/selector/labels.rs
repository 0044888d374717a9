//! Label selectors: `app=x,tier!=y,env in (a,b),zone notin (c),owned,!gone,size>3`.
//!
//! An object without the label matches `!=` and `notin`.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::{
    names,
    status::{Result, Status},
};

/// A label selector; an object has to meet all requirements.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Labels(Vec<Requirement>);

#[derive(Clone, Debug, PartialEq)]
struct Requirement {
    key: String,
    operator: Operator,
}

#[derive(Clone, Debug, PartialEq)]
enum Operator {
    /// `in (…)`, and `=` with one value.
    In(BTreeSet<String>),
    NotIn(BTreeSet<String>),
    Exists,
    DoesNotExist,
    GreaterThan(i64),
    LessThan(i64),
}

impl Labels {
    /// # Errors
    /// 400 for an invalid selector.
    pub fn parse(text: &str) -> Result<Self> {
        let mut parser = Parser { tokens: tokenize(text), next: 0 };
        parser.parse_requirements().map(Labels).map_err(Status::bad_request)
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
        match &self.operator {
            Operator::In(values) => label.is_some_and(|text| values.contains(text)),
            Operator::NotIn(values) => label.is_none_or(|text| !values.contains(text)),
            Operator::Exists => label.is_some(),
            Operator::DoesNotExist => label.is_none(),
            Operator::GreaterThan(bound) => number().is_some_and(|n| n > *bound),
            Operator::LessThan(bound) => number().is_some_and(|n| n < *bound),
        }
    }
}

/// A sign or a word. `in` and `notin` are words, because they are also valid keys and values.
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

fn tokenize(mut text: &str) -> Vec<Token<'_>> {
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

/// A recursive descent parser of the tokens.
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

    fn parse_requirements(&mut self) -> Result<Vec<Requirement>, String> {
        let mut all = Vec::new();
        match self.peek() {
            Token::End => return Ok(all),
            Token::Word(_) | Token::Sign("!") => {}
            token => return Err(format!("found '{}', expected: !, identifier, or 'end of string'", token.text())),
        }
        loop {
            all.push(self.parse_requirement().map_err(|why| format!("unable to parse requirement: {why}"))?);
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

    fn parse_requirement(&mut self) -> Result<Requirement, String> {
        let mut token = self.take();
        let negated = token == Token::Sign("!");
        if negated {
            token = self.take();
        }
        let Token::Word(key) = token else { return Err(format!("found '{}', expected: identifier", token.text())) };
        let errors = names::label_key(key);
        if !errors.is_empty() {
            // The real server also prints `<nil>` here instead of a field path.
            return Err(format!("<nil>: Invalid value: {key:?}: {}", errors.join("; ")));
        }
        let key = key.to_owned();
        if negated {
            return Ok(Requirement { key, operator: Operator::DoesNotExist });
        }
        if matches!(self.peek(), Token::End | Token::Sign(",")) {
            return Ok(Requirement { key, operator: Operator::Exists });
        }
        let sign = self.take().text();
        let values = match sign {
            "in" | "notin" => self.parse_values()?,
            "=" | "==" | "!=" | ">" | "<" => BTreeSet::from([self.parse_value()?]),
            other => return Err(format!("found '{other}', expected: in, notin, =, ==, !=, gt, lt")),
        };
        let mut errors = Vec::new();
        let mut number = 0;
        if let (">" | "<", Some(value)) = (sign, values.first()) {
            match value.parse() {
                Ok(parsed) => number = parsed,
                Err(_) => errors.push(format!(
                    "values[0]: Invalid value: {value:?}: for 'Gt', 'Lt' operators, the value must be an integer"
                )),
            }
        }
        for (i, value) in values.iter().enumerate() {
            let messages = names::label_value(value);
            if !messages.is_empty() {
                errors.push(format!("values[{i}][{key}]: Invalid value: {value:?}: {}", messages.join("; ")));
            }
        }
        match &errors[..] {
            [] => {}
            [one] => return Err(one.clone()),
            more => return Err(format!("[{}]", more.join(", "))),
        }
        let values = values.into_iter().map(str::to_owned).collect();
        let operator = match sign {
            "notin" | "!=" => Operator::NotIn(values),
            ">" => Operator::GreaterThan(number),
            "<" => Operator::LessThan(number),
            _ => Operator::In(values),
        };
        Ok(Requirement { key, operator })
    }

    /// Parses one value; a missing value is the empty string.
    fn parse_value(&mut self) -> Result<&'a str, String> {
        match self.peek() {
            Token::End | Token::Sign(",") => Ok(""),
            Token::Word(word) => {
                self.next += 1;
                Ok(word)
            }
            Token::Sign(sign) => Err(format!("found '{sign}', expected: identifier")),
        }
    }

    /// Parses `(a,b)`. A missing value is the empty string, as in `(a,)`.
    fn parse_values(&mut self) -> Result<BTreeSet<&'a str>, String> {
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
        Labels::parse(selector).expect("is valid").matches(&object)
    }

    /// The error message for an invalid selector.
    fn error_message(selector: &str) -> String {
        let status = Labels::parse(selector).expect_err("is invalid");
        assert_eq!((status.code, status.reason), (400, "BadRequest"));
        status.message
    }

    #[test]
    fn every_operator_matches() {
        let matching = "app; !gone; app=web; app==web; app!=db; gone!=db; app in (web,db); app notin (db); gone notin (web); size>6; \
                   size<8; empty=; empty in (); empty in (a,); app = web , size , !gone ; in in (notin); in=notin";
        assert!(matching.split(';').chain([""]).all(matches));
        let not_matching = "gone; !app; app=db; app!=web; gone=x; app in (db); gone in (); app notin (web,db); size>7; size<7; app>1; \
                    gone>1; app,gone";
        assert!(!not_matching.split(';').any(matches));
        let bare = json!({ "metadata": {} });
        assert!(Labels::parse("!a,b!=c").expect("is valid").matches(&bare));
        assert!(!Labels::parse("a").expect("is valid").matches(&bare));
    }

    #[test]
    fn invalid_label_selector_has_the_real_message() {
        let operators = "expected: in, notin, =, ==, !=, gt, lt";
        for (selector, message) in [
            ("a b", format!("unable to parse requirement: found 'b', {operators}")),
            ("=", "found '=', expected: !, identifier, or 'end of string'".into()),
            ("a,", "found '', expected: identifier after ','".into()),
            ("a=b=c", "found '=', expected: ',' or 'end of string'".into()),
            ("a in (x", "unable to parse requirement: found '', expected: ',' or ')'".into()),
        ] {
            assert_eq!(error_message(selector), message, "{selector}");
        }
        assert!(
            error_message("-x")
                .starts_with(r#"unable to parse requirement: <nil>: Invalid value: "-x": name part must"#)
        );
        assert!(
            error_message("a=-b")
                .starts_with(r#"unable to parse requirement: values[0][a]: Invalid value: "-b": a valid label"#)
        );
        assert!(error_message("a in (\u{e9})").contains("a valid label must be"));
    }
}
