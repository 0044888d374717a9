//! The token that leads from one page of a list to the next.
//!
//! It says where the next page begins and which revision the first one was of, so that all pages together are one
//! consistent list. The server remembers nothing. It looks as the real server's tokens do, but no client may rely on that.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};

use crate::{
    object::Key,
    request::Target,
    status::{Result, Status},
};

/// See the module.
#[derive(PartialEq, Eq, Debug)]
pub struct ContinueToken {
    /// None: whatever is the latest then. Only the token that a 410 brings is such a one.
    pub revision: Option<u64>,
    /// The page begins after this key.
    pub after: Key,
}

#[derive(Serialize, Deserialize)]
struct Wire {
    v: String,
    rv: i64,
    start: String,
}

const VERSION: &str = "meta.k8s.io/v1";

impl ContinueToken {
    /// As text. `target` is the list that it belongs to: in a namespace its name is not repeated.
    pub fn text(&self, target: &Target) -> String {
        let Key { namespace, name } = &self.after;
        let start = if *namespace == target.namespace { format!("{name}\0") } else { format!("{namespace}/{name}\0") };
        let rv = self.revision.map_or(-1, |revision| i64::try_from(revision).unwrap_or(i64::MAX));
        let wire = serde_json::json!({ "v": VERSION, "rv": rv, "start": start });
        URL_SAFE_NO_PAD.encode(wire.to_string())
    }

    /// # Errors
    /// 400 for what is no token.
    pub fn parse(text: &str, target: &Target) -> Result<ContinueToken> {
        let invalid =
            |why: String| Status::bad_request(format!("invalid continue token: continue key is not valid{why}"));
        let json = URL_SAFE_NO_PAD.decode(text).map_err(|error| invalid(format!(": {error}")))?;
        let wire: Wire = serde_json::from_slice(&json).map_err(|error| invalid(format!(": {error}")))?;
        let start = wire.start.strip_prefix('/').unwrap_or(&wire.start);
        let start = start.strip_suffix('\0').unwrap_or(start);
        if wire.v != VERSION {
            return Err(invalid(format!(": server does not recognize this encoded version {}", wire.v)));
        } else if wire.rv == 0 {
            return Err(invalid(format!(": incorrect encoded start resourceVersion (version {VERSION})")));
        } else if start.is_empty() {
            return Err(invalid(format!(": encoded start key empty (version {VERSION})")));
        }
        let after = match start.split_once('/') {
            Some((namespace, name)) if target.namespace.is_empty() => Key::new(namespace, name),
            None => Key::new(&target.namespace, start),
            // A key that leads out of this namespace.
            Some(_) => return Err(invalid(format!(": {start}"))),
        };
        Ok(ContinueToken { revision: u64::try_from(wire.rv).ok(), after })
    }
}

#[cfg(test)]
mod tests {
    use http::Method;

    use super::*;
    use crate::request::Request;

    #[test]
    fn token_leads_on_in_its_own_list_alone() {
        let list = |uri: &str| {
            let request = Request::new(Method::GET, uri, Default::default(), Default::default());
            Target::parse(&request).unwrap().unwrap()
        };
        let (everywhere, x, y) =
            (list("/api/v1/pods"), list("/api/v1/namespaces/x/pods"), list("/api/v1/namespaces/y/pods"));
        for (target, revision) in [(&x, Some(7)), (&everywhere, Some(7)), (&x, None)] {
            let token = ContinueToken { revision, after: Key::new("x", "a.b") };
            assert_eq!(ContinueToken::parse(&token.text(target), target).unwrap(), token);
        }
        let elsewhere = ContinueToken { revision: Some(7), after: Key::new("x", "a") }.text(&everywhere);
        assert!(ContinueToken::parse(&elsewhere, &y).is_err(), "a token does not lead out of a namespace");
    }
}
