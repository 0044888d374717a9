//! Checks docs/security.md against the tests and the manifests.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use testkit::{objects::documents, repo_file};

/// Finds the only object of this kind and name.
fn find<'a>(documents: &'a [Value], kind: &str, namespace: &str, name: &str) -> &'a Value {
    let matches = |object: &&Value| {
        let metadata = &object["metadata"];
        let in_namespace = metadata["namespace"].as_str().unwrap_or_default() == namespace;
        object["kind"] == kind && metadata["name"] == name && in_namespace
    };
    let found: Vec<&Value> = documents.iter().filter(matches).collect();
    assert_eq!(found.len(), 1, "{kind} {namespace}/{name}");
    found[0]
}

/// The cells of each row of the page's tables, without the headings.
fn table_rows(page: &str) -> Vec<Vec<&str>> {
    let rows = page.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| ---"));
    let rows = rows.map(|line| line.trim_matches('|').split('|').map(str::trim).collect());
    rows.filter(|cells: &Vec<&str>| cells[0] != "what").collect()
}

#[test]
fn each_row_names_a_different_existing_test() {
    let page = repo_file("docs/security.md");
    let (rows, mut seen) = (table_rows(&page), BTreeSet::new());
    assert!(rows.len() > 20, "{} rows", rows.len());
    for row in rows {
        let [what, can, against, _remains, test] = row[..] else { panic!("five cells: {row:?}") };
        assert!(![what, can, against].contains(&""), "{row:?}");
        let link =
            test.strip_prefix("[`").and_then(|rest| rest.strip_suffix(')')).and_then(|rest| rest.split_once("`](../"));
        let Some((name, path)) = link else { panic!("{what}: expected one test, [`name`](../path): {test}") };
        assert!(seen.insert(name.to_owned()), "{what}: {name} is in another row, too");
        let source = repo_file(path);
        assert!(source.contains(&format!("fn {name}(")), "{what}: {path} has no test {name}");
        // A scenario runs only if main.rs lists it.
        if let Some(module) = path.strip_prefix("tests/e2e/scenarios/").and_then(|file| file.strip_suffix(".rs")) {
            assert!(repo_file("tests/e2e/main.rs").contains(&format!("{module}::{name}")), "{what}: {name} is not run");
        }
    }
}

#[test]
fn policy_applies_to_the_account_that_has_the_rights() {
    let manifest = documents(&repo_file("demo-controller.yaml"));
    let bound = &find(&manifest, "ClusterRoleBinding", "", "demo-controller")["subjects"];
    let [subject] = bound.as_array().expect("subjects").as_slice() else { panic!("one subject: {bound}") };
    let text = |field: &str| subject[field].as_str().expect("text");
    let user = format!("system:serviceaccount:{}:{}", text("namespace"), text("name"));
    let policy = find(&manifest, "ValidatingAdmissionPolicy", "", "demo-controller-secrets");
    let conditions = policy["spec"]["matchConditions"].as_array().expect("conditions");
    assert_eq!(conditions.len(), 1);
    assert_eq!(conditions[0]["expression"], format!("request.userInfo.username == '{user}'"));
    assert_eq!(policy["spec"]["failurePolicy"], "Fail");
    let binding = find(&manifest, "ValidatingAdmissionPolicyBinding", "", "demo-controller-secrets");
    assert_eq!(binding["spec"], json!({ "policyName": "demo-controller-secrets", "validationActions": ["Deny"] }));
    // The Deployment uses this account, and examples/namespaced.yaml grants rights to it.
    find(&manifest, "ServiceAccount", text("namespace"), text("name"));
    let deployment = find(&manifest, "Deployment", text("namespace"), "demo-controller");
    assert_eq!(deployment["spec"]["template"]["spec"]["serviceAccountName"], subject["name"]);
    let namespaced = documents(&repo_file("examples/namespaced.yaml"));
    for (namespace, name) in [("app1", "demo-controller"), ("controlplane", "demo-controller-home")] {
        assert_eq!(&find(&namespaced, "RoleBinding", namespace, name)["subjects"], bound);
    }
}

#[test]
fn role_for_one_namespace_equals_the_cluster_role() {
    let (manifest, namespaced) =
        (documents(&repo_file("demo-controller.yaml")), documents(&repo_file("examples/namespaced.yaml")));
    let cluster = &find(&manifest, "ClusterRole", "", "demo-controller")["rules"];
    assert_eq!(&find(&namespaced, "Role", "app1", "demo-controller")["rules"], cluster);
    let is_namespaced = |object: &Value| !object["kind"].as_str().unwrap_or_default().starts_with("ClusterRole");
    assert!(namespaced.iter().all(is_namespaced), "no rights in the whole cluster");
}
