//! The control endpoint: faults, compaction and the request log over HTTP.
//!
//! | request | does |
//! | --- | --- |
//! | `GET /control/faults` | lists the rules, with how often each has matched and hit |
//! | `POST /control/faults` | adds a rule or a list of rules; if one is invalid, none is added |
//! | `DELETE /control/faults` | removes all rules |
//! | `POST /control/compact` | compacts the log: only the current versions remain |
//! | `POST /control/cut` | resets the connection of every open watch |
//! | `GET /control/requests` | lists the last requests |
//!
//! Only administrators have access: no built-in role grants these paths to other users.

use serde_json::{Value, json};

use crate::{
    faults::{self, Faults},
    request::Request,
    state::State,
    status::{Result, Status},
};

/// Handles a request that is already authorized.
///
/// The caller injects no faults here, so that faults can always be removed.
pub fn handle(state: &mut State, request: &Request) -> Result<Value> {
    let what = request.path.strip_prefix("/control/").unwrap_or_default();
    match (request.method.as_str(), what) {
        ("GET", "faults") => Ok(list_rules(&state.faults)),
        ("POST", "faults") => add_rules(state, &request.body),
        ("DELETE", "faults") => {
            state.faults.clear();
            Ok(list_rules(&state.faults))
        }
        ("POST", "compact") => {
            state.store.compact();
            Ok(json!({ "revision": state.store.revision() }))
        }
        ("POST", "cut") => {
            state.cut.send_replace(());
            Ok(json!({ "watches": state.cut.receiver_count() }))
        }
        ("GET", "requests") => Ok(json!({ "requests": state.request_log.entries().collect::<Vec<_>>() })),
        (_, "faults" | "compact" | "cut" | "requests") => Err(Status::method_not_allowed()),
        _ => Err(Status::no_such_path()),
    }
}

fn list_rules(faults: &Faults) -> Value {
    json!({ "rules": faults.active() })
}

fn add_rules(state: &mut State, body: &[u8]) -> Result<Value> {
    let new = faults::parse(body, &state.catalog)?;
    let faults = &mut state.faults;
    if faults.active().len() + new.len() > Faults::CAPACITY {
        return Err(Status::bad_request(format!("more than {} rules; DELETE removes all", Faults::CAPACITY)));
    }
    for rule in new {
        faults.add(rule);
    }
    Ok(list_rules(faults))
}

#[cfg(test)]
mod tests;
