//! The harness itself: what the scenarios take for granted, so that one that passes has really seen something.

use crate::{
    api::Api,
    http,
    objects::{pod_mounting, pod_path},
    proxy::Proxy,
    stage::Stage,
    wait::{eventually, expect},
};

pub fn the_control_plane_serves_audits_and_keeps_its_data(stage: &mut Stage) {
    let plane = &stage.plane;
    println!("{}", plane.kubectl.run("version"));
    plane.kubectl.run("create namespace controlplane");
    plane.kubectl.run("create serviceaccount demo-controller -n controlplane");
    let ca = std::fs::read(plane.dir.join("ca.crt")).unwrap();
    let ca = x509_parser::pem::parse_x509_pem(&ca).unwrap().1.contents;
    let ours = Api::new(&format!("https://127.0.0.1:{}", plane.port()), ca, &stage.token());
    let refused = ours.get("/api/v1/namespaces/default/secrets/some").unwrap_err();
    assert_eq!(refused.code, 403, "{refused}");
    let audit = plane.audit().to_string();
    assert!(audit.contains("403 get secrets default/some"), "{audit}");
    stage.plane.kill_apiserver();
    assert_eq!(stage.plane.api.text("/readyz").unwrap_err().code, 0);
    stage.plane.start_apiserver();
    stage.plane.kubectl.run("get serviceaccount demo-controller -n controlplane");
}

pub fn the_kubelet_runs_a_pod_once_its_secret_exists(stage: &mut Stage) {
    let _kubelet = crate::kubelet::Kubelet::start(stage.plane.api.clone());
    stage.namespace("kubelet");
    stage.create_pod(&pod_mounting("kubelet", "web", "certificate"));
    let path = pod_path("kubelet", "web");
    stage.wait_for(&path, "waits", |pod| {
        pod["status"]["containerStatuses"][0]["state"]["waiting"]["reason"] == "ContainerCreating"
    });
    assert!(stage.plane.kubectl.run("get pods -n kubelet").contains("ContainerCreating"));
    stage.plane.kubectl.run("create secret generic certificate -n kubelet");
    stage.wait_for(&path, "runs", |pod| pod["status"]["phase"] == "Running");
    stage.plane.kubectl.run("delete pod web -n kubelet --wait=false");
    stage.wait_gone(&path);
}

pub fn the_proxy_passes_cuts_and_freezes(stage: &mut Stage) {
    // The controller is not needed here: a plain text server is, which says that it wants TLS.
    let proxy = Proxy::to(stage.plane.port());
    let answer = || http::get(proxy.port, "/readyz");
    assert_eq!(answer().map(|(code, _)| code), Ok(400));
    proxy.cut();
    assert!(answer().is_err());
    proxy.mend();
    eventually("it passes again", || answer().map(drop));
}

pub fn a_compacted_version_is_gone(stage: &mut Stage) {
    let old = stage.plane.api.get("/api/v1/namespaces").unwrap()["metadata"]["resourceVersion"].clone();
    stage.plane.kubectl.run("create namespace later");
    stage.plane.kubectl.run("create namespace latest");
    stage.plane.compact();
    let watch = format!("/api/v1/namespaces?watch=1&timeoutSeconds=1&resourceVersion={}", old.as_str().unwrap());
    eventually("410", || {
        let text = stage.plane.api.text(&watch)?;
        expect(text.contains("410"), text)
    });
}
