//! The control endpoint: faults, compaction and the journal, for whoever has no hand on the process.
//!
//! | request | does |
//! | --- | --- |
//! | `GET /control/faults` | lists the rules, with how often each has matched and hit |
//! | `POST /control/faults` | adds a rule, or a list of rules: all of them or, if one is wrong, none |
//! | `DELETE /control/faults` | removes all rules |
//! | `POST /control/compact` | forgets every version but the present one |
//! | `POST /control/cut` | hangs up on every watch that is open |
//! | `GET /control/requests` | lists the last requests |
//!
//! For administrators: no role that a cluster begins with allows these paths to anybody else.

use serde_json::{Value, json};

use crate::{
    faults::{self, Faults},
    request::Request,
    state::State,
    status::{Result, Status},
};

/// The answer. Whoever asks has been authorized for the path.
///
/// The caller neither plans faults for these requests nor notes them in the journal: what switches faults off has to work.
pub fn answer(state: &mut State, request: &Request) -> Result<Value> {
    let what = request.path.strip_prefix("/control/").unwrap_or_default();
    match (request.method.as_str(), what) {
        ("GET", "faults") => Ok(rules(&state.faults)),
        ("POST", "faults") => add(state, &request.body),
        ("DELETE", "faults") => {
            state.faults.clear();
            Ok(rules(&state.faults))
        }
        ("POST", "compact") => {
            state.store.compact();
            Ok(json!({ "revision": state.store.revision() }))
        }
        ("POST", "cut") => {
            state.cut.send_replace(());
            Ok(json!({ "watches": state.cut.receiver_count() }))
        }
        ("GET", "requests") => Ok(json!({ "requests": state.journal.entries().collect::<Vec<_>>() })),
        (_, "faults" | "compact" | "cut" | "requests") => Err(Status::method_not_allowed()),
        _ => Err(Status::no_such_path()),
    }
}

fn rules(faults: &Faults) -> Value {
    json!({ "rules": faults.active() })
}

fn add(state: &mut State, body: &[u8]) -> Result<Value> {
    let new = faults::parse(body, &state.catalog)?;
    let faults = &mut state.faults;
    if faults.active().len() + new.len() > Faults::CAPACITY {
        return Err(Status::bad_request(format!("more than {} rules; DELETE removes all", Faults::CAPACITY)));
    }
    for rule in new {
        faults.add(rule);
    }
    Ok(rules(faults))
}

#[cfg(test)]
mod tests;
