//! The ini file, read as Python's configparser reads it.
//!
//! The rules of `configparser.ConfigParser().read()`:
//!
//! * A line whose first character is `#` or `;` is a comment, also if it is indented.
//! * A line that is indented further than its key continues the value; so does an empty line between two such lines.
//! * Keys are in lower case, and `%%` is a `%`.
//!
//! Differences: other sections than `[global]` and `[plugin_NAME]` are refused, `DEFAULT` included, and so is `%(key)s`.

use std::{collections::BTreeMap, fs::File, io::Read, path::Path};

use crate::plugin::Config;

/// Size limit of the file, in bytes.
const MAX_BYTES: u64 = 1 << 20;

/// The sections of the file, `[global]` included. Empty values mean unset and are left out.
#[derive(Debug, Default, PartialEq)]
pub struct Sections(BTreeMap<String, Config>);

impl Sections {
    /// Reads a file.
    ///
    /// # Errors
    /// The problem, without any value of the file.
    pub fn read(path: &Path) -> Result<Self, String> {
        let mut text = String::new();
        let file = File::open(path).map(|file| file.take(MAX_BYTES + 1));
        let size = file.and_then(|mut file| file.read_to_string(&mut text));
        match size.map_err(|e| format!("cannot be read: {e}"))? as u64 {
            ..=MAX_BYTES => Sections::parse(&text),
            _ => Err(format!("cannot be read: larger than {MAX_BYTES} bytes")),
        }
    }

    fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim_start_matches('\u{feff}').replace("\r\n", "\n").replace('\r', "\n");
        let mut sections: BTreeMap<String, Config> = BTreeMap::new();
        let (mut section, mut key, mut key_indent) = (None::<String>, None::<String>, 0);
        for (number, line) in (1..).zip(text.split('\n')) {
            // No error quotes the line, which may be part of a password.
            let error = |why: &str| Err(format!("line {number}: {why}"));
            let content = line.trim();
            let indent = line.chars().take_while(|c| c.is_whitespace()).count();
            let value = section.as_ref().zip(key.as_ref()).and_then(|(s, k)| sections.get_mut(s)?.get_mut(k));
            if content.starts_with(['#', ';']) {
                continue;
            }
            if let Some(value) = value.filter(|_| content.is_empty() || indent > key_indent) {
                value.push('\n');
                value.push_str(content);
                continue;
            }
            if content.is_empty() {
                continue;
            }
            key_indent = indent;
            let header = content.strip_prefix('[').and_then(|rest| rest.rsplit_once(']')).map(|(name, _)| name);
            if let Some(name) = header.filter(|name| !name.is_empty()) {
                if name != "global" && !name.starts_with("plugin_") {
                    return error(&format!("section [{name}]: expected [global] or [plugin_NAME]"));
                }
                if sections.insert(name.to_owned(), Config::new()).is_some() {
                    return error(&format!("section [{name}] is there twice"));
                }
                (section, key) = (Some(name.to_owned()), None);
                continue;
            }
            let Some(fields) = section.as_ref().and_then(|name| sections.get_mut(name)) else {
                return error("expected [global] before the first key");
            };
            let Some((name, value)) = content.split_once(['=', ':']).filter(|(name, _)| !name.trim().is_empty()) else {
                return error("expected key = value");
            };
            let name = name.trim().to_lowercase();
            if fields.insert(name.clone(), value.trim().to_owned()).is_some() {
                return error(&format!("the key {name} is there twice in its section"));
            }
            key = Some(name);
        }
        for (section, fields) in &mut sections {
            for (key, value) in &mut *fields {
                let parts: Vec<_> = value.trim_end().split("%%").collect();
                if parts.iter().any(|part| part.contains('%')) {
                    return Err(format!("{key} in [{section}]: a % in a value is written as %%"));
                }
                *value = parts.join("%");
            }
            fields.retain(|_, value| !value.is_empty());
        }
        Ok(Sections(sections))
    }

    /// Returns a section, empty if it does not exist.
    pub fn get(&self, name: &str) -> Config {
        self.0.get(name).cloned().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
