//! How the list of allowed names follows its file.
//!
//! The file is read again every second and compared. Why not ask the kernel (inotify)? Because this file is as a rule
//! a ConfigMap, which changes by swapping a symbolic link two directories up; because network file systems tell
//! nothing; and because a read of a small file costs nothing while a dependency does.
//!
//! Promises:
//! * what counts is what two reads in a row agree on: a file that is caught half written changes nothing;
//! * a file that cannot be read any more changes nothing either: the last list stays, with one warning and not one per
//!   look;
//! * whoever is told of a new list finds it current.

use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use super::allowed::AllowedNames;

/// How often the file is read. A change is noticed after one to two of these.
const EVERY: Duration = Duration::from_secs(1);
/// The largest list; a megabyte is some fifty thousand names.
const LIMIT: u64 = 1024 * 1024;
/// So many lines that are no names are told one by one. More than that is not a typo but the wrong file.
const TELL: usize = 10;

/// The current list. Readers get a pointer to it and keep it for as long as one look takes.
pub struct Allowed {
    path: Option<PathBuf>,
    current: RwLock<Arc<AllowedNames>>,
    /// What was read at the start.
    first: Content,
}

/// What a read brought. Bytes, not names, are compared: a change of a comment is a change, and costs one look at each
/// Pki.
type Content = Result<Vec<u8>, String>;

/// Reads a list's file.
///
/// # Errors
/// With the reason, for a person; the path is not in it. Only regular files are read: a pipe (`<(echo app1)` in a
/// shell) could be read once and never again.
pub fn read(path: &Path) -> Content {
    let read = || {
        let metadata = std::fs::metadata(path).map_err(|e| e.to_string())?;
        if !metadata.is_file() {
            return Err("not a regular file".to_owned());
        }
        let mut bytes = Vec::new();
        File::open(path).and_then(|f| f.take(LIMIT + 1).read_to_end(&mut bytes)).map_err(|e| e.to_string())?;
        if bytes.len() as u64 > LIMIT {
            return Err(format!("larger than {LIMIT} bytes"));
        }
        Ok(bytes)
    };
    read()
}

impl Allowed {
    /// The list in the file, or the sample's where there is no file. Logs what there is to warn of.
    ///
    /// The command line has made sure that the file can be read ([`read`]). Should it be gone by now, nobody is
    /// allowed.
    pub fn load(path: Option<&Path>) -> Self {
        let Some(path) = path else {
            tracing::warn!("no --allowed-names: the sample's app1 and app2 are allowed, in every namespace");
            return Allowed {
                path: None,
                current: RwLock::new(Arc::new(AllowedNames::sample())),
                first: Ok(Vec::new()),
            };
        };
        let first = read(path);
        let names = match &first {
            Ok(bytes) => parse(path, bytes),
            Err(why) => {
                tracing::warn!(file = %path.display(), "the allowed names cannot be read, so nobody is allowed: {why}");
                AllowedNames::default()
            }
        };
        Allowed { path: Some(path.to_owned()), current: RwLock::new(Arc::new(names)), first }
    }

    /// The list as it is now.
    pub fn current(&self) -> Arc<AllowedNames> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Follows the file for ever (or does nothing for ever, if there is none), and calls `changed` after each change.
    ///
    /// Cancellation: safe.
    pub async fn follow(&self, changed: impl Fn()) {
        let Some(path) = &self.path else { return std::future::pending().await };
        let mut file = Follower::new(self.first.clone());
        loop {
            tokio::time::sleep(EVERY).await;
            // In a thread of its own: a file system that hangs must not hang us. There is never more than one such
            // thread, as the next read begins after this one.
            let reading = path.clone();
            let Ok(content) = tokio::task::spawn_blocking(move || read(&reading)).await else { continue };
            match file.look(content) {
                News::None => {}
                News::Unreadable(why) => {
                    tracing::warn!(file = %path.display(), "the allowed names cannot be read, the last list stays: {why}");
                }
                News::Back => {
                    tracing::info!(file = %path.display(), "the allowed names can be read again, nothing changed")
                }
                News::Content(bytes) => {
                    let names = parse(path, &bytes);
                    let known = self.current();
                    tracing::info!(file = %path.display(), before = known.len(), now = names.len(), "allowed names read again");
                    *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(names);
                    changed();
                }
            }
        }
    }
}

/// A byte that is no UTF-8 makes its own line no name, and no other.
fn parse(path: &Path, bytes: &[u8]) -> AllowedNames {
    let (names, warnings) = AllowedNames::parse(&String::from_utf8_lossy(bytes));
    let file = path.display();
    for warning in warnings.iter().take(TELL) {
        tracing::warn!(%file, "allowed names: {warning}");
    }
    if let Some(more) = warnings.len().checked_sub(TELL).filter(|more| *more > 0) {
        tracing::warn!(%file, more, "allowed names: more lines that are no names; is this the right file?");
    }
    if names.is_empty() {
        tracing::warn!(%file, "the list of allowed names is empty: nobody is allowed");
    }
    names
}

/// Decides what a read means. No clock and no file in here.
struct Follower {
    /// What counts: what was told last.
    known: Content,
    /// What the last read brought, if that was something else; not believed yet.
    doubtful: Option<Content>,
    /// The last good content, which is still in force while the file cannot be read.
    in_force: Option<Vec<u8>>,
}

#[derive(Debug, PartialEq, Eq)]
enum News {
    None,
    Content(Vec<u8>),
    Unreadable(String),
    /// It can be read again, and says what it said before.
    Back,
}

impl Follower {
    fn new(first: Content) -> Self {
        Follower { in_force: first.as_ref().ok().cloned(), known: first, doubtful: None }
    }

    fn look(&mut self, content: Content) -> News {
        if content == self.known {
            self.doubtful = None;
            return News::None;
        }
        // An editor empties a file before it writes it, a copy takes its time: read once is not enough.
        if self.doubtful.as_ref() != Some(&content) {
            self.doubtful = Some(content);
            return News::None;
        }
        self.doubtful = None;
        self.known = content.clone();
        match content {
            Err(why) => News::Unreadable(why),
            Ok(bytes) if self.in_force.as_ref() == Some(&bytes) => News::Back,
            Ok(bytes) => {
                self.in_force = Some(bytes.clone());
                News::Content(bytes)
            }
        }
    }
}

#[cfg(test)]
#[path = "allowed_file_tests.rs"]
mod tests;
