//! Recorded output in the book.
//!
//! A page marks it: `<!-- output: NAME -->`, directly before a text block. Several blocks of one name are parts of one run.

use crate::{repo_file, wait::eventually};

/// Waits until the lines of the blocks with this name are lines of `output`, in this order. Digits may differ.
///
/// # Panics
/// The page has no such block, or a line is still not in the output after [`crate::wait::DEADLINE`].
#[track_caller]
pub fn check_output(page: &str, name: &str, output: impl Fn() -> String) {
    let text = repo_file(page);
    let blocks: Vec<_> = text.split(&format!("<!-- output: {name} -->\n```text\n")).skip(1).collect();
    assert!(!blocks.is_empty(), "{page} has no output {name}");
    let wanted: Vec<_> = blocks.iter().filter_map(|block| block.split("```").next()).flat_map(str::lines).collect();
    eventually(format!("the output {name} of {page}"), || {
        let output = output();
        let mut lines = output.lines();
        let is_missing = |wanted: &&&str| !lines.any(|line| without_digits(line) == without_digits(wanted));
        let missing = wanted.iter().find(is_missing);
        missing.map_or(Ok(()), |line| Err(format!("{line:?} does not follow in:\n{output}")))
    });
}

/// Replaces each number by `#`, and each UID: they differ in each run.
fn without_digits(line: &str) -> String {
    let mut text = String::new();
    for part in line.split_inclusive(|c: char| !c.is_ascii_hexdigit() && c != '-') {
        let word = part.trim_end_matches(|c: char| !c.is_ascii_hexdigit() && c != '-');
        let is_uid = word.len() == 36 && word.matches('-').count() == 4;
        text += &if is_uid { part.replace(word, "#") } else { part.to_owned() };
    }
    let mut short = String::new();
    for c in text.chars().map(|c| if c.is_ascii_digit() { '#' } else { c }) {
        if c != '#' || !short.ends_with('#') {
            short.push(c);
        }
    }
    short
}
