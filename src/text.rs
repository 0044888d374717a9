//! Text from outside, made fit for one line of a log or an error: values, messages, names that were misspelt.

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
}
