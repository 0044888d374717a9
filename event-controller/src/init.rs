//! Process 1 of a container: reaps the processes that a plugin leaves behind.
//!
//! When a process ends, its children get process 1 as their parent, and stay in the process table until that waits for them. So
//! process 1 starts this program again as a child, and only waits and forwards signals. The child waits for its own children,
//! and the two do not compete.

use std::{
    env, io,
    process::{Command, ExitCode},
};

use nix::{
    sys::{
        signal::{SigSet, Signal, kill},
        wait::{WaitPidFlag, WaitStatus, waitpid},
    },
    unistd::{Pid, getpid},
};

/// If this is process 1, runs the program in a child process and returns its exit code. Call it before any thread starts.
///
/// # Errors
/// The child cannot be started.
pub fn run_as_process_1() -> io::Result<Option<ExitCode>> {
    let signals: SigSet = Signal::iterator().collect();
    if getpid() != Pid::from_raw(1) {
        // The child of process 1 inherits the blocked signals.
        signals.thread_unblock()?;
        return Ok(None);
    }
    // Without handlers process 1 would ignore signals. `wait` returns blocked ones.
    signals.thread_block()?;
    let child = Command::new(env::current_exe()?).args(env::args_os().skip(1)).spawn()?;
    let child = Pid::from_raw(i32::try_from(child.id()).map_err(io::Error::other)?);
    loop {
        match signals.wait()? {
            Signal::SIGCHLD => {
                while let Ok(status) = waitpid(None, Some(WaitPidFlag::WNOHANG)) {
                    match status {
                        WaitStatus::StillAlive => break,
                        WaitStatus::Exited(pid, code) if pid == child => {
                            return Ok(Some(ExitCode::from(u8::try_from(code).unwrap_or(1))));
                        }
                        WaitStatus::Signaled(pid, signal, _) if pid == child => {
                            return Ok(Some(ExitCode::from(128 + signal as u8)));
                        }
                        _ => {}
                    }
                }
            }
            // An error means that the child has just ended.
            signal => drop(kill(child, signal)),
        }
    }
}
