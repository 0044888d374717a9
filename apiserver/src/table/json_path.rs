//! JSON paths in the dialect of kubectl and of CustomResourceDefinitions: `.spec.names['a.b'].list[0].name`,
//! `.status.conditions[?(@.type=="Ready")].status`.
//!
//! Why not the JSONPath crate that the kube client brings along: the dialects differ (no `$`, `\.` in names, single
//! results), and what a printer column needs of it is this page. Left out: slices, unions, `..`.

use serde_json::Value;

/// A path, parsed.
#[derive(Debug, PartialEq)]
pub struct JsonPath(Vec<Step>);

#[derive(Debug, PartialEq)]
enum Step {
    Field(String),
    /// Of an array; negative ones count from the end.
    Index(i64),
    /// `*`: everything in an object or array.
    All,
    /// The elements of an array that the condition holds for.
    Filter(Box<Condition>),
}

/// `@.path`, or `@.path == literal`.
#[derive(Debug, PartialEq)]
struct Condition {
    path: Vec<Step>,
    comparison: Option<(Operator, Value)>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl JsonPath {
    /// # Errors
    /// What is wrong with the text, or not understood.
    pub fn parse(text: &str) -> Result<JsonPath, String> {
        let mut parser = Parser(text.trim());
        let steps = parser.steps()?;
        if parser.0.is_empty() { Ok(JsonPath(steps)) } else { Err(format!("unexpected {:?}", parser.0)) }
    }

    /// The first value that the path leads to.
    pub fn first<'a>(&self, value: &'a Value) -> Option<&'a Value> {
        first(&self.0, value)
    }
}

/// Depth first, so that nothing is collected. The depth is the path's length.
fn first<'a>(steps: &[Step], value: &'a Value) -> Option<&'a Value> {
    let Some((step, rest)) = steps.split_first() else { return Some(value) };
    match (step, value) {
        (Step::Field(name), Value::Object(map)) => first(rest, map.get(name)?),
        (Step::Index(index), Value::Array(list)) => {
            let index = if *index < 0 { list.len() as i64 + index } else { *index };
            first(rest, list.get(usize::try_from(index).ok()?)?)
        }
        (Step::All, Value::Array(list)) => list.iter().find_map(|item| first(rest, item)),
        (Step::All, Value::Object(map)) => map.values().find_map(|item| first(rest, item)),
        (Step::Filter(condition), Value::Array(list)) => {
            list.iter().filter(|item| condition.holds(item)).find_map(|item| first(rest, item))
        }
        _ => None,
    }
}

impl Condition {
    fn holds(&self, item: &Value) -> bool {
        let Some(left) = first(&self.path, item) else { return false };
        let Some((operator, right)) = &self.comparison else { return true };
        let order = match (left, right) {
            (Value::Number(a), Value::Number(b)) => a.as_f64().partial_cmp(&b.as_f64()),
            (Value::String(a), Value::String(b)) => Some(a.cmp(b)),
            (Value::Bool(a), Value::Bool(b)) => Some(a.cmp(b)),
            _ => None,
        };
        order.is_some_and(|order| match operator {
            Operator::Equal => order.is_eq(),
            Operator::NotEqual => order.is_ne(),
            Operator::Less => order.is_lt(),
            Operator::LessOrEqual => order.is_le(),
            Operator::Greater => order.is_gt(),
            Operator::GreaterOrEqual => order.is_ge(),
        })
    }
}

/// What is still to be read.
struct Parser<'a>(&'a str);

impl<'a> Parser<'a> {
    /// As many steps as there are. A filter's path has no filters, so this does not go deep.
    fn steps(&mut self) -> Result<Vec<Step>, String> {
        let mut steps = Vec::new();
        loop {
            if self.take("[?(") {
                steps.push(self.filter()?);
            } else if self.take("[") {
                let inner = self.until("]")?;
                steps.push(bracket(inner.trim())?);
            } else if self.take(".") {
                match self.name() {
                    name if !name.is_empty() => steps.push(if name == "*" { Step::All } else { Step::Field(name) }),
                    // `.` alone is the object itself, `.[0]` the same as `[0]`.
                    _ if self.0.starts_with('.') => return Err("`..` is not supported".into()),
                    _ => {}
                }
            } else {
                return Ok(steps);
            }
        }
    }

    fn take(&mut self, prefix: &str) -> bool {
        let rest = self.0.strip_prefix(prefix);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }

    /// The text before `end`, which is skipped.
    fn until(&mut self, end: &str) -> Result<&'a str, String> {
        let (text, rest) = self.0.split_once(end).ok_or_else(|| format!("expected {end:?}"))?;
        self.0 = rest;
        Ok(text)
    }

    /// A field's name; a backslash takes away the meaning of what follows.
    fn name(&mut self) -> String {
        let mut name = String::new();
        let mut characters = self.0.char_indices();
        while let Some((at, character)) = characters.next() {
            match character {
                '\\' => name.extend(characters.next().map(|(_, escaped)| escaped)),
                '.' | ',' | '[' | ']' | '{' | '}' | '$' | '@' | '=' | '!' | '<' | '>' | ' ' | '\t' | '\r' | '\n' => {
                    self.0 = &self.0[at..];
                    return name;
                }
                other => name.push(other),
            }
        }
        self.0 = "";
        name
    }

    /// After `[?(`.
    fn filter(&mut self) -> Result<Step, String> {
        let text = self.until(")]")?;
        let mut inner = Parser(text.trim());
        if !inner.take("@") {
            return Err("expected @ in a filter".into());
        }
        if inner.0.contains("?(") {
            return Err("filters in filters are not supported".into());
        }
        let path = inner.steps()?;
        let rest = inner.0.trim();
        if rest.is_empty() {
            return Ok(Step::Filter(Box::new(Condition { path, comparison: None })));
        }
        use Operator::{Equal, Greater, GreaterOrEqual, Less, LessOrEqual, NotEqual};
        let operators =
            [("==", Equal), ("!=", NotEqual), ("<=", LessOrEqual), (">=", GreaterOrEqual), ("<", Less), (">", Greater)];
        let found = operators.iter().find_map(|(text, operator)| Some((*operator, rest.strip_prefix(text)?)));
        let (operator, right) = found.ok_or_else(|| format!("unexpected {rest:?}"))?;
        Ok(Step::Filter(Box::new(Condition { path, comparison: Some((operator, literal(right.trim())?)) })))
    }
}

/// What stands between brackets: `*`, a number, a name in quotes.
fn bracket(text: &str) -> Result<Step, String> {
    match text {
        "*" => Ok(Step::All),
        quoted if quoted.starts_with(['\'', '"']) => match literal(quoted)? {
            Value::String(name) => Ok(Step::Field(name)),
            _ => Err(format!("unexpected {quoted:?}")),
        },
        number => number.parse().map(Step::Index).map_err(|_| format!("invalid array index {number}")),
    }
}

/// A text in single or double quotes, a number, true or false.
fn literal(text: &str) -> Result<Value, String> {
    for quote in ['\'', '"'] {
        if let Some(inner) = text.strip_prefix(quote) {
            let inner = inner.strip_suffix(quote).ok_or("unterminated quoted string")?;
            return Ok(inner.replace(&format!("\\{quote}"), &quote.to_string()).into());
        }
    }
    match serde_json::from_str(text) {
        Ok(value @ (Value::Number(_) | Value::Bool(_))) => Ok(value),
        _ => Err(format!("unexpected {text:?}")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn find(path: &str, value: &Value) -> Option<Value> {
        JsonPath::parse(path).unwrap().first(value).cloned()
    }

    #[test]
    fn paths_lead_to_what_they_say() {
        let object = json!({
            "metadata": { "labels": { "app.kubernetes.io/name": "web" } },
            "spec": { "ports": [{ "n": 1 }, { "n": 2 }], "empty": [] },
            "status": { "conditions": [
                { "type": "Synced", "status": "False", "age": 3 },
                { "type": "Ready", "status": "True", "why": "a (b)" },
            ] },
        });
        let cases = [
            (".spec.ports[0].n", json!(1)),
            (".spec.ports[-1].n", json!(2)),
            (".spec.ports[*].n", json!(1)),
            (".spec.*[1].n", json!(2)),
            ("['spec'].ports[1]['n']", json!(2)),
            (r".metadata.labels.app\.kubernetes\.io/name", json!("web")),
            (".metadata.labels['app.kubernetes.io/name']", json!("web")),
            (r#".status.conditions[?(@.type=="Ready")].status"#, json!("True")),
            (".status.conditions[?(@.type == 'Synced')].status", json!("False")),
            (".status.conditions[?(@.type!='Synced')].type", json!("Ready")),
            (".status.conditions[?(@.why)].type", json!("Ready")),
            (".status.conditions[?(@.why==\"a (b)\")].type", json!("Ready")),
            (".status.conditions[?(@.age>=3)].type", json!("Synced")),
        ];
        for (path, expected) in cases {
            assert_eq!(find(path, &object), Some(expected), "{path}");
        }
        for path in [".nope", ".spec.nope.deeper", ".spec.empty[0]", ".spec.empty[-1]", ".spec.ports[7]", ".spec[0]"] {
            assert_eq!(find(path, &object), None, "{path}");
        }
        assert_eq!(find(".status.conditions[?(@.age<3)].type", &object), None);
        assert_eq!(find(".", &object), Some(object));
    }

    #[test]
    fn what_is_no_path_is_said() {
        for path in ["spec", ".spec[", ".spec[x]", ".a[?(.b)]", ".a[?(@.b=c)]", "..a", ".a[0:2]", ".a[?(@.b=='c)]"] {
            assert!(JsonPath::parse(path).is_err(), "{path}");
        }
    }
}
