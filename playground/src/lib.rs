//! The simulated cluster of the binary `playground`, for tests that need pods that start.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod simulation;
