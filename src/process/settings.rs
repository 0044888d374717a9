//! Where a setting comes from: flag, environment, file; the first match wins.
//!
//! A setting is one row of a table ([`Setting`]): its flag, its variable, its default, its help. The command line, the
//! `--help` text, the list of keys that a file may hold and every error come from that row, so they cannot disagree.
//! A value carries its source with it ([`Given`]), because "a whole number is expected" is of little use to someone who
//! has to guess which of three places the wrong one came from.
//!
//! Promises:
//! * a flag beats a variable, a variable beats the file;
//! * a variable or a key that is empty counts as not set (so `K8S_TOKEN=` in a manifest switches nothing);
//! * an error names the flag, variable or key, the value, and what is accepted; never a secret's value;
//! * a misspelt key or section of the file is an error, not a setting that silently does nothing. Two things cannot be
//!   told from right ones: a section `[plugin_…]`, which may be that of a plugin that is not used now, and in a plugin's
//!   section the keys that the plugin lets pass.
//!
//! Pitfall: the same strictness for variables would be wrong. Kubernetes sets `DEMO_CONTROLLER_SERVICE_HOST` and five
//! more in every pod of a namespace that has a Service called `demo-controller`.

use std::{
    collections::{BTreeMap, HashMap},
    ffi::OsString,
    fmt,
    ops::RangeInclusive,
    path::{Path, PathBuf},
    time::Duration,
};

use super::{
    Refusal,
    file::{self, Sections},
};
use crate::text::{LONGEST_DURATION, duration, quoted};

/// One setting: a row of the table.
#[derive(Debug)]
pub struct Setting {
    /// The long flag without its dashes; empty if there is none.
    pub flag: &'static str,
    /// The short flag.
    pub short: Option<char>,
    /// What stands for the value in `--help`; empty for a switch.
    pub value: &'static str,
    /// The variable, which also identifies the setting. In lower case it is the file's key.
    pub env: &'static str,
    /// The default as `--help` shows it; empty if there is none.
    pub default: &'static str,
    /// A line or two for `--help`.
    pub help: &'static str,
    /// Never shown in an error or a log line.
    pub secret: bool,
}

/// What most rows are: no short flag, no default, no secret. For `..ROW`.
pub const ROW: Setting = Setting { flag: "", short: None, value: "", env: "", default: "", help: "", secret: false };

/// The rows in groups, each with its heading in `--help`.
pub type Table = &'static [(&'static str, &'static [&'static Setting])];

/// A place where settings are given, in order of precedence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// The command line.
    Flag,
    /// The environment.
    Environment,
    /// The file of `--config`.
    File,
}

impl Source {
    /// All of them, the strongest first.
    pub const ALL: [Source; 3] = [Source::Flag, Source::Environment, Source::File];
}

/// Looks a variable up. A function, so that tests bring their own environment.
pub type Env<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// Reads a text file. A function for the same reason.
pub type Read<'a> = &'a dyn Fn(&Path) -> std::io::Result<String>;

/// Everything that was given, by source.
#[derive(Debug, Default)]
pub struct Settings {
    flags: HashMap<&'static str, String>,
    environment: HashMap<&'static str, String>,
    keys: HashMap<&'static str, String>,
    sections: Sections,
    file: Option<PathBuf>,
}

impl Settings {
    /// Collects the three sources. `flags` by variable name; `config` is the row that names the file itself;
    /// the file may also hold keys of `foreign` rows, which other commands use.
    ///
    /// # Errors
    /// A flag with an empty value, a variable that is not UTF-8, a file that cannot be read or that holds what it
    /// should not.
    pub fn collect(
        table: Table,
        flags: HashMap<&'static str, String>,
        env: Env,
        config: &'static Setting,
        foreign: &[&'static Setting],
        read: Read,
    ) -> Result<Self, Refusal> {
        let rows = || table.iter().flat_map(|(_, rows)| rows.iter().copied());
        let mut all = Settings { flags, ..Self::default() };
        for row in rows() {
            if all.flags.get(row.env).is_some_and(|value| value.trim().is_empty()) {
                return Err(Refusal::input(format!("--{} <{}> needs a value", row.flag, row.value)));
            }
            match env(row.env).map(OsString::into_string) {
                None => {}
                Some(Ok(value)) if value.trim().is_empty() => {}
                Some(Ok(value)) => drop(all.environment.insert(row.env, value)),
                Some(Err(_)) => return Err(Refusal::input(format!("{}: expected UTF-8 text", row.env))),
            }
        }
        if let Some(config) = all.get(config) {
            let path = PathBuf::from(&config.text);
            let text = read(&path).map_err(|e| config.wrong(format!("cannot be read: {e}")))?;
            // A file does not name a file.
            let rows: Vec<_> = rows().filter(|row| row.env != config.setting.env).collect();
            let foreign: Vec<_> = foreign.iter().copied().filter(|row| row.env != config.setting.env).collect();
            (all.keys, all.sections) = file::parse(&text, &path, &rows, &foreign)?;
            all.file = Some(path);
        }
        Ok(all)
    }

    /// The value that counts: the first source that has one.
    pub fn get(&self, setting: &'static Setting) -> Option<Given> {
        Source::ALL.into_iter().find_map(|source| self.at(source, setting))
    }

    /// The value that one source gives.
    pub fn at(&self, source: Source, setting: &'static Setting) -> Option<Given> {
        let values = match source {
            Source::Flag => &self.flags,
            Source::Environment => &self.environment,
            Source::File => &self.keys,
        };
        let text = values.get(setting.env)?.clone();
        Some(Given { setting, source, text, file: self.file.clone() })
    }

    /// A plugin's section of the file, keys in lower case; empty if there is none. An empty value counts as not set.
    ///
    /// # Errors
    /// A key that is given twice; a line without a key.
    pub fn section(&self, name: &str) -> Result<BTreeMap<String, String>, Refusal> {
        let file = self.file.as_deref().unwrap_or(Path::new("the file"));
        file::section(&self.sections, name).map_err(|why| Refusal::input(format!("{}: {why}", file.display())))
    }

    /// The file, if there is one.
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// A whole number in a range, or the default.
    ///
    /// # Errors
    /// As [`Given::number`].
    pub fn number(&self, setting: &'static Setting, range: RangeInclusive<u32>, default: u32) -> Result<u32, Refusal> {
        self.get(setting).map_or(Ok(default), |given| given.number(range))
    }

    /// Yes or no; no if nothing is said.
    ///
    /// # Errors
    /// As [`Given::switch`].
    pub fn switch(&self, setting: &'static Setting) -> Result<bool, Refusal> {
        self.get(setting).map_or(Ok(false), |given| given.switch())
    }

    /// A length of time, more than 0, or the default.
    ///
    /// # Errors
    /// As [`Given::duration`].
    pub fn duration(&self, setting: &'static Setting, default: Duration) -> Result<Duration, Refusal> {
        self.get(setting).map_or(Ok(default), |given| given.duration(None))
    }
}

/// A value and where it comes from. Prints as the user wrote it: `--workers 0`, `DEMO_CONTROLLER_WORKERS=0`,
/// `demo_controller_workers = 0 in config.ini`.
#[derive(Clone, Debug)]
pub struct Given {
    /// Which setting.
    pub setting: &'static Setting,
    /// From where.
    pub source: Source,
    /// The value, as given.
    pub text: String,
    file: Option<PathBuf>,
}

impl Given {
    /// The error that this value is wrong, and what would be right.
    pub fn wrong(&self, expected: impl fmt::Display) -> Refusal {
        Refusal::input(format!("{self}: {expected}"))
    }

    /// Where it comes from, without the value: `--workers`, `DEMO_CONTROLLER_WORKERS`, `demo_controller_workers in F`.
    pub fn place(&self) -> String {
        let name = self.sibling(self.setting);
        match (self.source, &self.file) {
            (Source::File, Some(file)) => format!("{name} in {}", file.display()),
            _ => name,
        }
    }

    /// What another setting is called in this value's source, for errors about the two.
    pub fn sibling(&self, other: &Setting) -> String {
        match self.source {
            Source::Flag => format!("--{}", other.flag),
            Source::Environment => other.env.to_owned(),
            Source::File => other.env.to_lowercase(),
        }
    }

    /// A whole number in a range.
    ///
    /// # Errors
    /// Anything else.
    pub fn number(&self, range: RangeInclusive<u32>) -> Result<u32, Refusal> {
        let wrong = || self.wrong(format!("expected a whole number from {} to {}", range.start(), range.end()));
        self.text.trim().parse().ok().filter(|n| range.contains(n)).ok_or_else(wrong)
    }

    /// Yes or no.
    ///
    /// # Errors
    /// Anything else.
    pub fn switch(&self) -> Result<bool, Refusal> {
        match self.text.trim().to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "on" => Ok(true),
            "false" | "0" | "no" | "off" => Ok(false),
            _ => Err(self.wrong("expected true or false")),
        }
    }

    /// A length of time, see [`duration`]. With `zero`, 0 is accepted and means what that word says ("off").
    ///
    /// # Errors
    /// No duration, 0 where 0 means nothing, or more than [`LONGEST_DURATION`].
    pub fn duration(&self, zero: Option<&str>) -> Result<Duration, Refusal> {
        let accepted = |d: &Duration| (zero.is_some() || !d.is_zero()) && *d <= LONGEST_DURATION;
        duration(&self.text).filter(accepted).ok_or_else(|| {
            let zero = zero.map_or("more than 0".to_owned(), |word| format!("0 for {word}"));
            self.wrong(format!("expected a duration such as 3s, 10m or 1h30m, {zero}, at most 8760h"))
        })
    }
}

impl fmt::Display for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Given { setting, text, .. } = self;
        let value = if setting.secret { "***".to_owned() } else { quoted(text) };
        match self.source {
            Source::Flag if setting.value.is_empty() => write!(f, "--{}={value}", setting.flag),
            Source::Flag => write!(f, "--{} {value}", setting.flag),
            Source::Environment => write!(f, "{}={value}", setting.env),
            Source::File => {
                let file = self.file.as_deref().unwrap_or(Path::new("the file"));
                write!(f, "{} = {value} in {}", setting.env.to_lowercase(), file.display())
            }
        }
    }
}

#[cfg(test)]
#[path = "settings_tests.rs"]
mod tests;
