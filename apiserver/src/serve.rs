//! Serves HTTP on a socket.
//!
//! Promises:
//! * on shutdown, watches end normally, and requests in progress have two seconds to complete;
//! * the memory for a client that does not read is limited to its connection's buffers, one frame, and the pending events
//!   of [`crate::watch`];
//! * web pages cannot use the server: see [`is_from_browser`].

use std::{future::Future, pin::pin, time::Duration};

use futures::FutureExt;
use http::{HeaderMap, header};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
    time::{sleep, timeout},
};
use tower_service::Service;

use crate::{body::Reset, response, server::ApiServer, status::Status};

/// Time limit for open responses during shutdown.
const GRACE: Duration = Duration::from_secs(2);

impl ApiServer {
    /// Serves connections until `stop` is ready; then closes all of them within two seconds.
    ///
    /// Dropping the future closes them at once.
    pub async fn serve(self, listener: TcpListener, stop: impl Future<Output = ()>) {
        let mut stop = pin!(stop);
        let (stopping, stopped) = watch::channel(false);
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                () = &mut stop => break,
                Some(_) = connections.join_next() => {}
                accepted = listener.accept() => match accepted {
                    Ok((socket, _)) => {
                        connections.spawn(serve_connection(self.clone(), socket, stopped.clone()));
                    }
                    // Probably no file descriptor is free: try again later.
                    Err(_) => sleep(Duration::from_millis(100)).await,
                }
            }
        }
        drop(listener);
        stopping.send_replace(true);
        // Dropping the set closes the remaining connections.
        let _ = timeout(GRACE, async { while connections.join_next().await.is_some() {} }).await;
    }
}

/// Whether a web page sent this request.
///
/// A request without credentials is the administrator's, and any page in a local browser can send one. `Origin` marks
/// such requests; `Host` shows DNS rebinding (`evil.example` resolves to 127.0.0.1).
fn is_from_browser(headers: &HeaderMap) -> bool {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let name =
        host.map(|host| host.rsplit_once(':').filter(|(_, port)| !port.contains(']')).map_or(host, |(name, _)| name));
    headers.contains_key(header::ORIGIN) || !name.is_none_or(|name| matches!(name, "127.0.0.1" | "localhost" | "[::1]"))
}

async fn serve_connection(server: ApiServer, socket: TcpStream, mut stopped: watch::Receiver<bool>) {
    // Watch events are small, and clients wait for them.
    let _ = socket.set_nodelay(true);
    let stop = stopped.clone();
    let service = service_fn(move |request: http::Request<Incoming>| {
        let (mut server, mut stop) = (server.clone(), stop.clone());
        async move {
            let response = if is_from_browser(request.headers()) {
                response::error(&Status::new(403, "Forbidden", "web pages cannot use this server"))
            } else {
                server.call(request).await?
            };
            let stop = async move { drop(stop.wait_for(|stop| *stop).await) };
            Ok::<_, Reset>(response.map(|body| body.take_until(stop.boxed())))
        }
    });
    let http = http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(socket), service);
    let mut http = pin!(http);
    // Connection errors are ignored, because the client detects them.
    tokio::select! {
        _ = &mut http => return,
        _ = stopped.wait_for(|stop| *stop) => http.as_mut().graceful_shutdown(),
    }
    let _ = http.await;
}

#[cfg(test)]
mod tests;
