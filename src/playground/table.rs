//! A table that the server answered, printed as kubectl prints it.
//!
//! `kubectl get` knows nothing of pods or Pkis: it asks for `as=Table`, and the server says which columns there are and
//! what stands in them. Here it is the same, so the story cannot show anything but what the server says.

use std::fmt::Write;

use serde_json::Value;

use super::api::items;

/// The columns that are shown without `-o wide`, with the namespace before them for `--all-namespaces`.
pub fn print(table: &Value, namespaces: bool) -> String {
    let shown: Vec<(usize, &Value)> = items(&table["columnDefinitions"])
        .iter()
        .enumerate()
        .filter(|(_, column)| column["priority"].as_i64() <= Some(0))
        .collect();
    let mut rows = vec![shown.iter().map(|(_, column)| text(&column["name"]).to_uppercase()).collect::<Vec<_>>()];
    if namespaces {
        rows[0].insert(0, "NAMESPACE".to_owned());
    }
    for row in items(&table["rows"]) {
        let mut cells: Vec<String> = shown.iter().map(|(at, _)| text(&row["cells"][*at])).collect();
        if namespaces {
            cells.insert(0, text(&row["object"]["metadata"]["namespace"]));
        }
        rows.push(cells);
    }
    align(&rows, 3)
}

/// Each column as wide as its longest cell, then so many blanks.
pub fn align(rows: &[Vec<String>], gap: usize) -> String {
    let mut widths: Vec<usize> = Vec::new();
    for row in rows {
        widths.resize(widths.len().max(row.len()), 0);
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut out = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            // To a String this cannot fail.
            let _ = write!(line, "{cell:width$}{:gap$}", "");
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

/// What stands in the column of this name, row by row. Nothing if there is no such column.
pub fn cells(table: &Value, name: &str) -> Vec<String> {
    let at = items(&table["columnDefinitions"]).iter().position(|column| column["name"] == name);
    at.map_or(Vec::new(), |at| items(&table["rows"]).iter().map(|row| text(&row["cells"][at])).collect())
}

/// A cell: of a text its first line, of everything else its JSON, of nothing nothing.
fn text(cell: &Value) -> String {
    match cell {
        Value::Null => String::new(),
        Value::String(text) => text.lines().next().unwrap_or_default().to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pods() -> Value {
        json!({
            "columnDefinitions": [
                { "name": "Name", "priority": 0 }, { "name": "Ready", "priority": 0 }, { "name": "Node", "priority": 1 },
                { "name": "Age" , "priority": 0 },
            ],
            "rows": [
                { "cells": ["app1-x", null, "node-1", "4s"], "object": { "metadata": { "namespace": "app1" } } },
                { "cells": ["a", "1/1", "node-1", 17], "object": { "metadata": { "namespace": "app2" } } },
            ],
        })
    }

    #[test]
    fn it_looks_like_kubectls() {
        assert_eq!(print(&pods(), false), "NAME     READY   AGE\napp1-x           4s\na        1/1     17\n");
        assert!(print(&pods(), true).starts_with("NAMESPACE   NAME     READY   AGE\napp1        app1-x "));
    }

    #[test]
    fn a_table_without_anything_is_empty_and_no_panic() {
        assert_eq!(print(&Value::Null, false), "\n");
        assert!(cells(&Value::Null, "Name").is_empty());
        assert_eq!(cells(&pods(), "Ready"), ["", "1/1"]);
    }
}
