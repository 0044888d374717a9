//! Tokens of ServiceAccounts, as `kubectl create token` asks for them.
//!
//! A token is a random word that only this table knows. The road not taken is a signed one, as the real server's: it
//! needs no table, but keys and a signature, and no client may look inside anyway.

use std::{collections::HashMap, time::Duration};

use jiff::Timestamp;
use rand::RngExt;
use serde_json::{Value, json};

use super::User;
use crate::{
    object::{GroupResource, Key, Meta, text, time},
    request::Target,
    state::State,
    status::{Cause, Result, Status},
    store::Store,
};

const GROUP: &str = "authentication.k8s.io";
const KIND: &str = "TokenRequest";
/// Whom the tokens are for that this server accepts.
const AUDIENCE: &str = "https://kubernetes.default.svc";
/// More are not remembered: the one that would expire first goes.
pub(super) const CAPACITY: usize = 10_000;

/// The tokens that were given out.
#[derive(Default)]
pub struct Tokens(HashMap<String, Token>);

struct Token {
    account: Key,
    uid: String,
    /// A pod or a Secret: the token goes when it goes.
    bound: Option<(GroupResource, Key, String)>,
    expires: Timestamp,
}

impl Tokens {
    /// Whose token it is, if it is still good.
    pub fn user(&self, store: &Store, token: &str, now: Timestamp) -> Option<User> {
        let token = self.0.get(token)?;
        let there = |resource: &GroupResource, key: &Key, uid: &str| {
            store.get(resource, key).is_some_and(|object| object.value().uid() == uid)
        };
        let good = now < token.expires
            && there(&GroupResource::new("", "serviceaccounts"), &token.account, &token.uid)
            && token.bound.as_ref().is_none_or(|(resource, key, uid)| there(resource, key, uid));
        good.then(|| User::service_account(&token.account.namespace, &token.account.name, &token.uid))
    }

    fn insert(&mut self, word: String, token: Token, now: Timestamp) {
        if self.0.len() >= CAPACITY {
            self.0.retain(|_, token| now < token.expires);
        }
        if self.0.len() >= CAPACITY
            && let Some(first) = self.0.iter().min_by_key(|(_, token)| token.expires).map(|(word, _)| word.clone())
        {
            self.0.remove(&first);
        }
        self.0.insert(word, token);
    }
}

/// `create token`: the TokenRequest as it is answered (201).
///
/// # Errors
/// 404 if there is no such account, or nothing that the token could be bound to; 400 and 422 for a request that is not
/// right; 409 for a UID that is another's.
pub fn create_token(state: &mut State, account: &Target, body: Value, now: Timestamp) -> Result<Value> {
    let (namespace, name) = (account.namespace.as_str(), account.name.as_str());
    let spec = &body["spec"];
    let seconds = understand(&body, account)?;
    let accounts = GroupResource::new("", "serviceaccounts");
    let object = state
        .store
        .get(&accounts, &Key::new(namespace, name))
        .ok_or_else(|| Status::not_found("", "serviceaccounts", name))?;
    let uid = object.value().uid().to_owned();
    if !["", uid.as_str()].contains(&body.uid()) {
        let why = format!(
            "the UID in the token request ({}) does not match the UID of the service account ({uid})",
            body.uid()
        );
        return Err(Status::conflict(GROUP, KIND, name, &why));
    }
    check_lifetime(seconds)?;
    let bound = bound_object(&state.store, &spec["boundObjectRef"], account)?;

    let mut audiences = spec["audiences"].clone();
    if audiences.as_array().is_none_or(Vec::is_empty) {
        audiences = json!([AUDIENCE]);
    }
    let expires = now.checked_add(Duration::from_secs(seconds.unsigned_abs())).unwrap_or(Timestamp::MAX);
    let word = format!("{:032x}{:032x}", state.random.random::<u128>(), state.random.random::<u128>());
    // A token for somebody else's ears is given out, but opens nothing here.
    if audiences.as_array().is_some_and(|all| all.iter().any(|one| one == AUDIENCE)) {
        let token = Token { account: Key::new(namespace, name), uid: uid.clone(), bound, expires };
        state.tokens.insert(word.clone(), token, now);
    }
    Ok(json!({
        "kind": KIND, "apiVersion": format!("{GROUP}/v1"),
        "metadata": { "name": name, "namespace": namespace, "uid": uid, "creationTimestamp": time(now) },
        "spec": {
            "audiences": audiences, "expirationSeconds": seconds, "boundObjectRef": spec["boundObjectRef"].clone(),
        },
        "status": { "token": word, "expirationTimestamp": time(expires) },
    }))
}

/// The wanted lifetime in seconds; one hour if none is named.
fn understand(body: &Value, account: &Target) -> Result<i64> {
    let kind = body["kind"].as_str().unwrap_or(KIND);
    let version = body["apiVersion"].as_str().unwrap_or("v1");
    let wrong =
        |what: &str| Status::bad_request(format!("{kind} in version \"v1\" cannot be handled as a {KIND}: {what}"));
    if !(body.is_object() || body.is_null()) {
        let message =
            format!("the object provided is unrecognized (must be of type {KIND}): couldn't get version/kind");
        return Err(Status::bad_request(message));
    }
    if kind != KIND || version.trim_start_matches("authentication.k8s.io/") != "v1" {
        let short = version.rsplit('/').next().unwrap_or_default();
        return Err(wrong(&format!("converting ({short}.{kind}) to (authentication.{KIND}): unknown conversion")));
    }
    if !["", account.namespace.as_str()].contains(&body.namespace()) {
        let message = "the namespace of the provided object does not match the namespace sent on the request";
        return Err(Status::bad_request(message));
    }
    if !["", account.name.as_str()].contains(&body.name()) {
        let message = format!("Invalid value: {:?}: must match the service account name if specified", body.name());
        let cause = Cause { reason: "FieldValueInvalid", field: "metadata.name".into(), message };
        return Err(Status::invalid(GROUP, KIND, &account.name, &[cause]));
    }
    match &body["spec"]["expirationSeconds"] {
        Value::Null => Ok(3600),
        Value::Number(number) if number.is_i64() => Ok(number.as_i64().unwrap_or_default()),
        other => {
            let found = match other {
                Value::String(_) => "string".to_owned(),
                Value::Bool(_) => "bool".to_owned(),
                Value::Array(_) => "array".to_owned(),
                Value::Object(_) => "object".to_owned(),
                number => format!("number {number}"),
            };
            let field = "TokenRequestSpec.spec.expirationSeconds of type int64";
            Err(wrong(&format!("json: cannot unmarshal {found} into Go struct field {field}")))
        }
    }
}

fn check_lifetime(seconds: i64) -> Result<()> {
    let what = match seconds {
        ..600 => "less than 10 minutes",
        600..=0x1_0000_0000 => return Ok(()),
        _ => "larger than 2^32 seconds",
    };
    let message = format!("Invalid value: {seconds}: may not specify a duration {what}");
    let cause = Cause { reason: "FieldValueInvalid", field: "spec.expirationSeconds".into(), message };
    Err(Status::invalid(GROUP, KIND, "", &[cause]))
}

/// What the token is to go with, which has to be there.
fn bound_object(store: &Store, wanted: &Value, account: &Target) -> Result<Option<(GroupResource, Key, String)>> {
    if wanted.is_null() {
        return Ok(None);
    }
    let text = |field: &str| text(&wanted[field]);
    let plural = match (text("apiVersion"), text("kind")) {
        ("v1", "Pod") => "pods",
        ("v1", "Secret") => "secrets",
        (version, kind) => {
            let (group, version) = version.rsplit_once('/').unwrap_or(("", version));
            let message = format!("cannot bind token to object of type {group}/{version}, Kind={kind}");
            return Err(Status::bad_request(message));
        }
    };
    let (resource, key) = (GroupResource::new("", plural), Key::new(&account.namespace, text("name")));
    let object = store.get(&resource, &key).ok_or_else(|| Status::not_found("", plural, text("name")))?.value();
    let runs_as = object["spec"]["serviceAccountName"].as_str().unwrap_or("default");
    if plural == "pods" && runs_as != account.name {
        return Err(Status::bad_request(format!(
            "cannot bind token for serviceaccount {:?} to pod running with different serviceaccount name.",
            account.name
        )));
    }
    let uid = object.uid();
    if !["", uid].contains(&text("uid")) {
        let why = format!(
            "the UID in the bound object reference ({}) does not match the UID in record. The object might have been \
             deleted and then recreated",
            text("uid")
        );
        return Err(Status::conflict("", text("kind"), text("name"), &why));
    }
    Ok(Some((resource, key, uid.to_owned())))
}
