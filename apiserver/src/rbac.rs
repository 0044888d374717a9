//! Whether they may.
use crate::{
    auth::User,
    request::{Request, Target},
    state::State,
    status::Result,
};

/// # Errors
/// 403, in the real server's words.
pub fn authorize(_state: &State, _user: &User, _request: &Request, _target: Option<&Target>) -> Result<()> {
    Ok(())
}
