//! Servers and networks fail. The controller neither loses a change nor tells one twice.

use std::time::Duration;

use serde_json::json;

use crate::{
    controller::{Controller, Setup},
    kubelet::{running, set_status},
    objects::{Is, pki_path, pod, pod_path},
    proxy::Proxy,
    stage::Stage,
    wait::{eventually, expect, within},
};

pub fn an_api_server_that_dies_and_comes_back_is_no_news_about_any_object(stage: &mut Stage) {
    let controller = Controller::ready(stage, Setup::default());
    stage.namespace("dies");
    let web = stage.create_pod(&pod("dies", "web", json!([])));
    stage.create_pki("dies", "before", json!({ "serviceName": "app1" }));
    stage.wait_pki("dies", "before", "Issued");
    controller.wait_lifecycle("dies/web", &["none>Pending"]);
    let issued = stage.secret("dies", "before");

    stage.servers.kill();
    let errors = |resource| controller.count("reflector_watch_errors_total", &[("resource", resource)]);
    for resource in ["pkis", "pods"] {
        eventually("both reflectors have noticed", || expect(errors(resource) > 0.0, errors(resource)));
    }
    assert_eq!(controller.readyz().map(|(code, _)| code), Ok(200), "its caches are still good");
    stage.servers.start();

    stage.create_pki("dies", "after", json!({ "serviceName": "app2" }));
    set_status(&stage.api, &web, &running(&web, 0)).unwrap();
    stage.wait_pki("dies", "after", "Issued");
    controller.wait_lifecycle("dies/web", &["none>Pending", "Pending>Ready"]);
    stage.delete(&pod_path("dies", "web"));
    controller.wait_lifecycle("dies/web", &["none>Pending", "Pending>Ready", "Ready>Deleted"]);
    assert_eq!(stage.secret("dies", "before").version(), issued.version());
}

pub fn an_api_server_that_is_away_is_named(stage: &mut Stage) {
    start_without_server(stage);
    stage.servers.start();
}

pub fn an_api_server_that_is_away_is_waited_for(stage: &mut Stage) {
    let mut controller = start_without_server(stage);
    stage.servers.start();
    controller.wait_ready();
    stage.namespace("away");
    stage.create_pki("away", "web", json!({ "serviceName": "app1" }));
    stage.wait_pki("away", "web", "Issued");
}

/// A controller that says whom it waits for.
fn start_without_server(stage: &mut Stage) -> Controller {
    stage.token();
    stage.servers.kill();
    let controller = Controller::start(stage, Setup::default());
    eventually("/readyz says what it waits for", || {
        let (code, body) = controller.readyz()?;
        let why = |name: &str| body.lines().any(|line| line.starts_with(name) && line.contains("refused"));
        expect(code == 503 && why("pkis: not synced") && why("pods: not synced"), body)
    });
    assert_eq!(controller.page("/healthz").map(|(code, _)| code), Ok(200));
    controller
}

pub fn a_connection_that_breaks_is_a_watch_from_where_it_was(stage: &mut Stage) {
    let controller = while_cut_off(stage, "broken", |_| ());
    assert_eq!(controller.count("reflector_lists_total", &[]), 2.0, "no list but the first of each resource");
}

/// 410 comes as an event in a watch that was opened with 200, here and in the next scenario: a real API server does it
/// no other way. (That the opening itself is answered 410, as by a proxy or another kind of server, is tried with a
/// scripted server in `src/informer/reflector_error_tests.rs`.)
pub fn a_watch_from_before_the_api_server_s_restart_is_a_new_list_that_loses_nothing(stage: &mut Stage) {
    let controller = while_cut_off(stage, "restarted", |stage| {
        // Its new watch cache begins with the present. (Compaction alone would not do: the old one still has
        // everything.)
        stage.servers.kill();
        stage.servers.start();
    });
    assert_listed_again(&controller, "restarted");
}

pub fn a_watch_from_a_version_that_etcd_has_forgotten_is_a_new_list_that_loses_nothing(stage: &mut Stage) {
    let controller = while_cut_off(stage, "compacted", |stage| stage.servers.compact());
    assert_listed_again(&controller, "compacted");
}

#[track_caller]
fn assert_listed_again(controller: &Controller, ns: &str) {
    for resource in ["pkis", "pods"] {
        let of_it = [("resource", resource)];
        let lists = controller.count("reflector_lists_total", &of_it);
        let expired = controller.count("reflector_watch_errors_total", &[of_it[0], ("reason", "expired")]);
        assert!(lists >= 2.0 && expired >= 1.0, "{resource}: {lists} lists, {expired} times 410");
    }
    // Two pods of one name, and no event about the end of the first: only the UID tells.
    controller.wait_lifecycle(&format!("{ns}/replaced"), &["none>Pending", "Pending>Pending replaced"]);
}

/// Cuts the controller off, changes everything, does `meanwhile`, and sees to it that no change is lost or told twice.
fn while_cut_off(stage: &mut Stage, ns: &str, meanwhile: fn(&mut Stage)) -> Controller {
    let proxy = Proxy::to(stage.servers.port());
    let controller = Controller::ready(stage, Setup { through: Some(proxy.port), ..Setup::default() });
    stage.namespace(ns);
    for name in ["stays", "goes", "replaced", "runs"] {
        stage.create_pod(&pod(ns, name, json!([])));
        controller.wait_lifecycle(&format!("{ns}/{name}"), &["none>Pending"]);
    }
    stage.create_pki(ns, "changes", json!({ "serviceName": "app1" }));
    stage.wait_pki(ns, "changes", "Issued");
    assert_eq!(controller.count("reflector_lists_total", &[]), 2.0);

    proxy.cut();
    stage.delete(&pod_path(ns, "goes"));
    stage.delete(&pod_path(ns, "replaced"));
    stage.create_pod(&pod(ns, "replaced", json!([])));
    stage.create_pod(&pod(ns, "new", json!([])));
    let runs = stage.find(&pod_path(ns, "runs")).unwrap();
    set_status(&stage.api, &runs, &running(&runs, 0)).unwrap();
    stage.patch(&pki_path(ns, "changes"), &json!({ "spec": { "serviceName": "app2" } }));
    stage.create_pki(ns, "new", json!({ "serviceName": "app1" }));
    meanwhile(stage);
    proxy.mend();

    stage.wait_pki(ns, "changes", "Issued");
    stage.wait_pki(ns, "new", "Issued");
    for (name, told) in [
        ("goes", &["none>Pending", "Pending>Deleted"][..]),
        ("new", &["none>Pending"]),
        ("runs", &["none>Pending", "Pending>Ready"]),
        ("stays", &["none>Pending"]),
    ] {
        controller.wait_lifecycle(&format!("{ns}/{name}"), told);
    }
    // And the watches that follow work.
    stage.delete(&pod_path(ns, "stays"));
    controller.wait_lifecycle(&format!("{ns}/stays"), &["none>Pending", "Pending>Deleted"]);
    controller
}

pub fn a_watch_that_falls_silent_is_opened_again(stage: &mut Stage) {
    let proxy = Proxy::to(stage.servers.port());
    let setup = Setup { flags: "--watch-idle 3s", through: Some(proxy.port), ..Setup::default() };
    let controller = Controller::ready(stage, setup);
    stage.namespace("silent");
    stage.create_pod(&pod("silent", "before", json!([])));
    controller.wait_lifecycle("silent/before", &["none>Pending"]);
    let watches = |resource| controller.count("reflector_watches_total", &[("resource", resource)]);
    let before = (watches("pkis"), watches("pods"));
    proxy.freeze();
    stage.create_pki("silent", "web", json!({ "serviceName": "app1" }));
    stage.create_pod(&pod("silent", "after", json!([])));
    // Requests that go out on a connection that is frozen as well take their 30 s to notice.
    within(Duration::from_secs(120), "the certificate is issued", || {
        let pki = stage.api.get(&pki_path("silent", "web"))?;
        expect(pki.ready("reason") == "Issued", format!("{pki:#}"))
    });
    controller.wait_lifecycle("silent/after", &["none>Pending"]);
    assert!(watches("pkis") > before.0 && watches("pods") > before.1);
    assert_eq!(controller.count("reflector_lists_total", &[]), 2.0, "it goes on where it was, without a list");
}
