//! Runs kubectl as the administrator.

use std::{
    ffi::OsStr,
    io::Write,
    path::PathBuf,
    process::{Command, Stdio},
};

pub struct Kubectl {
    program: PathBuf,
    kubeconfig: PathBuf,
}

impl Kubectl {
    pub fn new(program: PathBuf, kubeconfig: PathBuf) -> Kubectl {
        Kubectl { program, kubeconfig }
    }

    /// Runs kubectl with these arguments, separated by blanks, and returns its output.
    ///
    /// # Panics
    /// kubectl fails.
    #[track_caller]
    pub fn run(&self, args: &str) -> String {
        self.run_args(&args.split(' ').collect::<Vec<_>>())
    }

    /// [`Kubectl::run`], for arguments that contain blanks.
    #[track_caller]
    pub fn run_args(&self, args: &[&str]) -> String {
        self.run_with_input(args, "").unwrap_or_else(|why| panic!("kubectl {}: {why}", args.join(" ")))
    }

    /// Applies a manifest.
    #[track_caller]
    pub fn apply(&self, manifest: &str) -> String {
        self.run_with_input(&["apply", "-f", "-"], manifest)
            .unwrap_or_else(|why| panic!("kubectl apply: {why}\n{manifest}"))
    }

    /// Runs kubectl with this input, and returns its stdout, or its stderr if it fails.
    pub fn run_with_input(&self, args: &[&str], input: &str) -> Result<String, String> {
        self.run_with(self.kubeconfig.as_os_str(), args, input)
    }

    /// Runs kubectl with these kubeconfigs, separated by `:`, and returns its stdout, or its stderr if it fails.
    pub fn run_as(&self, kubeconfigs: &str, args: &[&str]) -> Result<String, String> {
        self.run_with(kubeconfigs.as_ref(), args, "")
    }

    fn run_with(&self, kubeconfigs: &OsStr, args: &[&str], input: &str) -> Result<String, String> {
        let mut child = Command::new(&self.program)
            .args(args)
            .env("KUBECONFIG", kubeconfigs)
            // kubectl caches the API server's resources there.
            .env("HOME", self.kubeconfig.with_file_name("home"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|e| format!("cannot be started: {e}"))?;
        let mut stdin = child.stdin.take().ok_or("no stdin")?;
        // kubectl may fail before it has read everything. Its error is more useful than a broken pipe.
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
