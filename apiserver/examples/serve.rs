//! The server on loopback, until Ctrl-C: `cargo run -p apiserver --example serve [PORT]`

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let port = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(0u16);
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
    println!("http://{}", listener.local_addr()?);
    let server = apiserver::ApiServer::new(apiserver::Settings::default());
    server.serve(listener, async { drop(tokio::signal::ctrl_c().await) }).await;
    Ok(())
}
