//! Authentication: the user that sent a request.
//!
//! Promises:
//! * a bearer token of this server authenticates its ServiceAccount until it expires or the account is deleted. A new
//!   account of the same name has another UID, so the token stays invalid;
//! * any other bearer token is rejected with 401;
//! * a request without credentials is the administrator's. The user of the real server would be `system:anonymous`. This
//!   server listens on loopback only, and kubectl sends no credentials over plain HTTP;
//! * a user with the right to `impersonate` can act as another user (`kubectl --as`).

mod review;
mod token;

use http::{HeaderMap, header::AUTHORIZATION};
use jiff::Timestamp;

use crate::{
    rbac::{self, Attributes},
    state::State,
    status::{Result, Status},
    user::User,
};

pub use review::review;
pub use token::create_token;

/// # Errors
/// 401 for a token that is unknown or expired, or whose ServiceAccount was deleted; 403 for an impersonation that RBAC
/// does not allow.
pub fn authenticate(state: &State, headers: &HeaderMap, now: Timestamp) -> Result<User> {
    let user = match bearer(headers)? {
        Some(token) => state.tokens.user(&state.store, token, now).ok_or_else(Status::unauthorized)?,
        None => User::admin(),
    };
    impersonate(state, user, headers)
}

/// The bearer token, if the request has one.
///
/// Other schemes are rejected. If they were ignored, the request would have the administrator's rights.
fn bearer(headers: &HeaderMap) -> Result<Option<&str>> {
    let Some(value) = headers.get(AUTHORIZATION) else {
        return Ok(None);
    };
    let value = value.to_str().map_err(|_| Status::unauthorized())?;
    let (scheme, token) = value.split_once(' ').unwrap_or((value, ""));
    if scheme.eq_ignore_ascii_case("bearer") { Ok(Some(token.trim())) } else { Err(Status::unauthorized()) }
}

/// Applies the headers `Impersonate-User` and `Impersonate-Group`.
fn impersonate(state: &State, user: User, headers: &HeaderMap) -> Result<User> {
    let text = |value: &http::HeaderValue| value.to_str().unwrap_or_default().to_owned();
    let name = headers.get("impersonate-user").map(text).unwrap_or_default();
    let mut groups: Vec<String> = headers.get_all("impersonate-group").iter().map(text).collect();
    if name.is_empty() {
        if groups.is_empty() {
            return Ok(user);
        }
        return Err(Status::bad_request("groups are impersonated, but no user"));
    }
    let account = name.strip_prefix("system:serviceaccount:").and_then(|rest| rest.split_once(':'));
    let (namespace, resource, account_or_user) = match account {
        Some((namespace, name)) => (namespace, "serviceaccounts", name),
        None => ("", "users", name.as_str()),
    };
    let authorize = |namespace, resource, name| {
        let (verb, group, subresource) = ("impersonate", "", "");
        rbac::require(
            &state.store,
            &user,
            &Attributes::Resource { verb, group, resource, subresource, namespace, name },
        )
    };
    authorize(namespace, resource, account_or_user)?;
    groups.iter().try_for_each(|group| authorize("", "groups", group))?;

    if let Some((namespace, name)) = account
        && groups.is_empty()
    {
        return Ok(User::service_account(namespace, name, ""));
    }
    let kind = if name == "system:anonymous" { "system:unauthenticated" } else { "system:authenticated" };
    if !groups.iter().any(|group| group == kind) {
        groups.push(kind.to_owned());
    }
    Ok(User { name, uid: String::new(), groups })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::TestClient;

    #[tokio::test]
    async fn credentials_other_than_a_token_are_rejected() {
        for wrong in ["Basic Zm9v", "Bearer nonsense", "Bearer", "rubbish", ""] {
            let response = TestClient::new().send("GET", "/version", &[("authorization", wrong)], "").await.unwrap();
            assert_eq!(response.reason(), (401, "Unauthorized"), "{wrong:?}");
        }
    }

    #[tokio::test]
    async fn token_is_valid_until_it_expires() {
        let api = TestClient::new();
        let token = api.create_account(json!([])).await;
        let headers: HeaderMap = [(AUTHORIZATION, token.parse().unwrap())].into_iter().collect();
        let later = |seconds| Timestamp::now() + jiff::SignedDuration::from_secs(seconds);
        let user = |now| authenticate(&api.server.shared.lock(), &headers, now).map(|user| user.name);
        assert_eq!(user(later(3590)), Ok("system:serviceaccount:default:app".into()));
        assert_eq!(user(later(3610)), Err(Status::unauthorized()));
    }
}
