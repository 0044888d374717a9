//! What `[plugin_exec]` says about the child itself: `command` and `timeout`. Every other key is the child's own.

use std::{
    ffi::OsStr,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use super::{LONGEST_WAIT, child::LAST_WORDS};
use crate::{
    text::{LONGEST_DURATION, duration, is_slip, nearest, quoted},
    watch::Config,
};

const COMMAND: &str = "command";
const TIMEOUT: &str = "timeout";

/// How to start the child, and how long to wait for it. Checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// A path, or a name that is on the PATH.
    pub program: String,
    /// What comes after it. May hold secrets, so it is not logged.
    pub arguments: Vec<String>,
    /// The longest time from the first byte of an event to the last one of its answer.
    pub timeout: Duration,
}

impl Settings {
    /// Reads them, and looks for the program as it will be looked for when it is started: where a path with a `/`
    /// says, else on this process's PATH.
    ///
    /// # Errors
    /// One line for a person: the key, its value, and what is accepted. Of a command only its first word, since there
    /// may be a password in the others.
    pub fn read(config: &Config) -> Result<Self, String> {
        let get = |key: &str| config.get(key).map(|text| text.trim()).filter(|text| !text.is_empty());
        let Some(command) = get(COMMAND) else {
            let near = nearest(COMMAND, config.keys().map(String::as_str).filter(|key| *key != COMMAND));
            let hint = near.map_or(String::new(), |key| format!(", not {}", quoted(key)));
            return Err(format!("[plugin_exec] needs {COMMAND}{hint}: a program and its arguments, as in a shell"));
        };
        let first = command.split_whitespace().next().unwrap_or_default();
        let wrong = |why: String| format!("[plugin_exec] {COMMAND} = {} …: {why}", quoted(first));
        let mut words = shlex::split(command)
            .ok_or_else(|| wrong("expected words as in a shell, but a quote is not closed".to_owned()))?
            .into_iter();
        // Nothing but a comment, or a pair of quotes.
        let program = words.next().filter(|program| !program.is_empty());
        let program = program.ok_or_else(|| wrong("expected a program and its arguments, as in a shell".to_owned()))?;
        find(&program, std::env::var_os("PATH").as_deref()).map_err(wrong)?;
        // Every other key is the child's, but one that is nearly ours, where ours is missing.
        let slip = config.keys().find(|key| get(TIMEOUT).is_none() && is_slip(key, TIMEOUT));
        if let Some(key) = slip {
            let key = quoted(key);
            return Err(format!("[plugin_exec] {key}: did you mean {TIMEOUT}? If it is the program's own, give both"));
        }
        let timeout = match get(TIMEOUT) {
            None => Duration::from_secs(10),
            Some(text) => duration(text).filter(|time| !time.is_zero() && *time <= LONGEST_DURATION).ok_or_else(|| {
                let text = quoted(text);
                format!("[plugin_exec] {TIMEOUT} = {text}: expected a duration such as 3s or 1m30s, more than 0, at most 8760h")
            })?,
        };
        Ok(Settings { program, arguments: words.collect(), timeout })
    }

    /// The longest that one look at a key can take with so many workers, if the plugin is as slow as it may be: they
    /// take turns, and each turn may have to wait before a child is started again, end one child and, after `timeout`, another.
    pub fn longest_look(&self, workers: usize) -> Duration {
        let turn = self.timeout.saturating_add(LONGEST_WAIT + 2 * LAST_WORDS);
        turn.saturating_mul(u32::try_from(workers).unwrap_or(u32::MAX))
    }
}

/// Whether there is such a program.
fn find(program: &str, path: Option<&OsStr>) -> Result<(), String> {
    if program.contains('/') {
        let path = Path::new(program);
        return match path.metadata() {
            Err(e) => Err(format!("{} cannot be run: {e}", quoted(program))),
            Ok(_) if executable(path) => Ok(()),
            Ok(_) => Err(format!("{} cannot be run: expected an executable file", quoted(program))),
        };
    }
    let found = path.is_some_and(|path| std::env::split_paths(path).any(|dir: PathBuf| executable(&dir.join(program))));
    let why = || format!("{} is not on the PATH: expected a program there, or a path with a /", quoted(program));
    found.then_some(()).ok_or_else(why)
}

/// A file that somebody may execute. Whether that includes us, the start will tell.
fn executable(path: &Path) -> bool {
    path.metadata().is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Settings, String> {
        Settings::read(&pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn a_command_is_split_as_a_shell_does_and_ten_seconds_are_the_default() {
        let settings = read(&[("command", "sh -c 'echo \"$1\"' x  two\\ words"), ("region", "eu"), ("timeout", "")]);
        let Settings { program, arguments, timeout } = settings.unwrap();
        assert_eq!((program.as_str(), timeout), ("sh", Duration::from_secs(10)));
        assert_eq!(arguments, ["-c", "echo \"$1\"", "x", "two words"]);
        assert_eq!(read(&[("command", "/bin/sh"), ("timeout", "1m30s")]).unwrap().timeout, Duration::from_secs(90));
    }

    #[test]
    fn what_is_wrong_is_told_with_what_is_accepted() {
        for (pairs, line) in [
            (&[][..], "[plugin_exec] needs command: a program and its arguments, as in a shell"),
            (
                &[("command", "sh"), ("timout", "30s")],
                "[plugin_exec] timout: did you mean timeout? If it is the program's own, give both",
            ),
            (&[("command", "  ")], "[plugin_exec] needs command: a program"),
            (&[("comand", "sh")], "[plugin_exec] needs command, not comand: a program"),
            (&[("command", "''")], "[plugin_exec] command = \"''\" …: expected a program and its arguments"),
            (&[("command", "# sh")], "[plugin_exec] command = # …: expected a program and its arguments"),
            (&[("command", "curl 'x")], "[plugin_exec] command = curl …: expected words as in a shell, but a quote is"),
            (
                &[("command", "no-such-program a")],
                "[plugin_exec] command = no-such-program …: no-such-program is not on the PATH: expected a program",
            ),
            (&[("command", "/no/such")], "[plugin_exec] command = /no/such …: /no/such cannot be run: No such file"),
            (&[("command", "/dev/null")], "[plugin_exec] command = /dev/null …: /dev/null cannot be run: expected an"),
            (&[("command", "/")], "[plugin_exec] command = / …: / cannot be run: expected an executable file"),
            (
                &[("command", "sh"), ("timeout", "10 min")],
                "[plugin_exec] timeout = \"10 min\": expected a duration such as 3s or 1m30s, more than 0, at most",
            ),
            (&[("command", "sh"), ("timeout", "0")], "[plugin_exec] timeout = 0: expected a duration"),
            (&[("command", "sh"), ("timeout", "8761h")], "[plugin_exec] timeout = 8761h: expected a duration"),
        ] {
            let error = read(pairs).unwrap_err();
            assert!(error.starts_with(line), "{pairs:?}: {error}");
        }
    }

    #[test]
    fn a_key_that_is_only_like_ours_is_the_childs() {
        for key in ["dns_timeout", "time", "comment", "commands"] {
            assert!(read(&[("command", "sh"), (key, "x")]).is_ok(), "{key}");
        }
        assert!(read(&[("command", "sh"), ("timeouts", "x"), ("timeout", "1s")]).is_ok());
    }

    #[test]
    fn a_password_in_the_command_is_not_shown() {
        let error = read(&[("command", "curl -u me:s3cret 'x")]).unwrap_err();
        assert!(!error.contains("s3cret"), "{error}");
    }

    #[test]
    fn a_name_is_looked_up_on_the_path() {
        assert_eq!(find("sh", Some(OsStr::new("/no/such:/bin"))), Ok(()));
        assert!(find("sh", Some(OsStr::new("/no/such"))).is_err());
        assert!(find("sh", None).is_err());
        assert!(find("etc", Some(OsStr::new("/"))).is_err(), "a folder is no program");
    }
}
