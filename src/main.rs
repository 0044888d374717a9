//! Picks the command; nothing else.
#![forbid(unsafe_code)]

fn main() {}
