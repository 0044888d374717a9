//! Where in an object something stands, as messages say it: `spec.names[0]`.

use std::fmt::{Display, Write};

/// One step into a list or a map: `[0]`, `[name]`.
pub fn index(path: &mut String, at: &dyn Display) {
    // Writing to a String cannot fail.
    let _ = write!(path, "[{at}]");
}

/// One step to a field.
pub fn child(path: &mut String, name: &str) {
    if !path.is_empty() {
        path.push('.');
    }
    path.push_str(name);
}
