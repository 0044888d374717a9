//! Who asks.
use http::HeaderMap;
use jiff::Timestamp;
use serde_json::Value;

use crate::{
    request::Target,
    state::State,
    status::{Result, Status},
};

/// Who asks. Nobody's token: an administrator (this server listens on loopback only).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct User {
    /// `system:serviceaccount:NS:NAME`, or `system:admin`.
    pub name: String,
    pub groups: Vec<String>,
}

/// The tokens that were given out.
#[derive(Default)]
pub struct Tokens;

/// # Errors
/// 401 for a token that is unknown, has expired, or whose ServiceAccount is gone.
pub fn authenticate(_state: &State, _headers: &HeaderMap, _now: Timestamp) -> Result<User> {
    let groups = vec!["system:masters".into(), "system:authenticated".into()];
    Ok(User { name: "system:admin".into(), groups })
}

/// `create token`: the TokenRequest as it is answered (201).
pub fn create_token(_state: &mut State, account: &Target, _body: Value, _now: Timestamp) -> Result<Value> {
    Err(Status::not_found("", "serviceaccounts", &account.name))
}

/// SelfSubjectAccessReview, SelfSubjectReview (`kubectl auth can-i`, `whoami`): answered (201), never stored. None if this
/// is not about one. Their resources are not in the catalog: ask here first.
pub fn review(_state: &State, _user: &User, _target: &Target, _body: &Value) -> Option<Result<Value>> {
    None
}
