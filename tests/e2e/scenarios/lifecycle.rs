//! The pod lifecycle log. There is no kubelet on this stage: each step of a pod's life is made by hand, once the line
//! about the last one is there.

use serde_json::json;

use crate::{
    controller::{Controller, Setup},
    kubelet::{bind, running, set_status, starting},
    objects::{Is, pod, pod_path},
    stage::Stage,
};

pub fn a_pod_is_followed_from_none_to_deleted(stage: &mut Stage) {
    let controller = Controller::ready(stage, Setup::default());
    stage.namespace("life");
    let api = &stage.api;
    let web = stage.create_pod(&pod("life", "web", json!([])));
    let mut told = vec!["none>Pending"];
    controller.wait_lifecycle("life/web", &told);
    bind(api, &web).unwrap();
    let steps = [
        (starting(&web, 0), "Pending>Running"),
        (running(&web, 0), "Running>Ready"),
        (running(&web, 1), "Ready>Ready restarts=1"),
        (running(&web, 3), "Ready>Ready restarts=3"),
        (starting(&web, 3), "Ready>Running"),
        (running(&web, 3), "Running>Ready"),
    ];
    for (status, line) in steps {
        set_status(api, &web, &status).unwrap();
        told.push(line);
        controller.wait_lifecycle("life/web", &told);
    }
    // A change that does not matter is no line; the ones after it show that it was seen and passed over.
    stage.patch(&pod_path("life", "web"), &json!({ "metadata": { "labels": { "colour": "blue" } } }));
    stage.delete(&pod_path("life", "web"));
    told.push("Ready>Terminating");
    controller.wait_lifecycle("life/web", &told);
    stage.delete(&format!("{}?gracePeriodSeconds=0", pod_path("life", "web")));
    told.push("Terminating>Deleted");
    controller.wait_lifecycle("life/web", &told);

    let line = controller.wait_line("life/web");
    assert_eq!((line.text("level"), line.text("message")), ("INFO".into(), "pod lifecycle".into()));
    assert_eq!(line.text("uid"), web.uid());
    let last = controller.lines().into_iter().rfind(|line| line.text("pod") == "life/web").unwrap();
    assert_eq!(last.text("node"), "node-1");
}

pub fn a_pod_may_also_succeed_fail_or_be_lost(stage: &mut Stage) {
    let controller = Controller::ready(stage, Setup::default());
    stage.namespace("ends");
    for (name, phase) in [("good", "Succeeded"), ("bad", "Failed"), ("lost", "Unknown")] {
        let key = format!("ends/{name}");
        stage.create_pod(&pod("ends", name, json!([])));
        controller.wait_lifecycle(&key, &["none>Pending"]);
        stage.patch(&format!("{}/status", pod_path("ends", name)), &json!({ "status": { "phase": phase } }));
        controller.wait_lifecycle(&key, &["none>Pending", &format!("Pending>{phase}")]);
        // No node has it, so it goes at once.
        stage.delete(&pod_path("ends", name));
        controller.wait_lifecycle(&key, &["none>Pending", &format!("Pending>{phase}"), &format!("{phase}>Deleted")]);
    }
}

pub fn a_restart_of_the_controller_is_no_news_about_any_pod(stage: &mut Stage) {
    let mut first = Controller::ready(stage, Setup::default());
    stage.namespace("baseline");
    let web = stage.create_pod(&pod("baseline", "web", json!([])));
    set_status(&stage.api, &web, &running(&web, 2)).unwrap();
    first.wait_line("baseline/web");
    assert_eq!(first.terminate(), Some(0));
    let second = Controller::ready(stage, Setup::default());
    second.wait_lifecycle("baseline/web", &["none>Ready baseline"]);
    // What comes later is news.
    stage.create_pod(&pod("baseline", "late", json!([])));
    second.wait_lifecycle("baseline/late", &["none>Pending"]);
    stage.delete(&pod_path("baseline", "web"));
    second.wait_lifecycle("baseline/web", &["none>Ready baseline", "Ready>Deleted"]);
}
