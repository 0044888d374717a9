//! The list of names that may be asked for.
//!
//! ```text
//! # whoever runs the cluster writes this
//! app1                  # in every namespace
//! team2/www.example.com # in the namespace team2 alone
//! ```
//!
//! Promises:
//! * a line that is no name is skipped, with a warning that gives its number, and never spoils its neighbours;
//! * what is shown to a tenant are the names that hold in her own namespace, in the file's order, and no others;
//! * the message about a name that is not on the list has the original's words, to the letter.

use std::{collections::HashSet, fmt};

use super::validate::{Request, is_common_name, is_dns_name, is_label, shortened};
use crate::{events::MESSAGE_LIMIT, informer::Key};

/// The names, in the order of their file, each once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllowedNames {
    /// `name`, or `namespace/name`.
    entries: Vec<String>,
    /// The same, to look up: a list may be long, and each look at each Pki asks.
    lookup: HashSet<String>,
}

/// A line that was skipped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// Counted from 1, as editors do.
    pub line: usize,
    /// What stands there (its beginning).
    pub text: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {:?} is no name and is skipped: expected name or namespace/name", self.line, self.text)
    }
}

/// The first name of a request that is not on the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused<'a> {
    /// The field, as the message calls it: `ServiceName`, `commonName` or `dnsName`. The capital is the original's.
    pub field: &'static str,
    /// The name that was asked for.
    pub name: &'a str,
}

impl AllowedNames {
    /// Reads a list: one entry per line, `#` begins a comment, and what editors leave around it (CRLF, spaces, a byte
    /// order mark) does not matter.
    pub fn parse(text: &str) -> (Self, Vec<Warning>) {
        let (mut names, mut warnings) = (Self::default(), Vec::new());
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        for (i, line) in text.lines().enumerate() {
            let entry = line.split('#').next().unwrap_or_default().trim();
            if entry.is_empty() {
                continue;
            }
            let (namespace, name) = entry.split_once('/').map_or((None, entry), |(ns, name)| (Some(ns), name));
            if !namespace.is_none_or(is_label) || !is_name(name) {
                warnings.push(Warning { line: i + 1, text: shortened(entry) });
            } else if names.lookup.insert(entry.to_owned()) {
                names.entries.push(entry.to_owned());
            }
        }
        (names, warnings)
    }

    /// The sample's: what the examples need, and no more.
    pub fn sample() -> Self {
        Self::parse("app1\napp2").0
    }

    /// Nobody may have a certificate.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether `name` may be asked for in `namespace`.
    pub fn contains(&self, namespace: &str, name: &str) -> bool {
        self.lookup.contains(name) || self.lookup.contains(&format!("{namespace}/{name}"))
    }

    /// The names that hold in `namespace`, in the file's order, without the namespace. What other namespaces may have
    /// is nobody else's business.
    pub fn in_namespace<'a>(&'a self, namespace: &'a str) -> impl Iterator<Item = &'a str> {
        // `app1` and `team1/app1` are two entries, but for team1 one name: told once, where it stands first.
        let mut told = HashSet::new();
        self.entries
            .iter()
            .filter_map(move |entry| match entry.split_once('/') {
                Some((ns, name)) => (ns == namespace).then_some(name),
                None => Some(entry.as_str()),
            })
            .filter(move |name| told.insert(*name))
    }

    /// The first name of a request that is not on the list, field by field. The names that a Service has within the
    /// cluster anyway (`app1.ns.svc` and so on) follow from its service name and need no entry.
    pub fn refused<'a>(&self, request: &'a Request, namespace: &str) -> Option<Refused<'a>> {
        let dns_names = request.dns_names.iter().map(|name| ("dnsName", name));
        [("ServiceName", &request.service_name), ("commonName", &request.common_name)]
            .into_iter()
            .chain(dns_names)
            .find(|(_, name)| !self.contains(namespace, name))
            .map(|(field, name)| Refused { field, name })
    }

    /// What the owner of `pki`, and everyone who waits for its Secret, is told. At most 1,024 bytes, cut at a
    /// character.
    pub fn refusal(&self, refused: &Refused, pki: &Key) -> String {
        let Refused { field, name } = refused;
        let mut message = format!("{field}: {name} in pki: {} is not found in allowedNames: [", pki.name());
        let mut separator = "";
        for name in self.in_namespace(pki.namespace()) {
            message.push_str(separator);
            message.push_str(name);
            separator = " ";
            if message.len() > MESSAGE_LIMIT {
                break; // enough to cut from; a list may be a megabyte
            }
        }
        message.push(']');
        message.truncate(message.floor_char_boundary(MESSAGE_LIMIT));
        message
    }
}

/// What one of the three fields could ask for.
fn is_name(name: &str) -> bool {
    is_label(name) || is_common_name(name) || is_dns_name(name)
}

#[cfg(test)]
#[path = "allowed_tests.rs"]
mod tests;
