//! The book in `docs/`: its code is the source, its links lead somewhere, and no part is missing.
//!
//! `UPDATE_BOOK=1 cargo test --test book` writes the code blocks and the recorded output into the chapters.

#![forbid(unsafe_code)]

mod code;
mod pages;
mod trace;

use std::{env, fs};

use testkit::repo;

/// Whether to write what the tests would compare.
fn is_update() -> bool {
    env::var_os("UPDATE_BOOK").is_some()
}

/// Compares a page with its wanted text, or writes it.
fn check_page(path: &str, now: &str, wanted: &str) {
    if now == wanted {
        return;
    }
    if is_update() {
        return fs::write(repo().join(path), wanted).expect("the page can be written");
    }
    let line = now.lines().zip(wanted.lines()).position(|(now, wanted)| now != wanted);
    let line = line.unwrap_or(now.lines().count().min(wanted.lines().count()));
    let [now, wanted] = [now, wanted].map(|text| text.lines().nth(line).unwrap_or("(the end)"));
    panic!("{path}:{}: {now:?}, but it should be {wanted:?}; UPDATE_BOOK=1 cargo test --test book writes it", line + 1);
}
