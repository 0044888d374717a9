//! Log lines: those of the test's own thread, and how lines are read.

use std::{
    io,
    sync::{Arc, Mutex},
};

use serde_json::Value;

/// The log of this thread, until it is dropped.
pub struct Log {
    text: Arc<Mutex<Vec<u8>>>,
    _second: tracing::Dispatch,
    _guard: tracing::subscriber::DefaultGuard,
}

impl Log {
    /// Starts to collect lines of this level and of those above.
    pub fn start(level: tracing::Level) -> Log {
        // Pitfall: tracing caches for each log statement whether a subscriber wants it. While there is only one
        // subscriber, only the first thread that arrives is asked: a test on another thread, without a subscriber,
        // would switch the statement off for this one. With a second subscriber all are asked.
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

    /// The first line that contains these words, except those of `--explain`; all lines if there is none.
    pub fn find(&self, words: &str) -> Result<Value, Vec<Value>> {
        let mut lines = self.lines();
        lines.retain(|line| line["target"] != "demo_controller::explain");
        lines.iter().find(|line| line.to_string().contains(words)).cloned().ok_or(lines)
    }
}

/// A field of a line as text, empty if it is absent.
pub fn text(line: &Value, field: &str) -> String {
    match &line[field] {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The lifecycle log of a pod (`namespace/name`): `none>Pending baseline`, `Ready>Ready restarts=1`.
pub fn lifecycle(lines: &[Value], pod: &str) -> Vec<String> {
    let of_it = lines.iter().filter(|line| line["message"] == "pod lifecycle" && line["pod"] == pod);
    let short = |line: &Value| {
        let restarts = text(line, "restarts");
        let restarts = if restarts.is_empty() { restarts } else { format!(" restarts={restarts}") };
        let flag = |name: &str| if text(line, name) == "true" { format!(" {name}") } else { String::new() };
        format!("{}>{}{restarts}{}{}", text(line, "from"), text(line, "to"), flag("replaced"), flag("baseline"))
    };
    of_it.map(short).collect()
}

/// The events of an object (`namespace/name`) that a plugin has handled: `ADDED MODIFIED`.
pub fn handled(lines: &[Value], object: &str) -> String {
    let of_it = lines.iter().filter(|line| line["object"] == object && line["target"] != "demo_controller::explain");
    let types: Vec<String> = of_it.map(|line| text(line, "type")).filter(|kind| !kind.is_empty()).collect();
    types.join(" ")
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
