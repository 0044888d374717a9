//! What objects look like, told to clients: `/openapi/v3`, and a document for each group and version.
//!
//! Clients read three things in it:
//! * which kinds take the parameter `fieldValidation` at PATCH: kubectl then leaves validation to the server;
//! * the schema of a kind, for `kubectl explain`: of a custom resource it is that of its definition, of a built-in one it
//!   names what every object has, and no more;
//! * a hash for each document, in its address, so that it is read again only after it has changed.
//!
//! Pitfall: where PATCH takes a strategic merge patch, kubectl looks for the merge keys in this document rather than in its
//! own types. So the patch types are left out, and `/openapi/v2`, which it tries next, is a document without a single
//! kind ([`EMPTY_V2`]).

use std::{
    collections::BTreeMap,
    hash::{DefaultHasher, Hash, Hasher},
};

use serde_json::{Map, Value, json};

use crate::{catalog::Catalog, request::Request, resource::Resource};

/// The content type of `/openapi/v2`. kubectl asks for it when it meets a kind that no document of `/openapi/v3` tells of. It
/// reads protobuf there, and in protobuf an empty document is no byte at all. It then says that there is no such kind and
/// that its definition has to be installed; without the document it would say that validation failed.
pub const EMPTY_V2: &str = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";

const BUILT_IN: &str = "This server does not describe built-in kinds; https://kubernetes.io/docs/reference does.";
const METADATA: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";

/// The answer, if the path is one of OpenAPI's.
pub fn answer(catalog: &Catalog, request: &Request) -> Option<Value> {
    let rest = request.path.strip_prefix("/openapi/v3")?.trim_matches('/');
    let mut documents = documents(catalog);
    if !rest.is_empty() {
        return documents.remove(rest);
    }
    let address = |(path, document): (&String, &Value)| {
        let mut hasher = DefaultHasher::new();
        document.to_string().hash(&mut hasher);
        let url = format!("/openapi/v3/{path}?hash={:016X}", hasher.finish());
        (path.clone(), json!({ "serverRelativeURL": url }))
    };
    Some(json!({ "paths": documents.iter().map(address).collect::<Map<_, _>>() }))
}

/// The documents by what they are about: `api/v1`, `apis/apps/v1`.
fn documents(catalog: &Catalog) -> BTreeMap<String, Value> {
    let mut documents = BTreeMap::new();
    for resource in catalog.all() {
        let about = match &*resource.group {
            "" => format!("api/{}", resource.version),
            group => format!("apis/{group}/{}", resource.version),
        };
        let document = documents.entry(about.clone()).or_insert_with(|| {
            json!({
                "openapi": "3.0.0",
                "info": { "title": "Kubernetes", "version": "v1.36.3" },
                "paths": {},
                "components": { "schemas": { METADATA: { "type": "object" } } },
            })
        });
        let namespaced = if resource.namespaced { "namespaces/{namespace}/" } else { "" };
        let path = format!("/{about}/{namespaced}{}", resource.plural);
        let (gvk, name) = (gvk(resource), schema_name(resource));
        document["paths"][&path] = collection(resource, &gvk, &name);
        document["paths"][format!("{path}/{{name}}")] = object(resource, &gvk, &name);
        document["components"]["schemas"][&name] = schema(resource, gvk);
    }
    documents
}

fn gvk(resource: &Resource) -> Value {
    json!({ "group": resource.group, "version": resource.version, "kind": resource.kind })
}

/// `io.k8s.api.core.v1.Pod`; of a custom resource its group in reverse.
fn schema_name(resource: &Resource) -> String {
    let (version, kind) = (&resource.version, &resource.kind);
    if resource.custom.is_some() {
        let group: Vec<&str> = resource.group.rsplit('.').collect();
        return format!("{}.{version}.{kind}", group.join("."));
    }
    let group = resource.group.split('.').next().filter(|group| !group.is_empty()).unwrap_or("core");
    format!("io.k8s.api.{group}.{version}.{kind}")
}

/// The operations on a collection.
fn collection(resource: &Resource, gvk: &Value, name: &str) -> Value {
    json!({
        "get": operation(resource, gvk, name, "list", &[]),
        "post": operation(resource, gvk, name, "post", &["dryRun", "fieldManager", "fieldValidation"]),
    })
}

/// The operations on one object.
fn object(resource: &Resource, gvk: &Value, name: &str) -> Value {
    let write = ["dryRun", "fieldManager", "fieldValidation"];
    json!({
        "get": operation(resource, gvk, name, "get", &[]),
        "put": operation(resource, gvk, name, "put", &write),
        "patch": operation(resource, gvk, name, "patch", &write),
        "delete": operation(resource, gvk, name, "delete", &["dryRun"]),
    })
}

fn operation(resource: &Resource, gvk: &Value, name: &str, action: &str, parameters: &[&str]) -> Value {
    let parameter = |name: &&str| json!({ "name": name, "in": "query", "schema": { "type": "string" } });
    let schema = json!({ "$ref": format!("#/components/schemas/{name}") });
    let scope = if resource.namespaced { "Namespaced" } else { "" };
    json!({
        "operationId": format!("{action}{scope}{}", resource.kind),
        "parameters": parameters.iter().map(parameter).collect::<Vec<_>>(),
        "responses": { "200": { "description": "OK", "content": { "application/json": { "schema": schema } } } },
        "x-kubernetes-action": action,
        "x-kubernetes-group-version-kind": gvk,
    })
}

/// The schema of a kind, with what every object has.
fn schema(resource: &Resource, gvk: Value) -> Value {
    let mut schema = match &resource.custom {
        Some(custom) => custom.openapi.clone(),
        None => json!({ "type": "object", "description": BUILT_IN }),
    };
    let everywhere = json!({
        "apiVersion": { "type": "string", "description": "Group and version of the kind, such as apps/v1." },
        "kind": { "type": "string", "description": "What kind of object this is." },
        "metadata": {
            "description": "What every object has: name, labels, version and more.",
            "allOf": [{ "$ref": format!("#/components/schemas/{METADATA}") }],
        },
    });
    if let (Value::Object(schema), Value::Object(everywhere)) = (&mut schema, everywhere) {
        let properties = schema.entry("properties").or_insert_with(|| json!({}));
        if let Value::Object(properties) = properties {
            properties.extend(everywhere);
        }
        schema.insert("x-kubernetes-group-version-kind".into(), json!([gvk]));
    }
    schema
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, Method};

    use super::*;
    use crate::custom;

    fn catalog() -> Catalog {
        catalog_with("What is wanted.")
    }

    fn catalog_with(description: &str) -> Catalog {
        let mut catalog = Catalog::built_in();
        let definition = json!({ "spec": {
            "group": "ex.io", "scope": "Namespaced", "names": { "kind": "Thing", "plural": "things" },
            "versions": [{ "name": "v1", "served": true, "storage": true, "schema": { "openAPIV3Schema": {
                "type": "object", "description": "A thing.",
                "properties": { "spec": { "type": "object", "description": description } },
            } } }],
        } });
        catalog.set_custom("ex.io", "things", custom::resources(&definition));
        catalog
    }

    fn ask(path: &str) -> Option<Value> {
        ask_of(&catalog(), path)
    }

    fn ask_of(catalog: &Catalog, path: &str) -> Option<Value> {
        answer(catalog, &Request::new(Method::GET, path, HeaderMap::new(), Default::default()))
    }

    #[test]
    fn every_kind_takes_field_validation_at_patch() {
        for resource in catalog().all() {
            let prefix = if resource.group.is_empty() { "api" } else { "apis" };
            let document = ask(&format!("/openapi/v3/{prefix}/{}", resource.api_version())).unwrap();
            let of_kind = |path: &&Value| path["patch"]["x-kubernetes-group-version-kind"] == gvk(resource);
            let path = document["paths"].as_object().unwrap().values().find(of_kind).unwrap();
            let parameters = path["patch"]["parameters"].as_array().unwrap();
            assert!(parameters.iter().any(|p| p["name"] == "fieldValidation" && p["in"] == "query"));
        }
    }

    #[test]
    fn what_has_changed_has_another_address_and_nothing_else_has() {
        let index = |description: &str| ask_of(&catalog_with(description), "/openapi/v3").unwrap()["paths"].take();
        let (before, after) = (index("What is wanted."), index("What is really wanted."));
        assert_eq!(before, index("What is wanted."));
        for (about, address) in before.as_object().unwrap() {
            assert_eq!(*address != after[about], about == "apis/ex.io/v1", "{about}");
        }
    }
}
