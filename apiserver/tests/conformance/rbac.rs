//! RBAC: rights of a ServiceAccount, and the messages about missing rights.
//!
//! The real server applies roles and bindings with a delay: cases wait for the right, then send requests without a right.

use serde_json::{Value, json};

use crate::{
    objects::{configmap, pod},
    test_env::{MERGE, PerServer, TestEnv},
    wait::expect,
};

const ROLES: &str = "rbac.authorization.k8s.io/v1:roles";
const BINDINGS: &str = "rbac.authorization.k8s.io/v1:rolebindings";

/// Grants the account these rules in its namespace.
fn allow(env: &TestEnv, rules: Value) {
    env.post(ROLES, &json!({ "metadata": { "name": "app" }, "rules": rules })).expect(201);
    bind(env, BINDINGS, "Role", "app", json!({ "kind": "ServiceAccount", "name": "app", "namespace": env.namespace }));
}

fn bind(env: &TestEnv, bindings: &str, kind: &str, role: &str, subject: Value) {
    let name = if bindings.starts_with('/') { env.namespace.as_str() } else { "app" };
    let role = json!({ "apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": role });
    env.post(bindings, &json!({ "metadata": { "name": name }, "roleRef": role, "subjects": [subject] })).expect(201);
}

fn wait_for_code(app: &TestEnv, path: &str, code: u16) {
    app.eventually(format!("GET {path} returns {code}"), || {
        let response = app.get(path);
        expect(response.code == code, response.text)
    });
}

fn user_name(env: &TestEnv) -> String {
    format!("system:serviceaccount:{}:app", env.namespace)
}

pub fn forbidden_request_names_the_missing_right(env: &TestEnv) {
    let (app, user, namespace) = (env.with_new_account(), user_name(env), &env.namespace);
    let message = format!(
        "pods is forbidden: User \"{user}\" cannot list resource \"pods\" in API group \"\" in the namespace \"{namespace}\""
    );
    assert_eq!(app.get("pods").expect_error(403, "Forbidden", &message), json!({ "kind": "pods" }));
    let message = format!(
        "deployments.apps \"a\" is forbidden: User \"{user}\" cannot patch resource \"deployments/status\" in API group \"apps\" in the namespace \"{namespace}\""
    );
    let details = app.patch("apps/v1:deployments/a/status", MERGE, &json!({})).expect_error(403, "Forbidden", &message);
    assert_eq!(details, json!({ "name": "a", "group": "apps", "kind": "deployments" }));
    let message = format!(
        "configmaps is forbidden: User \"{user}\" cannot watch resource \"configmaps\" in API group \"\" at the cluster scope"
    );
    app.get("/api/v1/configmaps?watch=true").expect_error(403, "Forbidden", &message);
    let message = format!(
        "namespaces \"{namespace}\" is forbidden: User \"{user}\" cannot get resource \"namespaces\" in API group \"\" in the namespace \"{namespace}\""
    );
    app.get(&format!("/api/v1/namespaces/{namespace}")).expect_error(403, "Forbidden", &message);
}

/// Verb, group and resource have to match. A subresource is a resource of its own.
pub fn role_allows_the_requests_of_its_rules(env: &TestEnv) {
    let app = env.with_new_account();
    env.post("pods", &pod("a")).expect(201);
    allow(env, json!([{ "apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"] }]));
    wait_for_code(&app, "pods", 200);
    app.get("pods/a").expect(200);
    app.get("pods?watch=true").error_message(403, "Forbidden");
    app.delete("pods/a").error_message(403, "Forbidden");
    app.delete("pods").error_message(403, "Forbidden");
    app.get("pods/a/status").error_message(403, "Forbidden");
    app.get("configmaps").error_message(403, "Forbidden");
    app.get("/api/v1/pods").error_message(403, "Forbidden");
    app.get("/api/v1/namespaces/default/pods").error_message(403, "Forbidden");
}

/// Such a rule allows a list only with a field selector for one of the names.
pub fn rule_with_resource_names_allows_only_those(env: &TestEnv) {
    let app = env.with_new_account();
    env.post("configmaps", &configmap("a")).expect(201);
    let rule = json!({ "apiGroups": [""], "resources": ["configmaps"], "resourceNames": ["a"], "verbs": ["get", "list", "create", "deletecollection"] });
    allow(env, json!([rule]));
    wait_for_code(&app, "configmaps/a", 200);
    app.get("configmaps/b").error_message(403, "Forbidden");
    app.get("configmaps").error_message(403, "Forbidden");
    app.get("configmaps?fieldSelector=metadata.name%3Da").expect(200);
    // An escaped comma is a part of the excluded name.
    app.get(r"configmaps?fieldSelector=metadata.name!%3Dx%5C,metadata.name%3Da").error_message(403, "Forbidden");
    // The field selector does not allow deletecollection.
    app.delete("configmaps?fieldSelector=metadata.name%3Da").error_message(403, "Forbidden");
    // For RBAC, a create has no name.
    app.post("configmaps", &configmap("a")).error_message(403, "Forbidden");
}

pub fn replace_that_creates_requires_the_create_verb(env: &TestEnv) {
    const LEASES: &str = "coordination.k8s.io/v1:leases";
    let app = env.with_new_account();
    let rule =
        |verbs: &[&str]| json!({ "apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": verbs });
    allow(env, json!([rule(&["update", "list"])]));
    wait_for_code(&app, LEASES, 200);
    let lease = json!({ "metadata": { "name": "a" } });
    let message = format!(
        "leases.coordination.k8s.io \"a\" is forbidden: User \"{}\" cannot create resource \"leases\" in API group \"coordination.k8s.io\" in the namespace \"{}\"",
        user_name(env),
        env.namespace
    );
    let details = app.put(&format!("{LEASES}/a"), &lease).expect_error(403, "Forbidden", &message);
    assert_eq!(details, json!({ "name": "a", "group": "coordination.k8s.io", "kind": "leases" }));
    env.get(&format!("{LEASES}/a")).error_message(404, "NotFound");
    // An existing object requires only `update`.
    let created = env.put(&format!("{LEASES}/a"), &lease).expect(201);
    app.put(&format!("{LEASES}/a"), &created).expect(200);
}

pub fn cluster_role_applies_where_its_binding_is(env: &TestEnv) {
    let app = env.with_new_account();
    let everything = json!([{ "apiGroups": ["*"], "resources": ["*"], "verbs": ["*"] }]);
    let role = json!({ "metadata": { "name": env.namespace }, "rules": everything });
    env.post("/apis/rbac.authorization.k8s.io/v1/clusterroles", &role).expect(201);
    let group = json!({
        "apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": format!("system:serviceaccounts:{}", env.namespace),
    });
    bind(env, BINDINGS, "ClusterRole", &env.namespace, group.clone());
    wait_for_code(&app, "configmaps", 200);
    app.post("pods", &pod("a")).expect(201);
    app.get("/api/v1/configmaps").error_message(403, "Forbidden");
    bind(env, "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", "ClusterRole", &env.namespace, group);
    wait_for_code(&app, "/api/v1/configmaps", 200);
}

pub fn deleted_binding_revokes_its_rights(env: &TestEnv) {
    let app = env.with_new_account();
    allow(env, json!([{ "apiGroups": [""], "resources": ["pods"], "verbs": ["list"] }]));
    wait_for_code(&app, "pods", 200);
    env.delete(&format!("{BINDINGS}/app")).expect(200);
    wait_for_code(&app, "pods", 403);
}

/// `kubectl --as`: the user has only the groups that the request names.
pub fn administrator_may_impersonate_a_user(env: &TestEnv) {
    let account = [("impersonate-user", "jane"), ("impersonate-group", "dev")];
    let message = format!(
        "pods is forbidden: User \"jane\" cannot list resource \"pods\" in API group \"\" in the namespace \"{}\"",
        env.namespace
    );
    env.send("GET", "pods", &account, "").expect_error(403, "Forbidden", &message);
    let headers = [account[0], account[1], ("content-type", "application/json")];
    let me = env.send("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", &headers, "{}").expect(201);
    assert_eq!(me["status"]["userInfo"], json!({ "username": "jane", "groups": ["dev", "system:authenticated"] }));
    env.send("GET", "pods", &account[1..], "").error_message(400, "BadRequest");
    let app = env.with_new_account();
    app.send("GET", "pods", &account, "").error_message(403, "Forbidden");
}

/// Otherwise the right to impersonate one user would include `system:masters`.
pub fn impersonating_a_group_requires_a_right_to_it(env: &TestEnv) {
    let app = env.with_new_account();
    let name = &env.namespace;
    let rule = |resource: &str, of: &str| json!({ "apiGroups": [""], "resources": [resource], "resourceNames": [of], "verbs": ["impersonate"] });
    let role = json!({ "metadata": { "name": name }, "rules": [rule("users", "jane"), rule("groups", "dev")] });
    env.post("/apis/rbac.authorization.k8s.io/v1/clusterroles", &role).expect(201);
    let subject = json!({ "kind": "ServiceAccount", "name": "app", "namespace": name });
    bind(env, "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", "ClusterRole", name, subject);
    let whoami = |headers: &[(&str, &str)]| {
        let headers = [headers, &[("content-type", "application/json")]].concat();
        app.send("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", &headers, "{}")
    };
    let (jane, dev, masters) =
        (("impersonate-user", "jane"), ("impersonate-group", "dev"), ("impersonate-group", "system:masters"));
    let me = app.eventually("the right to be jane in dev", || {
        let response = whoami(&[jane, dev]);
        expect(response.code == 201, response.text).map(|()| response.body)
    });
    assert_eq!(me["status"]["userInfo"], json!({ "username": "jane", "groups": ["dev", "system:authenticated"] }));
    let message = format!(
        "groups \"system:masters\" is forbidden: User \"{}\" cannot impersonate resource \"groups\" in API group \"\" at the cluster scope",
        user_name(env)
    );
    whoami(&[jane, masters]).expect_error(403, "Forbidden", &message);
    whoami(&[jane, dev, masters]).expect_error(403, "Forbidden", &message);
    whoami(&[("impersonate-user", "john")]).error_message(403, "Forbidden");
    whoami(&[("impersonate-user", "system:serviceaccount:default:default")]).error_message(403, "Forbidden");
}

/// The embedded server listens on loopback, and kubectl sends no credentials over plain HTTP.
pub fn anonymous_request_has_all_rights(env: &TestEnv) {
    let code = env.anonymous().get("pods").code;
    env.assert_difference("nobody-is-admin", code, PerServer { embedded: 200, real: 403 });
}

pub fn role_may_grant_rights_that_its_author_lacks(env: &TestEnv) {
    let app = env.with_new_account();
    let rule =
        json!({ "apiGroups": ["rbac.authorization.k8s.io"], "resources": ["roles"], "verbs": ["create", "list"] });
    allow(env, json!([rule]));
    wait_for_code(&app, ROLES, 200);
    let more = json!([{ "apiGroups": [""], "resources": ["secrets"], "verbs": ["get"] }]);
    let code = app.post(ROLES, &json!({ "metadata": { "name": "more" }, "rules": more })).code;
    env.assert_difference("no-escalation-check", code, PerServer { embedded: 201, real: 403 });
}
