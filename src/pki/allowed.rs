//! The list of allowed names, and the file that it comes from.
//!
//! ```text
//! app1                  # in every namespace
//! team2/www.example.com # in the namespace team2 alone
//! ```
//!
//! The file is read every second and compared. Its change cannot be watched: it is usually a ConfigMap, which changes by
//! swapping a symbolic link two directories up.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use daemon::names::is_label;
use parking_lot::Mutex;

use super::validate::{CertificateRequest, is_common_name, is_dns_name};
use crate::{events::MESSAGE_LIMIT, informer::Key};

const READ_EVERY: Duration = Duration::from_secs(1);
/// The largest file: about fifty thousand names.
const MAX_BYTES: u64 = 1024 * 1024;
/// The number of wrong lines with a warning of their own: the file may be the wrong one.
const MAX_WARNINGS: usize = 10;

/// The entries of the list, in the order of the file: `name` or `namespace/name`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllowedNames(Vec<String>);

impl AllowedNames {
    /// Reads a list, and returns the numbers and texts of the lines that are not names.
    fn parse(bytes: &[u8]) -> (Self, Vec<(usize, String)>) {
        let (mut names, mut wrong) = (Vec::new(), Vec::new());
        let text = String::from_utf8_lossy(bytes);
        for (i, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
            let entry = line.split('#').next().unwrap_or_default().trim();
            let (namespace, name) = entry.split_once('/').map_or((None, entry), |(ns, name)| (Some(ns), name));
            if namespace.is_none_or(is_label) && (is_common_name(name) || is_dns_name(name)) {
                names.push(entry.to_owned());
            } else if !entry.is_empty() {
                wrong.push((i + 1, entry.chars().take(64).collect()));
            }
        }
        (AllowedNames(names), wrong)
    }

    /// Returns the names that hold in a namespace. A message must not show the names of another namespace.
    fn in_namespace<'a>(&'a self, namespace: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter_map(move |entry| match entry.split_once('/') {
            Some((ns, name)) => (ns == namespace).then_some(name),
            None => Some(entry.as_str()),
        })
    }

    /// Returns the message about the first name of a request that is not allowed. The words are the original's.
    ///
    /// The names of a Service within the cluster (`app1.ns.svc`) follow from its service name and need no entry.
    pub fn refusal(&self, request: &CertificateRequest, pki: &Key) -> Option<String> {
        let allowed = || self.in_namespace(pki.namespace());
        let dns_names = request.dns_names.iter().map(|name| ("dnsName", name));
        let (field, name) = [("ServiceName", &request.service_name), ("commonName", &request.common_name)]
            .into_iter()
            .chain(dns_names)
            .find(|(_, name)| !allowed().any(|allowed| allowed == *name))?;
        // As many as can be shown: the message is cut later.
        let list = allowed().take(MESSAGE_LIMIT).collect::<Vec<_>>().join(" ");
        Some(format!("{field}: {name} in pki: {} is not found in allowedNames: [{list}]", pki.name()))
    }
}

/// The current list, and its file.
pub struct AllowedNamesFile {
    path: Option<PathBuf>,
    current: Mutex<Arc<AllowedNames>>,
    last_read: Mutex<Option<Result<Vec<u8>, String>>>,
}

/// Reads the file of a list.
///
/// # Errors
/// The reason, without the path. A pipe is refused: it can be read only once.
pub fn read_allowed_names(path: &Path) -> Result<Vec<u8>, String> {
    let metadata = fs::metadata(path).map_err(|e| e.to_string())?;
    if !metadata.is_file() || metadata.len() > MAX_BYTES {
        return Err(format!("expected a regular file of at most {MAX_BYTES} bytes"));
    }
    fs::read(path).map_err(|e| e.to_string())
}

impl AllowedNamesFile {
    /// Reads the list for the first time. Without a file it is the sample's.
    pub fn new(path: Option<PathBuf>) -> Self {
        let file = AllowedNamesFile { path, current: Mutex::default(), last_read: Mutex::default() };
        match &file.path {
            Some(path) => drop(file.update(path, read_allowed_names(path))),
            None => {
                tracing::warn!("no --allowed-names: the sample's app1 and app2 are allowed, in every namespace");
                *file.current.lock() = Arc::new(AllowedNames(vec!["app1".into(), "app2".into()]));
            }
        }
        file
    }

    /// Returns the list as it is now.
    pub fn current(&self) -> Arc<AllowedNames> {
        self.current.lock().clone()
    }

    /// Reads the file every second, forever, and calls `changed` after each change of the list.
    pub async fn follow(&self, changed: impl Fn()) {
        let Some(path) = &self.path else { return std::future::pending().await };
        loop {
            tokio::time::sleep(READ_EVERY).await;
            // In a thread of its own: the file system may hang.
            let reading = path.clone();
            let read = tokio::task::spawn_blocking(move || read_allowed_names(&reading)).await;
            if read.is_ok_and(|read| self.update(path, read)) {
                changed();
            }
        }
    }

    /// Replaces the list by what was read. Returns whether the list has changed.
    fn update(&self, file: &Path, read: Result<Vec<u8>, String>) -> bool {
        let mut last_read = self.last_read.lock();
        if last_read.as_ref() == Some(&read) {
            return false;
        }
        let file = file.display();
        match last_read.insert(read) {
            Err(why) => {
                tracing::warn!(%file, "the allowed names cannot be read, the last list stays: {why}");
                false
            }
            Ok(bytes) => {
                let (names, wrong) = AllowedNames::parse(bytes);
                for (line, text) in wrong.iter().take(MAX_WARNINGS) {
                    tracing::warn!(%file, "line {line}: {text:?} is not a name: expected name or namespace/name");
                }
                if names.0.is_empty() {
                    tracing::warn!(%file, "the list of allowed names is empty: no name is allowed");
                }
                tracing::info!(%file, names = names.0.len(), skipped = wrong.len(), "allowed names read");
                *self.current.lock() = Arc::new(names);
                true
            }
        }
    }
}

#[cfg(test)]
mod tests;
