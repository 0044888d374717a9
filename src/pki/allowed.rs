//! The list of allowed names, and its file.
//!
//! ```text
//! app1                  # in every namespace
//! team2/www.example.com # in the namespace team2 only
//! ```
//!
//! The file is read once a second. It is usually a mounted ConfigMap, where the kubelet replaces a symbolic link and not the file:
//! watching the file itself would not notice that.

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
/// Maximum number of wrong lines that are logged.
const MAX_WARNINGS: usize = 10;

/// The entries of the list, in the order of the file: `name` or `namespace/name`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllowedNames(Vec<String>);

impl AllowedNames {
    /// Parses a list. Also returns the numbers and texts of the lines that are not names.
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

    /// Returns the names that are allowed in a namespace. A message must not show the names of another one.
    fn in_namespace<'a>(&'a self, namespace: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter_map(move |entry| match entry.split_once('/') {
            Some((ns, name)) => (ns == namespace).then_some(name),
            None => Some(entry.as_str()),
        })
    }

    /// Checks that each name of a request is allowed. `app1.ns.svc` and the like need no entry besides `app1`.
    ///
    /// # Errors
    /// A message about the first name that is not allowed.
    pub fn check(&self, request: &CertificateRequest, pki: &Key) -> Result<(), String> {
        let allowed = || self.in_namespace(pki.namespace());
        let dns_names = request.dns_names.iter().map(|name| ("dnsName", name));
        let names = [("ServiceName", &request.service_name), ("commonName", &request.common_name)];
        let mut names = names.into_iter().chain(dns_names);
        let Some((field, name)) = names.find(|(_, name)| !allowed().any(|allowed| allowed == *name)) else {
            return Ok(());
        };
        // The message is cut later.
        let list = allowed().take(MESSAGE_LIMIT).collect::<Vec<_>>().join(" ");
        Err(format!("{field}: {name} in pki: {} is not found in allowedNames: [{list}]", pki.name()))
    }
}

/// The file of the list, and the current list.
pub struct AllowedNamesFile {
    path: Option<PathBuf>,
    current: Mutex<Arc<AllowedNames>>,
    last_read: Mutex<Option<Result<Vec<u8>, String>>>,
}

/// Reads the file of the list.
///
/// # Errors
/// The reason, without the path. A pipe is refused: it can be read only once.
pub fn read_allowed_names(path: &Path) -> Result<Vec<u8>, String> {
    let metadata = fs::metadata(path).map_err(|e| e.to_string())?;
    if !metadata.is_file() || metadata.len() > MAX_BYTES {
        return Err(format!("not a regular file of at most {MAX_BYTES} bytes"));
    }
    fs::read(path).map_err(|e| e.to_string())
}

impl AllowedNamesFile {
    /// Reads the file. Without a file, the names of the sample are allowed.
    pub fn new(path: Option<PathBuf>) -> Self {
        let file = AllowedNamesFile { path, current: Mutex::default(), last_read: Mutex::default() };
        match &file.path {
            Some(path) => drop(file.update(path, read_allowed_names(path))),
            None => {
                tracing::warn!("no --allowed-names: the names app1 and app2 are allowed in every namespace");
                *file.current.lock() = Arc::new(AllowedNames(vec!["app1".into(), "app2".into()]));
            }
        }
        file
    }

    /// Returns the current list.
    pub fn current(&self) -> Arc<AllowedNames> {
        self.current.lock().clone()
    }

    /// Reads the file every second, forever, and calls `changed` after each change of the list.
    pub async fn follow(&self, changed: impl Fn()) {
        let Some(path) = &self.path else { return std::future::pending().await };
        loop {
            tokio::time::sleep(READ_EVERY).await;
            // In a thread, because the file system may hang.
            let reading = path.clone();
            let read = tokio::task::spawn_blocking(move || read_allowed_names(&reading)).await;
            if read.is_ok_and(|read| self.update(path, read)) {
                changed();
            }
        }
    }

    /// Replaces the list by the content of the file. Returns whether it has changed.
    fn update(&self, file: &Path, read: Result<Vec<u8>, String>) -> bool {
        let mut last_read = self.last_read.lock();
        if last_read.as_ref() == Some(&read) {
            return false;
        }
        let file = file.display();
        match last_read.insert(read) {
            Err(why) => {
                tracing::warn!(%file, "cannot read the allowed names, the last list stays: {why}");
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
