//! Who asks.
use http::HeaderMap;
use jiff::Timestamp;
use serde_json::Value;

use crate::{request::Target, state::State, status::Result};

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
    todo!("auth")
}

/// `create token`: the TokenRequest as it is answered.
pub fn create_token(_state: &mut State, _account: &Target, _body: Value, _now: Timestamp) -> Result<Value> {
    todo!("auth")
}

/// SelfSubjectAccessReview, SelfSubjectReview (`kubectl auth can-i`, `whoami`): answered, never stored.
pub fn review(_state: &State, _user: &User, _plural: &str, _body: Value) -> Result<Value> {
    todo!("auth")
}
