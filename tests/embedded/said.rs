//! What the controller says: its log, read as people read it.

use serde_json::Value;

use testkit::Log;

/// The lines so far, but for what `--explain` would add.
pub fn lines(log: &Log) -> Vec<Value> {
    log.lines().into_iter().filter(|line| line["target"] != "demo_controller::explain").collect()
}

/// A field of a line as text, empty if there is none.
pub fn text(line: &Value, field: &str) -> String {
    match &line[field] {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The first line that contains these words, if there is one.
///
/// # Errors
/// All of the log.
pub fn said(log: &Log, words: &str) -> Result<Value, Vec<Value>> {
    let lines = lines(log);
    lines.iter().find(|line| line.to_string().contains(words)).cloned().ok_or(lines)
}

/// What the lifecycle log says about a pod (`namespace/name`): `none>Pending baseline`.
pub fn lifecycle(lines: &[Value], pod: &str) -> Vec<String> {
    let of_it = lines.iter().filter(|line| line["message"] == "pod lifecycle" && line["pod"] == pod);
    let tell = |line: &Value| {
        let flag = |name: &str| if text(line, name) == "true" { format!(" {name}") } else { String::new() };
        format!("{}>{}{}{}", text(line, "from"), text(line, "to"), flag("replaced"), flag("baseline"))
    };
    of_it.map(tell).collect()
}

/// What the plugin `simple` or `exec` was told of an object (`namespace/name`): `ADDED MODIFIED`.
pub fn told(log: &Log, object: &str) -> String {
    let lines = lines(log).into_iter().filter(|line| line["object"] == object);
    let types: Vec<String> = lines.map(|line| text(&line, "type")).filter(|told| !told.is_empty()).collect();
    types.join(" ")
}
