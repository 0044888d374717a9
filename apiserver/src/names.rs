//! Validates names, labels and keys (apimachinery's `util/validation`).
//!
//! Each check returns the real server's error messages; none for a valid value. It uses no regular expression, because it
//! runs for every label of every write.

/// The longest part of a domain name (RFC 1123), and the longest label value.
const LABEL: usize = 63;
/// The longest domain name.
const SUBDOMAIN: usize = 253;

/// `my-name`: namespaces, ports, containers (`IsDNS1123Label`).
pub fn dns_label(text: &str) -> Vec<String> {
    let mut errors = too_long(text, LABEL);
    if !is_dns_label(text) {
        errors.push(if is_subdomain(text) { "must not contain dots".into() } else { DNS_LABEL.into() });
    }
    errors
}

/// `my.name`: most objects (`IsDNS1123Subdomain`).
pub fn dns_subdomain(text: &str) -> Vec<String> {
    let mut errors = too_long(text, SUBDOMAIN);
    if !is_subdomain(text) {
        errors.push(DNS_SUBDOMAIN.into());
    }
    errors
}

/// A path segment of a URL: events, roles and their bindings.
pub fn path_segment(text: &str) -> Vec<String> {
    if let "." | ".." = text {
        return vec![format!("may not be '{text}'")];
    }
    let forbidden = ["/", "%"].into_iter().filter(|part| text.contains(part));
    forbidden.map(|part| format!("may not contain '{part}'")).collect()
}

/// `app`, `example.com/app`: labels, annotations, finalizers.
pub fn label_key(text: &str) -> Vec<String> {
    let mut errors = Vec::new();
    let mut parts = text.split('/');
    let (first, second, more) = (parts.next().unwrap_or_default(), parts.next(), parts.next());
    if more.is_some() {
        let optional = "with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')";
        return vec![format!("a valid label key {LABEL_KEY} {optional}")];
    }
    let name = match second {
        None => first,
        Some(name) => {
            if first.is_empty() {
                errors.push("prefix part must be non-empty".into());
            } else {
                errors.extend(dns_subdomain(first).iter().map(|text| format!("prefix part {text}")));
            }
            name
        }
    };
    if name.is_empty() {
        errors.push("name part must be non-empty".into());
    }
    errors.extend(too_long(name, LABEL).iter().map(|text| format!("name part {text}")));
    if !is_label_name(name) {
        errors.push(format!("name part {LABEL_KEY}"));
    }
    errors
}

/// Empty, or as the name part of a label key.
pub fn label_value(text: &str) -> Vec<String> {
    let mut errors = too_long(text, LABEL);
    if !text.is_empty() && !is_label_name(text) {
        errors.push(LABEL_VALUE.into());
    }
    errors
}

/// A key of a Secret or ConfigMap, which becomes a file name.
pub fn data_key(text: &str) -> Vec<String> {
    let mut errors = Vec::new();
    if text.len() > SUBDOMAIN {
        errors.push(format!("must be no more than {SUBDOMAIN} characters"));
    }
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b)) {
        errors.push(DATA_KEY.into());
    }
    match text {
        "." => errors.push("must not be '.'".into()),
        ".." => errors.push("must not be '..'".into()),
        _ if text.starts_with("..") => errors.push("must not start with '..'".into()),
        _ => {}
    }
    errors
}

fn too_long(text: &str, max: usize) -> Vec<String> {
    if text.len() > max { vec![format!("must be no more than {max} bytes")] } else { Vec::new() }
}

/// Whether the text starts and ends with a `letter` and contains only letters and `also`.
fn is_word(text: &str, letter: fn(&u8) -> bool, also: &[u8]) -> bool {
    let (Some(first), Some(last)) = (text.as_bytes().first(), text.as_bytes().last()) else { return false };
    letter(first) && letter(last) && text.bytes().all(|b| letter(&b) || also.contains(&b))
}

fn is_dns_label(text: &str) -> bool {
    is_word(text, |b| b.is_ascii_lowercase() || b.is_ascii_digit(), b"-")
}

fn is_subdomain(text: &str) -> bool {
    text.split('.').all(is_dns_label)
}

fn is_label_name(text: &str) -> bool {
    is_word(text, u8::is_ascii_alphanumeric, b"-_.")
}

const DNS_LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must \
    start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is \
    '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const DNS_SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or \
    '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is \
    '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const LABEL_KEY: &str = "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an \
    alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is \
    '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const LABEL_VALUE: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', \
    and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for \
    validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
const DATA_KEY: &str = "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  \
    or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')";
