//! A folder for the files of one test.

use std::{
    fs,
    ops::Deref,
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
};

/// A folder that no other test has. Gone when dropped, so also when the test fails.
pub struct Folder(PathBuf);

impl Folder {
    /// An empty one. The name is for people: it says whose it is, should the whole process be killed and leave it behind.
    pub fn new(name: &str) -> Folder {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let (process, number) = (std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(format!("demo-controller-{name}-{process}-{number}"));
        // Left behind by a process that had the same id.
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    /// With these files in it, by their relative paths.
    pub fn with(self, files: &[(&str, &str)]) -> Folder {
        for (name, text) in files {
            self.file(name, text);
        }
        self
    }

    /// Writes a file, and says where it is.
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
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
