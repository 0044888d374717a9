//! The continue token of a paged list: the start of the next page and the revision of the first page.
//!
//! All pages therefore show one consistent list, and the server stores nothing between two pages. The token has the real
//! server's format, but clients must treat it as opaque.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};

use crate::{
    object::Key,
    request::RequestInfo,
    status::{Result, Status},
};

#[derive(PartialEq, Eq, Debug)]
pub struct ContinueToken {
    /// None: the latest revision at the time of the request. Only the token in a 410 response has none.
    pub revision: Option<u64>,
    /// The page starts after this key.
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
    /// Encodes the token. For a list of one namespace, the token does not repeat the namespace.
    pub fn encode(&self, info: &RequestInfo) -> String {
        let Key { namespace, name } = &self.after;
        let start = if *namespace == info.namespace { format!("{name}\0") } else { format!("{namespace}/{name}\0") };
        let rv = self.revision.map_or(-1, |revision| i64::try_from(revision).unwrap_or(i64::MAX));
        let wire = serde_json::json!({ "v": VERSION, "rv": rv, "start": start });
        URL_SAFE_NO_PAD.encode(wire.to_string())
    }

    /// # Errors
    /// 400 for an invalid token.
    pub fn parse(text: &str, info: &RequestInfo) -> Result<ContinueToken> {
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
            Some((namespace, name)) if info.namespace.is_empty() => Key::new(namespace, name),
            None => Key::new(&info.namespace, start),
            // A key of another namespace.
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
    fn token_is_valid_only_for_its_own_list() {
        let list = |uri: &str| {
            let request = Request::new(Method::GET, uri, Default::default(), Default::default());
            RequestInfo::parse(&request).unwrap().unwrap()
        };
        let (everywhere, x, y) =
            (list("/api/v1/pods"), list("/api/v1/namespaces/x/pods"), list("/api/v1/namespaces/y/pods"));
        for (info, revision) in [(&x, Some(7)), (&everywhere, Some(7)), (&x, None)] {
            let token = ContinueToken { revision, after: Key::new("x", "a.b") };
            assert_eq!(ContinueToken::parse(&token.encode(info), info).unwrap(), token);
        }
        let elsewhere = ContinueToken { revision: Some(7), after: Key::new("x", "a") }.encode(&everywhere);
        assert!(ContinueToken::parse(&elsewhere, &y).is_err(), "a token is limited to its namespace");
    }
}
