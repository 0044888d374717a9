//! The service account of the pod, and the API server of its cluster.
//!
//! The kubelet mounts three files into a pod: a token, which it renews before it expires, the CA certificates of the API
//! server, and the pod's namespace. Two environment variables contain the address. kube reads all of these, too, but the
//! files from a fixed path, which a test cannot replace.

use std::{env, net::IpAddr, path::PathBuf};

use http::Uri;
use kube::Config;

use super::{PemSource, Settings, TlsSources, Token};
use crate::Error;

const DIRECTORY: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// DNS names of the API server within its cluster.
///
/// Pitfall: `kubernetes` and `kubernetes.default` are not safe. A pod's resolver tries the pod's own namespace first,
/// where a tenant may have a Service of that name.
const API_SERVER_NAMES: [&str; 2] = ["kubernetes.default.svc", "kubernetes.default.svc.cluster.local"];

pub(super) struct ServiceAccount {
    pub directory: PathBuf,
    /// `KUBERNETES_SERVICE_HOST`; empty outside a pod.
    pub host: String,
    /// `KUBERNETES_SERVICE_PORT`.
    pub port: String,
}

impl ServiceAccount {
    pub fn from_env() -> Self {
        let variable = |name| env::var(name).unwrap_or_default().trim().to_owned();
        ServiceAccount {
            directory: DIRECTORY.into(),
            host: variable("KUBERNETES_SERVICE_HOST"),
            port: variable("KUBERNETES_SERVICE_PORT"),
        }
    }

    pub fn token(&self) -> PathBuf {
        self.directory.join("token")
    }

    pub fn ca(&self) -> PathBuf {
        self.directory.join("ca.crt")
    }

    pub fn namespace(&self) -> Option<String> {
        let text = std::fs::read_to_string(self.directory.join("namespace")).ok()?;
        Some(text.trim().to_owned()).filter(|namespace| !namespace.is_empty())
    }

    /// Returns the settings for the pod's own cluster.
    pub fn settings(&self) -> Result<Settings, Error> {
        let ways = "expected --kubeconfig, KUBECONFIG, ~/.kube/config, or a pod with a service account";
        let error = |why: &str| Error::Usage(format!("no API server to connect to{why}: {ways}"));
        if self.host.is_empty() {
            return Err(error(""));
        }
        let invalid = || error(&format!(" (KUBERNETES_SERVICE_HOST={}, _PORT={})", self.host, self.port));
        let mut config = Config::new(self.server_url().ok_or_else(invalid)?);
        config.default_namespace = self.namespace().unwrap_or_default();
        let auth = Token::File(self.token()).auth().map_err(|why| error(&format!(" ({why})")))?;
        Ok(Settings { config, tls: TlsSources { ca: Some(PemSource::File(self.ca())), identity: None }, auth })
    }

    fn server_url(&self) -> Option<Uri> {
        let port: u16 = if self.port.is_empty() { 443 } else { self.port.parse().ok()? };
        // An IPv6 address has brackets in a URL, but not in the variable.
        let bare = self.host.trim_matches(['[', ']']);
        let host = if bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_ipv6()) { &format!("[{bare}]") } else { &self.host };
        format!("https://{host}:{port}").parse().ok()
    }

    /// Returns whether the URL is that of the pod's own cluster. No other server may get the token.
    pub fn is_own_cluster(&self, url: &Uri) -> bool {
        let bare = |host: &str| host.trim_matches(['[', ']']).trim_end_matches('.').to_ascii_lowercase();
        let (given, own) = (bare(url.host().unwrap_or_default()), bare(&self.host));
        let same = match (own.parse::<IpAddr>(), given.parse::<IpAddr>()) {
            (Ok(own), Ok(given)) => own == given,
            _ => own == given && !own.is_empty(),
        };
        url.scheme_str() == Some("https") && (same || API_SERVER_NAMES.contains(&given.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(host: &str, port: &str) -> ServiceAccount {
        ServiceAccount { directory: "/nowhere".into(), host: host.into(), port: port.into() }
    }

    #[test]
    fn server_url_is_built_from_the_variables() {
        for (host, port, url) in [
            ("10.0.0.1", "443", "https://10.0.0.1:443/"),
            ("fd00::1", "6443", "https://[fd00::1]:6443/"),
            ("[fd00::1]", "6443", "https://[fd00::1]:6443/"),
            ("kubernetes.example.com", "", "https://kubernetes.example.com:443/"),
        ] {
            assert_eq!(account(host, port).server_url().unwrap().to_string(), url);
        }
        for (host, port) in [("10.0.0.1", "tcp"), ("a b", "443"), ("10.0.0.1", "99999")] {
            assert_eq!(account(host, port).server_url(), None, "{host} {port}");
        }
    }

    #[test]
    fn token_is_for_the_pods_own_cluster_only() {
        let is_own = |host, url: &str| account(host, "443").is_own_cluster(&url.parse().unwrap());
        for url in [
            "https://kubernetes.default.svc:443",
            "https://Kubernetes.Default.SVC/",
            "https://kubernetes.default.svc.cluster.local.:6443",
            "https://10.0.0.1:6443",
        ] {
            assert!(is_own("10.0.0.1", url), "{url}");
        }
        assert!(is_own("fd00::1", "https://[fd00:0::1]:443"));
        for url in [
            "http://kubernetes.default.svc",
            "https://kubernetes",
            "https://kubernetes.default:443",
            "https://kubernetes.default.svc.example.com",
            "https://10.0.0.10",
            "https://10.0.0.1.example.com",
        ] {
            assert!(!is_own("10.0.0.1", url), "{url}");
        }
    }
}
