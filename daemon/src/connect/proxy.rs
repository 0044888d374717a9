//! The proxy of a connection, as Go's `http.ProxyFromEnvironment` selects it.

use http::Uri;
use hyper_util::client::proxy::matcher::Matcher;

use super::server;

/// Returns the proxy for a server: `HTTPS_PROXY` (or `HTTP_PROXY`), unless `NO_PROXY` has the server. Of each variable, the
/// lower-case form counts, too.
///
/// # Errors
/// The variable and the accepted form.
pub(super) fn from_env(url: &Uri, env: impl Fn(&str) -> Option<String>) -> Result<Option<Uri>, String> {
    let variable = |name: &str| {
        [name.to_owned(), name.to_ascii_lowercase()].iter().find_map(|name| env(name).filter(|value| !value.is_empty()))
    };
    let name = if url.scheme_str() == Some("http") { "HTTP_PROXY" } else { "HTTPS_PROXY" };
    let Some(proxy) = variable(name).filter(|_| !server::is_loopback(url)) else { return Ok(None) };
    // hyper-util does not know entries with a port.
    let port = format!(":{}", server::port(url));
    let exceptions = variable("NO_PROXY").unwrap_or_default();
    let exceptions: Vec<_> = exceptions
        .split(',')
        .map(|e| {
            let e = e.trim();
            e.strip_suffix(&port).unwrap_or(e)
        })
        .collect();
    match Matcher::builder().all("http://proxy").no(exceptions.join(",")).build().intercept(url) {
        None => Ok(None),
        Some(_) => parse(&proxy).map(Some).map_err(|why| format!("{name}: {why}")),
    }
}

/// Parses the URL of a proxy. Without a scheme it is `http`.
pub(super) fn parse(text: &str) -> Result<Uri, String> {
    let text = if text.contains("://") { text } else { &format!("http://{text}") };
    let url = text.parse().ok().filter(|url: &Uri| matches!(url.scheme_str(), Some("http" | "https" | "socks5")));
    // The URL may contain a password.
    url.filter(server::has_valid_port).ok_or_else(|| "expected a proxy such as http://10.0.0.1:3128".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxy(url: &str, variables: &[(&str, &str)]) -> Result<Option<String>, String> {
        let env = |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        from_env(&url.parse().unwrap(), env).map(|found| found.map(|uri| uri.to_string()))
    }

    #[test]
    fn proxy_is_selected_as_by_go() {
        let https = ("HTTPS_PROXY", "http://me:s3cret@proxy:3128");
        for (url, variables, expected) in [
            ("https://10.0.0.1:6443", &[] as &[_], None),
            ("https://10.0.0.1:6443", &[https], Some("http://me:s3cret@proxy:3128/")),
            ("https://10.0.0.1:6443", &[("https_proxy", "proxy:3128")], Some("http://proxy:3128/")),
            (
                "https://10.0.0.1:6443",
                &[("HTTPS_PROXY", ""), ("https_proxy", "socks5://proxy")],
                Some("socks5://proxy/"),
            ),
            ("https://10.0.0.1:6443", &[("HTTP_PROXY", "proxy")], None),
            ("http://10.0.0.1:8080", &[("HTTP_PROXY", "proxy")], Some("http://proxy/")),
            ("http://10.0.0.1:8080", &[https], None),
            ("https://localhost:6443", &[https], None),
            ("https://127.0.0.2:6443", &[https], None),
            ("https://[::1]:6443", &[https], None),
            ("https://10.0.0.1:6443", &[https, ("NO_PROXY", "10.0.0.0/8")], None),
            ("https://10.0.0.1:6443", &[https, ("no_proxy", "a, 10.0.0.1:6443")], None),
            ("https://10.0.0.1:6443", &[https, ("NO_PROXY", "10.0.0.1:443")], Some("http://me:s3cret@proxy:3128/")),
            ("https://a.example.com", &[https, ("NO_PROXY", ".example.com")], None),
            ("https://a.example.com", &[https, ("NO_PROXY", "example.com")], None),
            ("https://a.example.com", &[https, ("NO_PROXY", "other.com")], Some("http://me:s3cret@proxy:3128/")),
            ("https://a.example.com", &[("HTTPS_PROXY", "::s3cret::"), ("NO_PROXY", "*")], None),
        ] {
            assert_eq!(proxy(url, variables).unwrap().as_deref(), expected, "{url} {variables:?}");
        }
        for value in ["::s3cret::", "ftp://s3cret", "http://", "http://s3cret:99999"] {
            let error = proxy("https://10.0.0.1", &[("HTTPS_PROXY", value)]).unwrap_err();
            assert_eq!(error, "HTTPS_PROXY: expected a proxy such as http://10.0.0.1:3128", "{value}");
        }
    }
}
