//! A temporary folder for the files of one test.

use std::{
    fs,
    ops::Deref,
    path::{Path, PathBuf},
};

use tempfile::TempDir;

/// An empty folder, removed when dropped.
pub struct Folder(TempDir);

impl Folder {
    /// Creates the folder. `name` is a part of its name.
    pub fn new(name: &str) -> Folder {
        let prefix = format!("demo-controller-{name}-");
        Folder(tempfile::Builder::new().prefix(&prefix).tempdir().expect("a temporary folder"))
    }

    /// Adds files, by their relative paths.
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
