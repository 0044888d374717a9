//! Captures the log of the test's thread, and reads log lines.

use std::{
    io,
    sync::{Arc, Mutex},
};

use serde_json::Value;

/// Captures the log of this thread until it is dropped.
pub struct Log {
    text: Arc<Mutex<Vec<u8>>>,
    _second: tracing::Dispatch,
    _guard: tracing::subscriber::DefaultGuard,
}

impl Log {
    /// Starts to capture lines of this level and above.
    pub fn start(level: tracing::Level) -> Log {
        // Pitfall: tracing caches for each log statement whether it is enabled. While only one subscriber exists, the
        // first thread that reaches the statement decides, and a thread without a subscriber disables it for all
        // threads. With a second subscriber, tracing asks the subscriber of each thread.
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

    /// Returns the first line that contains `words`, else all lines. Lines of `--explain` are left out.
    pub fn find(&self, words: &str) -> Result<Value, Vec<Value>> {
        let mut lines = self.lines();
        lines.retain(|line| line["target"] != "demo_controller::explain");
        lines.iter().find(|line| line.to_string().contains(words)).cloned().ok_or(lines)
    }
}

/// Returns a field of a line as text, empty if it is absent.
pub fn text(line: &Value, field: &str) -> String {
    match &line[field] {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Returns the lifecycle log of a pod (`namespace/name`): `none>Pending baseline`, `Ready>Ready restarts=1`.
pub fn lifecycle(lines: &[Value], pod: &str) -> Vec<String> {
    let of_pod = lines.iter().filter(|line| line["message"] == "pod lifecycle" && line["pod"] == pod);
    let short = |line: &Value| {
        let restarts = text(line, "restarts");
        let restarts = if restarts.is_empty() { restarts } else { format!(" restarts={restarts}") };
        let flag = |name: &str| if text(line, name) == "true" { format!(" {name}") } else { String::new() };
        format!("{}>{}{restarts}{}{}", text(line, "from"), text(line, "to"), flag("replaced"), flag("baseline"))
    };
    of_pod.map(short).collect()
}

/// Returns the events of an object (`namespace/name`) that a plugin has handled: `ADDED MODIFIED`.
pub fn handled(lines: &[Value], object: &str) -> String {
    let of_object =
        lines.iter().filter(|line| line["object"] == object && line["target"] != "demo_controller::explain");
    let types: Vec<String> = of_object.map(|line| text(line, "type")).filter(|kind| !kind.is_empty()).collect();
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
