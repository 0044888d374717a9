//! The pages: their list, their links, their length.

use std::{collections::BTreeSet, fs, path::Path};

use testkit::{repo, repo_file};

/// The words of a book for one evening, without code blocks.
const LONGEST_BOOK: usize = 25_000;

/// The words that a person reads in ten minutes.
const LONGEST_CHAPTER: usize = 1_500;

/// In lines.
const LONGEST_README: usize = 150;

/// The pages that are looked up, not read.
const REFERENCE: [&str; 3] = ["docs/glossary.md", "docs/security.md", "docs/event-controller.md"];

/// Returns the files of a folder whose name ends with this, as paths from the root of the repository.
fn files(folder: &str, end: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(repo().join(folder)).expect(folder).flatten() {
        let path = format!("{folder}/{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            found.extend(files(&path, end));
        } else if path.ends_with(end) {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The Rust files below a folder.
pub fn source_files(folder: &str) -> Vec<String> {
    files(folder, ".rs")
}

/// The pages of the book.
pub fn page_files() -> Vec<String> {
    files("docs", ".md")
}

/// A page without its code blocks.
fn prose(page: &str) -> String {
    page.split("```").step_by(2).collect()
}

/// The anchors of a page, as GitHub and mdBook make them.
fn anchors(page: &str) -> BTreeSet<String> {
    let headings = page.lines().filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#').trim());
    let slug = |heading: &str| -> String {
        let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        kept.map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() }).collect()
    };
    let explicit = page.split("<a id=\"").skip(1).filter_map(|rest| rest.split_once('"')).map(|(id, _)| id.to_owned());
    headings.map(slug).chain(explicit).collect()
}

#[test]
fn links_lead_to_a_file_and_a_heading() {
    let mut pages = page_files();
    pages.extend(["README.md", "CONTRIBUTING.md"].map(str::to_owned));
    for path in pages {
        let page = repo_file(&path);
        let prose = prose(&page);
        let targets = prose.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target);
        for target in targets.filter(|target| !target.contains("://")) {
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let folder = Path::new(&path).parent().unwrap_or(Path::new(""));
            let file = if file.is_empty() { repo().join(&path) } else { repo().join(folder).join(file) };
            assert!(file.exists(), "{path}: {target} does not exist");
            if !anchor.is_empty() {
                let text = fs::read_to_string(&file).unwrap_or_default();
                assert!(anchors(&text).contains(anchor), "{path}: {target} has no such heading");
            }
        }
    }
}

#[test]
fn test_that_a_link_names_exists() {
    for path in page_files() {
        let page = repo_file(&path);
        // [`name`](../tests/file.rs)
        for link in page.split("[`").skip(1).filter_map(|rest| rest.split_once(')')).map(|(link, _)| link) {
            let Some((name, target)) = link.split_once("`](") else { continue };
            if target.contains("tests") && name.contains('_') && !name.contains(['.', '/', ' ']) {
                let file = repo().join(Path::new(&path).parent().expect("a folder")).join(target);
                let source = fs::read_to_string(&file).unwrap_or_else(|e| panic!("{path}: {target}: {e}"));
                assert!(source.contains(&format!("fn {name}(")), "{path}: {target} has no test {name}");
            }
        }
    }
}

#[test]
fn output_is_from_a_test() {
    let tests: String = ["tests/book", "tests/steps"]
        .iter()
        .flat_map(|folder| source_files(folder))
        .map(|path| repo_file(&path))
        .collect();
    for path in page_files() {
        let page = repo_file(&path);
        let names =
            page.split("<!-- output: ").skip(1).filter_map(|rest| rest.split_once(" -->")).map(|(name, _)| name);
        // `trace log`, or the step and the question of a scenario.
        for part in names.flat_map(|name| name.split(": ")) {
            assert!(tests.contains(&format!("\"{part}\"")), "{path}: no test checks the output {part:?}");
        }
        let parts: Vec<&str> = page.split("```text\n").collect();
        for (before, block) in parts.iter().zip(&parts[1..]) {
            // It begins with a time: 16:20:31
            let is_log = block.starts_with(|c: char| c.is_ascii_digit()) && block[2..].starts_with(':');
            assert!(!is_log || before.ends_with(" -->\n"), "{path}: a log without a marker: {block:.80}");
        }
    }
}

#[test]
fn every_page_is_in_the_table_of_contents() {
    let summary = repo_file("docs/SUMMARY.md");
    let listed: BTreeSet<String> = summary
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split_once(')'))
        .map(|(target, _)| format!("docs/{target}"))
        .collect();
    let pages: BTreeSet<String> = page_files().into_iter().filter(|path| path != "docs/SUMMARY.md").collect();
    assert_eq!(listed, pages);
}

#[test]
fn book_is_short() {
    let mut sum = 0;
    for path in page_files().into_iter().filter(|path| path != "docs/SUMMARY.md") {
        let words = prose(&repo_file(&path)).split_whitespace().count();
        assert!(words <= LONGEST_CHAPTER || REFERENCE.contains(&&*path), "{path}: {words} words");
        sum += words;
    }
    assert!(sum <= LONGEST_BOOK, "{sum} words");
    let readme = repo_file("README.md").lines().count();
    assert!(readme <= LONGEST_README, "README.md: {readme} lines");
}

#[test]
fn nothing_is_left_to_do() {
    for path in page_files() {
        assert!(!repo_file(&path).contains("TODO"), "{path}");
    }
}
