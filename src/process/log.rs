//! Lines on stderr: text for a person at a terminal, JSON for a collector.
//!
//! A JSON line has `timestamp` (RFC 3339, UTC), `level`, `message`, `target` and the event's fields, flat beside them.
//! `--log-format` decides, else whether stderr is a terminal. Colours only on a terminal that shows them, and not
//! where `NO_COLOR` is set.
//!
//! **An event is one line**, whatever stands in its fields: what others write (a server's error, a webhook's) ends up
//! there, and must not be able to write a second line that looks like one of ours.
//!
//! How much: `--log-level`, else `RUST_LOG` (a filter such as `info,demo_controller::informer=debug`), else `LOG_LEVEL`
//! or the file's `log_level`, else `info`. A level is about this program; libraries stay at WARN, and the Kubernetes
//! client is off unless RUST_LOG names it: it logs every failed request as an ERROR, and each is logged once already
//! where it is handled.

use std::io::{self, IsTerminal, Write};

use tracing_subscriber::{
    EnvFilter,
    filter::LevelFilter,
    fmt::{MakeWriter, format::Writer, time::FormatTime},
};

use super::{
    Refusal,
    settings::{Env, ROW, Setting, Settings, Source},
};
use crate::text::quoted;

/// How much.
pub static LOG_LEVEL: Setting = Setting {
    flag: "log-level",
    value: "LEVEL",
    env: "LOG_LEVEL",
    default: "info",
    help: "trace, debug, info, warn or error; RUST_LOG may hold a finer filter",
    ..ROW
};
/// In which form.
pub static LOG_FORMAT: Setting = Setting {
    flag: "log-format",
    value: "text|json",
    env: "DEMO_CONTROLLER_LOG_FORMAT",
    default: "text on a terminal, else json",
    help: "How log lines look",
    ..ROW
};

/// How to log, checked.
#[derive(Debug)]
pub struct Logging {
    filter: EnvFilter,
    json: bool,
    brief: bool,
}

/// Reads the settings. Nothing is logged differently yet.
///
/// # Errors
/// An unknown level or format, a filter that cannot be read.
pub fn decide(settings: &Settings, env: Env, on_terminal: bool) -> Result<Logging, Refusal> {
    let level = match settings.get(&LOG_LEVEL) {
        None => LevelFilter::INFO,
        // The names of the original and of Python are known too.
        Some(given) => match given.text.trim().to_ascii_lowercase().as_str() {
            "trace" => LevelFilter::TRACE,
            "debug" => LevelFilter::DEBUG,
            "info" => LevelFilter::INFO,
            "warn" | "warning" => LevelFilter::WARN,
            "error" | "critical" => LevelFilter::ERROR,
            _ => return Err(given.wrong("expected trace, debug, info, warn or error")),
        },
    };
    let filter = match finer(settings, env) {
        Some(text) => {
            // Off here as well, unless it is named, and as a whole: it logs whole bodies that it cannot decode, and
            // one may be a Secret.
            let named = text.split(',').any(|part| part.split('=').next().unwrap_or_default().trim() == "kube_client");
            let quiet = if named { "" } else { ",kube_client=off" };
            parse(&format!("{text}{quiet}")).map_err(|why| {
                let text = quoted(&text);
                Refusal::input(format!("RUST_LOG={text}: expected a filter such as info,demo_controller=debug ({why})"))
            })?
        }
        None => {
            let libraries = level.min(LevelFilter::WARN);
            parse(&format!("{libraries},demo_controller={level},kube_client=off")).map_err(Refusal::failure)?
        }
    };
    let json = match settings.get(&LOG_FORMAT) {
        None => !on_terminal,
        Some(given) => match given.text.trim() {
            "text" => false,
            "json" => true,
            _ => return Err(given.wrong("expected text or json")),
        },
    };
    Ok(Logging { filter, json, brief: false })
}

/// The filter of `RUST_LOG`, if it is what decides.
pub fn finer(settings: &Settings, env: Env) -> Option<String> {
    let text = env("RUST_LOG")?.to_string_lossy().into_owned();
    Some(text).filter(|text| !text.trim().is_empty() && settings.at(Source::Flag, &LOG_LEVEL).is_none())
}

impl Logging {
    /// Lets the lines of this target through, or none of them, whatever the level is.
    pub fn with(mut self, target: &str, on: bool) -> Self {
        let directive = format!("{target}={}", if on { "info" } else { "off" });
        if let Ok(directive) = directive.parse() {
            self.filter = self.filter.add_directive(directive);
        }
        self
    }

    /// Lines of text begin with the time of day (UTC), without the date and what is less than a second.
    pub fn brief(self) -> Self {
        Logging { brief: true, ..self }
    }
}

/// The time of day, for lines that are read as they come.
struct TimeOfDay;

impl FormatTime for TimeOfDay {
    fn format_time(&self, w: &mut Writer<'_>) -> std::fmt::Result {
        write!(w, "{}", jiff::Timestamp::now().strftime("%H:%M:%S"))
    }
}

fn parse(filter: &str) -> Result<EnvFilter, String> {
    EnvFilter::builder().parse(filter).map_err(|e| e.to_string())
}

/// Whether what is written there may have colours: on a terminal that shows them, to people who want them
/// (<https://no-color.org>).
pub fn colours(on_terminal: bool, env: Env) -> bool {
    let unwanted = env("NO_COLOR").is_some_and(|value| !value.is_empty());
    let unknown = env("TERM").is_some_and(|value| value == "dumb");
    on_terminal && !unwanted && !unknown
}

/// Starts to log, for the rest of the process's life. Does nothing when called again.
pub fn start(logging: Logging) {
    start_on(logging, std::io::stderr);
}

/// The same, but the lines go where this says, on their way to stderr.
pub fn start_on<W>(Logging { filter, json, brief }: Logging, writer: W)
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let colours = colours(io::stderr().is_terminal(), &|name| std::env::var_os(name));
    let lines =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(OneLine { writer, colours }).with_ansi(colours);
    // Pitfall: a line that cannot be written (a full disk, a collector that went away) is else complained about on
    // stderr, which cannot be written either, and that is a panic. The work is worth more than its log.
    let lines = lines.log_internal_errors(false);
    let started = if json {
        let lines = lines.json().flatten_event(true).with_current_span(false).with_span_list(false);
        lines.try_init()
    } else if brief {
        lines.with_target(false).with_timer(TimeOfDay).try_init()
    } else {
        lines.with_target(false).try_init()
    };
    // The only error there is: somebody was first.
    drop(started);
}

/// Keeps each event in one line, and the terminal's cursor where it is. `tracing` hands over one event at a time, with
/// the line end that is ours. It escapes fields that are strings itself, but not all that are displayed (`%`), and here
/// nobody has to think of it where a line is logged.
struct OneLine<W> {
    writer: W,
    colours: bool,
}

impl<'a, W: MakeWriter<'a>> MakeWriter<'a> for OneLine<W> {
    type Writer = OneLine<W::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        OneLine { writer: self.writer.make_writer(), colours: self.colours }
    }
}

impl<W: Write> Write for OneLine<W> {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(event);
        let body = text.strip_suffix('\n').unwrap_or(&text);
        let mut line = String::with_capacity(text.len() + 16);
        for (at, c) in body.char_indices() {
            let ours = c == '\t' || self.colours && is_colour(&body[at..]);
            match c {
                _ if ours || !c.is_control() => line.push(c),
                // JSON has these escaped already.
                '\0'..' ' => line.extend(c.escape_default()),
                // As JSON writes them, which lets them stand.
                _ => line.push_str(&format!("\\u{:04x}", u32::from(c))),
            }
        }
        line.push_str(&text[body.len()..]);
        self.writer.write_all(line.as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

/// Whether it begins with what `tracing` writes to change the colour or to go back: `ESC [ 3 1 m`.
fn is_colour(text: &str) -> bool {
    let code = text.strip_prefix("\x1b[").and_then(|rest| rest.split_once('m')).map(|(code, _)| code.as_bytes());
    matches!(code, Some([b'0'..=b'3'] | [b'3', b'0'..=b'7']))
}

#[cfg(test)]
mod tests {
    use std::{
        collections::HashMap,
        ffi::OsString,
        sync::{Arc, Mutex},
    };

    use super::*;

    static TABLE: super::super::settings::Table = &[("", &[&LOG_LEVEL, &LOG_FORMAT])];

    fn filter(flag: Option<&str>, level: Option<&str>, rust_log: Option<&str>) -> Result<String, Refusal> {
        let env = |name: &str| match name {
            "LOG_LEVEL" => level.map(OsString::from),
            "RUST_LOG" => rust_log.map(OsString::from),
            _ => None,
        };
        let flags: HashMap<_, _> = flag.map(|text| ("LOG_LEVEL", text.to_owned())).into_iter().collect();
        let no_file = |_: &std::path::Path| Err(std::io::ErrorKind::NotFound.into());
        let settings = Settings::collect(TABLE, flags, &env, &LOG_FORMAT, &[], &no_file);
        decide(&settings.unwrap(), &env, true).map(|logging| logging.filter.to_string())
    }

    #[test]
    fn a_level_is_about_this_program_and_the_client_is_never_heard() {
        assert_eq!(filter(None, None, None).unwrap(), "demo_controller=info,kube_client=off,warn");
        assert_eq!(filter(None, Some("DEBUG"), None).unwrap(), "demo_controller=debug,kube_client=off,warn");
        assert_eq!(filter(None, Some("Critical"), None).unwrap(), "demo_controller=error,kube_client=off,error");
        assert!(filter(None, Some("loud"), None).unwrap_err().to_string().starts_with("LOG_LEVEL=loud: expected"));
    }

    #[test]
    fn a_filter_beats_the_variable_but_not_the_flag() {
        assert_eq!(filter(None, Some("error"), Some("debug")).unwrap(), "kube_client=off,debug");
        assert_eq!(filter(None, None, Some("kube_client=debug")).unwrap(), "kube_client=debug");
        let part = filter(None, None, Some("debug,kube_client::client::auth=info")).unwrap();
        assert_eq!(part, "kube_client::client::auth=info,kube_client=off,debug", "a part of it is not the whole");
        assert_eq!(filter(Some("warn"), None, Some("debug")).unwrap(), "demo_controller=warn,kube_client=off,warn");
        assert_eq!(filter(None, None, Some(" ")).unwrap(), "demo_controller=info,kube_client=off,warn");
        let broken = filter(None, None, Some("a=b=c")).unwrap_err().to_string();
        assert!(broken.starts_with("RUST_LOG=a=b=c: expected a filter"), "{broken}");
    }

    #[test]
    fn colours_are_for_terminals_that_show_them_and_people_who_want_them() {
        let with = |name: &'static str, value: &'static str| {
            colours(true, &move |asked: &str| (asked == name).then(|| OsString::from(value)))
        };
        assert!(with("TERM", "xterm") && with("NO_COLOR", "") && !colours(false, &|_| None));
        assert!(!with("TERM", "dumb") && !with("NO_COLOR", "1"));
    }

    #[test]
    fn a_line_of_json_stays_json_whatever_stands_in_its_fields() {
        let memory = Memory::default();
        let writer = memory.clone();
        let writer = OneLine { writer: move || writer.clone(), colours: false };
        let lines = tracing_subscriber::fmt().json().flatten_event(true).with_writer(writer).finish();
        tracing::subscriber::with_default(lines, || tracing::warn!(error = %"a\u{7f}b\u{9b}c\nd\x1b", "it failed"));
        let line: serde_json::Value = serde_json::from_slice(&memory.0.lock().unwrap()).unwrap();
        assert_eq!(line["error"], "a\u{7f}b\u{9b}c\nd\x1b");
    }

    #[derive(Clone, Default)]
    struct Memory(Arc<Mutex<Vec<u8>>>);

    impl Write for Memory {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn an_event_is_one_line_whatever_stands_in_its_fields() {
        for colours in [false, true] {
            let memory = Memory::default();
            let writer = memory.clone();
            let writer = OneLine { writer: move || writer.clone(), colours };
            let lines = tracing_subscriber::fmt().with_writer(writer).with_ansi(colours).finish();
            let evil = "no\r\n2026-01-01T00:00:00Z  INFO certificate issued\x1b[2J\u{9b}2Jé";
            tracing::subscriber::with_default(lines, || {
                tracing::warn!(error = %evil, "it failed");
                tracing::info!(text = evil, "it says {evil}");
            });
            let text = String::from_utf8(memory.0.lock().unwrap().clone()).unwrap();
            assert_eq!(text.matches('\n').count(), 2, "{text:?}");
            assert!(text.ends_with('\n') && !text.contains(['\r', '\u{9b}']) && !text.contains("\x1b[2J"), "{text:?}");
            assert!(text.contains(r"[2J\u009b2J"), "{text}");
            assert!(text.contains(r"no\r\n2026-01-01") && text.contains('é'), "what it was can be read: {text}");
            assert_eq!(text.contains("\x1b[33m"), colours, "{text:?}");
        }
    }
}
