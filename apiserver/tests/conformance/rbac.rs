//! RBAC: what the holder of a ServiceAccount's token may do, and in which words it is refused.
//!
//! The real server learns of roles and bindings a moment later: cases wait for the right, then try what is not part of it.

use serde_json::{Value, json};

use crate::{
    objects::{configmap, pod},
    wait::expect,
    world::{Differs, MERGE, World},
};

const ROLES: &str = "rbac.authorization.k8s.io/v1:roles";
const BINDINGS: &str = "rbac.authorization.k8s.io/v1:rolebindings";

/// The same world as a ServiceAccount `app` sees it, which has no rights yet.
fn account<'s>(w: &World<'s>) -> World<'s> {
    w.post("serviceaccounts", &json!({ "metadata": { "name": "app" } })).is(201);
    let answer = w.post("serviceaccounts/app/token", &json!({})).is(201);
    w.with_token(answer["status"]["token"].as_str().expect("a token"))
}

/// Gives the account these rules in its namespace.
fn allow(w: &World, rules: Value) {
    w.post(ROLES, &json!({ "metadata": { "name": "app" }, "rules": rules })).is(201);
    bind(w, BINDINGS, "Role", "app", json!({ "kind": "ServiceAccount", "name": "app", "namespace": w.namespace }));
}

fn bind(w: &World, bindings: &str, kind: &str, role: &str, subject: Value) {
    let name = if bindings.starts_with('/') { w.namespace.as_str() } else { "app" };
    let role = json!({ "apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": role });
    w.post(bindings, &json!({ "metadata": { "name": name }, "roleRef": role, "subjects": [subject] })).is(201);
}

fn soon(app: &World, path: &str, code: u16) {
    app.eventually(format!("{path} is answered {code}"), || {
        let answer = app.get(path);
        expect(answer.code == code, answer.text)
    });
}

fn user(w: &World) -> String {
    format!("system:serviceaccount:{}:app", w.namespace)
}

/// The words of the refusal, for each of namespace, cluster and named object.
pub fn who_has_no_rights_is_told_what_is_missing(w: &World) {
    let (app, user, namespace) = (account(w), user(w), &w.namespace);
    let message = format!(
        "pods is forbidden: User \"{user}\" cannot list resource \"pods\" in API group \"\" in the namespace \"{namespace}\""
    );
    assert_eq!(app.get("pods").refused(403, "Forbidden", &message), json!({ "kind": "pods" }));
    let message = format!(
        "deployments.apps \"a\" is forbidden: User \"{user}\" cannot patch resource \"deployments/status\" in API group \"apps\" in the namespace \"{namespace}\""
    );
    let details = app.patch("apps/v1:deployments/a/status", MERGE, &json!({})).refused(403, "Forbidden", &message);
    assert_eq!(details, json!({ "name": "a", "group": "apps", "kind": "deployments" }));
    let message = format!(
        "configmaps is forbidden: User \"{user}\" cannot watch resource \"configmaps\" in API group \"\" at the cluster scope"
    );
    app.get("/api/v1/configmaps?watch=true").refused(403, "Forbidden", &message);
    let message = format!(
        "namespaces \"{namespace}\" is forbidden: User \"{user}\" cannot get resource \"namespaces\" in API group \"\" in the namespace \"{namespace}\""
    );
    app.get(&format!("/api/v1/namespaces/{namespace}")).refused(403, "Forbidden", &message);
}

/// A rule is verbs, groups and resources: all three have to fit. A subresource is a resource of its own.
pub fn a_role_allows_what_its_rules_say(w: &World) {
    let app = account(w);
    w.post("pods", &pod("a")).is(201);
    allow(w, json!([{ "apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"] }]));
    soon(&app, "pods", 200);
    app.get("pods/a").is(200);
    app.get("pods?watch=true").refusal(403, "Forbidden");
    app.delete("pods/a").refusal(403, "Forbidden");
    app.delete("pods").refusal(403, "Forbidden");
    app.get("pods/a/status").refusal(403, "Forbidden");
    app.get("configmaps").refusal(403, "Forbidden");
    app.get("/api/v1/pods").refusal(403, "Forbidden");
    app.get("/api/v1/namespaces/default/pods").refusal(403, "Forbidden");
}

/// A rule for names is none for the collection: a list cannot be allowed by name, unless it asks for that name alone.
pub fn a_rule_for_names_allows_those_alone(w: &World) {
    let app = account(w);
    w.post("configmaps", &configmap("a")).is(201);
    let rule = json!({ "apiGroups": [""], "resources": ["configmaps"], "resourceNames": ["a"], "verbs": ["get", "list", "create", "deletecollection"] });
    allow(w, json!([rule]));
    soon(&app, "configmaps/a", 200);
    app.get("configmaps/b").refusal(403, "Forbidden");
    app.get("configmaps").refusal(403, "Forbidden");
    app.get("configmaps?fieldSelector=metadata.name%3Da").is(200);
    // A comma with a backslash before it belongs to the name that is excluded.
    app.get(r"configmaps?fieldSelector=metadata.name!%3Dx%5C,metadata.name%3Da").refusal(403, "Forbidden");
    // Nor is a deletion of many one of that name alone.
    app.delete("configmaps?fieldSelector=metadata.name%3Da").refusal(403, "Forbidden");
    // A create has no name yet, as far as a rule can tell.
    app.post("configmaps", &configmap("a")).refusal(403, "Forbidden");
}

/// A PUT of what is not there creates some kinds. It takes the right to do both: `update` alone is no way around `create`.
pub fn a_replace_that_creates_takes_the_right_to_create(w: &World) {
    const LEASES: &str = "coordination.k8s.io/v1:leases";
    let app = account(w);
    let rule =
        |verbs: &[&str]| json!({ "apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": verbs });
    allow(w, json!([rule(&["update", "list"])]));
    soon(&app, LEASES, 200);
    let lease = json!({ "metadata": { "name": "a" } });
    let message = format!(
        "leases.coordination.k8s.io \"a\" is forbidden: User \"{}\" cannot create resource \"leases\" in API group \"coordination.k8s.io\" in the namespace \"{}\"",
        user(w),
        w.namespace
    );
    let details = app.put(&format!("{LEASES}/a"), &lease).refused(403, "Forbidden", &message);
    assert_eq!(details, json!({ "name": "a", "group": "coordination.k8s.io", "kind": "leases" }));
    w.get(&format!("{LEASES}/a")).refusal(404, "NotFound");
    // What is there is a matter of `update` alone.
    let created = w.put(&format!("{LEASES}/a"), &lease).is(201);
    app.put(&format!("{LEASES}/a"), &created).is(200);
}

/// Stars, and a ClusterRole that is bound in one namespace.
pub fn a_cluster_role_is_bound_where_its_binding_is(w: &World) {
    let app = account(w);
    let everything = json!([{ "apiGroups": ["*"], "resources": ["*"], "verbs": ["*"] }]);
    let role = json!({ "metadata": { "name": w.namespace }, "rules": everything });
    w.post("/apis/rbac.authorization.k8s.io/v1/clusterroles", &role).is(201);
    let group = json!({
        "apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": format!("system:serviceaccounts:{}", w.namespace),
    });
    bind(w, BINDINGS, "ClusterRole", &w.namespace, group.clone());
    soon(&app, "configmaps", 200);
    app.post("pods", &pod("a")).is(201);
    app.get("/api/v1/configmaps").refusal(403, "Forbidden");
    bind(w, "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", "ClusterRole", &w.namespace, group);
    soon(&app, "/api/v1/configmaps", 200);
}

/// What was given can be taken away.
pub fn a_binding_that_is_deleted_allows_nothing_any_more(w: &World) {
    let app = account(w);
    allow(w, json!([{ "apiGroups": [""], "resources": ["pods"], "verbs": ["list"] }]));
    soon(&app, "pods", 200);
    w.delete(&format!("{BINDINGS}/app")).is(200);
    soon(&app, "pods", 403);
}

/// `kubectl --as`: who may, is somebody else for one request, with the groups that are named and no others.
pub fn an_administrator_may_be_somebody_else(w: &World) {
    let account = [("impersonate-user", "jane"), ("impersonate-group", "dev")];
    let message = format!(
        "pods is forbidden: User \"jane\" cannot list resource \"pods\" in API group \"\" in the namespace \"{}\"",
        w.namespace
    );
    w.send("GET", "pods", &account, "").refused(403, "Forbidden", &message);
    let headers = [account[0], account[1], ("content-type", "application/json")];
    let me = w.send("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", &headers, "{}").is(201);
    assert_eq!(me["status"]["userInfo"], json!({ "username": "jane", "groups": ["dev", "system:authenticated"] }));
    w.send("GET", "pods", &account[1..], "").refusal(400, "BadRequest");
    let app = self::account(w);
    app.send("GET", "pods", &account, "").refusal(403, "Forbidden");
}

/// The right to be one user is not the right to be in any group: with it, everybody would be the administrator.
pub fn each_group_takes_a_right_of_its_own_to_be_in_it(w: &World) {
    let app = account(w);
    let name = &w.namespace;
    let rule = |resource: &str, of: &str| json!({ "apiGroups": [""], "resources": [resource], "resourceNames": [of], "verbs": ["impersonate"] });
    let role = json!({ "metadata": { "name": name }, "rules": [rule("users", "jane"), rule("groups", "dev")] });
    w.post("/apis/rbac.authorization.k8s.io/v1/clusterroles", &role).is(201);
    let subject = json!({ "kind": "ServiceAccount", "name": "app", "namespace": name });
    bind(w, "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", "ClusterRole", name, subject);
    let whoami = |headers: &[(&str, &str)]| {
        let headers = [headers, &[("content-type", "application/json")]].concat();
        app.send("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", &headers, "{}")
    };
    let (jane, dev, masters) =
        (("impersonate-user", "jane"), ("impersonate-group", "dev"), ("impersonate-group", "system:masters"));
    let me = app.eventually("the right to be jane in dev", || {
        let answer = whoami(&[jane, dev]);
        expect(answer.code == 201, answer.text).map(|()| answer.body)
    });
    assert_eq!(me["status"]["userInfo"], json!({ "username": "jane", "groups": ["dev", "system:authenticated"] }));
    let message = format!(
        "groups \"system:masters\" is forbidden: User \"{}\" cannot impersonate resource \"groups\" in API group \"\" at the cluster scope",
        user(w)
    );
    whoami(&[jane, masters]).refused(403, "Forbidden", &message);
    whoami(&[jane, dev, masters]).refused(403, "Forbidden", &message);
    whoami(&[("impersonate-user", "john")]).refusal(403, "Forbidden");
    whoami(&[("impersonate-user", "system:serviceaccount:default:default")]).refusal(403, "Forbidden");
}

/// The embedded server listens on loopback, and kubectl sends no credentials over plain HTTP.
pub fn nobody_is_the_administrator(w: &World) {
    let code = w.anonymous().get("pods").code;
    w.differs("nobody-is-admin", code, Differs { embedded: 200, real: 403 });
}

/// Who may write roles may give away any right.
pub fn role_may_give_more_than_its_writer_has(w: &World) {
    let app = account(w);
    let rule =
        json!({ "apiGroups": ["rbac.authorization.k8s.io"], "resources": ["roles"], "verbs": ["create", "list"] });
    allow(w, json!([rule]));
    soon(&app, ROLES, 200);
    let more = json!([{ "apiGroups": [""], "resources": ["secrets"], "verbs": ["get"] }]);
    let code = app.post(ROLES, &json!({ "metadata": { "name": "more" }, "rules": more })).code;
    w.differs("no-escalation-check", code, Differs { embedded: 201, real: 403 });
}
