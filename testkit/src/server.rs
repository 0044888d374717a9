//! A server as a child process, its port and its signals.

use std::{
    fs::{self, File},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU16, Ordering},
};

/// A running server that logs to a file. Dropping it kills it.
pub struct ServerProcess {
    child: Child,
    log: PathBuf,
}

impl ServerProcess {
    /// Starts `command` and appends its stdout and stderr to `log`.
    pub fn start(mut command: Command, log: &Path) -> ServerProcess {
        let file = File::options().create(true).append(true).open(log).expect("a log file can be opened");
        let both = file.try_clone().expect("a file handle can be cloned");
        command.stdin(Stdio::null()).stdout(file).stderr(both);
        let child = command.spawn().unwrap_or_else(|e| panic!("cannot start {command:?}: {e}"));
        ServerProcess { child, log: log.to_owned() }
    }

    /// Returns the end of its log as an error if it has ended.
    pub fn check_alive(&mut self) -> Result<(), String> {
        match self.child.try_wait() {
            Ok(None) => Ok(()),
            ended => Err(format!("ended unexpectedly ({ended:?}):\n{}", self.tail(15))),
        }
    }

    /// Sends a signal.
    pub fn signal(&self, name: &str) {
        signal(self.child.id(), name);
    }

    /// Returns the last lines of its log.
    pub fn tail(&self, lines: usize) -> String {
        tail(&fs::read_to_string(&self.log).unwrap_or_default(), lines)
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        // An API server that has lost its etcd does not stop at SIGTERM.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends a signal (`TERM`, `STOP`, `CONT`) to a process.
pub fn signal(pid: u32, name: &str) {
    let sent = Command::new("sh").arg("-c").arg(format!("kill -{name} {pid}")).status();
    assert!(sent.is_ok_and(|status| status.success()), "signal {name} to {pid}");
}

/// Returns the last lines of a text.
pub fn tail(text: &str, lines: usize) -> String {
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

/// Returns a free port of the loopback address, a different one each time. It is below the kernel's range for outgoing
/// connections, so a restarted server finds it free.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = 20_000 + (std::process::id() % 10_000) as u16;
    loop {
        let port = start + NEXT.fetch_add(1, Ordering::Relaxed) % 2_000;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
