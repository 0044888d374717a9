//! The server on a socket.

use std::{future::Future, io, pin::pin};

use futures::FutureExt;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{net::TcpListener, sync::watch, task::JoinSet};
use tower_service::Service;

use crate::server::ApiServer;

impl ApiServer {
    /// Answers whoever connects, until `stop` is ready. Then no connection is taken anymore, every watch ends, what is
    /// being answered is answered, and it returns.
    ///
    /// # Errors
    /// When the listener fails for good.
    pub async fn serve(self, listener: TcpListener, stop: impl Future<Output = ()>) -> io::Result<()> {
        let mut stop = pin!(stop);
        let (stopping, stopped) = watch::channel(false);
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                () = &mut stop => break,
                Some(_) = connections.join_next() => {}
                taken = listener.accept() => {
                    let Ok((socket, _)) = taken else { continue };
                    // Watches are small lines that somebody waits for.
                    let _ = socket.set_nodelay(true);
                    let (server, stopped) = (self.clone(), stopped.clone());
                    connections.spawn(async move {
                        let mut end = stopped.clone();
                        let service = service_fn(move |request: http::Request<Incoming>| {
                            let mut server = server.clone();
                            let mut stopped = stopped.clone();
                            async move {
                                let response = server.call(request).await?;
                                let stop = async move { drop(stopped.wait_for(|stop| *stop).await) };
                                Ok::<_, crate::Reset>(response.map(|body| body.until(stop.boxed())))
                            }
                        });
                        let mut connection =
                            pin!(http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(socket), service));
                        tokio::select! {
                            // A connection that fails is the client's to notice.
                            _ = &mut connection => return,
                            _ = end.wait_for(|stop| *stop) => connection.as_mut().graceful_shutdown(),
                        }
                        let _ = connection.await;
                    });
                }
            }
        }
        drop(listener);
        stopping.send_replace(true);
        while connections.join_next().await.is_some() {}
        Ok(())
    }
}

#[cfg(test)]
#[path = "serve_tests.rs"]
mod tests;
