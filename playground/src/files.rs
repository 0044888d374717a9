//! The files of the playground: a kubeconfig, and the list of allowed names.
//!
//! Only their owner can read them. A file that exists is never overwritten.

use std::{
    fs::{self, OpenOptions, Permissions},
    io::{self, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::Path,
};

use daemon::Error;
use tempfile::{TempDir, TempPath};

/// Removes the files when it is dropped.
pub struct Files {
    kubeconfig: TempPath,
    allowed_names: TempPath,
    /// Dropped last: it contains the files.
    _folder: TempDir,
}

impl Files {
    /// Creates the files in a temporary folder, except a kubeconfig at `out`.
    ///
    /// # Errors
    /// [`Error::Usage`]: `out` cannot be created. [`Error::Failed`]: a temporary file cannot be created.
    pub fn create(server: &str, allowed_names: &str, out: Option<&Path>) -> Result<Files, Error> {
        let failed = |e: io::Error| Error::Failed(format!("temporary files: {e}: set TMPDIR to another folder"));
        let only_owner = Permissions::from_mode(0o700);
        let folder = tempfile::Builder::new().prefix("demo-controller-").permissions(only_owner).tempdir();
        let folder = folder.map_err(failed)?;
        let allowed_names = create(&folder.path().join("allowed-names"), allowed_names).map_err(failed)?;
        let kubeconfig = match out {
            None => create(&folder.path().join("kubeconfig"), &format_kubeconfig(server)).map_err(failed)?,
            Some(out) => create(out, &format_kubeconfig(server)).map_err(|e| {
                let out = out.display();
                Error::Usage(format!("--kubeconfig-out {out}: {e}: expected a new file; it is removed at the end"))
            })?,
        };
        Ok(Files { kubeconfig, allowed_names, _folder: folder })
    }

    /// Returns the path of the list of allowed names.
    pub fn allowed_names(&self) -> &Path {
        &self.allowed_names
    }

    /// Returns the path of the kubeconfig.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// Returns the shell command that makes kubectl use the playground.
    pub fn export_command(&self) -> String {
        format!("export KUBECONFIG='{}'", self.kubeconfig.to_string_lossy().replace('\'', r"'\''"))
    }
}

/// Creates a file. Fails if the path exists, also as a symbolic link.
fn create(path: &Path, text: &str) -> io::Result<TempPath> {
    let path = std::path::absolute(path)?;
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
    file.write_all(text.as_bytes()).inspect_err(|_| drop(fs::remove_file(&path)))?;
    TempPath::try_from_path(path)
}

fn format_kubeconfig(server: &str) -> String {
    format!(
        "# Created by the playground, and removed when it ends. A request without a token has administrator rights.
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
