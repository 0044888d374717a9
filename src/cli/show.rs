//! `--show-config`: each setting, its value and where it came from. It connects nowhere.

use super::{PluginChoice, Start, Watch};
use crate::{
    process::{
        flags, log,
        settings::{Env, Setting, Settings, Table},
    },
    text::{one_line, quoted},
};

/// A plugin's value is not shown if its key has one of these in it: better one too many than one too few. The URL of a
/// webhook lets whoever has it write there.
const SECRETS: [&str; 7] = ["password", "passwd", "secret", "token", "key", "credential", "webhook"];

/// What a plugin takes that is not given.
fn defaults(plugin: &PluginChoice) -> &'static [(&'static str, &'static str)] {
    match plugin {
        PluginChoice::Simple => &[("message_log_level", "INFO")],
        PluginChoice::Exec { .. } => &[("timeout", "10s")],
    }
}

/// The text for stdout: the settings in columns, what they lead to, and the plugin's section. Secrets are
/// hidden, as far as they can be told by their keys, and so are the arguments of a command.
pub fn show(table: Table, settings: &Settings, start: &Start<Watch>, env: Env) -> String {
    let mut text = String::new();
    let mut rows = vec![["setting".to_owned(), "value".to_owned(), "where it came from".to_owned()]];
    rows.extend(flags::rows(table).map(|setting| {
        let (value, place) = origin(setting, settings, env);
        [setting.flag.to_owned(), value, place]
    }));
    columns(&mut text, "", rows);

    text.push_str(&format!("\nserver: {}\n", one_line(&start.target.describe(env))));
    for warning in &start.warnings {
        text.push_str(&format!("warning: {}\n", one_line(warning)));
    }

    let Watch { plugin, config, .. } = &start.what;
    let name = plugin.name();
    let section = match settings.file() {
        Some(file) if !config.is_empty() => format!("[plugin_{name}] in {}", file.display()),
        _ => format!("[plugin_{name}]"),
    };
    text.push_str(&format!("\nplugin: {name}, its settings are those of {}\n", one_line(&section)));
    let hidden = |key: &str| SECRETS.iter().any(|word| key.contains(word));
    let shown = |key: &str, value: &str| match (key, plugin) {
        (key, _) if hidden(key) => "***".to_owned(),
        // A password may be among its arguments.
        ("command", PluginChoice::Exec { .. }) => first_word(value),
        _ => quoted(value),
    };
    // What stands behind the first word of a key may have been meant for its value.
    let given = config.iter().map(|(key, value)| [first_word(key), shown(key, value), section.clone()]);
    let unset = defaults(plugin).iter().filter(|(key, _)| !config.contains_key(*key));
    let unset = unset.map(|(key, default)| [(*key).to_owned(), (*default).to_owned(), "default".to_owned()]);
    columns(&mut text, "  ", given.chain(unset).collect());
    text
}

/// The first word, and whether there are more.
fn first_word(text: &str) -> String {
    let mut words = text.split_whitespace();
    let first = quoted(words.next().unwrap_or_default());
    if words.next().is_some() { format!("{first} …") } else { first }
}

/// A setting's value, fit to be shown, and where it came from.
fn origin(setting: &'static Setting, settings: &Settings, env: Env) -> (String, String) {
    // The one setting that something else may decide.
    let filter = log::finer(settings, env).filter(|_| setting.env == log::LOG_LEVEL.env);
    if let Some(filter) = filter {
        return (quoted(&filter), "RUST_LOG".to_owned());
    }
    match settings.get(setting) {
        Some(given) if setting.secret => ("***".to_owned(), given.place()),
        Some(given) => (quoted(given.text.trim()), given.place()),
        None => {
            let nothing = if setting.value.is_empty() { "false" } else { "(none)" };
            let value = if setting.default.is_empty() { nothing } else { setting.default };
            (value.to_owned(), "default".to_owned())
        }
    }
}

/// Aligned, two spaces apart, nothing after the last column.
fn columns(text: &mut String, indent: &str, rows: Vec<[String; 3]>) {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let (first, second) = (width(0), width(1));
    for [setting, value, place] in &rows {
        text.push_str(&format!("{indent}{setting:first$}  {value:second$}  {}\n", one_line(place)));
    }
}

#[cfg(test)]
#[path = "show_tests.rs"]
mod tests;
