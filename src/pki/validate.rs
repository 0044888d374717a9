//! Validates the spec of a Pki: the result is a request for a certificate, or a message about the wrong field.
//!
//! `crd.yaml` has the same rules, so the API server rejects most wrong specs. They are checked again here, because the CRD in
//! the cluster may be older than this program.

use std::ops::Range;

use daemon::names::is_label;
use jiff::SignedDuration;
use serde::Deserialize;
use serde_json::Value;

/// Maximum number of `dnsNames`; the CRD has the same.
pub const MAX_DNS_NAMES: usize = 32;

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;

/// A valid spec, with its defaults. Durations are in seconds, as in a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateRequest {
    pub service_name: String,
    pub common_name: String,
    pub dns_names: Vec<String>,
    /// The names in the certificate: the names of the Service in the cluster, then `dns_names`.
    pub names: Vec<String>,
    pub duration: i64,
    pub renew_before: i64,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PkiSpec {
    service_name: Option<String>,
    common_name: Option<String>,
    dns_names: Option<Vec<String>>,
    duration: Option<String>,
    renew_before: Option<String>,
}

impl CertificateRequest {
    /// Validates a spec. A field that is null counts as absent.
    ///
    /// # Errors
    /// A message about the first wrong field: its name, its value and the accepted values.
    pub fn new(spec: &Value, namespace: &str, cluster_domain: &str) -> Result<Self, String> {
        let spec: Option<PkiSpec> = serde_path_to_error::deserialize(spec).map_err(|error| format!("spec.{error}"))?;
        let spec = spec.unwrap_or_default();

        let service_name = spec.service_name.unwrap_or_default();
        let accepted = "a DNS label: 1 to 63 of a-z, 0-9 and -, with no - at either end";
        check("serviceName", &service_name, accepted, is_label)?;
        let common_name = spec.common_name.unwrap_or_else(|| service_name.clone());
        check("commonName", &common_name, "1 to 64 of A-Z, a-z, 0-9, . and -", is_common_name)?;
        let dns_names = spec.dns_names.unwrap_or_default();
        if dns_names.len() > MAX_DNS_NAMES {
            return Err(format!("spec.dnsNames: {} names: expected at most {MAX_DNS_NAMES}", dns_names.len()));
        }
        for name in &dns_names {
            let accepted = "a DNS name, such as app1.example.com; no wildcard, no IP address";
            check("dnsNames", name, accepted, is_dns_name)?;
        }

        let accepted = "a duration from 1h to 8760h, such as 2160h or 1h30m";
        let duration =
            parse_duration("duration", spec.duration, HOUR..8760 * HOUR + 1, accepted)?.unwrap_or(2160 * HOUR);
        let accepted = "a duration of at least 5m and less than spec.duration, such as 720h or 1h30m";
        // An older definition of Pki accepted less than 5m. Such a Pki keeps working, see `Certificate::is_renewed_early`.
        let renew_before = parse_duration("renewBefore", spec.renew_before, 0..duration, accepted)?
            .unwrap_or((720 * HOUR).min(duration / 3));

        let mut names = vec![
            service_name.clone(),
            format!("{service_name}.{namespace}"),
            format!("{service_name}.{namespace}.svc"),
            format!("{service_name}.{namespace}.svc.{cluster_domain}"),
        ];
        names.extend_from_slice(&dns_names);
        Ok(CertificateRequest { service_name, common_name, dns_names, names, duration, renew_before })
    }
}

fn check(field: &str, value: &str, accepted: &str, is_accepted: fn(&str) -> bool) -> Result<(), String> {
    if is_accepted(value) { Ok(()) } else { Err(wrong_value(field, value, accepted)) }
}

fn parse_duration(
    field: &str,
    value: Option<String>,
    range: Range<i64>,
    accepted: &str,
) -> Result<Option<i64>, String> {
    let Some(text) = value else { return Ok(None) };
    let seconds = text.parse::<SignedDuration>().ok().map(|duration| duration.as_secs());
    seconds.filter(|seconds| range.contains(seconds)).map(Some).ok_or_else(|| wrong_value(field, &text, accepted))
}

fn wrong_value(field: &str, value: &str, accepted: &str) -> String {
    let value: String = value.chars().take(64).collect();
    format!("spec.{field}: {value:?}: expected {accepted}")
}

/// Returns whether the text can be the common name of a certificate, which has at most 64 characters.
pub fn is_common_name(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.')
}

/// Returns whether the text is a DNS name. An IP address is not a DNS name.
pub fn is_dns_name(text: &str) -> bool {
    let is_number = |label: &str| label.bytes().all(|b| b.is_ascii_digit());
    text.len() <= 253 && text.split('.').all(is_label) && !text.rsplit('.').next().is_some_and(is_number)
}

#[cfg(test)]
mod tests;
