//! The plugin `exec`: one long-lived child process.
