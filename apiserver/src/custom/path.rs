//! Field paths in messages: `spec.names[0]` (`field.Path` in apimachinery).

use std::fmt::{Display, Write};

/// Appends a list index or a map key: `[0]`, `[name]`.
pub fn index(path: &mut String, at: &dyn Display) {
    // Writing to a String cannot fail.
    let _ = write!(path, "[{at}]");
}

/// Appends a field name.
pub fn child(path: &mut String, name: &str) {
    if !path.is_empty() {
        path.push('.');
    }
    path.push_str(name);
}
