//! JSON paths in the dialect of kubectl and of CustomResourceDefinitions: `.status.conditions[?(@.type=="Ready")].status`.

use std::sync::LazyLock;

use jsonpath_rust::{
    parser::{model::JpQuery, parse_json_path},
    query::js_path_process,
};
use regex::{Captures, Regex};
use serde_json::Value;

/// A parsed path.
#[derive(Debug)]
pub struct JsonPath(JpQuery);

impl JsonPath {
    /// None if the text is not a path.
    pub fn parse(text: &str) -> Option<JsonPath> {
        parse_json_path(&to_rfc9535(text)).ok().map(JsonPath)
    }

    /// The first value at this path.
    pub fn first<'a>(&self, value: &'a Value) -> Option<&'a Value> {
        js_path_process(&self.0, value).ok()?.into_iter().next().map(|found| found.val())
    }
}

/// Translates kubectl's dialect (`.metadata.labels.example\.com/name`) to RFC 9535.
fn to_rfc9535(path: &str) -> String {
    static NAME: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r#"'[^']*'|"[^"]*"|\.((?:\\.|[^.\[\]\\*@=!<>()\s])+)"#).expect("a valid pattern"));
    let quoted = |found: &Captures<'_>| match found.get(1) {
        Some(name) => format!("['{}']", name.as_str().replace('\\', "").replace('\'', "\\'")),
        None => found[0].to_owned(),
    };
    format!("${}", NAME.replace_all(path, quoted))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn kubectl_path_selects_the_first_value() {
        let object = json!({
            "metadata": { "labels": { "app.kubernetes.io/name": "web" } },
            "spec": { "ports": [{ "n": 1 }, { "n": 2 }], "my-list": [] },
            "status": { "conditions": [
                { "type": "Synced", "status": "False" }, { "type": "Ready", "status": "True", "why": "a.b" },
            ] },
        });
        let cases = [
            (".spec.ports[0].n", json!(1)),
            (".spec.ports[-1].n", json!(2)),
            (".spec.ports[*].n", json!(1)),
            (".spec.my-list", json!([])),
            (r".metadata.labels.app\.kubernetes\.io/name", json!("web")),
            (".metadata.labels['app.kubernetes.io/name']", json!("web")),
            (r#".status.conditions[?(@.type=="Ready")].status"#, json!("True")),
            (".status.conditions[?(@.why == 'a.b')].type", json!("Ready")),
            (".nope.deeper", json!(null)),
            (".spec[", json!(null)),
        ];
        for (path, expected) in cases {
            let found = JsonPath::parse(path).and_then(|path| path.first(&object).cloned());
            assert_eq!(found.unwrap_or_default(), expected, "{path}");
        }
    }
}
