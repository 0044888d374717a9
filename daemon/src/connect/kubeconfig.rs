//! Finds and merges kubeconfig files as kubectl does, and selects a context.

use std::{
    env,
    ffi::OsStr,
    io,
    path::{Path, PathBuf},
};

use http::Uri;
use kube::{
    Config,
    config::{AuthInfo, KubeConfigOptions, Kubeconfig, KubeconfigError},
};

use super::Token;
use crate::{Error, error_chain};

/// A kubeconfig, and its name for errors.
pub(super) struct MergedKubeconfig {
    kubeconfig: Kubeconfig,
    name: String,
}

/// Reads the files, or `~/.kube/config`. Of several files, missing ones are skipped. None: the user gave no file, and
/// there is no `~/.kube/config`.
pub(super) fn find(files: Option<&OsStr>, home: Option<&Path>) -> Result<Option<MergedKubeconfig>, Error> {
    let (paths, name) = match (files, home) {
        (Some(files), _) => {
            let paths = env::split_paths(files).filter(|path| !path.as_os_str().is_empty()).collect();
            (paths, format!("kubeconfig {}", files.display()))
        }
        (None, Some(home)) => (vec![home.join(".kube").join("config")], "~/.kube/config".to_owned()),
        (None, None) => return Ok(None),
    };
    let merged = read(&paths).map_err(|why| Error::Usage(format!("{name}: {why}")))?;
    match (merged, files) {
        (None, Some(_)) => Err(Error::Usage(format!("{name}: there is no such file"))),
        // kubectl leaves an empty file when the last context is deleted.
        (Some(found), None) if found.contexts.is_empty() && found.current_context.is_none() => Ok(None),
        (merged, _) => Ok(merged.map(|kubeconfig| MergedKubeconfig { kubeconfig, name })),
    }
}

fn read(paths: &[PathBuf]) -> Result<Option<Kubeconfig>, String> {
    let mut merged: Option<Kubeconfig> = None;
    for path in paths {
        let explain = |e: KubeconfigError| match paths.len() {
            1 => describe(&e),
            _ => format!("{}: {}", path.display(), describe(&e)),
        };
        match Kubeconfig::read_from(path) {
            Err(KubeconfigError::ReadConfig(e, _)) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => return Err(explain(e)),
            Ok(next) => merged = Some(merged.unwrap_or_default().merge(next).map_err(explain)?),
        }
    }
    Ok(merged)
}

impl MergedKubeconfig {
    /// Returns the configuration of a context (or the current one), its token file, and its name for the log.
    pub async fn config(
        self,
        context: Option<String>,
        warnings: &mut Vec<String>,
    ) -> Result<(Config, Option<Token>, String), Error> {
        let MergedKubeconfig { kubeconfig, name } = self;
        let context = select_context(&kubeconfig, &name, context)?;
        let source = format!("context {context} of {name}");
        let usage = |why: String| Error::Usage(format!("{source}: {why}"));
        let found = kubeconfig.contexts.iter().find(|c| c.name == context).and_then(|c| c.context.as_ref());
        let cluster = found.map(|context| &context.cluster);
        let cluster = kubeconfig.clusters.iter().find(|c| Some(&c.name) == cluster).and_then(|c| c.cluster.as_ref());
        if cluster.and_then(|c| c.proxy_url.as_deref()).is_some_and(|proxy| !proxy.is_empty()) {
            return Err(usage("proxy-url is not supported: expected a server that can be reached directly".to_owned()));
        }
        let options = KubeConfigOptions { context: Some(context), ..KubeConfigOptions::default() };
        let config = Config::from_custom_kubeconfig(kubeconfig, &options).await;
        let mut config = config.map_err(|e| usage(describe(&e)))?;
        if config.proxy_url.take().is_some() {
            warnings.push("HTTPS_PROXY is ignored: connections to the API server are direct".to_owned());
        }
        // kube panics at the first request to a URL without a scheme. A user and password in it would be logged.
        let has_user = |url: &Uri| url.authority().is_none_or(|authority| authority.as_str().contains('@'));
        if !matches!(config.cluster_url.scheme_str(), Some("https" | "http")) || has_user(&config.cluster_url) {
            return Err(usage("expected a server such as https://10.0.0.1:6443".to_owned()));
        }
        let token = take_token_file(&mut config.auth_info);
        Ok((config, token, source))
    }
}

/// Returns the name of the context to use.
fn select_context(kubeconfig: &Kubeconfig, name: &str, context: Option<String>) -> Result<String, Error> {
    let names: Vec<&str> = kubeconfig.contexts.iter().map(|c| c.name.as_str()).collect();
    let known_names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    let current = kubeconfig.current_context.clone().filter(|current| !current.is_empty());
    let problem = match (context, current) {
        (Some(context), _) | (None, Some(context)) if names.contains(&context.as_str()) => return Ok(context),
        (Some(context), _) => format!("--context {context}: there is no such context in {name}"),
        (None, Some(current)) => format!("{name}: its current-context {current} does not exist"),
        (None, None) => format!("{name}: it has no current-context"),
    };
    Err(Error::Usage(format!("{problem}: expected --context with one of {known_names}")))
}

/// Removes the token file from the configuration, so that kube does not read it (see [`super::token`]). As in
/// client-go, it overrides an inline token.
fn take_token_file(auth: &mut AuthInfo) -> Option<Token> {
    let has_other = auth.auth_provider.is_some() || (auth.username.is_some() && auth.password.is_some());
    let file = auth.token_file.take_if(|_| !has_other)?;
    auth.token = None;
    Some(Token::File(file.into()))
}

/// Describes the error without the text of the file: a YAML error quotes lines, which may contain a token.
fn describe(error: &KubeconfigError) -> String {
    match error {
        KubeconfigError::Parse(e) => match e.location() {
            Some(at) => format!("line {}, column {}: expected a kubeconfig", at.line(), at.column()),
            None => "expected a kubeconfig".to_owned(),
        },
        KubeconfigError::ReadConfig(e, _) => format!("cannot be read: {e}"),
        other => error_chain(other),
    }
}
