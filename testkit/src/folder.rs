//! Temporary folders, and the files of this repository.

use std::{
    fs,
    ops::Deref,
    path::{Path, PathBuf},
};

use tempfile::TempDir;

/// A temporary folder. Dropping it removes it.
pub struct Folder(TempDir);

impl Folder {
    /// Creates an empty folder with `name` in its name.
    pub fn new(name: &str) -> Folder {
        let prefix = format!("demo-controller-{name}-");
        Folder(tempfile::Builder::new().prefix(&prefix).tempdir().expect("a temporary folder"))
    }

    /// Writes files at these relative paths.
    pub fn with(self, files: &[(&str, &str)]) -> Folder {
        for (name, text) in files {
            self.file(name, text);
        }
        self
    }

    /// Writes a file and returns its path.
    pub fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }
}

impl Deref for Folder {
    type Target = Path;

    fn deref(&self) -> &Path {
        self.0.path()
    }
}

/// The folder of the repository.
pub fn repo() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// Reads a file of the repository.
pub fn repo_file(name: &str) -> String {
    fs::read_to_string(repo().join(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
}
