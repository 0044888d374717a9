//! A table of the API server, in the format of `kubectl get`.
//!
//! The server chooses the columns and fills the cells. So the output of the story is what the server returned.

use serde_json::Value;

/// Formats the columns that `kubectl get` prints without `-o wide`; for `--all-namespaces`, the namespace is the first.
pub fn render(table: &Value, all_namespaces: bool) -> String {
    let columns = array(&table["columnDefinitions"]).iter().enumerate();
    let shown: Vec<_> = columns.filter(|(_, column)| column["priority"] == 0).collect();
    let mut rows = vec![shown.iter().map(|(_, column)| text(&column["name"]).to_uppercase()).collect::<Vec<_>>()];
    rows.extend(array(&table["rows"]).iter().map(|row| shown.iter().map(|(at, _)| text(&row["cells"][at])).collect()));
    if all_namespaces {
        let namespaces = array(&table["rows"]).iter().map(|row| text(&row["object"]["metadata"]["namespace"]));
        let column = std::iter::once("NAMESPACE".to_owned()).chain(namespaces);
        rows.iter_mut().zip(column).for_each(|(row, namespace)| row.insert(0, namespace));
    }
    align(&rows, 3)
}

/// Returns the cells of the column with this name.
pub fn read_column(table: &Value, name: &str) -> Vec<String> {
    let at = array(&table["columnDefinitions"]).iter().position(|column| column["name"] == name);
    at.map_or(Vec::new(), |at| array(&table["rows"]).iter().map(|row| text(&row["cells"][at])).collect())
}

/// Makes each column as wide as its longest cell, with `gap` spaces between columns.
pub fn align(rows: &[Vec<String>], gap: usize) -> String {
    let width = |at: usize| rows.iter().filter_map(|row| row.get(at)).map(|cell| cell.chars().count()).max();
    let line = |row: &Vec<String>| {
        let cells = row.iter().enumerate().map(|(at, cell)| format!("{cell:0$}", width(at).unwrap_or(0) + gap));
        cells.collect::<String>().trim_end().to_owned() + "\n"
    };
    rows.iter().map(line).collect()
}

fn array(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(cell: &Value) -> String {
    match cell {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn table_has_the_format_of_kubectl_get() {
        let table = json!({
            "columnDefinitions": [
                { "name": "Name", "priority": 0 }, { "name": "Ready", "priority": 0 }, { "name": "Node", "priority": 1 },
                { "name": "Age" , "priority": 0 },
            ],
            "rows": [
                { "cells": ["app1-x", null, "node-1", "4s"], "object": { "metadata": { "namespace": "app1" } } },
                { "cells": ["a", "1/1", "node-1", 17], "object": { "metadata": { "namespace": "app2" } } },
            ],
        });
        assert_eq!(render(&table, false), "NAME     READY   AGE\napp1-x           4s\na        1/1     17\n");
        assert!(render(&table, true).starts_with("NAMESPACE   NAME     READY   AGE\napp1        app1-x "));
        assert_eq!(read_column(&table, "Ready"), ["", "1/1"]);
        assert_eq!((render(&Value::Null, false).as_str(), read_column(&Value::Null, "Name").len()), ("\n", 0));
    }
}
