//! Text from outside, made fit for one line of a log or an error: values, messages, names that were misspelt. And
//! durations, as people write them.

use std::time::Duration;

/// The text in one line: line ends become `; `, other control characters are escaped, so that no value can write a
/// second line or move a terminal's cursor.
pub fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for part in text.lines().map(str::trim).filter(|part| !part.is_empty()) {
        if !line.is_empty() {
            line.push_str("; ");
        }
        for c in part.chars() {
            if c.is_control() { line.extend(c.escape_default()) } else { line.push(c) }
        }
    }
    line
}

/// A value as an error shows it: bare where that is clear, quoted and escaped where it is not, and not endless.
pub fn quoted(text: &str) -> String {
    const LIMIT: usize = 200;
    let cut: String = text.chars().take(LIMIT).collect();
    let dots = if cut.len() < text.len() { "…" } else { "" };
    let plain = |c: char| c.is_ascii_graphic() && !matches!(c, '"' | '\'' | '\\');
    if !cut.is_empty() && cut.chars().all(plain) { format!("{cut}{dots}") } else { format!("{cut:?}{dots}") }
}

/// The candidate that a misspelt word most likely meant; None if nothing is near.
pub fn nearest<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let near = candidates.map(|candidate| (distance(word, candidate), candidate)).min()?;
    (near.0 <= 1 + word.len() / 4).then_some(near.1)
}

/// Whether a word is but a slip of the finger away from another: a character too many, too few or wrong, or two of them
/// in the wrong order. Stricter than [`nearest`], for where an unknown word may well be right.
pub fn is_slip(word: &str, right: &str) -> bool {
    let sorted = |text: &str| {
        let mut bytes = text.as_bytes().to_vec();
        bytes.sort_unstable();
        bytes
    };
    match distance(word, right) {
        1 => true,
        2 => sorted(word) == sorted(right),
        _ => false,
    }
}

/// How many single characters have to be added, dropped or changed to get from one word to the other (Levenshtein).
fn distance(from: &str, to: &str) -> usize {
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.bytes().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, b) in to.bytes().enumerate() {
            let changed = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[to.len()]
}

/// The longest duration that is accepted: a year. Timers are not made for more, and it is surely a mistake.
pub const LONGEST_DURATION: Duration = Duration::from_secs(8760 * 3600);

/// Reads `3s`, `10m`, `1h30m`, `500ms` or a bare `0`: whole numbers, each with its unit, each unit at most once, the
/// larger first.
pub fn duration(text: &str) -> Option<Duration> {
    const UNITS: [(&str, u64); 4] = [("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];
    let mut rest = text.trim();
    if rest == "0" {
        return Some(Duration::ZERO);
    }
    let (mut millis, mut units) = (0u64, UNITS.iter());
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, tail) = rest.split_at(digits);
        let word = tail.len() - tail.trim_start_matches(|c: char| c.is_ascii_alphabetic()).len();
        let (unit, tail) = tail.split_at(word);
        // `find` goes on from the last unit that was seen, so none comes twice or out of order.
        let (_, size) = units.find(|(name, _)| *name == unit)?;
        millis = number.parse::<u64>().ok()?.checked_mul(*size)?.checked_add(millis)?;
        rest = tail;
    }
    (!text.trim().is_empty()).then(|| Duration::from_millis(millis))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_quoted_where_it_would_mislead_and_cut_where_it_is_endless() {
        assert_eq!(quoted("10m"), "10m");
        assert_eq!(quoted("two words"), "\"two words\"");
        assert_eq!(quoted("a\nb"), "\"a\\nb\"");
        assert_eq!(quoted(""), "\"\"");
        assert_eq!(quoted(&"é".repeat(500)).chars().filter(|c| *c == 'é').count(), 200);
    }

    #[test]
    fn the_nearest_word_is_near() {
        assert_eq!(nearest("podz", ["nodes", "pods"].into_iter()), Some("pods"));
        assert_eq!(nearest("zebra", ["nodes", "pods"].into_iter()), None);
    }

    #[test]
    fn a_slip_is_one_character_or_two_that_changed_places() {
        for slip in ["timout", "timeouts", "time_out", "timeour", "tiemout"] {
            assert!(is_slip(slip, "timeout"), "{slip}");
        }
        for word in ["timeout", "dns_timeout", "time", "timings", "timer"] {
            assert!(!is_slip(word, "timeout"), "{word}");
        }
    }

    #[test]
    fn a_duration_is_whole_numbers_with_units_the_larger_first() {
        for (text, millis) in
            [("3s", 3000), ("10m", 600_000), ("1h30m", 5_400_000), ("500ms", 500), ("1m5ms", 60_005), ("0", 0)]
        {
            assert_eq!(duration(text), Some(Duration::from_millis(millis)), "{text}");
        }
        for text in
            ["", "3", "s", "-3s", "3.5s", "3 s", "30m1h", "1s1s", "3x", "3S", "99999999999999999999s", "+1s", "1h 30m"]
        {
            assert_eq!(duration(text), None, "{text}");
        }
    }
}
