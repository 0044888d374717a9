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
