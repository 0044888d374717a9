use http::{HeaderMap, Method};
use serde_json::{Value, json};

use super::*;
use crate::request::Query;

const NEW: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,\
                   application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json";

fn ask(path: &str, accept: &str) -> Option<(String, Value)> {
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, accept.parse().unwrap());
    let (method, query, body) = (Method::GET, Query::default(), Default::default());
    answer(&Catalog::built_in(), &Request { method, uri: path.into(), path: path.into(), query, headers, body })
}

#[test]
fn both_forms_tell_of_the_same_resources() {
    let (kind, new) = ask("/apis", NEW).unwrap();
    assert_eq!(kind, AGGREGATED);
    let (kind, old) = ask("/apis", "application/json").unwrap();
    assert_eq!(kind, JSON);
    let names = |list: &Value, name: &str| -> Vec<Value> {
        list.as_array().unwrap().iter().map(|item| item.pointer(name).unwrap().clone()).collect()
    };
    let groups = names(&old["groups"], "/name");
    assert!(groups.contains(&json!("authorization.k8s.io")));
    assert_eq!(groups, names(&new["items"], "/metadata/name"));
    for item in new["items"].as_array().unwrap() {
        let group = item["metadata"]["name"].as_str().unwrap();
        let (_, old) = ask(&format!("/apis/{group}/v1"), JSON).unwrap();
        let old: Vec<&Value> = old["resources"].as_array().unwrap().iter().collect();
        let mut number = 0;
        for resource in item["versions"][0]["resources"].as_array().unwrap() {
            let name = resource["resource"].as_str().unwrap();
            let same = old.iter().find(|r| r["name"] == name).unwrap();
            assert_eq!(same["verbs"], resource["verbs"]);
            assert_eq!(same["shortNames"], resource["shortNames"]);
            assert_eq!(same["categories"], resource["categories"]);
            assert_eq!(same["singularName"], resource["singularResource"]);
            number += 1 + resource["subresources"].as_array().map_or(0, Vec::len);
        }
        assert_eq!(number, old.len(), "{group}");
    }
}

#[test]
fn the_root_tells_where_to_go_and_each_of_its_paths_leads_somewhere() {
    let paths = ask("/", JSON).unwrap().1["paths"].take();
    let discovery =
        paths.as_array().unwrap().iter().filter_map(|path| path.as_str()).filter(|path| path.starts_with("/api"));
    assert!(discovery.clone().count() > 10, "{paths}");
    for path in discovery {
        assert!(ask(path, JSON).is_some(), "{path}");
    }
}

#[test]
fn versions_are_told_in_order_of_preference() {
    let mut versions = ["v1", "v1alpha1", "v10", "v2beta1", "foo1", "v2", "v1beta2", "bar", "v10beta3"];
    versions.sort_by_key(|version| std::cmp::Reverse(preference(version)));
    assert_eq!(versions, ["v10", "v2", "v1", "v10beta3", "v2beta1", "v1beta2", "v1alpha1", "bar", "foo1"]);
}
