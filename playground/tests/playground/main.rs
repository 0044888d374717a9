//! The built binary as a learner runs it: `demo-controller playground`.

mod begins;
mod ends;
mod five;
mod story;
mod world;
