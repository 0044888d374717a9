//! The built binary as a learner runs it: `demo-controller playground`.

mod begins;
mod ends;
mod five;
#[path = "../shared/folder.rs"]
#[allow(dead_code)] // Others put files into theirs.
mod folder;
mod story;
mod world;
