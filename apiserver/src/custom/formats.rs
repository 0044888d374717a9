//! `format` of strings: those that the real server knows. Others are no limit.

use std::net::{Ipv4Addr, Ipv6Addr};

use jiff::{Timestamp, civil::Date};

/// Whether a text is what the format says.
pub fn is(format: &str, text: &str) -> bool {
    match format {
        "date-time" => date_time(text),
        "date" => text.len() == 10 && text.parse::<Date>().is_ok(),
        "duration" => duration(text),
        "byte" => base64(text),
        "ipv4" => text.parse::<Ipv4Addr>().is_ok(),
        "ipv6" => text.parse::<Ipv6Addr>().is_ok(),
        "cidr" => cidr(text),
        "mac" => mac(text),
        "uuid" | "uuid3" | "uuid4" | "uuid5" => uuid(text),
        "email" => text.split_once('@').is_some_and(|(user, host)| !user.is_empty() && !host.is_empty()),
        "hostname" => hostname(text),
        "uri" => uri(text),
        _ => true,
    }
}

/// RFC 3339.
fn date_time(text: &str) -> bool {
    let shape = |i: usize, expected: &str| text.get(i..i + 1).is_some_and(|c| expected.contains(c));
    shape(4, "-") && shape(7, "-") && shape(10, "Tt ") && text.parse::<Timestamp>().is_ok() && !text.contains('[')
}

/// `1h30m` as in Go, and `3 days`.
fn duration(text: &str) -> bool {
    const UNITS: &[&str] = &[
        "ns",
        "us",
        "µs",
        "μs",
        "ms",
        "s",
        "m",
        "h",
        "d",
        "w",
        "nano",
        "nanos",
        "nanosecond",
        "nanoseconds",
        "micro",
        "micros",
        "microsecond",
        "microseconds",
        "milli",
        "millis",
        "millisecond",
        "milliseconds",
        "sec",
        "secs",
        "second",
        "seconds",
        "min",
        "mins",
        "minute",
        "minutes",
        "hr",
        "hour",
        "hours",
        "day",
        "days",
        "week",
        "weeks",
    ];
    let mut rest = text.trim_start_matches(['-', '+']);
    if rest == "0" {
        return true;
    }
    let mut parts = 0;
    while !rest.is_empty() {
        let number = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let after = rest[number..].trim_start();
        let unit = after.find(|c: char| !c.is_alphabetic()).unwrap_or(after.len());
        if number == 0 || !UNITS.contains(&&after[..unit]) {
            return false;
        }
        rest = after[unit..].trim_start();
        parts += 1;
    }
    parts > 0
}

fn base64(text: &str) -> bool {
    let body = text.trim_end_matches('=');
    let padding = text.len() - body.len();
    let known = |c: u8| c.is_ascii_alphanumeric() || c == b'+' || c == b'/';
    text.len().is_multiple_of(4) && padding <= 2 && body.bytes().all(known)
}

fn cidr(text: &str) -> bool {
    let Some((address, bits)) = text.split_once('/') else { return false };
    let most = if is("ipv4", address) {
        32
    } else if is("ipv6", address) {
        128
    } else {
        return false;
    };
    bits.parse::<u8>().is_ok_and(|bits| bits <= most)
}

fn mac(text: &str) -> bool {
    let parts: Vec<&str> = text.split([':', '-']).collect();
    parts.len() == 6 && parts.iter().all(|part| part.len() == 2 && part.bytes().all(|c| c.is_ascii_hexdigit()))
}

/// With or without its hyphens.
fn uuid(text: &str) -> bool {
    let hex: String = text.chars().filter(|c| *c != '-').collect();
    hex.len() == 32 && hex.bytes().all(|c| c.is_ascii_hexdigit())
}

fn hostname(text: &str) -> bool {
    let label = |label: &str| {
        let ends = |c: Option<u8>| c.is_some_and(|c| c.is_ascii_alphanumeric());
        label.len() <= 63
            && ends(label.bytes().next())
            && ends(label.bytes().last())
            && label.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-')
    };
    text.len() <= 255 && text.trim_end_matches('.').split('.').all(label)
}

/// A path, or a scheme and something after it.
fn uri(text: &str) -> bool {
    let scheme = |scheme: &str| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.bytes().all(|c| c.is_ascii_alphanumeric() || b"+-.".contains(&c))
    };
    text.starts_with('/') || text.split_once(':').is_some_and(|(name, rest)| scheme(name) && !rest.is_empty())
}

#[cfg(test)]
mod tests {
    use super::is;

    #[test]
    fn formats_hold_what_they_say() {
        let cases = [
            (
                "date-time",
                "2026-01-01T00:00:00Z 2026-01-01T00:00:00.5+02:00",
                "yesterday 2026-01-01 2026-13-01T00:00:00Z",
            ),
            ("date", "2026-12-01", "2026-13-01 20261201"),
            ("duration", "1h30m 90s 1.5h 3d 0", "1x h 1h! 5"),
            ("byte", "aGk= aGkh", "!! aGk a==="),
            ("ipv4", "1.2.3.4", "1.2.3 1.2.3.256"),
            ("ipv6", "::1 fe80::1", "1.2.3.4 :::"),
            ("cidr", "10.0.0.0/8 ::/0", "10.0.0.0 10.0.0.0/33"),
            ("mac", "01:23:45:67:89:ab", "01:23:45:67:89"),
            ("uuid", "123e4567-e89b-12d3-a456-426614174000", "x 123e4567"),
            ("email", "a@b.c", "a @b"),
            ("hostname", "a.example.com", "-x a..b"),
            ("uri", "http://x /path mailto:a", ":: x"),
            ("password", "anything", ""),
        ];
        for (format, right, wrong) in cases {
            for text in right.split(' ') {
                assert!(is(format, text), "{format} {text}");
            }
            for text in wrong.split(' ').filter(|text| !text.is_empty()) {
                assert!(!is(format, text), "{format} {text}");
            }
        }
        assert!(is("duration", "3 days"));
        assert!(is("date-time", "2026-01-01T00:00:00Z") && !is("date-time", ""));
    }
}
