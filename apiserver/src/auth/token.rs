//! TokenRequest: `kubectl create token`.
//!
//! A token is a random string that [`crate::tokens`] maps to its account. The real server's token is a signed JWT, which
//! needs keys instead of a table.

use std::time::Duration;

use jiff::Timestamp;
use rand::RngExt;
use serde_json::{Value, json};

use crate::{
    causes::Causes,
    object::{GroupResource, Key, Meta, items, time},
    request::RequestInfo,
    state::State,
    status::{Result, Status},
    tokens::Token,
};

const GROUP: &str = "authentication.k8s.io";
const KIND: &str = "TokenRequest";
/// The audience of this server. It accepts only tokens for this audience.
const AUDIENCE: &str = "https://kubernetes.default.svc";

/// Issues a token and returns the completed TokenRequest (201).
///
/// # Errors
/// 404 if the account does not exist; 400 or 422 for an invalid request.
pub fn create_token(state: &mut State, account: &RequestInfo, body: &Value, now: Timestamp) -> Result<Value> {
    let (namespace, name) = (account.namespace.as_str(), account.name.as_str());
    let spec = &body["spec"];
    let seconds = match &spec["expirationSeconds"] {
        Value::Null => 3600,
        other => other.as_i64().ok_or_else(|| Status::bad_request(format!("expirationSeconds: found {other}")))?,
    };
    let mut causes = Causes::default();
    if !(600..=1 << 32).contains(&seconds) {
        let what = if seconds < 600 { "less than 10 minutes" } else { "larger than 2^32 seconds" };
        causes.invalid("spec.expirationSeconds", seconds, &format!("may not specify a duration {what}"));
    }
    if !spec["boundObjectRef"].is_null() {
        causes.forbidden("spec.boundObjectRef", "this embedded API server binds no tokens to objects");
    }
    let key = Key::new(namespace, name);
    let object = state.store.get(&GroupResource::new("", "serviceaccounts"), &key);
    let uid = object.ok_or_else(|| Status::not_found("", "serviceaccounts", name))?.value().uid().to_owned();
    causes.into_result(GROUP, KIND, "")?;

    let mut audiences = spec["audiences"].clone();
    if items(&audiences).is_empty() {
        audiences = json!([AUDIENCE]);
    }
    let expires = now.checked_add(Duration::from_secs(seconds.unsigned_abs())).unwrap_or(Timestamp::MAX);
    let token = format!("{:032x}{:032x}", state.random.random::<u128>(), state.random.random::<u128>());
    // A token for other audiences is issued but not accepted here.
    if items(&audiences).iter().any(|one| one == AUDIENCE) {
        state.tokens.insert(token.clone(), Token { account: key, uid: uid.clone(), expires }, now);
    }
    Ok(json!({
        "kind": KIND, "apiVersion": format!("{GROUP}/v1"),
        "metadata": { "name": name, "namespace": namespace, "uid": uid, "creationTimestamp": time(now) },
        "spec": { "audiences": audiences, "expirationSeconds": seconds, "boundObjectRef": null },
        "status": { "token": token, "expirationTimestamp": time(expires) },
    }))
}
