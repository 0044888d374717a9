//! Helpers that the tests of several packages share.
#![forbid(unsafe_code)]

mod api;
mod folder;
pub mod http;
mod log;
pub mod server;
pub mod wait;
mod widgets;

pub use api::{Call, Server, Stream, api_server, pass, status, terminating};
pub use folder::Folder;
pub use log::Log;
pub use widgets::widgets;
