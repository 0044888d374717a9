//! In a pod: the service account's files, and the API server that they are for.
//!
//! The kubelet puts three files into every pod (unless `automountServiceAccountToken` is off): a token, which it renews
//! well before it expires, the CA certificates of the cluster's API server, and the pod's namespace. Where that server
//! is stands in two variables.
//!
//! Promise: the token goes to the cluster's own server and nowhere else. It does so where no setting names a server,
//! and also where one names this very server and gives no token.
//!
//! Read here and not by `kube`, which knows the one fixed path only: a path that is handed in can be tested.

use std::{
    net::IpAddr,
    path::{Path, PathBuf},
};

use http::Uri;

use super::settings::Env;

/// Where the kubelet puts the files.
pub const DIRECTORY: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

const HOST: &str = "KUBERNETES_SERVICE_HOST";
const PORT: &str = "KUBERNETES_SERVICE_PORT";

/// The names that the cluster's DNS gives its own API server, from within the cluster.
///
/// Pitfall: neither `kubernetes` nor `kubernetes.default` is one. A pod's resolver looks for a short name in the pod's
/// own namespace first. There a tenant may have a Service `kubernetes`, or a Service `default` with a pod whose
/// `hostname` is `kubernetes`.
const NAMES: [&str; 2] = ["kubernetes.default.svc", "kubernetes.default.svc.cluster.local"];

/// What the kubelet gave this pod, if this is one.
pub struct ServiceAccount<'a> {
    /// The folder of the three files.
    pub directory: &'a Path,
    /// The environment.
    pub env: Env<'a>,
}

impl ServiceAccount<'_> {
    /// The token's file; there may be none.
    pub fn token(&self) -> PathBuf {
        self.directory.join("token")
    }

    /// The file of CA certificates; there may be none.
    pub fn ca(&self) -> PathBuf {
        self.directory.join("ca.crt")
    }

    /// The pod's namespace.
    pub fn namespace(&self) -> Option<String> {
        let text = std::fs::read_to_string(self.directory.join("namespace")).ok()?;
        Some(text.trim().to_owned()).filter(|namespace| !namespace.is_empty())
    }

    /// The cluster's own API server. None: this is no pod.
    ///
    /// # Errors
    /// In words for the user: the two variables name no server.
    pub fn server(&self) -> Option<Result<Uri, String>> {
        let host = self.variable(HOST)?;
        let port = self.variable(PORT).unwrap_or_else(|| "443".to_owned());
        // An IPv6 address stands bare in the variable, but not in a URL.
        let bare = host.trim_matches(['[', ']']);
        let host = if bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_ipv6()) { format!("[{bare}]") } else { host };
        let url = port.parse::<u16>().ok().and_then(|port| format!("https://{host}:{port}").parse().ok());
        Some(url.ok_or_else(|| format!("{HOST}={host} and {PORT}={port} name no server")))
    }

    /// Whether a URL is that of the cluster's own API server, to which the token may go. Not in plain HTTP: there
    /// anybody may listen.
    pub fn is_for(&self, url: &Uri) -> bool {
        let bare = |host: &str| host.trim_matches(['[', ']']).trim_end_matches('.').to_ascii_lowercase();
        let (named, own) = (bare(url.host().unwrap_or_default()), self.variable(HOST).map(|host| bare(&host)));
        let same = |own: String| match (own.parse::<IpAddr>(), named.parse::<IpAddr>()) {
            (Ok(own), Ok(named)) => own == named,
            _ => own == named,
        };
        url.scheme_str() == Some("https") && (NAMES.contains(&named.as_str()) || own.is_some_and(same))
    }

    fn variable(&self, name: &str) -> Option<String> {
        let text = (self.env)(name)?.to_string_lossy().trim().to_owned();
        Some(text).filter(|text| !text.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;

    fn with<T>(host: &str, port: &str, ask: impl FnOnce(&ServiceAccount) -> T) -> T {
        let env = |name: &str| match name {
            HOST => Some(OsString::from(host)),
            PORT => Some(OsString::from(port)),
            _ => None,
        };
        ask(&ServiceAccount { directory: Path::new("/nowhere"), env: &env })
    }

    #[test]
    fn the_server_is_where_the_variables_say() {
        for (host, port, url) in [
            ("10.0.0.1", "443", "https://10.0.0.1:443/"),
            ("fd00::1", "6443", "https://[fd00::1]:6443/"),
            ("[fd00::1]", "6443", "https://[fd00::1]:6443/"),
            ("kubernetes.example.com", "", "https://kubernetes.example.com:443/"),
        ] {
            assert_eq!(with(host, port, |account| account.server().unwrap().unwrap().to_string()), url);
        }
        assert!(with("", "443", |account| account.server().is_none()), "this is no pod");
        for (host, port) in [("10.0.0.1", "tcp"), ("a b", "443"), ("10.0.0.1", "99999")] {
            assert!(with(host, port, |account| account.server().unwrap().is_err()), "{host} {port}");
        }
    }

    #[test]
    fn the_token_is_for_the_clusters_own_server_and_no_other() {
        let is_for = |host, url: &str| with(host, "443", |account| account.is_for(&url.parse().unwrap()));
        for url in [
            "https://kubernetes.default.svc:443",
            "https://Kubernetes.Default.SVC/",
            "https://kubernetes.default.svc.cluster.local.:6443",
            "https://10.0.0.1:6443",
        ] {
            assert!(is_for("10.0.0.1", url), "{url}");
        }
        assert!(is_for("fd00::1", "https://[fd00:0::1]:443"));
        for url in [
            "http://kubernetes.default.svc",
            "https://kubernetes",
            "https://kubernetes.default:443",
            "https://kubernetes.example.com",
            "https://kubernetes.default.svc.example.com",
            "https://10.0.0.10",
            "https://10.0.0.1.example.com",
            "https://master.example.com:8443",
        ] {
            assert!(!is_for("10.0.0.1", url), "{url}");
        }
    }
}
