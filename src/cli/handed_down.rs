//! What a plugin's child finds in its environment: the settings in use.
//!
//! Promises:
//! * a setting that is in use stands there as its variable, be it given by a flag, a variable or the file;
//! * one that is not in use does not, also where our own environment has it: a child that pairs the endpoint in use
//!   with the CA or the token's file of another talks to the wrong server, or tells it too much;
//! * no secret does.
//!
//! Pitfall: `KUBECONFIG` overrules nothing, see [`target`], so it is not taken away from the programs that it is for.

use crate::{
    cli::start::{NAMESPACE, NAMESPACED},
    process::{
        connect::Connection,
        flags,
        settings::{Setting, Settings, Table},
        target::{self, Target, Token},
    },
    watch::exec::Environment,
};

/// As far as it is known before there is a connection. `overruled` are given, but not in use.
pub fn settings(table: Table, settings: &Settings, overruled: &[&Setting], target: &Target) -> Environment {
    let is = |row: &Setting, other: &Setting| row.env == other.env;
    let mut environment = Environment::new();
    for row in flags::rows(table).filter(|row| !is(row, &target::KUBECONFIG)) {
        let given = settings.get(row).filter(|_| !row.secret && !overruled.iter().any(|other| is(row, other)));
        environment.insert(row.env.to_owned(), given.map(|given| given.text));
    }
    // Of these a whole group counts, or nothing of it.
    let (kubeconfig, context, token_file) = match target {
        Target::Server { token: Some(Token::File(file)), .. } => (None, None, Some(file)),
        Target::Server { .. } => (None, None, None),
        Target::Kubeconfig { files, context } => (files.as_ref(), context.as_ref(), None),
    };
    let mut set = |row: &Setting, text: Option<String>| environment.insert(row.env.to_owned(), text);
    for (row, given) in [(&target::CONTEXT, context), (&target::TOKEN_FILE, token_file)] {
        set(row, given.map(|given| given.text.clone()));
    }
    for row in [&target::API_ENDPOINT, &target::CA] {
        set(row, None);
    }
    if let Some(files) = kubeconfig {
        set(&target::KUBECONFIG, Some(files.text.clone()));
    }
    environment
}

/// What the connection adds: the server, its CA's file, and the namespace, with the original's word for having one.
pub fn connection(environment: &mut Environment, connection: &Connection, namespace: Option<&str>) {
    let endpoint = Some(connection.endpoint.clone()).filter(|endpoint| !endpoint.is_empty());
    let ca = connection.ca.as_deref().and_then(|path| path.to_str()).map(str::to_owned);
    let namespaced = if namespace.is_some() { "True" } else { "False" };
    for (row, text) in [
        (&target::API_ENDPOINT, endpoint),
        (&target::CA, ca),
        (&NAMESPACE, namespace.map(str::to_owned)),
        (&NAMESPACED, Some(namespaced.to_owned())),
    ] {
        environment.insert(row.env.to_owned(), text);
    }
}

#[cfg(test)]
#[path = "handed_down_tests.rs"]
mod tests;
