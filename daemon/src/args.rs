//! The flags of both binaries, and parsers for their values.

use std::{ffi::OsString, fmt::Display, ops::RangeInclusive, str::FromStr, time::Duration};

use jiff::SignedDuration;

use crate::{log::LogArgs, names, serve::Listen};

/// The flags of both binaries. Each has an environment variable.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Kubeconfig file, or several separated by `:` [default: ~/.kube/config, else the pod's service account]
    #[arg(long, value_name = "FILE", env = "KUBECONFIG", hide_env_values = true)]
    pub kubeconfig: Option<OsString>,
    /// Context of the kubeconfig [default: its current-context]
    #[arg(long, value_name = "NAME", env = "DEMO_CONTROLLER_CONTEXT")]
    pub context: Option<String>,
    /// Namespace to watch [default: all]
    #[arg(short, long, value_name = "NS", env = "DEMO_CONTROLLER_NAMESPACE", value_parser = parse_namespace)]
    pub namespace: Option<String>,
    #[command(flatten)]
    pub log: LogArgs,
    /// Address of /healthz, /readyz and /metrics, or `off`; `:8080` means every address, port 0 a free port
    #[arg(long, value_name = "ADDR", env = "DEMO_CONTROLLER_LISTEN", default_value = "127.0.0.1:8080")]
    pub listen: Listen,
    /// Time to finish work in progress after SIGTERM or SIGINT
    #[arg(long, value_name = "DURATION", env = "DEMO_CONTROLLER_SHUTDOWN_GRACE", default_value = "20s",
          value_parser = parse_positive_duration)]
    pub shutdown_grace: Duration,
    /// Reopen a watch that has sent nothing, not even a bookmark, for this long
    #[arg(long, value_name = "DURATION", env = "DEMO_CONTROLLER_WATCH_IDLE", default_value = "150s",
          value_parser = parse_positive_duration)]
    pub watch_idle: Duration,
    /// Concurrent workers per queue
    #[arg(long, value_name = "N", env = "DEMO_CONTROLLER_WORKERS", default_value_t = 4,
          value_parser = |text: &str| parse_number::<usize>(text, 1..=1024))]
    pub workers: usize,
    /// Retries of a failing key before it is dropped until its next change or resync
    #[arg(long, value_name = "N", env = "DEMO_CONTROLLER_MAX_RETRIES", default_value_t = 12,
          value_parser = |text: &str| parse_number::<u32>(text, 0..=1000))]
    pub max_retries: u32,
}

/// Formats a version with the revision that the Makefile sets: `0.1.0 (4f2c1ab)`.
pub fn format_version(version: &str, revision: Option<&str>) -> String {
    match revision {
        None | Some("") => version.to_owned(),
        Some(revision) => format!("{version} ({revision})"),
    }
}

/// Parses a number. (The error of clap's parser lacks the accepted range.)
fn parse_number<N: FromStr + PartialOrd + Display>(text: &str, accepted: RangeInclusive<N>) -> Result<N, String> {
    let number = text.parse().ok().filter(|number| accepted.contains(number));
    number.ok_or_else(|| format!("expected a number from {} to {}", accepted.start(), accepted.end()))
}

/// Parses a duration: `3s`, `10m`, `1h30m`, or `0`; at most 8760h.
///
/// # Errors
/// The accepted form.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    const LONGEST: Duration = Duration::from_hours(8760);
    let parsed = if text == "0" { Some(SignedDuration::ZERO) } else { text.parse().ok() };
    parsed
        .and_then(|duration| Duration::try_from(duration).ok())
        .filter(|duration| *duration <= LONGEST)
        .ok_or_else(|| "expected a duration such as 3s, 10m or 1h30m, at most 8760h".to_owned())
}

/// Parses a duration that is not 0.
///
/// # Errors
/// The accepted form.
pub fn parse_positive_duration(text: &str) -> Result<Duration, String> {
    let duration = parse_duration(text)?;
    if duration.is_zero() { Err("expected a duration of more than 0, such as 20s".to_owned()) } else { Ok(duration) }
}

/// Parses the name of a namespace.
///
/// # Errors
/// The accepted form.
pub fn parse_namespace(text: &str) -> Result<String, String> {
    match names::is_label(text) {
        true => Ok(text.to_owned()),
        false => Err("expected a namespace: at most 63 of a-z, 0-9 and -, with no - at either end".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(flatten)]
        args: Args,
    }

    fn parse(args: &[&str]) -> Result<Args, clap::Error> {
        Cli::try_parse_from(["x"].iter().chain(args)).map(|cli| cli.args)
    }

    #[test]
    fn version_has_the_revision_if_it_is_known() {
        for (revision, version) in [(None, "0.1.0"), (Some(""), "0.1.0"), (Some("4f2c1ab"), "0.1.0 (4f2c1ab)")] {
            assert_eq!(format_version("0.1.0", revision), version);
        }
    }

    #[test]
    fn defaults_are_as_documented() {
        let args = parse(&[]).unwrap();
        assert_eq!((args.shutdown_grace.as_secs(), args.watch_idle.as_secs()), (20, 150));
        assert_eq!((args.workers, args.max_retries, args.namespace), (4, 12, None));
        assert_eq!(args.listen, "127.0.0.1:8080".parse().unwrap());
    }

    #[test]
    fn error_names_the_flag_the_value_and_the_accepted_form() {
        for (flag, value, accepted) in [
            ("--namespace", "Team", "a-z"),
            ("--log-level", "loud", "trace, debug, info, warn or error"),
            ("--log-format", "xml", "text or json"),
            ("--listen", "example.com:80", "127.0.0.1:8080"),
            ("--shutdown-grace", "0", "more than 0"),
            ("--watch-idle", "10", "1h30m"),
            ("--workers", "0", "from 1 to 1024"),
            ("--workers", "many", "from 1 to 1024"),
            ("--max-retries", "1001", "from 0 to 1000"),
        ] {
            let error = parse(&[flag, value]).unwrap_err();
            let text = error.to_string();
            let line = text.lines().next().unwrap();
            assert!([flag, value, accepted].iter().all(|part| line.contains(part)), "{line}");
            assert_eq!(error.exit_code(), 2);
        }
    }

    #[test]
    fn duration_has_a_unit_and_a_limit() {
        for (text, seconds) in [("3s", 3), ("10m", 600), ("1h30m", 5400), ("0", 0), ("8760h", 31_536_000)] {
            assert_eq!(parse_duration(text).map(|d| d.as_secs()), Ok(seconds), "{text}");
        }
        for text in ["", "3", "-3s", "3 days", "8761h", "1d", "1e9s", "99999999999999999999h"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }
}
