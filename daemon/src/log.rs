//! The log on stderr: text for a terminal, JSON for a log collector.
//!
//! A JSON line has `timestamp`, `level`, `message`, `target` and the fields beside them. A log event is always one line:
//! text in a field cannot fake another event.

use std::{
    env, fmt,
    io::{self, IsTerminal},
};

use tracing_subscriber::{
    EnvFilter,
    field::{MakeExt, RecordFields},
    filter::LevelFilter,
    fmt::{
        FormatFields, MakeWriter, SubscriberBuilder,
        format::{self, Writer, debug_fn},
        time::FormatTime,
    },
};

use crate::{Error, error::write_one_line};

/// The crates that `--log-level` applies to. All others log WARN and ERROR only.
const CRATES: [&str; 5] = ["demo_controller", "daemon", "event_controller", "playground", "step"];
/// The log target of the lines that `--explain` adds.
const EXPLAIN: &str = "demo_controller::explain";

/// The flags of the log.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct LogArgs {
    /// Log level: trace, debug, info, warn or error [default: the filter in RUST_LOG, else info]
    #[arg(long, value_name = "LEVEL", env = "DEMO_CONTROLLER_LOG_LEVEL", value_parser = parse_level)]
    pub log_level: Option<LevelFilter>,
    /// Log format: text or json [default: text on a terminal, else json]
    #[arg(long, value_name = "FORMAT", env = "DEMO_CONTROLLER_LOG_FORMAT", value_parser = parse_format)]
    pub log_format: Option<Format>,
}

/// The format of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For a terminal.
    Text,
    /// For a log collector.
    Json,
}

/// Parses a level. Accepts Python's names, too, which an ini file of event-controller may contain.
fn parse_level(text: &str) -> Result<LevelFilter, String> {
    Ok(match text.to_ascii_lowercase().as_str() {
        "trace" => LevelFilter::TRACE,
        "debug" => LevelFilter::DEBUG,
        "info" => LevelFilter::INFO,
        "warn" | "warning" => LevelFilter::WARN,
        "error" | "critical" => LevelFilter::ERROR,
        _ => return Err("expected trace, debug, info, warn or error".to_owned()),
    })
}

fn parse_format(text: &str) -> Result<Format, String> {
    match text {
        "text" => Ok(Format::Text),
        "json" => Ok(Format::Json),
        _ => Err("expected text or json".to_owned()),
    }
}

/// Starts the log on stderr. Does nothing when called again.
///
/// # Errors
/// [`Error::Usage`]: `RUST_LOG` is not a filter.
pub fn start(args: &LogArgs, explain: bool) -> Result<(), Error> {
    let filter = filter_from_env(args, explain)?;
    let terminal = io::stderr().is_terminal();
    let colours = terminal && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    match args.log_format.unwrap_or(if terminal { Format::Text } else { Format::Json }) {
        Format::Text => drop(build_subscriber(filter, io::stderr, colours).try_init()),
        Format::Json => {
            let lines = build_subscriber(filter, io::stderr, false).json().flatten_event(true);
            drop(lines.with_current_span(false).with_span_list(false).with_target(true).try_init());
        }
    }
    Ok(())
}

/// As [`start`], but writes text lines that start with the time of day (UTC) to `writer`.
///
/// # Errors
/// [`Error::Usage`]: `RUST_LOG` is not a filter.
pub fn start_on<W>(args: &LogArgs, explain: bool, writer: W) -> Result<(), Error>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let filter = filter_from_env(args, explain)?;
    drop(build_subscriber(filter, writer, false).with_timer(TimeOfDay).try_init());
    Ok(())
}

struct TimeOfDay;

impl FormatTime for TimeOfDay {
    fn format_time(&self, w: &mut Writer<'_>) -> fmt::Result {
        write!(w, "{}", jiff::Timestamp::now().strftime("%H:%M:%S"))
    }
}

/// Builds the filter from `--log-level`, else from `RUST_LOG`, else for INFO.
fn filter_from_env(args: &LogArgs, explain: bool) -> Result<EnvFilter, Error> {
    let rust_log = env::var_os("RUST_LOG").map(|text| text.to_string_lossy().into_owned());
    build_filter(args.log_level, rust_log.as_deref().unwrap_or_default(), explain)
}

fn build_filter(level: Option<LevelFilter>, rust_log: &str, explain: bool) -> Result<EnvFilter, Error> {
    let text = if level.is_none() && !rust_log.trim().is_empty() {
        rust_log.to_owned()
    } else {
        let level = level.unwrap_or(LevelFilter::INFO);
        CRATES.iter().fold(level.min(LevelFilter::WARN).to_string(), |text, name| format!("{text},{name}={level}"))
    };
    // The client logs whole bodies, which may contain a Secret, and failed requests, which the caller logs, too.
    let is_named = |part: &str| part.split('=').next().unwrap_or_default().trim() == "kube_client";
    let client = if text.split(',').any(is_named) { "" } else { ",kube_client=off" };
    let explain = if explain { "info" } else { "off" };
    EnvFilter::builder().parse(format!("{text}{client},{EXPLAIN}={explain}")).map_err(|e| {
        Error::Usage(format!("RUST_LOG={text}: {e}: expected a filter such as info,demo_controller=debug"))
    })
}

type TextSubscriber<W> = SubscriberBuilder<OneLine, format::Format<format::Full>, EnvFilter, W>;

fn build_subscriber<W>(filter: EnvFilter, writer: W, colours: bool) -> TextSubscriber<W>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer).with_ansi(colours);
    // Pitfall: by default a failed write (a full disk) is reported on stderr, which panics if stderr failed, too.
    lines.log_internal_errors(false).fmt_fields(OneLine).with_target(false)
}

/// Formats fields as text with escaped control characters. tracing-subscriber escapes only some, and none after `%`.
struct OneLine;

impl<'w> FormatFields<'w> for OneLine {
    fn format_fields<R: RecordFields>(&self, writer: Writer<'w>, fields: R) -> fmt::Result {
        let escaped = debug_fn(|writer, field, value| {
            if field.name() != "message" {
                write!(writer, "{field}=")?;
            }
            write_one_line(writer, format_args!("{value:?}"))
        });
        escaped.delimited(" ").format_fields(writer, fields)
    }
}

#[cfg(test)]
mod tests {
    use std::{io::Write, sync::Arc};

    use parking_lot::Mutex;

    use super::*;

    #[test]
    fn level_applies_to_the_crates_of_this_workspace() {
        let filter = |level, rust_log| build_filter(level, rust_log, false).unwrap().to_string();
        let of_crates = |level| CRATES.map(|name| format!("{name}={level}")).join(",");
        let sorted = |text: &str| {
            let mut parts: Vec<String> = text.split(',').map(str::to_owned).collect();
            parts.sort();
            parts
        };
        let expected = |level, others| sorted(&format!("{},{EXPLAIN}=off,kube_client=off,{others}", of_crates(level)));
        assert_eq!(sorted(&filter(None, " ")), expected("info", "warn"));
        assert_eq!(sorted(&filter(Some(LevelFilter::ERROR), "debug")), expected("error", "error"));
        assert_eq!(sorted(&filter(None, "debug")), sorted(&format!("{EXPLAIN}=off,debug,kube_client=off")));
        assert!(filter(None, "kube_client=debug").contains("kube_client=debug"));
        assert!(filter(None, "debug,kube_client::client=info").contains("kube_client=off"));
    }

    #[test]
    fn invalid_rust_log_is_a_usage_error() {
        let error = build_filter(None, "a=b=c", false).unwrap_err();
        assert!(matches!(&error, Error::Usage(why) if why.starts_with("RUST_LOG=a=b=c")), "{error}");
    }

    #[derive(Clone, Default)]
    struct Buffer(Arc<Mutex<Vec<u8>>>);

    impl Write for Buffer {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn event_with_control_characters_is_one_line() {
        for colours in [false, true] {
            let buffer = Buffer::default();
            let writer = buffer.clone();
            let lines = build_subscriber(EnvFilter::new("info"), move || writer.clone(), colours).finish();
            let evil = "no\r\n2026-01-01T00:00:00Z  INFO certificate issued\x1b[2J\u{9b}2J\u{e9}";
            tracing::subscriber::with_default(lines, || {
                tracing::warn!(error = %evil, "it failed");
                tracing::info!(text = evil, "text: {evil}");
            });
            let text = String::from_utf8(buffer.0.lock().clone()).unwrap();
            assert_eq!(text.matches('\n').count(), 2, "{text:?}");
            assert!(!text.contains(['\r', '\u{9b}']) && !text.contains("\x1b[2J"), "{text:?}");
            assert!(text.contains(r"it failed error=no\r\n2026-01-01") && text.contains('\u{e9}'), "{text}");
            assert_eq!(text.contains("\x1b[33m"), colours, "{text:?}");
        }
    }
}
