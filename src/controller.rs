//! Wires the rooms of `run` together, on one page.

use std::sync::Arc;

use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{
    cli::Run,
    process::{
        serve::{self, Pages},
        shutdown::Unfinished,
    },
};

/// Runs until `stop`.
///
/// # Errors
/// When work was unfinished at the end of the grace.
pub async fn run(
    client: kube::Client,
    settings: Run,
    listener: Option<TcpListener>,
    stop: CancellationToken,
) -> Result<(), Unfinished> {
    let _ = (client, settings);
    let pages = Pages { metrics: Arc::new(Registry::default()), ..Pages::default() };
    match listener {
        Some(listener) => serve::run(listener, pages, stop).await,
        None => stop.cancelled().await,
    }
    Ok(())
}
