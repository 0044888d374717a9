//! Credentials from an exec plugin of the kubeconfig, as client-go runs it.
//!
//! * The plugin runs once at the start, again when its credential expires, and again after the API server rejected the
//!   credential (401).
//! * One run at a time, at most one per [`MIN_INTERVAL`], each at most as long as [`TIME_LIMIT`]. A request that is cancelled
//!   does not end it.
//! * An error names the program and its exit status. Its arguments, environment and stdout may contain credentials, and are
//!   never logged.
//!
//! Pitfall: without a terminal a plugin cannot ask for anything. It gets `interactive: false` then, and should fail.

use std::{io, path::Path, process::Stdio, sync::Arc, time::Duration};

use http::HeaderValue;
use jiff::Timestamp;
use kube::config::{ExecConfig, ExecInteractiveMode};
use parking_lot::Mutex;
use serde::Deserialize;
use serde_json::json;
use tokio::{
    io::AsyncReadExt,
    process::{Child, Command},
    time::{Instant, timeout},
};

use super::{reload::bearer_header, tls::Identity};
use crate::{
    Error,
    child::{ChildGroup, log_stderr},
};

/// A user may have to log in with a browser.
const TIME_LIMIT: Duration = Duration::from_secs(60);

/// Minimum time between two starts. Until then, the last result is returned again.
const MIN_INTERVAL: Duration = Duration::from_secs(5);

/// Size limit of stdout.
const MAX_STDOUT_BYTES: u64 = 1 << 20;

/// The versions of the plugin's protocol. The first one has no default for `interactiveMode`.
const API_VERSIONS: [&str; 2] = ["client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1"];

/// An exec plugin and its last credential.
pub(super) struct ExecPlugin {
    settings: ExecConfig,
    command: String,
    is_interactive: bool,
    time_limit: Duration,
    min_interval: Duration,
    group: ChildGroup,
    /// Held during a run.
    running: tokio::sync::Mutex<()>,
    last: Mutex<Option<Run>>,
}

/// The last run of the plugin.
struct Run {
    start: Instant,
    result: Result<Arc<Credential>, Error>,
    is_rejected: bool,
}

/// What the plugin returned: a token, a client certificate, or both.
pub(super) struct Credential {
    pub header: Option<HeaderValue>,
    pub identity: Option<Identity>,
    expires: Option<Timestamp>,
}

impl ExecPlugin {
    /// Checks the settings. `is_terminal`: whether stdin is a terminal. `group` can kill a running plugin.
    pub fn new(settings: ExecConfig, is_terminal: bool, group: ChildGroup) -> Result<Self, String> {
        let is_interactive = match (settings.api_version.as_deref(), &settings.interactive_mode) {
            (version, _) if !API_VERSIONS.iter().any(|known| Some(*known) == version) => {
                return Err(format!("exec: expected apiVersion {}", API_VERSIONS.join(" or ")));
            }
            (Some(version), None) if version == API_VERSIONS[0] => {
                return Err("exec: expected interactiveMode Never, IfAvailable or Always".to_owned());
            }
            (_, Some(ExecInteractiveMode::Never)) => false,
            (_, Some(ExecInteractiveMode::Always)) if !is_terminal => {
                return Err("exec: interactiveMode is Always, but stdin is not a terminal".to_owned());
            }
            _ => is_terminal,
        };
        let command = settings.command.clone().ok_or("exec: expected a command")?;
        Ok(ExecPlugin {
            settings,
            command,
            is_interactive,
            time_limit: TIME_LIMIT,
            min_interval: MIN_INTERVAL,
            group,
            running: tokio::sync::Mutex::default(),
            last: Mutex::default(),
        })
    }

    /// Returns a valid credential. Runs the plugin if the last one has expired or was rejected.
    ///
    /// Cancellation: the run goes on, for the next call.
    ///
    /// # Errors
    /// Why the plugin failed, without its arguments, environment and stdout.
    pub async fn credential(self: &Arc<Self>) -> Result<Arc<Credential>, Error> {
        if let Some(result) = self.last_result() {
            return result;
        }
        let plugin = self.clone();
        let run = async move {
            let _running = plugin.running.lock().await;
            if let Some(result) = plugin.last_result() {
                return result;
            }
            let start = Instant::now();
            let result = plugin.run().await.map(Arc::new);
            *plugin.last.lock() = Some(Run { start, result: result.clone(), is_rejected: false });
            result
        };
        tokio::spawn(run).await.map_err(|_| Error::Failed("the exec plugin was cancelled".to_owned()))?
    }

    /// Records that the API server rejected a credential (401).
    pub fn reject(&self, credential: &Arc<Credential>) {
        if let Some(run) = &mut *self.last.lock() {
            run.is_rejected |= run.result.as_ref().is_ok_and(|last| Arc::ptr_eq(last, credential));
        }
    }

    /// Returns the last result, unless it is time for another run.
    fn last_result(&self) -> Option<Result<Arc<Credential>, Error>> {
        let last = self.last.lock();
        let run = last.as_ref()?;
        let is_valid = |c: &Arc<Credential>| !run.is_rejected && c.expires.is_none_or(|end| Timestamp::now() < end);
        let is_due = !run.result.as_ref().is_ok_and(is_valid) && run.start.elapsed() >= self.min_interval;
        (!is_due).then(|| run.result.clone())
    }

    async fn run(&self) -> Result<Credential, Error> {
        let program = Path::new(&self.command).file_name().unwrap_or_default().display().to_string();
        let failed = |why: String| Error::Failed(format!("the exec plugin {program} {why}"));
        let mut child = self.start().map_err(|e| {
            let hint = self.settings.install_hint.as_deref().map_or(String::new(), |hint| format!(": {hint}"));
            Error::Usage(format!("the exec plugin {program} cannot be started: {e}{hint}"))
        })?;
        // An interactive plugin shares the group of this process, so that it can read from the terminal.
        let kill_on_drop = self.group.kill_on_drop();
        if !self.is_interactive {
            self.group.set(&child);
        }
        let stderr = child.stderr.take().map(|stderr| {
            let program = program.clone();
            tokio::spawn(async move { log_stderr(stderr, &program).await })
        });
        let mut stdout = Vec::new();
        let read = async {
            if let Some(pipe) = child.stdout.take() {
                pipe.take(MAX_STDOUT_BYTES).read_to_end(&mut stdout).await?;
            }
            child.wait().await
        };
        let status = timeout(self.time_limit, read).await;
        let status = status.map_err(|_| failed(format!("has not finished within {:?}", self.time_limit)))?;
        let status = status.map_err(|e| failed(format!("failed: {e}")))?;
        // A background process may keep stderr open.
        if let Some(stderr) = stderr {
            let _ = timeout(Duration::from_secs(1), stderr).await;
        }
        if !status.success() {
            return Err(failed(format!("failed: {status}")));
        }
        // client-go leaves background processes alone, too.
        self.group.release();
        drop(kill_on_drop);
        self.parse(&stdout).map_err(|why| failed(format!("printed {why}")))
    }

    fn start(&self) -> io::Result<Child> {
        let ExecConfig { args, env, cluster, api_version, .. } = &self.settings;
        let mut spec = json!({ "interactive": self.is_interactive });
        if let Some(cluster) = cluster {
            spec["cluster"] = serde_json::to_value(cluster)?;
        }
        let info = json!({ "apiVersion": api_version, "kind": "ExecCredential", "spec": spec });
        let mut command = Command::new(&self.command);
        command.args(args.iter().flatten()).env("KUBERNETES_EXEC_INFO", info.to_string());
        for variable in env.iter().flatten() {
            if let (Some(name), Some(value)) = (variable.get("name"), variable.get("value")) {
                command.env(name, value);
            }
        }
        if !self.is_interactive {
            command.stdin(Stdio::null()).stderr(Stdio::piped()).process_group(0);
        }
        command.stdout(Stdio::piped()).kill_on_drop(true).spawn()
    }

    /// Parses stdout, as YAML: client-go accepts it, too.
    fn parse(&self, stdout: &[u8]) -> Result<Credential, &'static str> {
        let printed: ExecCredential = serde_saphyr::from_slice(stdout).map_err(|_| "no ExecCredential")?;
        if printed.kind != "ExecCredential" || Some(&printed.api_version) != self.settings.api_version.as_ref() {
            return Err("no ExecCredential of the apiVersion in the kubeconfig");
        }
        let status = printed.status.ok_or("an ExecCredential without a status")?;
        let [token, certificate, key, expires] =
            [status.token, status.client_certificate_data, status.client_key_data, status.expiration_timestamp]
                .map(|field| field.filter(|text| !text.is_empty()));
        let identity = match (certificate, key) {
            (None, None) if token.is_none() => return Err("neither a token nor a client certificate"),
            (None, None) => None,
            (Some(certificate), Some(key)) => {
                let identity = Identity::new(certificate.as_bytes(), key.as_bytes());
                Some(identity.map_err(|_| "a client certificate or key that cannot be used")?)
            }
            _ => return Err("a client certificate without its key, or the reverse"),
        };
        let header = token.map(|token| bearer_header(&token)).transpose().map_err(|_| "a token that cannot be used")?;
        let expires = expires.map(|time| time.parse()).transpose();
        Ok(Credential { header, identity, expires: expires.map_err(|_| "an expirationTimestamp that is not a time")? })
    }
}

/// What a plugin prints.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ExecCredential {
    api_version: String,
    kind: String,
    status: Option<ExecCredentialStatus>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ExecCredentialStatus {
    expiration_timestamp: Option<String>,
    token: Option<String>,
    client_certificate_data: Option<String>,
    client_key_data: Option<String>,
}

#[cfg(test)]
mod tests;
