//! What was asked, and how it was answered: the last requests, for tests and for people.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::request::{Request, RequestInfo, Verb};

/// One request, when its answer begins.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Entry {
    /// `system:serviceaccount:NS:NAME`, `system:admin`.
    pub user: String,
    /// As RBAC names it (`list`, `deletecollection`); for what is no resource the method, in lower case.
    pub verb: String,
    /// `pods`, `pkis/status`; empty for what is no resource.
    pub resource: String,
    /// Empty for all, or for none.
    pub namespace: String,
    /// Empty for a collection. A create has the name that it asks for, if it names one.
    pub name: String,
    /// Path and query, as they were sent.
    pub uri: String,
    /// 0: the connection was closed without an answer.
    pub code: u16,
}

impl Entry {
    /// What there is to say of a request, once its answer is known.
    pub(crate) fn of(user: String, mut request: Request, target: Option<RequestInfo>, code: u16) -> Self {
        cut(&mut request.uri, LONGEST_URI);
        let Some(target) = target else {
            let verb = request.method.as_str().to_lowercase();
            return Entry { user, verb, uri: request.uri, code, ..Entry::default() };
        };
        let subresource = if target.subresource.is_empty() { "" } else { "/" };
        let mut name = if target.verb == Verb::Create && target.name.is_empty() {
            wanted_name(&request.body)
        } else {
            target.name
        };
        cut(&mut name, LONGEST_NAME);
        Entry {
            user,
            verb: target.verb.as_str().into(),
            resource: [&target.plural, subresource, &target.subresource].concat(),
            namespace: target.namespace,
            name,
            uri: request.uri,
            code,
        }
    }
}

/// What is longer is no name, and was refused.
const LONGEST_NAME: usize = 253;

/// So much of a path and query is kept, in bytes.
const LONGEST_URI: usize = 2048;

fn cut(text: &mut String, longest: usize) {
    text.truncate(text.floor_char_boundary(longest));
}

/// The name that the body of a create asks for; empty if it names none.
pub(crate) fn wanted_name(body: &[u8]) -> String {
    serde_json::from_slice::<Named>(body).map(|named| named.metadata.name).unwrap_or_default()
}

/// As much of a body as the journal wants to know.
#[derive(Deserialize)]
struct Named {
    metadata: Name,
}

#[derive(Deserialize)]
struct Name {
    #[serde(default)]
    name: String,
}

/// The last requests, oldest first. Bounded: a server that runs for days must not grow.
#[derive(Default)]
pub struct Journal(VecDeque<Entry>);

impl Journal {
    /// So many are kept.
    pub const CAPACITY: usize = 10_000;

    /// Notes a request; the oldest one goes when it is full.
    pub fn push(&mut self, entry: Entry) {
        if self.0.len() == Self::CAPACITY {
            self.0.pop_front();
        }
        self.0.push_back(entry);
    }

    /// Oldest first.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, Method};

    use super::*;

    /// An entry for this request, as the administrator's.
    fn entry(method: Method, uri: &str, body: &str) -> Entry {
        let request = Request::new(method, uri, HeaderMap::new(), body.to_owned().into());
        let target = RequestInfo::parse(&request).unwrap();
        Entry::of("system:admin".into(), request, target, 200)
    }

    #[test]
    fn an_entry_says_who_asked_for_what() {
        let uri = "/api/v1/namespaces/x/pods/a/status?dryRun=All";
        let expected = Entry {
            user: "system:admin".into(),
            verb: "patch".into(),
            resource: "pods/status".into(),
            namespace: "x".into(),
            name: "a".into(),
            uri: uri.into(),
            code: 200,
        };
        assert_eq!(entry(Method::PATCH, uri, ""), expected);
        let created = entry(Method::POST, "/api/v1/namespaces/x/pods", r#"{"metadata":{"name":"b"}}"#);
        assert_eq!((&*created.verb, &*created.name), ("create", "b"));
        let version = Entry { verb: "get".into(), uri: "/version".into(), ..Entry::default() };
        let found = entry(Method::GET, "/version", "");
        assert_eq!(found, Entry { user: "system:admin".into(), code: 200, ..version });
    }

    #[test]
    fn what_is_too_long_is_cut_between_characters() {
        let long = format!("/api/v1/pods?labelSelector={}", "a".repeat(10_000));
        assert_eq!(entry(Method::GET, &long, "").uri, long[..LONGEST_URI]);
        let odd = format!("/{}", "é".repeat(2_000));
        assert_eq!(entry(Method::GET, &odd, "").uri.len(), LONGEST_URI - 1, "half a character is none");
        let body = format!(r#"{{"metadata":{{"name":"{}"}}}}"#, "n".repeat(10_000));
        assert_eq!(entry(Method::POST, "/api/v1/namespaces/x/pods", &body).name.len(), LONGEST_NAME);
    }
}
