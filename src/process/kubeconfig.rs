//! The kubeconfig: found as kubectl finds it, merged, and one context chosen.
//!
//! Of several files in `KUBECONFIG` those that do not exist are skipped; if none exists, that is an error.

use std::{ffi::OsString, path::Path};

use kube::{
    Config,
    config::{KubeConfigOptions, Kubeconfig, KubeconfigError},
};

use super::{
    Refusal,
    settings::{Env, Given},
    target,
};
use crate::{request::chain, text::quoted};

/// The merged kubeconfig and where it was found, or None where there is none and none was asked for.
///
/// # Errors
/// A file that is missing or wrong.
pub fn find(files: Option<&Given>, context: Option<&Given>, env: Env) -> Result<Option<(Kubeconfig, String)>, Refusal> {
    let (paths, place) = match files {
        Some(given) => (target::files(given), given.to_string()),
        None => {
            let home = env("HOME").filter(|home: &OsString| !home.is_empty());
            let Some(home) = home else { return no_kubeconfig(context) };
            let path = Path::new(&home).join(".kube").join("config");
            (vec![path], "~/.kube/config".to_owned())
        }
    };
    let mut merged: Option<Kubeconfig> = None;
    for path in &paths {
        let wrong = |e: KubeconfigError| {
            // One of several is named beside the setting that lists them.
            let which = if paths.len() > 1 { format!("{}: ", path.display()) } else { String::new() };
            Refusal::input(format!("{place}: {which}{}", explain(&e)))
        };
        match Kubeconfig::read_from(path) {
            Err(KubeconfigError::ReadConfig(e, _)) if e.kind() == std::io::ErrorKind::NotFound => {}
            Err(e) => return Err(wrong(e)),
            Ok(next) => merged = Some(merged.unwrap_or_default().merge(next).map_err(wrong)?),
        }
    }
    match (merged, files) {
        (Some(found), Some(_)) => Ok(Some((found, place))),
        // kubectl leaves an empty file behind when the last context is deleted.
        (Some(found), None) if found.contexts.is_empty() && found.current_context.is_none() => no_kubeconfig(context),
        (Some(found), None) => Ok(Some((found, place))),
        (None, Some(given)) => Err(given.wrong("there is no such file")),
        (None, None) => no_kubeconfig(context),
    }
}

/// Without a kubeconfig it is the service account, unless a context was asked for: that has to be somewhere.
fn no_kubeconfig(context: Option<&Given>) -> Result<Option<(Kubeconfig, String)>, Refusal> {
    match context {
        None => Ok(None),
        Some(context) => {
            Err(context.wrong("there is no kubeconfig: expected --kubeconfig, KUBECONFIG or ~/.kube/config"))
        }
    }
}

/// What the kubeconfig says about a context (or its current one), and how errors name that.
///
/// # Errors
/// No such context, a file that it names is missing, or something that is not supported.
pub async fn config(
    kubeconfig: Kubeconfig,
    place: &str,
    context: Option<&Given>,
    env: Env<'_>,
    warnings: &mut Vec<String>,
) -> Result<(Config, String), Refusal> {
    let names: Vec<&str> = kubeconfig.contexts.iter().map(|c| c.name.as_str()).collect();
    let known = if names.is_empty() { "none".to_owned() } else { quoted(&names.join(",")) };
    let name = match (context, &kubeconfig.current_context) {
        (Some(given), _) if !names.contains(&given.text.as_str()) => {
            return Err(given.wrong(format!("no such context in {place}: expected one of {known}")));
        }
        (Some(given), _) => given.text.clone(),
        (None, Some(current)) if names.contains(&current.as_str()) => current.clone(),
        (None, current) => {
            let what = match current.as_deref().unwrap_or_default() {
                "" => "it has no current-context".to_owned(),
                current => format!("its current-context {} does not exist", quoted(current)),
            };
            return Err(Refusal::input(format!("{place}: {what}: give --context, one of {known}")));
        }
    };
    let cluster =
        kubeconfig.contexts.iter().find(|c| c.name == name).and_then(|c| c.context.as_ref()).map(|c| &c.cluster);
    let cluster = kubeconfig.clusters.iter().find(|c| Some(&c.name) == cluster).and_then(|c| c.cluster.as_ref());
    if cluster.and_then(|c| c.proxy_url.as_deref()).is_some_and(|proxy| !proxy.is_empty()) {
        return Err(Refusal::input(format!("{place}: context {name}: proxy-url is not supported: connect directly")));
    }
    let options = KubeConfigOptions { context: Some(name.clone()), ..KubeConfigOptions::default() };
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &options)
        .await
        .map_err(|e| Refusal::input(format!("{place}: context {name}: {}", explain(&e))))?;
    if config.proxy_url.take().is_some() {
        let variable =
            ["HTTPS_PROXY", "https_proxy"].into_iter().find(|name| env(name).is_some()).unwrap_or("HTTPS_PROXY");
        warnings.push(format!("{variable} is ignored: the API server is connected to directly"));
    }
    Ok((config, format!("context {name} of {place}")))
}

/// Why a kubeconfig cannot be used. A YAML error prints the lines around it, and those may hold a token: only the place
/// is told.
fn explain(error: &KubeconfigError) -> String {
    match error {
        KubeconfigError::Parse(e) => match e.location() {
            Some(at) => format!("expected a kubeconfig, but line {}, column {} is not that", at.line(), at.column()),
            None => "expected a kubeconfig".to_owned(),
        },
        KubeconfigError::ReadConfig(e, _) => format!("cannot be read: {e}"),
        other => chain(other),
    }
}
