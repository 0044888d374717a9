//! What the playground puts on disk, and takes away again: a kubeconfig, and the list of allowed names.
//!
//! Promises:
//! * nobody else can read them: the folder is made with mode 0700, the files with 0600, both from the first moment on;
//! * a file that exists is never written to, and so never removed either;
//! * dropping it leaves nothing behind, and so does [`Traces::remove`], for an end at which nothing is dropped.

use std::{
    fs::{self, DirBuilder, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use crate::{process::Refusal, text::quoted};

/// See the module.
#[derive(Debug)]
pub struct Files(Paths);

#[derive(Clone, Debug)]
struct Paths {
    folder: PathBuf,
    kubeconfig: PathBuf,
    /// Inside the folder.
    allowed_names: PathBuf,
}

/// What an end that drops nothing has to remove: the files that are there, if any are. All clones are one.
#[derive(Clone, Debug, Default)]
pub struct Traces(Arc<Mutex<Option<Paths>>>);

impl Traces {
    /// These, from now on.
    pub fn note(&self, files: &Files) {
        self.put(Some(files.0.clone()));
    }

    /// They are gone. Whatever is there from now on under a name of theirs is another's.
    pub fn forget(&self) {
        self.put(None);
    }

    /// Removes them, also while someone else does.
    pub fn remove(&self) {
        if let Some(paths) = self.put(None) {
            paths.remove();
        }
    }

    fn put(&self, paths: Option<Paths>) -> Option<Paths> {
        std::mem::replace(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner), paths)
    }
}

impl Files {
    /// Makes them. With `out`, the kubeconfig goes there, else into the folder too.
    ///
    /// # Errors
    /// Exit code 2 if `out` cannot be created, 1 if there is no place for temporary files.
    pub fn create(server: &str, allowed_names: &str, out: Option<&Path>) -> Result<Files, Refusal> {
        let temporary = std::env::temp_dir();
        // Absolute, as what is in there is printed for shells that may be somewhere else.
        let temporary = std::path::absolute(&temporary).unwrap_or(temporary);
        let wrong = |e: io::Error| {
            let place = quoted(&temporary.to_string_lossy());
            Refusal::failure(format!("{place}: {e}: TMPDIR may name another place for temporary files"))
        };
        let folder = folder(&temporary).map_err(wrong)?;
        // From here on an error removes the folder: it drops this.
        let (kubeconfig_inside, names) = (folder.join("kubeconfig"), folder.join("allowed-names"));
        let mut files = Files(Paths { kubeconfig: kubeconfig_inside, allowed_names: names, folder });
        write_new(files.allowed_names(), allowed_names).map_err(wrong)?;
        let text = kubeconfig(server);
        match out {
            None => write_new(&files.0.kubeconfig, &text).map_err(wrong)?,
            Some(out) => {
                let path = std::path::absolute(out).and_then(|path| write_new(&path, &text).map(|()| path));
                files.0.kubeconfig = path.map_err(|e| {
                    let out = quoted(&out.to_string_lossy());
                    let hint = match e.kind() {
                        io::ErrorKind::AlreadyExists => {
                            "expected a new file, as it is removed at the end (one that was killed leaves its own behind)"
                        }
                        _ => "expected a file that can be created",
                    };
                    Refusal::input(format!("--kubeconfig-out {out}: {e}: {hint}"))
                })?;
            }
        }
        Ok(files)
    }

    /// The list of allowed names.
    pub fn allowed_names(&self) -> &Path {
        &self.0.allowed_names
    }

    /// The line that makes a shell's kubectl use the playground.
    pub fn export(&self) -> String {
        format!("export KUBECONFIG={}", shell_word(&self.0.kubeconfig.to_string_lossy()))
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        self.0.remove();
    }
}

impl Paths {
    fn remove(&self) {
        // It is empty of a path while that is not ours yet; and who has removed it already has done our work.
        let _ = fs::remove_file(&self.kubeconfig);
        let _ = fs::remove_file(&self.allowed_names);
        // One by one, as `remove_dir_all` opens the folder, and this may be the end because nothing can be opened. It is
        // needed all the same when kubectl has left a lock beside a kubeconfig that it changes.
        let _ = fs::remove_dir(&self.folder).or_else(|_| fs::remove_dir_all(&self.folder));
    }
}

/// A folder that is ours alone.
fn folder(parent: &Path) -> io::Result<PathBuf> {
    let mut last = io::Error::from(io::ErrorKind::AlreadyExists);
    // One of that name is there when a process with our id was killed. Who wants to be in the way can be: then it ends.
    for attempt in 0..100 {
        let path = parent.join(format!("demo-controller-{}-{attempt}", std::process::id()));
        match DirBuilder::new().mode(0o700).create(&path) {
            Ok(()) => return Ok(path),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => last = e,
            Err(e) => return Err(e),
        }
    }
    Err(last)
}

/// Writes a file that must not be there yet; symbolic links count as there.
fn write_new(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes()).inspect_err(|_| drop(fs::remove_file(path)))
}

fn kubeconfig(server: &str) -> String {
    format!(
        "# Of `demo-controller playground`, and gone with it.
apiVersion: v1
kind: Config
current-context: playground
contexts:
- name: playground
  context: {{cluster: playground, user: anyone}}
clusters:
- name: playground
  cluster: {{server: \"{server}\"}}
users:
# Without a token one is the administrator.
- name: anyone
  user: {{}}
"
    )
}

/// As a shell reads it as one word.
fn shell_word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '-' | '_' | '+' | ':' | '@' | ',');
    if text.chars().all(plain) { text.to_owned() } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

#[cfg(test)]
#[path = "files_tests.rs"]
mod tests;
