//! Helpers that the tests of several packages share.
#![forbid(unsafe_code)]

mod api;
mod cluster;
pub mod control_plane;
mod folder;
pub mod http;
pub mod log;
pub mod objects;
mod page;
mod process;
pub mod promtool;
pub mod server;
pub mod wait;
mod widgets;

pub use api::{Call, Server, Stream, api_server, pass, status, terminating};
pub use cluster::Cluster;
pub use folder::Folder;
pub use log::Log;
pub use page::Page;
pub use process::Process;
pub use widgets::widgets;
