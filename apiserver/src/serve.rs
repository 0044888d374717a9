//! The server on a socket.
//!
//! Promises:
//! * when it is told to stop, watches end properly, and what is being answered is answered;
//! * it does not wait for ever: neither for a client that does not read, nor for an answer that takes too long;
//! * a client that does not read costs its connection's buffers, one frame of lines, and what [`crate::watch`] keeps for it;
//!   what becomes of its watch meanwhile, it hears when it reads again;
//! * a web page that somebody on this machine looks at cannot use it: see [`from_a_browser`].

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

use crate::{body::Reset, respond, server::ApiServer, status::Status};

/// How long answers may take after the stop.
const GRACE: Duration = Duration::from_secs(2);

impl ApiServer {
    /// Answers whoever connects, until `stop` is ready. Then no connection is taken anymore, and after at most two seconds
    /// all are closed. Dropped, it closes them at once.
    pub async fn serve(self, listener: TcpListener, stop: impl Future<Output = ()>) {
        let mut stop = pin!(stop);
        let (stopping, stopped) = watch::channel(false);
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                () = &mut stop => break,
                Some(_) = connections.join_next() => {}
                taken = listener.accept() => match taken {
                    Ok((socket, _)) => {
                        connections.spawn(connection(self.clone(), socket, stopped.clone()));
                    }
                    // No more file descriptors, most likely: there may be some again in a moment.
                    Err(_) => sleep(Duration::from_millis(100)).await,
                }
            }
        }
        drop(listener);
        stopping.send_replace(true);
        // What is left after that is closed as the set is dropped.
        let _ = timeout(GRACE, async { while connections.join_next().await.is_some() {} }).await;
    }
}

/// Whether a web page has sent this. Requests without credentials are the administrator's, and every page that is open
/// on this machine can send some: a browser says so in `Origin`. And a page of `evil.example` can be read by its owner
/// once that name points to 127.0.0.1; then `Host` is that name. (`kubectl proxy` looks at the same two.)
fn from_a_browser(headers: &HeaderMap) -> bool {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let name =
        host.map(|host| host.rsplit_once(':').filter(|(_, port)| !port.contains(']')).map_or(host, |(name, _)| name));
    headers.contains_key(header::ORIGIN) || !name.is_none_or(|name| matches!(name, "127.0.0.1" | "localhost" | "[::1]"))
}

/// One connection, request after request.
async fn connection(server: ApiServer, socket: TcpStream, mut stopped: watch::Receiver<bool>) {
    // Watches are small lines that somebody waits for.
    let _ = socket.set_nodelay(true);
    let stop = stopped.clone();
    let service = service_fn(move |request: http::Request<Incoming>| {
        let (mut server, mut stop) = (server.clone(), stop.clone());
        async move {
            let response = if from_a_browser(request.headers()) {
                respond::refusal(&Status::new(403, "Forbidden", "web pages cannot use this server"))
            } else {
                server.call(request).await?
            };
            let stop = async move { drop(stop.wait_for(|stop| *stop).await) };
            Ok::<_, Reset>(response.map(|body| body.until(stop.boxed())))
        }
    });
    let http = http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(socket), service);
    let mut http = pin!(http);
    // How it ends is the client's to notice: there is nothing to do about it here.
    tokio::select! {
        _ = &mut http => return,
        _ = stopped.wait_for(|stop| *stop) => http.as_mut().graceful_shutdown(),
    }
    let _ = http.await;
}

#[cfg(test)]
mod tests;
