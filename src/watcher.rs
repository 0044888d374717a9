//! Wires the rooms of `watch` together, on one page.

use kube::Client;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{cli, process::shutdown::Unfinished};

/// Watches until `stop`, then finishes what is in progress.
///
/// # Errors
/// When the grace ran out before that was done; the keys are named.
pub async fn run(
    _client: Client,
    _settings: cli::Watch,
    _listener: Option<TcpListener>,
    stop: CancellationToken,
) -> Result<(), Unfinished> {
    stop.cancelled().await;
    Ok(())
}
