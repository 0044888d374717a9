//! What a test's thread logs.

use std::{
    io,
    sync::{Arc, Mutex},
};

use serde_json::Value;

/// What this thread logs, for as long as this lives.
pub struct Log {
    text: Arc<Mutex<Vec<u8>>>,
    _second: tracing::Dispatch,
    _guard: tracing::subscriber::DefaultGuard,
}

impl Log {
    /// Begins. Quieter lines than of this level are left out.
    pub fn start(level: tracing::Level) -> Log {
        // Pitfall: tracing remembers for each log statement whether anyone listens, and while there is only one
        // subscriber it asks only the thread that comes by first: a test on another thread, where nobody listens, would
        // switch the statement off for this one. A second subscriber makes it ask them all.
        let second = tracing::Dispatch::new(tracing_subscriber::registry());
        let text = Arc::new(Mutex::new(Vec::new()));
        let shared = text.clone();
        let writer = move || Writer(shared.clone());
        let lines = tracing_subscriber::fmt().json().flatten_event(true).with_max_level(level).with_writer(writer);
        Log { text, _second: second, _guard: tracing::subscriber::set_default(lines.finish()) }
    }

    /// The lines so far.
    pub fn lines(&self) -> Vec<Value> {
        let text = String::from_utf8(self.text.lock().expect("no panic").clone()).expect("UTF-8");
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }
}

struct Writer(Arc<Mutex<Vec<u8>>>);

impl io::Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no panic").extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
