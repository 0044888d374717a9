//! The plugin `exec`: one long-lived child process.

use super::Config;

/// How the child is run, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The program and its arguments; at least the program.
    pub command: Vec<String>,
}

impl Settings {
    /// Reads the section `[plugin_exec]`.
    ///
    /// # Errors
    /// The key, its value and what is accepted.
    pub fn read(config: &Config) -> Result<Self, String> {
        let command = config.get("command").and_then(|text| shlex::split(text)).filter(|words| !words.is_empty());
        let command = command.ok_or("command: expected a program and its arguments, quoted as for a shell")?;
        Ok(Settings { command })
    }
}
