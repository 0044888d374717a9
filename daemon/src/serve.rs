//! The HTTP endpoint: health and metrics of the process.
//!
//! * `/healthz`: 200, or 503 with a line per failed liveness check.
//! * `/readyz`: 200, or 503 with a line per failed readiness check.
//! * `/metrics`: OpenMetrics text.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    str::FromStr,
};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{Error, Telemetry};

/// The address of the endpoint. None: no endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listen(pub Option<SocketAddr>);

/// Accepts `IP:PORT`, `localhost:PORT`, `:PORT` (every address) and `off`. No other host name, because it
/// may have several addresses.
impl FromStr for Listen {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parse_address = |text: &str| {
            let (host, port) = text.rsplit_once(':')?;
            let ip: IpAddr = match host {
                "" => Ipv6Addr::UNSPECIFIED.into(),
                "localhost" => Ipv4Addr::LOCALHOST.into(),
                _ => return text.parse().ok(),
            };
            Some((ip, port.parse().ok()?).into())
        };
        match text {
            "off" => Ok(Listen(None)),
            _ => parse_address(text)
                .map(|address| Listen(Some(address)))
                .ok_or("expected IP:PORT such as 127.0.0.1:8080, :8080 for every address, or off"),
        }
    }
}

/// Binds the port.
///
/// # Errors
/// [`Error::Failed`]: the port is taken, or the address does not belong to this machine.
pub async fn bind(address: SocketAddr) -> Result<TcpListener, Error> {
    let bound = match TcpListener::bind(address).await {
        // `[::]` includes IPv4, unless the kernel has no IPv6.
        Err(e) if address.ip() == Ipv6Addr::UNSPECIFIED && e.kind() != io::ErrorKind::AddrInUse => {
            TcpListener::bind((Ipv4Addr::UNSPECIFIED, address.port())).await
        }
        bound => bound,
    };
    bound.map_err(|e| Error::Failed(format!("--listen {address}: {e}: expected a free port of this machine, or off")))
}

/// Serves the endpoint until `stop`.
pub async fn serve(listener: TcpListener, telemetry: Telemetry, stop: CancellationToken) {
    let router = Router::new()
        .route("/healthz", get(|State(t): State<Telemetry>| async move { health_response(t.liveness()) }))
        .route("/readyz", get(|State(t): State<Telemetry>| async move { health_response(t.readiness()) }))
        .route("/metrics", get(|State(t): State<Telemetry>| async move { metrics_response(&t) }))
        .fallback(|| async { (StatusCode::NOT_FOUND, "expected /healthz, /readyz or /metrics\n") })
        .with_state(telemetry);
    // No graceful shutdown: an idle connection would delay the exit of the process.
    tokio::select! {
        _ = axum::serve(listener, router) => {}
        () = stop.cancelled() => {}
    }
}

fn health_response(health: Result<(), String>) -> (StatusCode, String) {
    match health {
        Ok(()) => (StatusCode::OK, "ok\n".to_owned()),
        Err(lines) => (StatusCode::SERVICE_UNAVAILABLE, lines),
    }
}

fn metrics_response(telemetry: &Telemetry) -> Response {
    const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    match telemetry.encode() {
        Ok(text) => (StatusCode::OK, [(header::CONTENT_TYPE, OPENMETRICS)], text).into_response(),
        Err(e) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{e}\n")).into_response(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    };

    use testkit::http;
    use tokio::{net::TcpStream, task::spawn_blocking};
    use tokio_util::sync::DropGuard;

    use super::*;

    /// Serves on a free port until the guard is dropped.
    async fn start_server(telemetry: &Telemetry) -> (SocketAddr, DropGuard) {
        let listener = bind((Ipv4Addr::LOCALHOST, 0).into()).await.unwrap();
        let (address, stop) = (listener.local_addr().unwrap(), CancellationToken::new());
        tokio::spawn(serve(listener, telemetry.clone(), stop.clone()));
        (address, stop.drop_guard())
    }

    async fn get(address: SocketAddr, path: &'static str) -> (u16, String) {
        spawn_blocking(move || http::get(address.port(), path)).await.unwrap().unwrap()
    }

    #[tokio::test]
    async fn endpoint_shows_the_checks_and_the_metrics() {
        let telemetry = Telemetry::default();
        let (address, _stop) = start_server(&telemetry).await;
        assert_eq!(get(address, "/readyz").await, (503, "starting\n".to_owned()));
        let (alive, synced) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicBool::new(false)));
        let (a, s) = (alive.clone(), synced.clone());
        telemetry.add_liveness("queue", move || a.load(Ordering::Relaxed).then_some(()).ok_or("stuck".to_owned()));
        telemetry.add_readiness("pods", move || s.load(Ordering::Relaxed).then_some(()).ok_or("not synced".to_owned()));
        assert_eq!(get(address, "/readyz").await, (503, "pods: not synced\n".to_owned()));
        assert_eq!(get(address, "/healthz").await, (200, "ok\n".to_owned()));
        alive.store(false, Ordering::Relaxed);
        synced.store(true, Ordering::Relaxed);
        assert_eq!(get(address, "/readyz").await, (200, "ok\n".to_owned()));
        assert_eq!(get(address, "/healthz").await, (503, "queue: stuck\n".to_owned()));
        assert!(get(address, "/metrics").await.1.ends_with("# EOF\n"));
        assert_eq!(get(address, "/other").await.0, 404);
    }

    #[test]
    fn metrics_have_the_content_type_of_openmetrics() {
        let response = metrics_response(&Telemetry::default());
        assert!(response.headers()[header::CONTENT_TYPE].to_str().unwrap().starts_with("application/openmetrics-text"));
    }

    /// Real sockets and real time: a paused clock would hide a delay.
    #[tokio::test]
    async fn idle_connections_do_not_delay_healthz() {
        let (address, _stop) = start_server(&Telemetry::default()).await;
        let mut idle = Vec::new();
        for connections in [64, 200] {
            while idle.len() < connections {
                idle.push(TcpStream::connect(address).await.unwrap());
            }
            let response = tokio::time::timeout(std::time::Duration::from_secs(1), get(address, "/healthz")).await;
            assert_eq!(response.map(|(code, _)| code), Ok(200), "{connections} connections");
        }
    }

    #[tokio::test]
    async fn taken_port_is_not_a_usage_error() {
        let first = bind((Ipv4Addr::LOCALHOST, 0).into()).await.unwrap();
        let address = first.local_addr().unwrap();
        let error = bind(address).await.unwrap_err();
        let flag = format!("--listen {address}: ");
        assert!(matches!(&error, Error::Failed(why) if why.starts_with(&flag)), "{error}");
    }

    #[test]
    fn listen_is_an_ip_localhost_or_every_address() {
        for (text, expected) in [
            ("127.0.0.1:8080", Some("127.0.0.1:8080")),
            ("[::1]:80", Some("[::1]:80")),
            ("localhost:0", Some("127.0.0.1:0")),
            (":8080", Some("[::]:8080")),
            ("off", None),
        ] {
            let Listen(address) = text.parse().unwrap();
            assert_eq!(address.map(|a| a.to_string()).as_deref(), expected, "{text}");
        }
        for text in ["", "8080", "127.0.0.1", "127.0.0.1:99999", "example.com:80", "[::1]", "localhost:"] {
            assert!(text.parse::<Listen>().is_err(), "{text}");
        }
    }
}
