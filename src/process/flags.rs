//! The command line, made from the table of settings.
//!
//! `clap` finds flags, writes `--help` and suggests what a misspelt flag may have meant. It is given no types: it
//! collects text, and [`super::settings`] judges it together with the text from the other sources, so that a wrong
//! number is told in the same words wherever it comes from.

use std::collections::HashMap;

use clap::{
    Arg, ArgAction, ArgMatches,
    error::{ContextKind, ContextValue, ErrorKind},
};

use super::settings::{Setting, Table};

/// An argument for each row that has a flag.
pub fn arguments(table: Table) -> impl Iterator<Item = Arg> {
    table.iter().flat_map(|(heading, rows)| {
        rows.iter().filter(|row| !row.flag.is_empty()).map(move |row| argument(row).help_heading(*heading))
    })
}

fn argument(row: &'static Setting) -> Arg {
    let mut help = row.help.to_owned();
    help.push('\n');
    if !row.default.is_empty() {
        help.push_str(&format!("[default: {}] ", row.default));
    }
    help.push_str(&format!("[env: {}]", row.env));
    let argument = Arg::new(row.env).long(row.flag).help(help).action(ArgAction::Set);
    let argument = match row.short {
        Some(short) => argument.short(short),
        None => argument,
    };
    if row.value.is_empty() {
        // A switch: `--dry-run`, and `--dry-run=false` to beat a variable.
        argument.num_args(0..=1).require_equals(true).default_missing_value("true").value_name("true|false")
    } else {
        // `--workers -1` is a wrong number, not an unknown flag.
        argument.value_name(row.value).allow_negative_numbers(true)
    }
}

/// The rows of a table, without its headings.
pub fn rows(table: Table) -> impl Iterator<Item = &'static Setting> {
    table.iter().flat_map(|(_, rows)| rows.iter().copied())
}

/// What was given, by variable name.
pub fn given(matches: &ArgMatches, table: Table) -> HashMap<&'static str, String> {
    rows(table)
        .filter(|row| !row.flag.is_empty())
        .filter_map(|row| Some((row.env, matches.get_one::<String>(row.env)?.clone())))
        .collect()
}

/// clap's error in one line. Its own is several: the error, a tip, the usage, a pointer to `--help`. `commands` are
/// what could stand where an unexpected word stands.
pub fn wrong_usage(error: &clap::Error, commands: &str) -> String {
    let or_command = format!(", or one command before them: {commands}");
    let context = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        Some(ContextValue::Strings(all)) => all.first().cloned(),
        _ => None,
    };
    // clap names a flag with its placeholder (`--workers <N>`), and keeps what follows a `=`, which may be a secret.
    let flag = |text: &str| text.split(['=', ' ', '[']).next().unwrap_or_default().to_owned();
    let argument = context(ContextKind::InvalidArg).unwrap_or_default();
    let (what, expected) = match error.kind() {
        ErrorKind::UnknownArgument if argument.starts_with("--") => {
            (format!("unknown flag {}", flag(&argument)), "see --help for those there are".to_owned())
        }
        // `--resync -5s`: clap takes the value for flags, and tells the first letter only.
        ErrorKind::UnknownArgument if argument.starts_with('-') => (
            format!("unknown flag {}", flag(&argument)),
            "see --help for those there are; a value that begins with - is written as in --flag=-5".to_owned(),
        ),
        ErrorKind::UnknownArgument => {
            (format!("unexpected argument {argument:?}"), format!("expected flags{or_command}"))
        }
        ErrorKind::InvalidSubcommand => {
            let command = context(ContextKind::InvalidSubcommand).unwrap_or_default();
            (format!("unexpected argument {command:?}"), format!("expected flags{or_command}"))
        }
        ErrorKind::ArgumentConflict => match context(ContextKind::PriorArg) {
            Some(prior) if flag(&prior) == flag(&argument) => {
                (format!("{} is given more than once", flag(&argument)), "expected it once".to_owned())
            }
            _ => ("flags stand before the command".to_owned(), "expected the command first".to_owned()),
        },
        ErrorKind::InvalidValue => return format!("{argument} needs a value"),
        ErrorKind::InvalidUtf8 => ("an argument is not UTF-8".to_owned(), "expected text".to_owned()),
        _ => {
            let text = error.to_string();
            let first = text.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned();
            (first, "see --help for what is accepted".to_owned())
        }
    };
    let tip = context(ContextKind::SuggestedArg).or_else(|| context(ContextKind::SuggestedSubcommand));
    format!("{what}: {}", tip.map_or(expected, |tip| format!("did you mean {}?", flag(&tip))))
}
