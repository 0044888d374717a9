//! The control endpoint: `/control/...`, faults and the journal for whoever has no hand on the process.

use serde_json::{Value, json};

use crate::{request::Request, state::State, status::Result};

/// The answer, if the path is one of the control endpoint's. Whoever asks has been authorized for the path.
///
/// The caller neither plans faults for these requests nor notes them in the journal: what switches faults off has to work.
pub fn answer(state: &mut State, request: &Request) -> Option<Result<Value>> {
    let what = request.path.strip_prefix("/control/")?;
    Some(match (request.method.as_str(), what) {
        ("GET", "requests") => Ok(json!({ "requests": state.journal.entries().collect::<Vec<_>>() })),
        ("POST", "compact") => {
            state.store.compact();
            Ok(json!({ "revision": state.store.revision() }))
        }
        _ => Err(crate::status::Status::no_such_path()),
    })
}
