//! The file with settings.
//!
//! It is read as Python's configparser reads it, whose files these are: no quotes, no escapes, no comments behind a
//! value, keys in any case. Different from there:
//! * a value ends with its line. A line without `=` or `:` is refused, but for one in the middle of a section that is not
//!   used;
//! * a `%` is just that, and `%%` is two of them;
//! * there is no section `[DEFAULT]`, and a section may stand there in several parts.

use std::{
    collections::{BTreeMap, HashMap},
    fs::File,
    io::{self, Read},
    path::Path,
};

use ini::{Ini, ParseOption};

use super::{Refusal, settings::Setting};
use crate::text::{nearest, quoted};

/// The largest file that is read, in bytes. `--config /dev/zero` is a mistake too.
const LIMIT: u64 = 1 << 20;

/// The section of the file that holds our keys.
const SECTION: &str = "global";

/// Sections that belong to plugins begin so.
const PLUGIN: &str = "plugin_";

/// The sections of plugins, as they stand in the file: whoever uses one judges it.
pub type Sections = Vec<(String, Vec<(String, String)>)>;

const ONE_LINE: &str = "expected key = value, each on one line";

/// Its text.
///
/// # Errors
/// It cannot be read, is not UTF-8 or too large.
pub fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    if File::open(path)?.take(LIMIT + 1).read_to_string(&mut text)? as u64 > LIMIT {
        return Err(io::Error::other(format!("larger than {LIMIT} bytes")));
    }
    Ok(text)
}

/// The settings in the file, by variable name, and the sections of plugins. `rows` are what is read, `foreign` what may
/// stand there too.
///
/// # Errors
/// No ini file; a key or a section that is none of ours, or a key that is given twice.
pub fn parse(
    text: &str,
    path: &Path,
    rows: &[&'static Setting],
    foreign: &[&'static Setting],
) -> Result<(HashMap<&'static str, String>, Sections), Refusal> {
    let wrong = |what: String| Refusal::input(format!("{}: {what}", path.display()));
    let options = ParseOption { enabled_quote: false, enabled_escape: false, ..ParseOption::default() };
    // The parser's own words speak of tokens and its line may be the next one: left out.
    let ini = Ini::load_from_str_opt(text.trim_start_matches('\u{feff}'), options)
        .map_err(|e| wrong(format!("expected an ini file, [section] and key = value, but not near line {}", e.line)))?;
    let (mut found, mut sections) = (HashMap::new(), Sections::new());
    for (section, properties) in ini.iter() {
        match section {
            None if properties.is_empty() => continue,
            None => return Err(wrong(format!("expected the section [{SECTION}] before the first key"))),
            Some(SECTION) => {}
            Some(name) if name.starts_with(PLUGIN) => {
                if properties.iter().any(|(key, _)| key.lines().any(|line| line.trim_start().starts_with('['))) {
                    // It ran on into the next section, whose keys would be taken for this one's.
                    return Err(wrong(format!("the last line of [{name}] has no =: {ONE_LINE}")));
                }
                let pairs = properties.iter().map(|(key, value)| (key.to_lowercase(), value.trim().to_owned()));
                sections.push((name.to_owned(), pairs.collect()));
                continue;
            }
            Some(name) => {
                return Err(wrong(format!("unknown section [{name}]: expected [{SECTION}] or [{PLUGIN}NAME]")));
            }
        }
        for (key, value) in properties.iter() {
            let name = key.to_lowercase();
            let is = |row: &&&'static Setting| row.env.to_lowercase() == name;
            let Some(row) = rows.iter().find(is) else {
                if foreign.iter().any(|row| is(&row)) {
                    continue;
                }
                if let Some(why) = ran_on(key, SECTION) {
                    return Err(wrong(why));
                }
                let known: Vec<String> = rows.iter().chain(foreign).map(|row| row.env.to_lowercase()).collect();
                let hint = nearest(&name, known.iter().map(String::as_str))
                    .map_or("see --help for what is known, in lower case".to_owned(), |k| format!("did you mean {k}?"));
                // What stands behind it may have been meant for its value.
                let word = quoted(key.split_whitespace().next().unwrap_or_default());
                return Err(wrong(format!("unknown key {word} in [{SECTION}]: {hint}")));
            };
            if value.trim().is_empty() {
                continue;
            }
            if found.insert(row.env, value.trim().to_owned()).is_some() {
                return Err(wrong(format!("{name} is given twice in [{SECTION}]")));
            }
        }
    }
    Ok((found, sections))
}

/// The parser takes a line without = for the beginning of the next one's key. What stands there is not shown: it may be
/// the rest of a password.
fn ran_on(key: &str, section: &str) -> Option<String> {
    let (_, next) = key.rsplit_once(['\n', '\r'])?;
    let next = quoted(next.split_whitespace().next().unwrap_or_default());
    Some(format!("a line before {next} in [{section}] has no =: {ONE_LINE}"))
}

/// One section by its name, without what is empty.
///
/// # Errors
/// A key that is given twice; a line without a key.
pub fn section(sections: &Sections, name: &str) -> Result<BTreeMap<String, String>, String> {
    let mut found = BTreeMap::new();
    let pairs = sections.iter().filter(|(section, _)| section == name).flat_map(|(_, pairs)| pairs);
    for (key, value) in pairs {
        if let Some(why) = ran_on(key, name) {
            return Err(why);
        }
        if value.is_empty() {
            continue;
        }
        if found.insert(key.clone(), value.clone()).is_some() {
            let key = quoted(key.split_whitespace().next().unwrap_or_default());
            return Err(format!("{key} is given twice in [{name}]"));
        }
    }
    Ok(found)
}
