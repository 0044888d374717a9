//! Which API server, and with whose credentials: a decision without any I/O.
//!
//! Endpoint, token and CA are one group. The first source (flag, variable, file) that names a server decides, be it by
//! an endpoint or by a kubeconfig, and only what that same source says goes along. Otherwise a token that lies around
//! in the environment would be sent to whatever server a flag names today.
//!
//! Promises:
//! * a server gets the token and the CA of the source that names it, or none;
//! * a token or CA whose source names no server, and that no stronger source made irrelevant, is refused: silently
//!   dropping it would end in a puzzling 401;
//! * what a stronger source overrules is ignored, with a warning;
//! * two answers from one source (`--token` with `--token-file`, `--api-endpoint` with `--context`) are refused.
//!
//! One exception: a server that is the cluster's own is sent the pod's service account's token if its source gives
//! none. That token comes from this very server ([`service_account`]).
//!
//! With no server named, it is the kubeconfig as `kubectl` finds it (`KUBECONFIG`, else `~/.kube/config`), else the
//! pod's service account. The variable `KUBECONFIG` therefore overrules nothing: it is often set for other programs. A
//! pod's service account is such a server too: `K8S_TOKEN` alone does not replace its token, but is refused.

use std::path::{Path, PathBuf};

use http::Uri;

use super::{
    Refusal,
    service_account::{self, ServiceAccount},
    settings::{Env, Given, ROW, Setting, Settings, Source},
};
use crate::text::quoted;

/// The file(s) of contexts.
pub static KUBECONFIG: Setting = Setting {
    flag: "kubeconfig",
    value: "FILE",
    env: "KUBECONFIG",
    default: "~/.kube/config, else the pod's service account",
    help: "Connect as this kubeconfig says; the variable may list several files",
    ..ROW
};
/// Which of the contexts.
pub static CONTEXT: Setting = Setting {
    flag: "context",
    value: "NAME",
    env: "DEMO_CONTROLLER_CONTEXT",
    default: "the kubeconfig's current one",
    help: "The context of the kubeconfig to use",
    ..ROW
};
/// A server named outright.
pub static API_ENDPOINT: Setting = Setting {
    flag: "api-endpoint",
    value: "HOST:PORT",
    env: "K8S_API_ENDPOINT",
    help: "Connect to this API server (or URL) instead, by https if it does not say;\n\
           its token and CA have to come from the same place: flag, variable or file",
    ..ROW
};
/// A bearer token.
pub static TOKEN: Setting = Setting {
    flag: "token",
    value: "TOKEN",
    env: "K8S_TOKEN",
    help: "Bearer token for --api-endpoint; a flag shows in the list of processes",
    secret: true,
    ..ROW
};
/// A file with a bearer token.
pub static TOKEN_FILE: Setting = Setting {
    flag: "token-file",
    value: "FILE",
    env: "DEMO_CONTROLLER_TOKEN_FILE",
    help: "Bearer token for --api-endpoint, read again as the file changes",
    ..ROW
};
/// Whom to trust.
pub static CA: Setting = Setting {
    flag: "ca",
    value: "FILE",
    env: "K8S_CA",
    default: "the system's; for a pod's own cluster, the pod's",
    help: "CA certificates (PEM) that --api-endpoint is checked against",
    ..ROW
};

/// Where to connect.
#[derive(Debug)]
pub enum Target {
    /// A server that a setting names.
    Server {
        /// Its address, with a scheme.
        url: Uri,
        /// The setting that names it.
        endpoint: Given,
        /// How to identify.
        token: Option<Token>,
        /// The CA's file.
        ca: Option<Given>,
    },
    /// A kubeconfig, or the pod's service account where there is none and none was asked for.
    Kubeconfig {
        /// The file or list of files that a setting names.
        files: Option<Given>,
        /// The context that a setting names.
        context: Option<Given>,
    },
}

/// A bearer token.
#[derive(Debug)]
pub enum Token {
    /// The token itself. Never printed: [`Given`] knows that it is a secret.
    Inline(Secret),
    /// The file that holds it.
    File(Given),
}

/// A text that does not print.
pub struct Secret(pub String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

impl Target {
    /// Which server it will be, and with whose token, as far as that can be known without looking at any file.
    pub fn describe(&self, env: Env) -> String {
        let account = ServiceAccount { directory: Path::new(service_account::DIRECTORY), env };
        match self {
            Target::Server { url, endpoint, token, .. } => {
                let token = match token {
                    Some(Token::Inline(_)) => "with the token".to_owned(),
                    Some(Token::File(file)) => format!("with the token in {}", quoted(&file.text)),
                    None if account.is_for(url) => "with the service account's token, if this pod has one".to_owned(),
                    None => "without a token".to_owned(),
                };
                format!("{url}, as {} says, {token}", endpoint.place())
            }
            Target::Kubeconfig { files, context } => {
                let context = context.as_ref().map(|given| format!("context {}", quoted(&given.text)));
                let context = context.as_deref().unwrap_or("the current context");
                match (files, account.server()) {
                    (Some(files), _) => format!("that of {context} of {files}"),
                    (None, Some(Ok(url))) => {
                        format!("that of {context} of ~/.kube/config, else {url}, with the service account's token")
                    }
                    (None, _) => format!("that of {context} of ~/.kube/config"),
                }
            }
        }
    }
}

/// Decides, and says what was ignored.
///
/// # Errors
/// See the promises above; and an endpoint or a token that cannot be one.
pub fn decide(settings: &Settings) -> Result<(Target, Vec<String>), Refusal> {
    let mut decided: Option<(Target, Given)> = None;
    let mut warnings = Vec::new();
    for source in Source::ALL {
        let at = |setting| settings.at(source, setting);
        contradiction(at(&TOKEN), at(&TOKEN_FILE))?;
        contradiction(at(&API_ENDPOINT), at(&CONTEXT))?;
        // The variable KUBECONFIG names no server: see above.
        let kubeconfig = at(&KUBECONFIG).filter(|_| source != Source::Environment);
        contradiction(at(&API_ENDPOINT), kubeconfig.clone())?;

        let credentials = [at(&TOKEN), at(&TOKEN_FILE), at(&CA)];
        let named_by = at(&API_ENDPOINT).or_else(|| at(&CONTEXT)).or(kubeconfig);
        if let Some((target, by)) = &decided {
            let is_server = matches!(target, Target::Server { .. });
            let overruled = named_by.filter(|given| is_server || given.setting.env == API_ENDPOINT.env);
            for given in overruled.into_iter().chain(credentials.into_iter().flatten()) {
                warnings
                    .push(format!("{given} is ignored: the server is named by {by}, and takes nothing from elsewhere"));
            }
            continue;
        }
        match (at(&API_ENDPOINT), named_by) {
            (Some(endpoint), _) => {
                let token = match (at(&TOKEN), at(&TOKEN_FILE)) {
                    (Some(token), _) => Some(Token::Inline(inline(&token)?)),
                    (None, file) => file.map(Token::File),
                };
                let url = url(&endpoint)?;
                if url.scheme_str() == Some("http") && token.is_some() && !is_loopback(&url) {
                    warnings.push(format!("{endpoint}: the token is sent over plain http, readable on the way"));
                }
                decided = Some((Target::Server { url, endpoint: endpoint.clone(), token, ca: at(&CA) }, endpoint));
            }
            (None, by) => {
                if let Some(stray) = credentials.into_iter().flatten().next() {
                    let endpoint = stray.sibling(&API_ENDPOINT);
                    return Err(stray.wrong(format!(
                        "goes only to a server that is named in the same place: give {endpoint} too, or drop it"
                    )));
                }
                if let Some(by) = by {
                    let target =
                        Target::Kubeconfig { files: settings.get(&KUBECONFIG), context: settings.get(&CONTEXT) };
                    decided = Some((target, by));
                }
            }
        }
    }
    let target = decided
        .map_or_else(|| Target::Kubeconfig { files: settings.get(&KUBECONFIG), context: None }, |(target, _)| target);
    Ok((target, warnings))
}

fn contradiction(one: Option<Given>, other: Option<Given>) -> Result<(), Refusal> {
    match (one, other) {
        (Some(one), Some(other)) => Err(Refusal::input(format!("{one} contradicts {other}: expected one of the two"))),
        _ => Ok(()),
    }
}

/// A token travels in a header, so it is one word of visible ASCII. Checked here because the HTTP library's error would
/// come later and say less.
fn inline(given: &Given) -> Result<Secret, Refusal> {
    let token = given.text.trim();
    if token.chars().all(|c| c.is_ascii_graphic()) {
        return Ok(Secret(token.to_owned()));
    }
    Err(given.wrong("expected one word of ASCII characters"))
}

/// `HOST:PORT`, `https://HOST[:PORT][/PATH]` or `http://…`. Bare means https: a token is at stake.
fn url(given: &Given) -> Result<Uri, Refusal> {
    let text = given.text.trim();
    let full = if text.contains("://") { text.to_owned() } else { format!("https://{text}") };
    let port_is_right = |uri: &Uri| {
        let authority = uri.authority().map_or("", |a| a.as_str());
        let after_host = authority.rsplit(']').next().unwrap_or_default();
        after_host.rsplit_once(':').is_none_or(|(_, port)| port.parse::<u16>().is_ok_and(|p| p > 0))
    };
    full.parse::<Uri>()
        .ok()
        .filter(|uri| matches!(uri.scheme_str(), Some("https" | "http")))
        .filter(|uri| uri.host().is_some_and(|host| !host.is_empty()) && port_is_right(uri))
        .filter(|uri| uri.query().is_none() && !full.contains(['@', '#']))
        .ok_or_else(|| {
            const EXPECTED: &str = "expected HOST:PORT or a URL such as https://api.example.com:6443";
            if full.contains('@') {
                // Not repeated: what stands before the @ is a password.
                let mut hidden = given.clone();
                hidden.text = "***".to_owned();
                return hidden
                    .wrong(format!("{EXPECTED}, without a user; a token goes into {}", given.sibling(&TOKEN)));
            }
            given.wrong(EXPECTED)
        })
}

/// Whether it is this machine.
pub fn is_loopback(url: &Uri) -> bool {
    let host = url.host().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// The files of a kubeconfig setting: the variable may list several, the flag and the key name one.
pub fn files(given: &Given) -> Vec<PathBuf> {
    match given.source {
        Source::Environment => std::env::split_paths(&given.text).filter(|path| !path.as_os_str().is_empty()).collect(),
        Source::Flag | Source::File => vec![PathBuf::from(&given.text)],
    }
}

#[cfg(test)]
#[path = "target_tests.rs"]
mod tests;
