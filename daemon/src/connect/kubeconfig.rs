//! Finds and merges kubeconfig files as kubectl does, and selects a context.
//!
//! kube's `Kubeconfig` is not used: it takes an empty field for a set one, and one wrong entry makes the others unusable.

use std::{
    collections::BTreeMap,
    env,
    ffi::OsStr,
    fs,
    io::{self, IsTerminal},
    path::{Path, PathBuf},
    sync::Arc,
};

use kube::{
    Config,
    config::{AuthInfo, Cluster, ExecAuthCluster},
};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::{
    Settings, Token,
    exec::ExecPlugin,
    proxy, server,
    tls::{PemSource, TlsSources},
    transport::Auth,
};
use crate::{Error, child::ChildGroup};

/// The fields of an entry.
type Fields = Map<String, Value>;

/// Merged kubeconfig files.
#[derive(Default)]
pub(super) struct Kubeconfig {
    /// For errors.
    name: String,
    current_context: Option<String>,
    contexts: BTreeMap<String, Fields>,
    clusters: BTreeMap<String, Fields>,
    users: BTreeMap<String, Fields>,
}

/// Reads the files, or `~/.kube/config`. Of several files, missing ones are skipped. None: the user gave no file, and
/// there is no `~/.kube/config`.
pub(super) fn find(files: Option<&OsStr>, home: Option<&Path>) -> Result<Option<Kubeconfig>, Error> {
    let (paths, name): (Vec<PathBuf>, _) = match (files, home) {
        (Some(files), _) => {
            let paths = env::split_paths(files).filter(|path| !path.as_os_str().is_empty()).collect();
            (paths, format!("kubeconfig {}", files.display()))
        }
        (None, Some(home)) => (vec![home.join(".kube").join("config")], "~/.kube/config".to_owned()),
        (None, None) => return Ok(None),
    };
    let (mut merged, mut is_found) = (Kubeconfig { name, ..Kubeconfig::default() }, false);
    for path in &paths {
        let file = if paths.len() == 1 { String::new() } else { format!(" {}:", path.display()) };
        let usage = |why: String| Error::Usage(format!("{}:{file} {why}", merged.name));
        match fs::read_to_string(path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => return Err(usage(format!("cannot be read: {e}"))),
            Ok(text) => {
                let parsed = parse(&text).map_err(usage)?;
                merged.add(&parsed, path.parent().unwrap_or(Path::new("")));
                is_found = true;
            }
        }
    }
    match files {
        Some(_) if !is_found => Err(Error::Usage(format!("{}: there is no such file", merged.name))),
        // kubectl leaves an empty file when the last context is deleted.
        None if merged.contexts.is_empty() && merged.current_context.is_none() => Ok(None),
        _ => Ok(Some(merged)),
    }
}

/// Parses a file. The error does not quote it: a line may contain a token.
fn parse(text: &str) -> Result<Value, String> {
    let parsed: Value =
        serde_saphyr::from_str(text.trim_start_matches('\u{feff}')).map_err(|e| match e.location() {
            Some(at) => format!("line {}, column {}: expected a kubeconfig", at.line(), at.column()),
            None => "expected a kubeconfig".to_owned(),
        })?;
    let is =
        |field: &str, value: &str| parsed.get(field).and_then(Value::as_str).is_none_or(|v| v.is_empty() || v == value);
    let is_config = (parsed.is_object() || parsed.is_null()) && is("kind", "Config") && is("apiVersion", "v1");
    if is_config { Ok(parsed) } else { Err("expected a kubeconfig".to_owned()) }
}

impl Kubeconfig {
    /// Adds a file, unless a previous file has the same entries. `folder` is the base of its relative paths.
    fn add(&mut self, file: &Value, folder: &Path) {
        let current = file["current-context"].as_str().filter(|current| !current.is_empty());
        self.current_context = self.current_context.take().or(current.map(str::to_owned));
        for (list, field, merged) in [
            ("contexts", "context", &mut self.contexts),
            ("clusters", "cluster", &mut self.clusters),
            ("users", "user", &mut self.users),
        ] {
            for entry in file[list].as_array().into_iter().flatten() {
                if let Some(name) = entry["name"].as_str() {
                    let mut fields = set_fields(&entry[field]);
                    for path in ["certificate-authority", "client-certificate", "client-key", "tokenFile"] {
                        resolve(&mut fields, path, folder);
                    }
                    if let Some(Value::Object(exec)) = fields.get_mut("exec") {
                        *exec = set_fields(&Value::Object(exec.clone()));
                        // A name without a slash is on the PATH.
                        if exec.get("command").and_then(Value::as_str).is_some_and(|command| command.contains('/')) {
                            resolve(exec, "command", folder);
                        }
                    }
                    merged.entry(name.to_owned()).or_insert(fields);
                }
            }
        }
    }

    /// Returns the settings of a context (or the current one), and its name for the log.
    pub fn select(&self, context: Option<String>, plugin: &ChildGroup) -> Result<(Settings, String), Error> {
        let context = self.select_context(context)?;
        let source = format!("context {context} of {}", self.name);
        let settings = self.settings(&context, plugin).map_err(|why| Error::Usage(format!("{source}: {why}")));
        Ok((settings?, source))
    }

    /// Returns the name of the context to use.
    fn select_context(&self, context: Option<String>) -> Result<String, Error> {
        let names: Vec<_> = self.contexts.keys().map(String::as_str).collect();
        let known_names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        let name = &self.name;
        let problem = match (context, self.current_context.clone()) {
            (Some(context), _) | (None, Some(context)) if names.contains(&context.as_str()) => return Ok(context),
            (Some(context), _) => format!("--context {context}: there is no such context in {name}"),
            (None, Some(current)) => format!("{name}: its current-context {current} does not exist"),
            (None, None) => format!("{name}: it has no current-context"),
        };
        Err(Error::Usage(format!("{problem}: expected --context with one of {known_names}")))
    }

    /// Returns the settings of a context. What kubectl refuses is an error: one of two settings would be ignored.
    fn settings(&self, context: &str, plugin: &ChildGroup) -> Result<Settings, String> {
        let context = &self.contexts[context];
        let text = |fields: &Fields, field: &str| fields.get(field).and_then(Value::as_str).map(str::to_owned);
        let cluster_name = text(context, "cluster").unwrap_or_default();
        let cluster_fields = self.clusters.get(&cluster_name).ok_or(format!("there is no cluster {cluster_name:?}"))?;
        let user_fields = text(context, "user").and_then(|name| self.users.get(&name)).cloned().unwrap_or_default();
        let cluster: Cluster = typed(cluster_fields, "cluster")?;
        let mut user: AuthInfo = typed(&user_fields, "user")?;

        let ca = pem_source(cluster_fields, "certificate-authority")?;
        let certificate = pem_source(&user_fields, "client-certificate")?;
        let key = pem_source(&user_fields, "client-key")?;
        // As in client-go, an inline token is used only if the file has none.
        let token = text(&user_fields, "token").map(|token| Token::Inline(token).auth()).transpose();
        let token = match text(&user_fields, "tokenFile").map(|file| Token::File(file.into()).auth()) {
            Some(Err(why)) => Some(token?.ok_or(why)?),
            Some(file) => Some(file?),
            None => token?,
        };
        let is_insecure = cluster.insecure_skip_tls_verify == Some(true);
        let has_basic = user.username.is_some() || user.password.is_some();
        let has_details = user.impersonate_uid.is_some()
            || user.impersonate_groups.is_some()
            || user.impersonate_user_extra.is_some();
        let provider = user.auth_provider.as_ref().map(|provider| provider.name.as_str());
        for (is_wrong, why) in [
            (
                is_insecure && ca.is_some(),
                "insecure-skip-tls-verify and certificate-authority are both set: expected one",
            ),
            (certificate.is_some() && key.is_none(), "client-key: expected the key of the client-certificate"),
            (has_basic && token.is_some(), "token and username are both set: expected one"),
            (has_details && user.impersonate.is_none(), "as-uid, as-groups and as-user-extra: expected a user in `as`"),
            (user.exec.is_some() && provider.is_some(), "exec and auth-provider are both set: expected one"),
            (provider.is_some_and(|name| name != "oidc"), "auth-provider: expected oidc, or an exec plugin instead"),
        ] {
            if is_wrong {
                return Err(why.to_owned());
            }
        }

        let mut config = Config::new(server::parse(cluster.server.as_deref().unwrap_or_default())?);
        config.accept_invalid_certs = is_insecure;
        config.tls_server_name.clone_from(&cluster.tls_server_name);
        let proxy = cluster.proxy_url.as_deref().map(proxy::parse).transpose();
        config.proxy_url = proxy.map_err(|why| format!("proxy-url: {why}"))?;
        config.default_namespace = text(context, "namespace").unwrap_or_default();
        let identity = certificate.zip(key);
        let auth = match (token, user.exec.take()) {
            (Some(auth), _) => auth,
            (None, Some(mut exec)) if !has_basic && identity.is_none() => {
                if exec.provide_cluster_info {
                    exec.cluster = Some(ExecAuthCluster::try_from(&cluster).map_err(|e| e.to_string())?);
                }
                Auth::Exec(Arc::new(ExecPlugin::new(exec, io::stdin().is_terminal(), plugin.clone())?))
            }
            _ => Auth::Config,
        };
        // The rest of the user is for kube.
        config.auth_info.auth_provider = user.auth_provider;
        config.auth_info.impersonate = user.impersonate;
        config.auth_info.impersonate_uid = user.impersonate_uid;
        config.auth_info.impersonate_groups = user.impersonate_groups;
        config.auth_info.impersonate_user_extra = user.impersonate_user_extra;
        if has_basic {
            config.auth_info.username = Some(user.username.unwrap_or_default());
            config.auth_info.password = Some(user.password.unwrap_or_else(|| String::new().into()));
        }
        Ok(Settings { config, tls: TlsSources { ca, identity }, auth })
    }
}

/// Returns the fields of an entry that are set. To kubectl, an empty field is not.
fn set_fields(entry: &Value) -> Fields {
    let is_set =
        |value: &Value| !value.is_null() && *value != "" && value.as_array().is_none_or(|list| !list.is_empty());
    let fields = entry.as_object().into_iter().flatten();
    fields.filter(|(_, value)| is_set(value)).map(|(name, value)| (name.clone(), value.clone())).collect()
}

fn resolve(fields: &mut Fields, path: &str, folder: &Path) {
    if let Some(Value::String(path)) = fields.get_mut(path) {
        *path = folder.join(&*path).to_string_lossy().into_owned();
    }
}

/// Parses an entry. The error does not quote the value, which may be a token.
fn typed<T: DeserializeOwned>(fields: &Fields, entry: &str) -> Result<T, String> {
    serde_path_to_error::deserialize(Value::Object(fields.clone()))
        .map_err(|e| format!("{entry}.{}: expected another type or value", e.path()))
}

/// Returns the source of a PEM text: `NAME` with a path, or `NAME-data` with base64.
fn pem_source(fields: &Fields, name: &str) -> Result<Option<PemSource>, String> {
    let data = format!("{name}-data");
    match (fields.get(name), fields.get(&data).map(|data| data.as_str().unwrap_or_default())) {
        (Some(_), Some(_)) => Err(format!("{name} and {data} are both set: expected one")),
        (Some(path), None) => Ok(Some(PemSource::File(path.as_str().unwrap_or_default().into()))),
        (None, Some(base64)) => PemSource::decode(base64).map(Some).map_err(|why| format!("{data}: {why}")),
        (None, None) => Ok(None),
    }
}
