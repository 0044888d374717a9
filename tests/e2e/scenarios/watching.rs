//! `watch`: any resource, whichever way it is named and connected to.

use std::{collections::BTreeMap, fs, time::Duration};

use serde_json::{Value, json};

use testkit::widgets;

use crate::{
    objects::{Is, pod_mounting},
    servers::Kind,
    stage::{Stage, repo_file},
    wait::{eventually, expect, within},
    watcher::{Watcher, grant, token, told, wait_told},
};

fn pod(namespace: &str, name: &str) -> Value {
    pod_mounting(namespace, name, "none")
}

/// A change that is none but for its number.
fn touch(number: u32) -> Value {
    json!({ "metadata": { "labels": { "touched": number.to_string() } } })
}

pub fn a_pod_is_told_from_its_beginning_to_its_end(stage: &mut Stage) {
    stage.namespace("pods");
    let before = stage.create_pod(&pod("pods", "before"));
    let watcher = Watcher::new(stage).kubeconfig().flags("--resource pods --namespace pods");
    let mut watcher = watcher.config("[plugin_simple]\nmessage_log_level = warning\n").ready();
    wait_told(&watcher, "pods/before", "ADDED");

    let pod = stage.create_pod(&pod("pods", "web"));
    wait_told(&watcher, "pods/web", "ADDED");
    stage.patch(&pod.path(), &touch(1));
    wait_told(&watcher, "pods/web", "ADDED MODIFIED");
    stage.delete(&format!("{}?gracePeriodSeconds=0", pod.path()));
    let line = watcher.wait_line("Kind: Pod; Name: web; Event Type: DELETED");
    assert_eq!((line.text("level").as_str(), line.text("object").as_str()), ("WARN", "pods/web"));
    // The server marks a pod before it deletes it; whether that is seen is luck.
    let all = told(&watcher, "pods/web");
    assert!(["ADDED MODIFIED DELETED", "ADDED MODIFIED MODIFIED DELETED"].contains(&all.as_str()), "{all}");
    assert_eq!(told(&watcher, "pods/before"), "ADDED", "nothing happened to {}", before.name());
    assert_eq!(watcher.terminate(), Some(0));
}

pub fn a_resource_that_is_defined_later_is_waited_for(stage: &mut Stage) {
    grant(stage, "example.com", "widgets");
    let mut watcher = Watcher::new(stage).kubeconfig().flags("--resource wd").start();
    eventually("it says what it waits for", || {
        let (code, body) = watcher.readyz()?;
        expect(code == 503 && body.starts_with("wd: the API server serves no wd"), body)
    });
    watcher.wait_line("the API server serves no wd");
    let definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    stage.create(definitions, &widgets("example.com", "v1"));
    watcher.wait_ready();
    stage.namespace("widgets");
    let widget = json!({
        "apiVersion": "example.com/v1", "kind": "Widget", "metadata": { "name": "one", "namespace": "widgets" },
        "spec": { "size": 1 },
    });
    stage.create("/apis/example.com/v1/namespaces/widgets/widgets", &widget);
    watcher.wait_line("Kind: Widget; Name: one; Event Type: ADDED");
    stage.delete(&format!("{definitions}/widgets.example.com"));
}

pub fn a_word_that_two_groups_have_has_to_be_qualified(stage: &mut Stage) {
    grant(stage, "sprockets.example", "widgets");
    let definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    stage.create(definitions, &widgets("sprockets.example", "v1"));
    stage.namespace("ambiguous");
    let widget = json!({
        "apiVersion": "sprockets.example/v1", "kind": "Widget",
        "metadata": { "name": "two", "namespace": "ambiguous" },
    });
    let path = "/apis/sprockets.example/v1/namespaces/ambiguous/widgets";
    eventually("widgets are served", || stage.api.post(path, &widget));
    // A second group with the same word: nobody can know which one is meant.
    stage.create(definitions, &widgets("example.org", "v1"));
    let ambiguous = Watcher::new(stage).kubeconfig().flags("--resource widgets").start();
    eventually("it lists the candidates", || {
        let (_, body) = ambiguous.readyz()?;
        expect(body.contains("widgets.sprockets.example") && body.contains("widgets.example.org"), body)
    });
    let qualified = Watcher::new(stage).kubeconfig().flags("--resource widgets.v1.sprockets.example").ready();
    wait_told(&qualified, "ambiguous/two", "ADDED");
    // That one was listed. The next one comes by the watch, so there is one.
    let mut watched = widget;
    watched["metadata"]["name"] = "watched".into();
    stage.create(path, &watched);
    wait_told(&qualified, "ambiguous/watched", "ADDED");
    stage.delete(&format!("{definitions}/widgets.example.org"));
    // What the server deletes with its definition is deleted, and told.
    stage.delete(&format!("{definitions}/widgets.sprockets.example"));
    qualified.wait_line("Kind: Widget; Name: two; Event Type: DELETED");
}

pub fn a_resource_that_moves_to_another_version_is_found_again_and_so_is_one_that_returns(stage: &mut Stage) {
    grant(stage, "example.net", "widgets");
    stage.namespace("moves");
    let definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    let mut definition = widgets("example.net", "v1");
    definition["spec"]["versions"][0]["name"] = "v1beta1".into();
    stage.create(definitions, &definition);
    let widget = |version: &str, name: &str| {
        let metadata = json!({ "name": name, "namespace": "moves" });
        let version = format!("example.net/{version}");
        json!({ "apiVersion": version, "kind": "Widget", "metadata": metadata, "spec": {} })
    };
    eventually("widgets are served", || stage.api.list("/apis/example.net/v1beta1/widgets"));
    stage.create("/apis/example.net/v1beta1/namespaces/moves/widgets", &widget("v1beta1", "before"));
    let watcher = Watcher::new(stage).kubeconfig().flags("--resource widgets.example.net").ready();
    wait_told(&watcher, "moves/before", "ADDED");

    let mut old = definition["spec"]["versions"][0].clone();
    (old["served"], old["storage"]) = (false.into(), false.into());
    let new = widgets("example.net", "v1")["spec"]["versions"][0].clone();
    let path = format!("{definitions}/widgets.example.net");
    stage.patch(&path, &json!({ "spec": { "versions": [old, new] } }));
    eventually("the other version is served", || stage.api.list("/apis/example.net/v1/widgets"));
    stage.create("/apis/example.net/v1/namespaces/moves/widgets", &widget("v1", "after"));
    within(Duration::from_secs(60), "the object of the other version is told", || {
        expect(told(&watcher, "moves/after") == "ADDED", watcher.log())
    });
    // That one may have been listed. The next one comes by the watch, so there is one.
    stage.create("/apis/example.net/v1/namespaces/moves/widgets", &widget("v1", "watched"));
    wait_told(&watcher, "moves/watched", "ADDED");
    assert_eq!(told(&watcher, "moves/before"), "ADDED", "the move is no end of anything");

    // Without any version it is not ready, and says so; its return is noticed.
    stage.delete(&path);
    wait_told(&watcher, "moves/after", "ADDED DELETED");
    within(Duration::from_secs(60), "it is not ready", || {
        let (code, body) = watcher.readyz()?;
        expect(code == 503 && body.contains("the API server serves no widgets.example.net"), body)
    });
    // A definition of that name can be created once the old one is gone.
    eventually("it can be defined again", || stage.api.post(definitions, &widgets("example.net", "v1")));
    eventually("it is served again", || stage.api.list("/apis/example.net/v1/widgets"));
    stage.create("/apis/example.net/v1/namespaces/moves/widgets", &widget("v1", "again"));
    within(Duration::from_secs(60), "the object of its return is told", || {
        expect(told(&watcher, "moves/again") == "ADDED", watcher.log())
    });
    assert_eq!(told(&watcher, "moves/after"), "ADDED DELETED", "it is not back");
}

pub fn a_resource_without_namespaces_is_watched_as_well(stage: &mut Stage) {
    grant(stage, "", "namespaces");
    // As kubectl, it takes no offence at a namespace.
    let watcher = Watcher::new(stage).kubeconfig().flags("--resource ns -n default").ready();
    wait_told(&watcher, "kube-system", "ADDED");
    assert!(watcher.count("reflector_items", &[("resource", "namespaces")]) > 0.0, "its full name is the label");
    stage.namespace("without-namespaces");
    watcher.wait_line("Kind: Namespace; Name: without-namespaces; Event Type: ADDED");
}

pub fn whatever_kubectl_can_watch_is_found_by_the_name_that_kubectl_prints(stage: &mut Stage) {
    let kubectl = stage.servers.kubectl().expect("main has seen to it");
    let names = kubectl.run("api-resources --verbs=list,watch -o name");
    assert!(names.lines().count() > 10, "{names}");
    let mut groups = BTreeMap::new();
    for name in names.lines() {
        let found = stage.api.resource(name).unwrap_or_else(|why| panic!("{name}: {why}"));
        assert_eq!(found.name, name);
        let plural = name.split('.').next().unwrap_or_default();
        let found = stage.api.resource(plural).unwrap_or_else(|why| panic!("{plural}: {why}"));
        let group = found.name.split_once('.').map_or("", |(_, group)| group);
        groups.insert(plural, (found.kind.to_lowercase(), group.to_owned()));
    }
    // By nothing but its plural kubectl, too, prefers Kubernetes' own. It prints what it finds as `deployment.apps/web`.
    let plurals: Vec<&str> = groups.keys().copied().collect();
    let listed = kubectl.run(&format!("get {} -o name", plurals.join(",")));
    assert!(listed.lines().count() > 2, "{listed}");
    for line in listed.lines() {
        let of = line.split('/').next().unwrap_or_default();
        let (kind, group) = of.split_once('.').unwrap_or((of, ""));
        let ours: Vec<&str> = groups.values().filter(|(k, _)| k == kind).map(|(_, group)| group.as_str()).collect();
        assert_eq!(ours, [group], "kubectl lists {line}");
    }
}

pub fn what_the_selectors_leave_out_is_not_told(stage: &mut Stage) {
    stage.namespace("selected");
    let labelled = |name: &str, tier: &str| {
        let mut pod = pod("selected", name);
        pod["metadata"]["labels"] = json!({ "tier": tier });
        stage.create_pod(&pod)
    };
    let front = labelled("front", "web");
    labelled("back", "database");
    labelled("other", "web");
    let flags = "--resource po -n selected -l tier=web --field-selector metadata.name!=other";
    let watcher = Watcher::new(stage).kubeconfig().flags(flags).ready();
    wait_told(&watcher, "selected/front", "ADDED");
    stage.patch(&front.path(), &json!({ "metadata": { "labels": { "tier": "database" } } }));
    wait_told(&watcher, "selected/front", "ADDED DELETED");
    assert_eq!((told(&watcher, "selected/back"), told(&watcher, "selected/other")), (String::new(), String::new()));
}

pub fn the_environment_alone_will_do(stage: &mut Stage) {
    stage.namespace("environment");
    stage.create_pod(&pod("environment", "web"));
    stage.namespace("elsewhere");
    stage.create_pod(&pod("elsewhere", "web"));
    let server = stage.servers.cluster(stage.servers.port());
    let text = |field: &str| server[field].as_str().unwrap_or_default().to_owned();
    // As the original's guide has it: HOST:PORT, where the server speaks TLS.
    let endpoint = text("server").replace("https://", "");
    let watcher = Watcher::new(stage)
        .env("K8S_API_ENDPOINT", &endpoint)
        .env("K8S_TOKEN", &token(stage))
        .env("K8S_CA", &text("certificate-authority"))
        .env("K8S_NAMESPACE", "environment")
        .env("K8S_RESOURCE", "pods")
        .ready();
    wait_told(&watcher, "environment/web", "ADDED");
    assert_eq!(told(&watcher, "elsewhere/web"), "");
}

pub fn the_sample_file_will_do_once_it_is_filled_in(stage: &mut Stage) {
    stage.namespace("sample");
    stage.create_pod(&pod("sample", "web"));
    let server = stage.servers.cluster(stage.servers.port());
    let text = |field: &str| server[field].as_str().unwrap_or_default().to_owned();
    let mut file = repo_file("conf/config.ini.sample");
    for (key, value) in [
        ("k8s_api_endpoint", text("server")),
        ("k8s_token", token(stage)),
        ("k8s_ca", text("certificate-authority")),
        ("k8s_namespaced", "True".to_owned()),
        ("k8s_namespace", "sample".to_owned()),
        ("k8s_api_group", "api".to_owned()),
        ("k8s_api_version", "v1".to_owned()),
        ("k8s_resource", "pods".to_owned()),
    ] {
        let line = file.lines().find(|line| line.replace(' ', "").starts_with(&format!("{key}="))).map(str::to_owned);
        let line = line.unwrap_or_else(|| panic!("the sample has no line for {key}"));
        file = file.replacen(&format!("\n{line}\n"), &format!("\n{key} = {value}\n"), 1);
    }
    let watcher = Watcher::new(stage).config(&file).ready();
    wait_told(&watcher, "sample/web", "ADDED");
}

pub fn the_manifest_s_own_settings_and_rights_will_do(stage: &mut Stage) {
    let manifest: Vec<Value> = serde_saphyr::from_multiple(&repo_file("examples/watch.yaml")).expect("YAML");
    let config = manifest.iter().find_map(|object| object["stringData"]["config.ini"].as_str()).expect("a config.ini");
    let watcher = Watcher::new(stage).kubeconfig().config(config).ready();
    stage.namespace("manifest");
    stage.create_pod(&pod("manifest", "web"));
    wait_told(&watcher, "manifest/web", "ADDED");
}

pub fn after_an_outage_nothing_is_repeated_and_nothing_lost(stage: &mut Stage) {
    stage.namespace("outage");
    let [stays, changes, goes] = ["stays", "changes", "goes"].map(|name| stage.create_pod(&pod("outage", name)));
    let mut watcher = Watcher::new(stage).kubeconfig().flags("--resource pods -n outage").ready();
    for pod in [&stays, &changes, &goes] {
        wait_told(&watcher, &format!("outage/{}", pod.name()), "ADDED");
    }
    // The server stops in the middle of its watch; what happens then is never told by one.
    watcher.signal("STOP");
    stage.patch(&changes.path(), &touch(1));
    stage.delete(&format!("{}?gracePeriodSeconds=0", goes.path()));
    stage.create_pod(&pod("outage", "comes"));
    stage.servers.kill();
    stage.servers.start();
    watcher.signal("CONT");
    wait_told(&watcher, "outage/comes", "ADDED");
    eventually("the end of one is told", || {
        let all = told(&watcher, "outage/goes");
        expect(all.starts_with("ADDED ") && all.ends_with("DELETED"), all)
    });
    stage.patch(&changes.path(), &touch(2));
    eventually("the change is told", || {
        let all = told(&watcher, "outage/changes");
        expect(["ADDED MODIFIED", "ADDED MODIFIED MODIFIED"].contains(&all.as_str()), all)
    });
    assert_eq!(told(&watcher, "outage/stays"), "ADDED");
    assert_eq!(watcher.terminate(), Some(0));
}

pub fn a_token_that_is_rotated_is_picked_up(stage: &mut Stage) {
    stage.namespace("rotated");
    let server = stage.servers.cluster(stage.servers.port());
    let text = |field: &str| server[field].as_str().unwrap_or_default().to_owned();
    let watcher = Watcher::new(stage);
    let file = watcher.dir.join("token");
    fs::write(&file, "expired-long-ago\n").unwrap();
    let ca =
        if Kind::chosen() == Kind::Real { format!("--ca {}", text("certificate-authority")) } else { String::new() };
    let connection = format!("--api-endpoint {} {ca} --token-file {}", text("server"), file.display());
    let mut watcher = watcher.flags(&format!("--resource pods -n rotated {connection}")).start();
    eventually("the old token is refused", || {
        let (code, body) = watcher.readyz()?;
        expect(code == 503 && body.contains("401 Unauthorized"), body)
    });
    fs::write(file.with_extension("next"), token(stage)).unwrap();
    fs::rename(file.with_extension("next"), &file).unwrap();
    within(Duration::from_secs(60), "the new token is used", || {
        let (code, body) = watcher.readyz()?;
        expect(code == 200, body)
    });
    stage.create_pod(&pod("rotated", "web"));
    wait_told(&watcher, "rotated/web", "ADDED");
    assert_eq!(watcher.terminate(), Some(0));
}
