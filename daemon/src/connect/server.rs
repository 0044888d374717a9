//! URLs of API servers.

use http::Uri;

/// Parses the `server` of a kubeconfig. Without a scheme it is `http`, as for kubectl.
///
/// # Errors
/// The accepted form, without the URL, which may contain a password.
pub(super) fn parse(text: &str) -> Result<Uri, String> {
    let has_scheme = text.contains("://");
    let url: Option<Uri> = if has_scheme { text.parse().ok() } else { format!("http://{text}").parse().ok() };
    // kube panics at the first request to a URL without a host. A user and password in it would be logged.
    url.filter(|url| matches!(url.scheme_str(), Some("http" | "https")) && has_valid_port(url))
        .filter(|url| url.authority().is_some_and(|authority| !authority.as_str().contains('@')))
        .filter(|url| has_scheme || url.path() == "/")
        .ok_or_else(|| "server: expected a URL such as https://10.0.0.1:6443".to_owned())
}

/// Returns whether the URL has a host, and a port in range or none.
pub(super) fn has_valid_port(url: &Uri) -> bool {
    let Some(host) = url.host().filter(|host| !host.is_empty()) else { return false };
    let authority = url.authority().map_or("", |authority| authority.as_str());
    url.port_u16().is_some_and(|port| port > 0) || authority.ends_with(host)
}

/// Returns the port of a URL.
pub(super) fn port(url: &Uri) -> u16 {
    url.port_u16().unwrap_or(if url.scheme_str() == Some("http") { 80 } else { 443 })
}

/// Returns whether the URL is on this machine.
pub(super) fn is_loopback(url: &Uri) -> bool {
    let host = url.host().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn server_is_a_url_or_an_address() {
        for (text, url) in [
            ("https://10.0.0.1:6443", "https://10.0.0.1:6443/"),
            ("https://rancher.example.com/k8s/clusters/c-1", "https://rancher.example.com/k8s/clusters/c-1"),
            ("https://[fd00::1]:6443", "https://[fd00::1]:6443/"),
            ("127.0.0.1:7443", "http://127.0.0.1:7443/"),
            ("api.example.com", "http://api.example.com/"),
        ] {
            assert_eq!(parse(text).unwrap().to_string(), url, "{text}");
        }
        for text in [
            "",
            "ftp://10.0.0.1",
            "https://",
            "https:///path",
            "https://:6443",
            "https://10.0.0.1:99999",
            "https://10.0.0.1:0",
            "https://10.0.0.1:port",
            "https://me:s3cret@10.0.0.1",
            "10.0.0.1:6443/path",
            "a b",
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains("expected a URL such as") && !error.contains("s3cret"), "{text}: {error}");
        }
    }
}
