//! Helpers that the tests of several packages share.
#![forbid(unsafe_code)]

mod api;
pub mod book;
mod cluster;
pub mod control_plane;
mod folder;
pub mod http;
pub mod log;
mod loopback;
mod metrics_page;
pub mod objects;
pub mod process;
pub mod promtool;
pub mod server;
pub mod wait;
mod widget;

pub use api::{Call, FakeApiServer, Stream, api_server, pass, status, terminating};
pub use cluster::Cluster;
pub use folder::{Folder, repo, repo_file};
pub use log::Log;
pub use loopback::Loopback;
pub use metrics_page::MetricsPage;
pub use process::Process;
pub use widget::widget_crd;
