//! Cells of the `additionalPrinterColumns` of a CustomResourceDefinition.

use jiff::Timestamp;
use serde_json::Value;

use super::age;
use crate::resource::PrinterColumn;

/// The first value at the column's path, if it has the column's type.
pub fn cell(column: &PrinterColumn, object: &Value, now: Timestamp) -> Value {
    let Some(value) = column.path.as_ref().and_then(|path| path.first(object)) else { return Value::Null };
    match (&*column.column_type, value) {
        ("string", Value::String(text)) => text.clone().into(),
        ("string", Value::Null) => "<no value>".into(),
        ("string", other) => other.to_string().into(),
        ("integer", Value::Number(n)) => n.as_i64().or_else(|| n.as_f64().map(|f| f as i64)).into(),
        ("number", Value::Number(_)) => value.clone(),
        ("boolean", Value::Bool(flag)) => (*flag).into(),
        ("date", Value::String(time)) => age::since(time, now).into(),
        _ => Value::Null,
    }
}
