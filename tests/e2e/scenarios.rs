//! The scenarios.

pub mod connection;
pub mod definition;
pub mod deletion;
pub mod image;
pub mod leader;
pub mod leaks;
pub mod manifest;
pub mod plugins;
pub mod process;
pub mod quiet;
pub mod rights;
pub mod secrets;
pub mod story;
