//! Formats the age of an object as kubectl does.

use jiff::{SignedDuration, Timestamp};

/// The time since an RFC 3339 timestamp; `<unknown>` if it is empty, `<invalid>` if it is in the future or malformed.
pub fn since(timestamp: &str, now: Timestamp) -> String {
    if timestamp.is_empty() {
        return "<unknown>".into();
    }
    match timestamp.parse::<Timestamp>() {
        Ok(then) => human_duration(now.duration_since(then)),
        Err(_) => "<invalid>".into(),
    }
}

/// Formats a duration like apimachinery's `HumanDuration`.
fn human_duration(duration: SignedDuration) -> String {
    let seconds = duration.as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86400);
    let years = days / 365;
    let pair = |large: i64, unit: &str, small: i64, small_unit: &str| {
        if small == 0 { format!("{large}{unit}") } else { format!("{large}{unit}{small}{small_unit}") }
    };
    match seconds {
        // Tolerates a clock skew of one second.
        ..-1 => "<invalid>".into(),
        -1 => "0s".into(),
        0..120 => format!("{seconds}s"),
        _ if minutes < 10 => pair(minutes, "m", seconds % 60, "s"),
        _ if minutes < 180 => format!("{minutes}m"),
        _ if hours < 8 => pair(hours, "h", minutes % 60, "m"),
        _ if hours < 48 => format!("{hours}h"),
        _ if days < 8 => pair(days, "d", hours % 24, "h"),
        _ if days < 730 => format!("{days}d"),
        _ if years < 8 => pair(years, "y", days % 365, "d"),
        _ => format!("{years}y"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_formatted_as_by_kubectl() {
        let (m, h, d) = (60, 3600, 86400);
        let cases = [
            ([-2, -1, 0, 119], ["<invalid>", "0s", "0s", "119s"]),
            ([2 * m, 2 * m + 1, 10 * m + 1, 3 * h - 1], ["2m", "2m1s", "10m", "179m"]),
            ([3 * h, 3 * h + m, 8 * h, 2 * d - 1], ["3h", "3h1m", "8h", "47h"]),
            ([2 * d, 2 * d + h, 8 * d, 730 * d - 1], ["2d", "2d1h", "8d", "729d"]),
            ([730 * d, 731 * d, 8 * 365 * d - 1, 8 * 365 * d], ["2y", "2y1d", "7y364d", "8y"]),
        ];
        for (seconds, texts) in cases {
            assert_eq!(seconds.map(|seconds| human_duration(SignedDuration::from_secs(seconds))), texts);
        }
        assert_eq!(human_duration(SignedDuration::from_millis(-1999)), "0s");
    }

    #[test]
    fn missing_time_is_unknown_and_malformed_time_is_invalid() {
        let now = "2026-01-01T00:01:00Z".parse().unwrap();
        assert_eq!(since("", now), "<unknown>");
        assert_eq!(since("yesterday", now), "<invalid>");
        assert_eq!(since("2026-01-01T00:00:00Z", now), "60s");
        assert_eq!(since("2026-01-01T00:00:00.000001Z", now), "59s");
        assert_eq!(since("2025-12-31T19:00:00-05:00", now), "60s");
    }
}
