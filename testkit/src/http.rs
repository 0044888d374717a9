//! A small HTTP client: one request per connection.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use serde_json::Value;

/// Sends a GET request and returns the status code and the body.
pub fn get(port: u16, path: &str) -> Result<(u16, String), String> {
    exchange(port, &format!("GET {path} HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n"))
}

/// Sends a POST request, and panics if the response is not 200.
pub fn post_json(port: u16, path: &str, body: &Value) {
    let body = body.to_string();
    let head = format!("POST {path} HTTP/1.0\r\nHost: 127.0.0.1\r\nContent-Length: {}\r\n\r\n", body.len());
    let response = exchange(port, &(head + &body));
    assert!(matches!(response, Ok((200, _))), "POST {path}: {response:?}");
}

fn exchange(port: u16, request: &str) -> Result<(u16, String), String> {
    let send = || {
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        stream.write_all(request.as_bytes())?;
        let mut response = Vec::new();
        stream.read_to_end(&mut response)?;
        Ok(String::from_utf8_lossy(&response).into_owned())
    };
    let response = send().map_err(|e: std::io::Error| format!("port {port}: {e}"))?;
    let (head, body) =
        response.split_once("\r\n\r\n").ok_or_else(|| format!("port {port}: incomplete: {response:?}"))?;
    let code = head.split(' ').nth(1).and_then(|code| code.parse().ok());
    code.map(|code| (code, body.to_owned())).ok_or_else(|| format!("port {port}: not HTTP: {head:?}"))
}
