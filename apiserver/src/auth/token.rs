//! TokenRequest: `kubectl create token`.
//!
//! A token is a random word that only the table of [`crate::tokens`] knows. The road not taken is a signed one, as the real
//! server's: it needs no table, but keys and a signature, and no client may look inside anyway.

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
/// Whom the tokens are for that this server accepts.
const AUDIENCE: &str = "https://kubernetes.default.svc";

/// The TokenRequest as it is answered (201).
///
/// # Errors
/// 404 if there is no such account; 400 and 422 for a request that is not right.
pub fn create_token(state: &mut State, account: &RequestInfo, body: &Value, now: Timestamp) -> Result<Value> {
    let (namespace, name) = (account.namespace.as_str(), account.name.as_str());
    let spec = &body["spec"];
    let seconds = match &spec["expirationSeconds"] {
        Value::Null => 3600,
        other => other.as_i64().ok_or_else(|| Status::bad_request(format!("expirationSeconds: found {other}")))?,
    };
    let mut wrong = Causes::default();
    if !(600..=1 << 32).contains(&seconds) {
        let what = if seconds < 600 { "less than 10 minutes" } else { "larger than 2^32 seconds" };
        wrong.invalid("spec.expirationSeconds", seconds, &format!("may not specify a duration {what}"));
    }
    if !spec["boundObjectRef"].is_null() {
        wrong.forbidden("spec.boundObjectRef", "this embedded API server binds no tokens to objects");
    }
    let key = Key::new(namespace, name);
    let object = state.store.get(&GroupResource::new("", "serviceaccounts"), &key);
    let uid = object.ok_or_else(|| Status::not_found("", "serviceaccounts", name))?.value().uid().to_owned();
    wrong.refuse(GROUP, KIND, "")?;

    let mut audiences = spec["audiences"].clone();
    if items(&audiences).is_empty() {
        audiences = json!([AUDIENCE]);
    }
    let expires = now.checked_add(Duration::from_secs(seconds.unsigned_abs())).unwrap_or(Timestamp::MAX);
    let word = format!("{:032x}{:032x}", state.random.random::<u128>(), state.random.random::<u128>());
    // A token for another audience is given out, but opens nothing here.
    if items(&audiences).iter().any(|one| one == AUDIENCE) {
        state.tokens.insert(word.clone(), Token { account: key, uid: uid.clone(), expires }, now);
    }
    Ok(json!({
        "kind": KIND, "apiVersion": format!("{GROUP}/v1"),
        "metadata": { "name": name, "namespace": namespace, "uid": uid, "creationTimestamp": time(now) },
        "spec": { "audiences": audiences, "expirationSeconds": seconds, "boundObjectRef": null },
        "status": { "token": word, "expirationTimestamp": time(expires) },
    }))
}
