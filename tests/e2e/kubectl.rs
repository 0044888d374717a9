//! kubectl as the administrator.

use std::{
    io::Write,
    path::PathBuf,
    process::{Command, Stdio},
};

/// kubectl with its kubeconfig.
pub struct Kubectl {
    program: PathBuf,
    kubeconfig: PathBuf,
}

impl Kubectl {
    /// Runs nothing.
    pub fn new(program: PathBuf, kubeconfig: PathBuf) -> Kubectl {
        Kubectl { program, kubeconfig }
    }

    /// Runs it with these words, separated by blanks, and returns its output.
    ///
    /// # Panics
    /// It fails.
    #[track_caller]
    pub fn run(&self, words: &str) -> String {
        self.run_args(&words.split(' ').collect::<Vec<_>>())
    }

    /// [`Kubectl::run`] with arguments that contain blanks.
    #[track_caller]
    pub fn run_args(&self, args: &[&str]) -> String {
        self.feed(args, "").unwrap_or_else(|why| panic!("kubectl {}: {why}", args.join(" ")))
    }

    /// Applies a manifest.
    #[track_caller]
    pub fn apply(&self, manifest: &str) -> String {
        self.feed(&["apply", "-f", "-"], manifest).unwrap_or_else(|why| panic!("kubectl apply: {why}\n{manifest}"))
    }

    /// Runs it with this input, and returns its output or its error.
    pub fn feed(&self, args: &[&str], input: &str) -> Result<String, String> {
        let mut child = Command::new(&self.program)
            .args(args)
            .env("KUBECONFIG", &self.kubeconfig)
            // For its cache of the API server's resources.
            .env("HOME", self.kubeconfig.with_file_name("home"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|e| format!("cannot be started: {e}"))?;
        let mut stdin = child.stdin.take().ok_or("no stdin")?;
        // It may end without reading all of it; its error is better than a broken pipe.
        let _ = stdin.write_all(input.as_bytes());
        drop(stdin);
        let output = child.wait_with_output().map_err(|e| e.to_string())?;
        if output.status.success() {
            Ok(String::from_utf8_lossy(&output.stdout).into_owned())
        } else {
            Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
        }
    }
}
