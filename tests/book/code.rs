//! The code blocks. A marker line before a block names a file and the beginning of a line in it:
//!
//! ````text
//! <!-- code: src/informer/store.rs pub fn apply -->
//! ```rust
//! ...
//! ```
//! ````
//!
//! The block is that line up to the end of its item, which rustfmt's indentation shows.

use std::collections::BTreeSet;

use testkit::repo_file;

use crate::{
    check_page,
    pages::{page_files, source_files},
};

/// The longest code block, in lines.
const LONGEST: usize = 65;

#[test]
fn code_blocks_are_the_source() {
    for path in page_files() {
        let page = repo_file(&path);
        check_page(&path, &page, &fill_blocks(&path, &page));
    }
}

/// Returns the page with the code that its markers name.
fn fill_blocks(path: &str, page: &str) -> String {
    let (mut filled, mut lines) = (String::new(), page.lines());
    while let Some(line) = lines.next() {
        assert!(line != "```rust", "{path}: a rust block without a marker");
        filled += &format!("{line}\n");
        let Some(marker) = line.strip_prefix("<!-- code: ").and_then(|rest| rest.strip_suffix(" -->")) else {
            continue;
        };
        let (file, start) = marker.split_once(' ').unwrap_or_else(|| panic!("{path}: {line}: expected FILE START"));
        let language = if file.ends_with(".rs") { "rust" } else { "yaml" };
        assert_eq!(lines.next(), Some(&*format!("```{language}")), "{path}: {line}: a block has to follow");
        assert!(lines.any(|line| line == "```"), "{path}: {line}: the block has no end");
        let code = find_item(&repo_file(file), start).unwrap_or_else(|why| panic!("{path}: {line}: {why}"));
        filled += &format!("```{language}\n{code}```\n");
    }
    filled
}

/// Returns the item whose first line begins with `start`, without its indentation.
fn find_item(source: &str, start: &str) -> Result<String, String> {
    let lines: Vec<&str> = source.lines().collect();
    let is_start = |line: &&str| line.trim_start().strip_prefix(start).is_some_and(|rest| !rest.starts_with(is_word));
    let found: Vec<_> = lines.iter().enumerate().filter(|(_, line)| is_start(line)).map(|(at, _)| at).collect();
    let [first] = found[..] else { return Err(format!("{} lines begin with this", found.len())) };
    let indent = lines[first].len() - lines[first].trim_start().len();
    let is_open = |line: &str| line.ends_with(['{', '(', '[']);
    let mut last = first;
    // The item goes on while a bracket is open, or the next line is indented further.
    while last + 1 < lines.len() {
        let next = lines[last + 1];
        let next_indent = next.len() - next.trim_start().len();
        let is_inside = next.is_empty() || next_indent > indent;
        let closes = next_indent == indent && next.trim_start().starts_with(['}', ')', ']']);
        let is_where = next_indent == indent && (next.trim_start().starts_with("where") || next.trim() == "{");
        if !(is_inside || closes || is_where) || (next.is_empty() && !is_unfinished(&lines[first..=last])) {
            break;
        }
        last += 1;
        if closes && !is_open(next) {
            break;
        }
    }
    let code: String =
        lines[first..=last].iter().map(|line| format!("{}\n", line.get(indent..).unwrap_or(""))).collect();
    if last + 1 - first > LONGEST {
        return Err(format!("{} lines, at most {LONGEST}", last + 1 - first));
    }
    Ok(code)
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Whether a bracket is open after these lines. (Brackets in texts are in pairs.)
fn is_unfinished(lines: &[&str]) -> bool {
    let count = |brackets: &str| lines.iter().flat_map(|line| line.chars()).filter(|c| brackets.contains(*c)).count();
    count("{([") > count("})]")
}

/// The public items of the library's modules for learners, with their file.
fn public_items() -> BTreeSet<(String, String)> {
    let mut items = BTreeSet::new();
    for file in source_files("src") {
        let module = file.trim_start_matches("src/").split(['/', '.']).next().unwrap_or_default().to_owned();
        if !["informer", "workqueue", "worker", "events", "pods", "pki"].contains(&&*module) || file.contains("tests") {
            continue;
        }
        for line in repo_file(&file).lines() {
            let Some(mut rest) = line.trim_start().strip_prefix("pub ") else { continue };
            rest = rest.trim_start_matches("async ");
            let mut words = rest.split(|c: char| !is_word(c));
            if ["fn", "struct", "enum", "trait", "type", "const"].contains(&words.next().unwrap_or_default()) {
                items.insert((file.clone(), words.next().unwrap_or_default().to_owned()));
            }
        }
    }
    items
}

#[test]
fn every_public_item_is_in_a_chapter() {
    let mut shown = BTreeSet::new();
    for page in page_files().iter().filter(|path| path.contains("/inside/") || path.contains("/controller/")) {
        let mut is_code = false;
        for line in repo_file(page).lines() {
            is_code ^= line.starts_with("```");
            // The odd parts between backticks are code.
            let parts = line.split('`').enumerate().filter(|(at, _)| is_code || at % 2 == 1);
            shown.extend(parts.flat_map(|(_, code)| code.split(|c: char| !is_word(c)).map(str::to_owned)));
        }
    }
    let items = public_items();
    assert!(items.len() > 150, "{} items", items.len());
    let missing: Vec<_> = items.iter().filter(|(_, name)| !shown.contains(name)).collect();
    assert!(missing.is_empty(), "no chapter shows {missing:#?}");
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = "\
const A: u8 = 1;

pub struct B {
    /// Text.
    c: u8,

    d: u8,
}

impl B {
    fn e(
        self,
    ) -> u8 {
        let x = self
            .c;

        x
    }

    fn e2(self) {}
}
";

    #[test]
    fn item_ends_where_its_indentation_ends() {
        let find = |start| find_item(SOURCE, start);
        assert_eq!(find("const A").as_deref(), Ok("const A: u8 = 1;\n"));
        assert_eq!(find("pub struct B").as_deref(), Ok("pub struct B {\n    /// Text.\n    c: u8,\n\n    d: u8,\n}\n"));
        assert_eq!(find("let x").as_deref(), Ok("let x = self\n    .c;\n"));
        assert!(
            find("fn e")
                .is_ok_and(|code| code.starts_with("fn e(\n    self,\n) -> u8 {\n") && code.ends_with("    x\n}\n"))
        );
        assert_eq!(find("fn e2").as_deref(), Ok("fn e2(self) {}\n"));
        assert_eq!(find("fn f"), Err("0 lines begin with this".into()));
        assert_eq!(find("}"), Err("3 lines begin with this".into()));
    }
}
