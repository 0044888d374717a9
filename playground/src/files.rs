//! The files of the playground: a kubeconfig, and the list of allowed names.
//!
//! Only their owner can read them, a file that exists is never overwritten, and dropping [`Files`] removes them.

use std::{
    fs::{self, OpenOptions, Permissions},
    io::{self, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::Path,
};

use daemon::Error;
use tempfile::{TempDir, TempPath};

/// See the module.
pub struct Files {
    kubeconfig: TempPath,
    allowed_names: TempPath,
    /// Dropped last.
    _folder: TempDir,
}

impl Files {
    /// Creates them in a temporary folder; the kubeconfig at `out`, if there is one.
    ///
    /// # Errors
    /// [`Error::Usage`]: `out` cannot be created. [`Error::Failed`]: there is no place for temporary files.
    pub fn create(server: &str, allowed_names: &str, out: Option<&Path>) -> Result<Files, Error> {
        let failed = |e: io::Error| Error::Failed(format!("temporary files: {e}: TMPDIR may name another folder"));
        let only_owner = Permissions::from_mode(0o700);
        let folder = tempfile::Builder::new().prefix("demo-controller-").permissions(only_owner).tempdir();
        let folder = folder.map_err(failed)?;
        let allowed_names = create(&folder.path().join("allowed-names"), allowed_names).map_err(failed)?;
        let kubeconfig = match out {
            None => create(&folder.path().join("kubeconfig"), &kubeconfig(server)).map_err(failed)?,
            Some(out) => create(out, &kubeconfig(server)).map_err(|e| {
                let out = out.display();
                Error::Usage(format!("--kubeconfig-out {out}: {e}: expected a new file; it is removed at the end"))
            })?,
        };
        Ok(Files { kubeconfig, allowed_names, _folder: folder })
    }

    /// The list of allowed names.
    pub fn allowed_names(&self) -> &Path {
        &self.allowed_names
    }

    /// The line that makes the kubectl of a shell use the playground.
    pub fn export(&self) -> String {
        format!("export KUBECONFIG='{}'", self.kubeconfig.to_string_lossy().replace('\'', r"'\''"))
    }
}

/// Creates a file that must not exist yet; a symbolic link exists.
fn create(path: &Path, text: &str) -> io::Result<TempPath> {
    let path = std::path::absolute(path)?;
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
    file.write_all(text.as_bytes()).inspect_err(|_| drop(fs::remove_file(&path)))?;
    TempPath::try_from_path(path)
}

fn kubeconfig(server: &str) -> String {
    format!(
        "# Of the playground, and removed with it. Without a token every user is the administrator.
apiVersion: v1
kind: Config
current-context: playground
contexts:
- name: playground
  context: {{cluster: playground, user: admin}}
clusters:
- name: playground
  cluster: {{server: \"{server}\"}}
users:
- name: admin
  user: {{}}
"
    )
}
