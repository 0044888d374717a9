//! OpenAPI: `/openapi/v3`, and a document for each group and version.
//!
//! Clients read three things in it:
//! * the kinds whose PATCH accepts the parameter `fieldValidation`: for these, kubectl leaves validation to the server;
//! * the schema of a kind, for `kubectl explain`. For a custom resource it is that of its definition. For a built-in kind
//!   it has only the fields that every object has;
//! * a hash in the URL of each document, so that clients can cache it.
//!
//! Pitfall: if a document listed the patch types of a kind, kubectl would take the merge keys of a strategic merge patch from
//! its schema. So patch types are omitted, and `/openapi/v2`, which kubectl tries next, has no kinds ([`EMPTY_V2`]).

use std::{
    collections::BTreeMap,
    hash::{DefaultHasher, Hash, Hasher},
};

use serde_json::{Map, Value, json};

use crate::{catalog::Catalog, request::Request, resource::Resource};

/// The content type of `/openapi/v2`. The body is empty, which is a valid protobuf document without kinds.
///
/// kubectl requests it for a kind that is not in `/openapi/v3`. It then reports that the kind is unknown; with a 404 it
/// would report that validation failed.
pub const EMPTY_V2: &str = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";

const BUILT_IN: &str = "This server does not describe built-in kinds; https://kubernetes.io/docs/reference does.";
const METADATA: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";

/// The body of an OpenAPI response; None for any other path.
pub fn handle(catalog: &Catalog, request: &Request) -> Option<Value> {
    let rest = request.path.strip_prefix("/openapi/v3")?.trim_matches('/');
    let mut documents = build_documents(catalog);
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

/// The documents by group and version: `api/v1`, `apis/apps/v1`.
fn build_documents(catalog: &Catalog) -> BTreeMap<String, Value> {
    let mut documents = BTreeMap::new();
    for resource in catalog.all() {
        let group_version = match &*resource.group {
            "" => format!("api/{}", resource.version),
            group => format!("apis/{group}/{}", resource.version),
        };
        let document = documents.entry(group_version.clone()).or_insert_with(|| {
            json!({
                "openapi": "3.0.0",
                "info": { "title": "Kubernetes", "version": "v1.36.3" },
                "paths": {},
                "components": { "schemas": { METADATA: { "type": "object" } } },
            })
        });
        let namespaced = if resource.namespaced { "namespaces/{namespace}/" } else { "" };
        let path = format!("/{group_version}/{namespaced}{}", resource.plural);
        let (gvk, name) = (gvk_of(resource), schema_name(resource));
        document["paths"][&path] = collection_operations(resource, &gvk, &name);
        document["paths"][format!("{path}/{{name}}")] = object_operations(resource, &gvk, &name);
        document["components"]["schemas"][&name] = kind_schema(resource, gvk);
    }
    documents
}

fn gvk_of(resource: &Resource) -> Value {
    json!({ "group": resource.group, "version": resource.version, "kind": resource.kind })
}

/// `io.k8s.api.core.v1.Pod`; for a custom resource it starts with the reversed group.
fn schema_name(resource: &Resource) -> String {
    let (version, kind) = (&resource.version, &resource.kind);
    if resource.custom.is_some() {
        let group: Vec<&str> = resource.group.rsplit('.').collect();
        return format!("{}.{version}.{kind}", group.join("."));
    }
    let group = resource.group.split('.').next().filter(|group| !group.is_empty()).unwrap_or("core");
    format!("io.k8s.api.{group}.{version}.{kind}")
}

fn collection_operations(resource: &Resource, gvk: &Value, name: &str) -> Value {
    json!({
        "get": operation(resource, gvk, name, "list", &[]),
        "post": operation(resource, gvk, name, "post", &["dryRun", "fieldManager", "fieldValidation"]),
    })
}

fn object_operations(resource: &Resource, gvk: &Value, name: &str) -> Value {
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

/// The schema of a kind, including the fields that every object has.
fn kind_schema(resource: &Resource, gvk: Value) -> Value {
    let mut schema = match &resource.custom {
        Some(custom) => custom.openapi.clone(),
        None => json!({ "type": "object", "description": BUILT_IN }),
    };
    let common_fields = json!({
        "apiVersion": { "type": "string", "description": "Group and version of the kind, such as apps/v1." },
        "kind": { "type": "string", "description": "The kind of this object." },
        "metadata": {
            "description": "The fields of every object: name, labels, version and more.",
            "allOf": [{ "$ref": format!("#/components/schemas/{METADATA}") }],
        },
    });
    if let (Value::Object(schema), Value::Object(common_fields)) = (&mut schema, common_fields) {
        let properties = schema.entry("properties").or_insert_with(|| json!({}));
        if let Value::Object(properties) = properties {
            properties.extend(common_fields);
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
        catalog_with("The desired state.")
    }

    fn catalog_with(description: &str) -> Catalog {
        let mut catalog = Catalog::built_in();
        let definition = json!({ "spec": {
            "group": "ex.io", "scope": "Namespaced", "names": { "kind": "TestObject", "plural": "testobjects" },
            "versions": [{ "name": "v1", "served": true, "storage": true, "schema": { "openAPIV3Schema": {
                "type": "object", "description": "A test object.",
                "properties": { "spec": { "type": "object", "description": description } },
            } } }],
        } });
        catalog.set_custom("ex.io", "testobjects", custom::resources(&definition));
        catalog
    }

    fn get(path: &str) -> Option<Value> {
        get_from(&catalog(), path)
    }

    fn get_from(catalog: &Catalog, path: &str) -> Option<Value> {
        handle(catalog, &Request::new(Method::GET, path, HeaderMap::new(), Default::default()))
    }

    #[test]
    fn patch_of_every_kind_accepts_field_validation() {
        for resource in catalog().all() {
            let prefix = if resource.group.is_empty() { "api" } else { "apis" };
            let document = get(&format!("/openapi/v3/{prefix}/{}", resource.api_version())).unwrap();
            let of_kind = |path: &&Value| path["patch"]["x-kubernetes-group-version-kind"] == gvk_of(resource);
            let path = document["paths"].as_object().unwrap().values().find(of_kind).unwrap();
            let parameters = path["patch"]["parameters"].as_array().unwrap();
            assert!(parameters.iter().any(|p| p["name"] == "fieldValidation" && p["in"] == "query"));
        }
    }

    #[test]
    fn url_changes_only_if_the_document_changes() {
        let index = |description: &str| get_from(&catalog_with(description), "/openapi/v3").unwrap()["paths"].take();
        let (before, after) = (index("The desired state."), index("The desired state of the object."));
        assert_eq!(before, index("The desired state."));
        for (path, url) in before.as_object().unwrap() {
            assert_eq!(*url != after[path], path == "apis/ex.io/v1", "{path}");
        }
    }
}
