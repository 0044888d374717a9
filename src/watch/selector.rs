//! Selectors: which objects the API server is asked for. They are sent as they are; here only their form is checked, so
//! that a slip ends the start and not every request with a 400. Whether a field can be asked for depends on the
//! resource, and that the server knows.
//!
//! The grammar is that of Kubernetes (`labels.Parse`, `fields.ParseSelector`). What the real API server accepts is
//! accepted here, odd as it may look: `a in ()`, and fields with empty parts between commas. The one exception is a field
//! without a name, as in `=`, which is always true there.

use std::iter::Peekable;

use crate::pki::validate::is_label as is_dns_label;

/// A selector of labels.
///
/// # Errors
/// It is none: what would be one, for a person.
pub fn labels(text: &str) -> Result<String, &'static str> {
    const EXPECTED: &str = "expected labels such as app=web, tier!=test, env in (a,b), env notin (c), canary or \
                            !canary, with commas between them";
    let text = text.trim();
    let mut words = words(text).into_iter().peekable();
    all(&mut words).map(|()| text.to_owned()).ok_or(EXPECTED)
}

/// A selector of fields.
///
/// # Errors
/// It is none: what would be one, for a person.
pub fn fields(text: &str) -> Result<String, &'static str> {
    const EXPECTED: &str = "expected fields such as metadata.name=web or status.phase!=Running, with commas \
                            between them; in a value, a comma, = or backslash has a backslash before it";
    let text = text.trim();
    let right = parts(text).into_iter().filter(|part| !part.is_empty()).all(field);
    right.then(|| text.to_owned()).ok_or(EXPECTED)
}

/// Operators, parentheses and commas one by one, and what stands between them.
fn words(text: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = if ["==", "!="].iter().any(|operator| rest.starts_with(operator)) {
            2
        } else if is_sign(first) {
            1
        } else {
            rest.find(|c: char| is_sign(c) || c.is_whitespace()).unwrap_or(rest.len())
        };
        let (word, tail) = rest.split_at(length);
        words.push(word);
        rest = tail.trim_start();
    }
    words
}

fn is_sign(c: char) -> bool {
    "()=!<>,".contains(c)
}

/// Requirements with commas between them, to the end.
fn all<'a>(words: &mut Peekable<impl Iterator<Item = &'a str>>) -> Option<()> {
    loop {
        requirement(words)?;
        match words.next() {
            None => return Some(()),
            Some(",") => {}
            Some(_) => return None,
        }
    }
}

/// `key`, `!key`, `key=value`, `key in (values)`, and the like.
fn requirement<'a>(words: &mut Peekable<impl Iterator<Item = &'a str>>) -> Option<()> {
    let absent = words.next_if_eq(&"!").is_some();
    words.next().filter(|key| is_key(key))?;
    if absent || words.peek().is_none_or(|word| *word == ",") {
        return Some(());
    }
    match words.next()? {
        "=" | "==" | "!=" => value(words),
        ">" | "<" => words.next().filter(|number| is_name(number) && number.parse::<i64>().is_ok()).map(drop),
        "in" | "notin" => {
            words.next_if_eq(&"(")?;
            loop {
                value(words)?;
                match words.next()? {
                    "," => {}
                    ")" => return Some(()),
                    _ => return None,
                }
            }
        }
        _ => None,
    }
}

/// A value, which may be empty.
fn value<'a>(words: &mut Peekable<impl Iterator<Item = &'a str>>) -> Option<()> {
    match words.next_if(|word| !word.starts_with(is_sign)) {
        Some(value) => is_name(value).then_some(()),
        None => Some(()),
    }
}

/// `name` or `dns.prefix/name`.
fn is_key(key: &str) -> bool {
    match key.split_once('/') {
        None => is_name(key),
        Some((prefix, name)) => prefix.len() <= 253 && prefix.split('.').all(is_dns_label) && is_name(name),
    }
}

/// What a label's name and value look like.
fn is_name(text: &str) -> bool {
    let end = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    let inner = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    text.len() <= 63 && end(text.chars().next()) && end(text.chars().next_back()) && text.chars().all(inner)
}

/// Split at commas that have no backslash before them.
fn parts(text: &str) -> Vec<&str> {
    let (mut parts, mut from, mut escaped) = (Vec::new(), 0, false);
    for (at, c) in text.char_indices() {
        if c == ',' && !escaped {
            parts.push(&text[from..at]);
            from = at + 1;
        }
        escaped = c == '\\' && !escaped;
    }
    parts.push(&text[from..]);
    parts
}

/// `key=value`, `key==value` or `key!=value`.
fn field(part: &str) -> bool {
    let Some((key, value)) = part.split_once('=') else { return false };
    let (key, value) = match key.strip_suffix('!') {
        Some(key) => (key, value),
        None => (key, value.strip_prefix('=').unwrap_or(value)),
    };
    let mut value = value.chars();
    while let Some(c) = value.next() {
        let fine = if c == '\\' { matches!(value.next(), Some('\\' | ',' | '=')) } else { c != '=' };
        if !fine {
            return false;
        }
    }
    !key.is_empty()
}

#[cfg(test)]
#[path = "selector_tests.rs"]
mod tests;
