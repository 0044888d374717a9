//! The ini file, read as Python's configparser reads it.

use std::{collections::BTreeMap, fs::File, io::Read, path::Path};

use configparser::ini::{Ini, IniDefault};

use crate::plugin::Config;

/// Size limit of the file, in bytes.
const MAX_BYTES: u64 = 1 << 20;

/// The sections of the file, `[global]` included. Empty values mean unset and are left out.
#[derive(Debug, Default)]
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
        let mut python = IniDefault::default();
        python.multiline = true;
        python.enable_inline_comments = false;
        let parsed = Ini::new_from_defaults(python).read(text.trim_start_matches('\u{feff}').to_owned());
        let mut sections = BTreeMap::new();
        for (name, pairs) in parsed? {
            if name != "global" && !name.starts_with("plugin_") {
                return Err(format!("section [{name}]: expected [global] or [plugin_NAME]"));
            }
            let mut section = Config::new();
            for (key, value) in pairs {
                // The error does not quote the line, which may be the rest of a password.
                let value = value.ok_or_else(|| format!("a line in [{name}] has no =: expected key = value"))?;
                if !value.is_empty() {
                    section.insert(key, value.replace("%%", "%"));
                }
            }
            sections.insert(name, section);
        }
        Ok(Sections(sections))
    }

    /// Returns a section, empty if it does not exist.
    pub fn get(&self, name: &str) -> Config {
        self.0.get(name).cloned().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_is_parsed_as_python_parses_it() {
        let text = "\u{feff}# a comment\r\n[global]\r\nK8S_Resource=routes\r\nk8s_token : \"C:\\\" ; kept\r\nk8s_ca=\r\n\r\n\
                    [plugin_simple]\r\n\r\n[plugin_dns]\r\n; a comment\r\nresolv_conf=     # Optional\r\nkey = 100%%\r\n  two\r\n";
        let sections = Sections::parse(text).unwrap();
        let section = |name: &str| sections.get(name).into_iter().collect::<Vec<_>>();
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        assert_eq!(section("global"), [pair("k8s_resource", "routes"), pair("k8s_token", "\"C:\\\" ; kept")]);
        let lines = section("plugin_dns")[0].1.lines().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(
            (lines, section("plugin_dns")[1].clone()),
            (vec!["100%".to_owned(), "two".to_owned()], pair("resolv_conf", "# Optional"))
        );
        assert!(section("plugin_simple").is_empty() && section("plugin_none").is_empty());
    }

    #[test]
    fn error_about_the_file_contains_no_value() {
        for (text, why) in [
            ("[globl]\na = s3cret\n", "section [globl]: expected [global] or [plugin_NAME]"),
            ("a = s3cret\n", "expected [global]"),
            ("[global]\ns3cret\n", "a line in [global] has no =: expected key = value"),
            ("[global s3cret\n", "line 1: "),
        ] {
            let error = Sections::parse(text).unwrap_err();
            assert!(error.contains(why) && !error.contains("s3cret"), "{text:?}: {error}");
        }
        assert!(Sections::read(Path::new("/dev/zero")).unwrap_err().contains("larger than"));
        assert!(Sections::read(Path::new("/nowhere")).unwrap_err().contains("No such file"));
    }
}
