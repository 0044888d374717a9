//! A server without the server: requests go straight to the [`Writer`], at a time that the test sets.

use http::Method;
use jiff::{SignedDuration, Timestamp};
use rand::{SeedableRng, rngs::StdRng};
use serde_json::{Value, json};

use super::{Writer, Written};
use crate::{
    catalog::Catalog,
    object::Meta,
    request::{Request, Target, Verb},
    state::State,
    store::{Bounds, Store},
    user::User,
};

pub const MERGE: &str = "application/merge-patch+json";
pub const CONFIG_MAPS: &str = "/api/v1/namespaces/ns/configmaps";
pub const PODS: &str = "/api/v1/namespaces/ns/pods";
pub const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
pub const FOOS: &str = "/apis/ex.com/v1/namespaces/ns/foos";

pub struct World {
    pub state: State,
    pub now: Timestamp,
    told: u64,
}

impl World {
    /// With a namespace `ns`.
    pub fn new() -> World {
        let state = State {
            store: Store::new(Bounds { changes: 1000, bytes: 1 << 20 }),
            catalog: Catalog::built_in(),
            tokens: Default::default(),
            faults: Default::default(),
            journal: Default::default(),
            cut: Default::default(),
            random: StdRng::seed_from_u64(0),
        };
        let mut world = World { state, now: "2026-01-01T00:00:00Z".parse().unwrap(), told: 0 };
        world.ok("POST", "/api/v1/namespaces", json!({ "metadata": { "name": "ns" } }));
        world.news();
        world
    }

    /// With the custom resource `foos.ex.com`, too.
    pub fn with_foos() -> World {
        let mut world = World::new();
        world.ok("POST", DEFINITIONS, foo_definition());
        world.news();
        world
    }

    /// With a ConfigMap `a`, and a pod `p` that is bound and has 30 seconds to end.
    pub fn inhabited() -> World {
        let mut world = World::new();
        world.ok("POST", CONFIG_MAPS, named("a"));
        let mut pod = pod("p");
        pod["spec"]["nodeName"] = "n1".into();
        pod["spec"]["terminationGracePeriodSeconds"] = 30.into();
        world.ok("POST", PODS, pod);
        world.news();
        world
    }

    pub fn wait(&mut self, seconds: i64) {
        self.now += SignedDuration::from_secs(seconds);
    }

    /// The code and the body.
    pub fn send(&mut self, method: &str, uri: &str, body: Value) -> (u16, Value) {
        let content_type = if method == "PATCH" { MERGE } else { "application/json" };
        let method: Method = method.parse().unwrap();
        let request = Request::new(method, uri, Default::default(), body.to_string().into());
        let target = Target::parse(&request).unwrap().unwrap();
        let Some(resource) = self.state.catalog.find(&target.group, &target.version, &target.plural) else {
            return (404, Value::Null);
        };
        if target.verb == Verb::Get {
            let place = super::Place::of(&resource, &target);
            return self
                .state
                .store
                .get(&place.id, &place.key)
                .map_or((404, Value::Null), |o| (200, o.value().clone()));
        }
        let (query, user) = (&request.query, User::admin());
        let mut writer = Writer::new(&mut self.state, &user, self.now);
        let written = match target.verb {
            Verb::Create => writer.create(&resource, &target, query, body),
            Verb::Update => writer.replace(&resource, &target, query, body),
            Verb::Patch => writer.patch(&resource, &target, query, content_type, &request.body),
            Verb::Delete => writer.delete(&resource, &target, query, body),
            _ => writer.delete_collection(&resource, &target, query, body),
        };
        writer.finish();
        match written {
            Ok(Written::Object(code, object)) => (code, object.value().clone()),
            Ok(Written::Status(code, status)) => (code, status),
            Ok(Written::Page(page)) => {
                let items: Vec<&Value> = page.items.iter().map(|object| object.value()).collect();
                (200, json!({ "items": items }))
            }
            Err(status) => (status.code, status.body()),
        }
    }

    /// The body of an answer that has to be a success.
    #[track_caller]
    pub fn ok(&mut self, method: &str, uri: &str, body: Value) -> Value {
        let (code, answer) = self.send(method, uri, body);
        assert!(code < 300, "{method} {uri}: {code} {answer}");
        answer
    }

    /// Code and message of an answer that has to be a refusal.
    #[track_caller]
    pub fn refused(&mut self, method: &str, uri: &str, body: Value) -> (u16, String) {
        let (code, answer) = self.send(method, uri, body);
        assert!(code >= 300, "{method} {uri}: {code} {answer}");
        (code, answer["message"].as_str().unwrap_or_default().to_owned())
    }

    pub fn get(&mut self, uri: &str) -> Value {
        self.send("GET", uri, Value::Null).1
    }

    pub fn exists(&mut self, uri: &str) -> bool {
        self.send("GET", uri, Value::Null).0 == 200
    }

    /// What a watch of everything would say since it was last asked, without namespaces: `ADDED pods/a`.
    pub fn news(&mut self) -> Vec<String> {
        let changes: Vec<String> = self
            .state
            .store
            .since(self.told.max(self.state.store.oldest()))
            .unwrap()
            .map(|change| {
                let what = match (&change.before, &change.after) {
                    (None, _) => "ADDED",
                    (_, Some(_)) => "MODIFIED",
                    (_, None) => "DELETED",
                };
                format!("{what} {}/{}", change.resource, change.key.name)
            })
            .collect();
        self.told = self.state.store.revision();
        changes
    }
}

pub fn foo_definition() -> Value {
    let open = json!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true });
    json!({
        "metadata": { "name": "foos.ex.com" },
        "spec": {
            "group": "ex.com", "scope": "Namespaced", "names": { "plural": "foos", "kind": "Foo" },
            "versions": [{
                "name": "v1", "served": true, "storage": true, "subresources": { "status": {} },
                "schema": { "openAPIV3Schema": { "type": "object", "properties": { "spec": open, "status": open } } },
            }],
        },
    })
}

pub fn named(name: &str) -> Value {
    json!({ "metadata": { "name": name } })
}

pub fn pod(name: &str) -> Value {
    json!({ "metadata": { "name": name }, "spec": { "containers": [{ "name": "c", "image": "i" }] } })
}

/// A reference to this object.
pub fn owner(object: &Value, blocks: bool) -> Value {
    json!({
        "apiVersion": object["apiVersion"], "kind": object["kind"], "name": object.name(), "uid": object.uid(),
        "blockOwnerDeletion": blocks,
    })
}

/// A ConfigMap with owners.
pub fn owned(name: &str, owners: &[Value]) -> Value {
    json!({ "metadata": { "name": name, "ownerReferences": owners } })
}
