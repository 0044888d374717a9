//! docs/security.md and the manifests: each row of the page has a test, and the rights are those that it describes.

use std::{collections::BTreeSet, fs, path::Path};

use serde_json::{Value, json};

fn file(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn documents(name: &str) -> Vec<Value> {
    serde_saphyr::from_multiple(&file(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
}

/// The only object of this kind and name.
fn object<'a>(documents: &'a [Value], kind: &str, namespace: &str, name: &str) -> &'a Value {
    let is = |object: &&Value| {
        let metadata = &object["metadata"];
        let in_namespace = metadata["namespace"].as_str().unwrap_or_default() == namespace;
        object["kind"] == kind && metadata["name"] == name && in_namespace
    };
    let found: Vec<&Value> = documents.iter().filter(is).collect();
    assert_eq!(found.len(), 1, "{kind} {namespace}/{name}");
    found[0]
}

/// The cells of every row of the page's tables, without the heads.
fn rows(page: &str) -> Vec<Vec<&str>> {
    let rows = page.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| ---"));
    let rows = rows.map(|line| line.trim_matches('|').split('|').map(str::trim).collect());
    rows.filter(|cells: &Vec<&str>| cells[0] != "what").collect()
}

#[test]
fn each_row_names_a_test_of_its_own_that_exists() {
    let page = file("docs/security.md");
    let (rows, mut seen) = (rows(&page), BTreeSet::new());
    assert!(rows.len() > 20, "{} rows", rows.len());
    for row in rows {
        let [what, can, against, _remains, test] = row[..] else { panic!("five cells: {row:?}") };
        assert!(![what, can, against].contains(&""), "{row:?}");
        let link =
            test.strip_prefix("[`").and_then(|rest| rest.strip_suffix(')')).and_then(|rest| rest.split_once("`](../"));
        let Some((name, path)) = link else { panic!("{what}: expected one test, [`name`](../path): {test}") };
        assert!(seen.insert(name.to_owned()), "{what}: {name} holds another row already");
        let source = file(path);
        assert!(source.contains(&format!("fn {name}(")), "{what}: there is no test {name} in {path}");
        // A scenario runs only if it is listed.
        if let Some(module) = path.strip_prefix("tests/e2e/scenarios/").and_then(|file| file.strip_suffix(".rs")) {
            assert!(file("tests/e2e/main.rs").contains(&format!("{module}::{name}")), "{what}: {name} is not run");
        }
    }
}

#[test]
fn policy_is_about_the_account_that_has_the_rights() {
    let manifest = documents("demo-controller.yaml");
    let bound = &object(&manifest, "ClusterRoleBinding", "", "demo-controller")["subjects"];
    let [subject] = bound.as_array().expect("subjects").as_slice() else { panic!("one subject: {bound}") };
    let text = |field: &str| subject[field].as_str().expect("text");
    let user = format!("system:serviceaccount:{}:{}", text("namespace"), text("name"));
    let policy = object(&manifest, "ValidatingAdmissionPolicy", "", "demo-controller-secrets");
    let conditions = policy["spec"]["matchConditions"].as_array().expect("conditions");
    assert_eq!(conditions.len(), 1);
    assert_eq!(conditions[0]["expression"], format!("request.userInfo.username == '{user}'"));
    assert_eq!(policy["spec"]["failurePolicy"], "Fail");
    let binding = object(&manifest, "ValidatingAdmissionPolicyBinding", "", "demo-controller-secrets");
    assert_eq!(binding["spec"], json!({ "policyName": "demo-controller-secrets", "validationActions": ["Deny"] }));
    // It is the account that runs, and that examples/namespaced.yaml gives rights to.
    object(&manifest, "ServiceAccount", text("namespace"), text("name"));
    let deployment = object(&manifest, "Deployment", text("namespace"), "demo-controller");
    assert_eq!(deployment["spec"]["template"]["spec"]["serviceAccountName"], subject["name"]);
    let namespaced = documents("examples/namespaced.yaml");
    for (namespace, name) in [("app1", "demo-controller"), ("controlplane", "demo-controller-home")] {
        assert_eq!(&object(&namespaced, "RoleBinding", namespace, name)["subjects"], bound);
    }
}

#[test]
fn rights_for_one_namespace_are_those_of_the_cluster_role() {
    let (manifest, namespaced) = (documents("demo-controller.yaml"), documents("examples/namespaced.yaml"));
    let cluster = &object(&manifest, "ClusterRole", "", "demo-controller")["rules"];
    assert_eq!(&object(&namespaced, "Role", "app1", "demo-controller")["rules"], cluster);
    let none = |object: &Value| !object["kind"].as_str().unwrap_or_default().starts_with("ClusterRole");
    assert!(namespaced.iter().all(none), "nothing for the whole cluster");
}
