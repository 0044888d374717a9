//! From what the owner wrote to what is to be issued, or to one sentence about what is wrong with it.
//!
//! The API server refuses most of what is refused here by the same rules in `crd.yaml`. They are checked again,
//! because a CRD may be older than this program, and because a certificate should not depend on someone else having
//! looked. The table in `specs.rs` holds for both sides.
//!
//! Promises:
//! * every spec of whatever types ends in a [`Request`] or in an [`InvalidSpec`], never in a panic;
//! * the message names the field, shows the value (its beginning) and says what is accepted;
//! * a `Request` is complete (no defaults left to fill in) and holds only names that fit into a certificate.

use std::{fmt, time::Duration};

use serde_json::Value;

/// The most `dnsNames` that a Pki may ask for. There has to be some bound; this is also the one in the CRD.
pub const MAX_DNS_NAMES: usize = 32;

const HOUR: Duration = Duration::from_secs(3600);
const MIN_DURATION: Duration = HOUR;
const MAX_DURATION: Duration = HOUR.saturating_mul(8760);
const DEFAULT_DURATION: Duration = HOUR.saturating_mul(2160);
/// Or a third of the duration, where that is less: a certificate of three hours is not due at once.
const MAX_DEFAULT_RENEW_BEFORE: Duration = HOUR.saturating_mul(720);

const LABEL: &str = "a DNS label: 1 to 63 of a-z, 0-9 and -, with no - at either end";
const COMMON_NAME: &str = "1 to 64 of A-Z, a-z, 0-9, . and -";
const DNS_NAME: &str = "a DNS name, such as app1.example.com: labels of a-z, 0-9 and -, at most 63 each and 253 in \
                        all; no wildcard, no IP address";
const DURATION: &str = "a duration, such as 2160h, 90m or 1h30m (units h, m and s, in this order)";

/// What is to be issued: the spec, checked, with every default filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// A DNS label.
    pub service_name: String,
    /// The subject of the certificate.
    pub common_name: String,
    /// More names; in the owner's order, each once.
    pub dns_names: Vec<String>,
    /// From the moment of issue to the end.
    pub duration: Duration,
    /// So long before its end the certificate is replaced. More than zero, less than the duration.
    pub renew_before: Duration,
}

impl Request {
    /// Every name that the certificate is for, each once: the four by which a Service is called from within the
    /// cluster, then those that were asked for. All of them fit into a certificate: a label has at most 63
    /// characters, so the longest of the four has 145 of the 253 that a name may have.
    pub fn names(&self, namespace: &str) -> Vec<String> {
        let service = &self.service_name;
        let mut names = vec![
            service.clone(),
            format!("{service}.{namespace}"),
            format!("{service}.{namespace}.svc"),
            format!("{service}.{namespace}.svc.cluster.local"),
        ];
        add_new(&mut names, self.dns_names.iter().cloned());
        names
    }
}

/// Adds what is not there yet. The lists are short, and keep their order.
fn add_new(names: &mut Vec<String>, more: impl Iterator<Item = String>) {
    for name in more {
        if !names.contains(&name) {
            names.push(name);
        }
    }
}

/// What is wrong with a spec, in one sentence for its owner.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidSpec(String);

/// Checks a spec, field by field, in the order in which they are documented; the first that is wrong is told.
///
/// A field that is null counts as absent, as an empty line in YAML (`commonName:`) is meant.
///
/// # Errors
/// When anything is wrong with it.
pub fn validate(spec: &Value) -> Result<Request, InvalidSpec> {
    if !spec.is_object() && !spec.is_null() {
        return Err(invalid("spec", shown(spec), "expected an object with a serviceName"));
    }
    let service_name = text(spec, "serviceName", LABEL, is_label)?
        .ok_or_else(|| invalid("spec.serviceName", "missing", format!("expected {LABEL}")))?;
    let common_name = text(spec, "commonName", COMMON_NAME, is_common_name)?.unwrap_or(service_name);
    let dns_names = dns_names(&spec["dnsNames"])?;

    let duration = duration(spec, "duration")?.unwrap_or(DEFAULT_DURATION);
    if !(MIN_DURATION..=MAX_DURATION).contains(&duration) {
        return Err(invalid("spec.duration", shown(&spec["duration"]), "expected at least 1h and at most 8760h"));
    }
    let renew_before =
        self::duration(spec, "renewBefore")?.unwrap_or_else(|| MAX_DEFAULT_RENEW_BEFORE.min(duration / 3));
    if renew_before.is_zero() || renew_before >= duration {
        let expected = format!("expected more than 0 and less than the duration, which is {}", Written(duration));
        return Err(invalid("spec.renewBefore", shown(&spec["renewBefore"]), expected));
    }
    Ok(Request {
        service_name: service_name.to_owned(),
        common_name: common_name.to_owned(),
        dns_names,
        duration,
        renew_before,
    })
}

fn text<'a>(
    spec: &'a Value,
    field: &str,
    accepted: &str,
    accept: fn(&str) -> bool,
) -> Result<Option<&'a str>, InvalidSpec> {
    match &spec[field] {
        Value::Null => Ok(None),
        Value::String(text) if accept(text) => Ok(Some(text)),
        other => Err(invalid(&format!("spec.{field}"), shown(other), format!("expected {accepted}"))),
    }
}

fn dns_names(field: &Value) -> Result<Vec<String>, InvalidSpec> {
    let list = match field {
        Value::Null => return Ok(Vec::new()),
        Value::Array(list) if list.len() <= MAX_DNS_NAMES => list,
        Value::Array(list) => {
            let expected = format!("expected at most {MAX_DNS_NAMES}");
            return Err(invalid("spec.dnsNames", format!("{} names", list.len()), expected));
        }
        other => return Err(invalid("spec.dnsNames", shown(other), "expected a list of DNS names")),
    };
    let mut names = Vec::new();
    for (i, item) in list.iter().enumerate() {
        match item {
            Value::String(name) if is_dns_name(name) => add_new(&mut names, [name.clone()].into_iter()),
            other => return Err(invalid(&format!("spec.dnsNames[{i}]"), shown(other), format!("expected {DNS_NAME}"))),
        }
    }
    Ok(names)
}

fn duration(spec: &Value, field: &str) -> Result<Option<Duration>, InvalidSpec> {
    Ok(text(spec, field, DURATION, |text| parse_duration(text).is_some())?.and_then(parse_duration))
}

/// `1h30m`: whole numbers, each unit at most once. Go, and so other Kubernetes tools, reads `1.5h` and `+90m` and
/// `1ms` as well; nobody needs them for a certificate. The limits on digits keep the API server's arithmetic (in
/// nanoseconds) from overflowing; the CRD has the same.
fn parse_duration(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut seconds = 0;
    for (unit, worth, digits) in [('h', 3600, 6), ('m', 60, 6), ('s', 1, 8)] {
        if let Some((number, after)) = rest.split_once(unit) {
            if number.len() > digits || !number.bytes().all(|b| b.is_ascii_digit()) {
                return None;
            }
            seconds += number.parse::<u64>().ok()? * worth;
            rest = after;
        }
    }
    (rest.is_empty() && !text.is_empty()).then(|| Duration::from_secs(seconds))
}

/// A DNS-1123 label.
pub fn is_label(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (1..=63).contains(&text.len()) && text.bytes().all(inner) && !text.starts_with('-') && !text.ends_with('-')
}

/// What fits into the subject of a certificate, where 64 is X.509's limit.
pub(super) fn is_common_name(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'.';
    (1..=64).contains(&text.len()) && text.bytes().all(inner)
}

/// A DNS-1123 subdomain. No wildcards: nobody could allow one, `*.x` is no name on the list of allowed names. And no IP
/// address: written as a DNS name into a certificate it would match nothing, and nobody would see why.
pub(super) fn is_dns_name(text: &str) -> bool {
    let address_like = text.rsplit('.').next().is_some_and(|last| last.bytes().all(|b| b.is_ascii_digit()));
    text.len() <= 253 && text.split('.').all(is_label) && !address_like
}

fn invalid(field: &str, value: impl fmt::Display, expected: impl fmt::Display) -> InvalidSpec {
    InvalidSpec(format!("{field}: {value}: {expected}"))
}

/// A value as its owner recognises it, on one line, and not too much of it.
fn shown(value: &Value) -> String {
    match value {
        Value::Array(_) => "a list".into(),
        Value::Object(_) => "an object".into(),
        // In Rust's quotes: nothing in there can start a new line or turn a terminal upside down.
        Value::String(text) => format!("{:?}", shortened(text)),
        other => other.to_string(),
    }
}

/// The beginning of a text, cut at a character.
pub(super) fn shortened(text: &str) -> String {
    const LIMIT: usize = 64;
    match text.char_indices().nth(LIMIT) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// A duration as it is written in a spec.
struct Written(Duration);

impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        for (amount, unit) in [(seconds / 3600, 'h'), (seconds / 60 % 60, 'm'), (seconds % 60, 's')] {
            if amount > 0 {
                write!(f, "{amount}{unit}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "validate_tests.rs"]
mod tests;
