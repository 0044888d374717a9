//! What an expression of PromQL asks for: the metrics that it names, with their matchers, and the labels that it groups
//! by. It reads, it computes nothing; that is promtool's business.

/// What an expression asks for.
#[derive(Debug, Default, PartialEq)]
pub struct Asked {
    /// Names of samples, each with its matchers.
    pub metrics: Vec<(String, Vec<Matcher>)>,
    /// Labels after `by`, `on` and the like.
    pub labels: Vec<String>,
}

/// `label`, `=~`, `value`.
pub type Matcher = (String, String, String);

/// Words that are neither a metric nor a function.
const KEYWORDS: [&str; 6] = ["and", "or", "unless", "bool", "offset", "atan2"];
/// Words before labels in parentheses.
const GROUPING: [&str; 6] = ["by", "without", "on", "ignoring", "group_left", "group_right"];

/// Reads an expression.
///
/// # Panics
/// When a bracket or a quote is not closed.
pub fn asked(expression: &str) -> Asked {
    // What stands after a function or an aggregation.
    let calls = ["(", "by ", "by(", "without ", "without("];
    let (mut asked, mut rest) = (Asked::default(), expression.trim_start());
    while let Some(first) = rest.chars().next() {
        if first == '"' {
            rest = rest[1..].split_once('"').expect("a closing quote").1;
        } else if first == '[' {
            rest = rest.split_once(']').expect("a closing bracket").1;
        } else if first == '{' {
            let (matchers, after) = matchers(&rest[1..]);
            asked.metrics.last_mut().expect("matchers stand after a metric").1 = matchers;
            rest = after;
        } else if first.is_ascii_alphanumeric() || "_:$.".contains(first) {
            let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && !"_:$.".contains(c)).unwrap_or(rest.len());
            let word = &rest[..end];
            rest = rest[end..].trim_start();
            if GROUPING.contains(&word) {
                let (inside, after) = rest[1..].split_once(')').expect("a closing parenthesis");
                asked.labels.extend(inside.split(',').map(|label| label.trim().to_owned()));
                rest = after;
            } else if !first.is_ascii_digit() && !KEYWORDS.contains(&word) && !calls.iter().any(|c| rest.starts_with(c))
            {
                asked.metrics.push((word.to_owned(), Vec::new()));
            }
        } else {
            rest = &rest[first.len_utf8()..];
        }
        rest = rest.trim_start();
    }
    asked
}

/// Up to the closing brace.
fn matchers(text: &str) -> (Vec<Matcher>, &str) {
    let (mut found, mut rest) = (Vec::new(), text.trim_start());
    while !rest.starts_with('}') {
        let (label, more) = rest.split_at(rest.find(['=', '!']).expect("an operator"));
        let (operator, more) = more.split_once('"').expect("a value");
        let (value, more) = more.split_once('"').expect("a closing quote");
        found.push((label.trim().to_owned(), operator.trim().to_owned(), value.to_owned()));
        rest = more.trim_start().trim_start_matches(',').trim_start();
    }
    (found, &rest[1..])
}

#[test]
fn what_an_expression_asks_for_is_found() {
    let found = asked(
        r#"histogram_quantile(0.99, sum by (le, name) (rate(work_bucket{job=~"$job", name!="events"}[5m]))) > 1e3
           or time() - last_seconds > 10 * 60 and on (resource) depth offset 15m >= 0 or absent(up == 1)"#,
    );
    let names: Vec<&str> = found.metrics.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["work_bucket", "last_seconds", "depth", "up"]);
    let matcher = |label: &str, operator: &str, value: &str| (label.to_owned(), operator.to_owned(), value.to_owned());
    assert_eq!(found.metrics[0].1, [matcher("job", "=~", "$job"), matcher("name", "!=", "events")]);
    assert_eq!(found.labels, ["le", "name", "resource"]);
}
