//! The story: told to its end, and broken off.

use std::{net::TcpStream, path::PathBuf};

use crate::world::{Home, assert_in_order, http};

/// What the pod's owner reads.
const MESSAGE: &str = "ServiceName: appp1 in pki: app1-pki is not found in allowedNames: [app1 app2]";

#[test]
fn the_story_is_told_to_its_end_and_leaves_nothing_behind() {
    let home = Home::new("once");
    let mut playground = home.playground("--once --speed 20");
    let server = playground.server();
    let (code, stdout, stderr) = playground.last_words();
    assert_eq!(code, Some(0), "{stdout}\n{stderr}");
    assert_in_order(
        &stdout,
        &[
            "PodDisruptionBudget), but for its Deployment",
            "\n1. ",
            "$ kubectl create -f examples/app2.yaml\nnamespace/app2 created\npki.box.com/app2-pki created\n",
            "$ kubectl get pods -n app2\nNAME ",
            " 1/1     Running   0 ",
            "$ kubectl get pki -n app2\nNAME       SERVICE   READY   REASON   EXPIRES ",
            "app2-pki   app2      True    Issued   2",
            "\n2. ",
            "$ kubectl create -f examples/app1.yaml\n",
            "$ kubectl get pods --all-namespaces\nNAMESPACE   NAME ",
            " 0/1     ContainerCreating   0 ",
            " 1/1     Running             0 ",
            "\n3. ",
            "$ kubectl describe pod -n app1\n...\nEvents:\n  Type     Reason                 Age ",
            "  Warning  pki ServiceName error  ",
            "  controlplane ",
            MESSAGE,
            "appp1     False   NameNotAllowed ",
            "\n4. ",
            "$ kubectl patch pki app1-pki -n app1 --type merge -p 'spec: {serviceName: app1}'\npki.box.com/app1-pki patched\n",
            "\n5. ",
            "app1-pki   app1      True    Issued   2",
            "$ kubectl get pods --all-namespaces\n",
            "app1 ",
            " 1/1     Running ",
            "app2 ",
            " 1/1     Running ",
        ],
    );
    let readme = include_str!("../../README.md");
    let quick_start = readme.split_once("## Quick start").unwrap().1.split_once("## The story").unwrap().0;
    let commands: Vec<&str> = quick_start.lines().filter(|line| line.starts_with("$ kubectl")).collect();
    assert!(!commands.is_empty(), "the README shows the story");
    assert_in_order(&stdout, &commands);
    assert!(
        stdout
            .lines()
            .filter(|line| !line.contains("  Warning  ") && !line.contains("  Normal "))
            .all(|line| line.chars().count() <= 80),
        "{stdout}"
    );
    assert!(!stdout.contains('\u{1b}') && !stderr.contains('\u{1b}'), "colours are for terminals");

    assert_in_order(&stderr, &["certificate authority created", "certificate issued", "app2/app2-pki"]);
    assert_in_order(&stderr, &["no certificate", MESSAGE, "certificate issued", "app1/app1-pki"]);
    assert!(!stderr.contains("Forbidden"), "demo-controller.yaml gives it all the rights that it needs: {stderr}");
    assert!(!stderr.contains("deployments"), "the simulated cluster does not write into this log: {stderr}");

    assert_eq!(home.files(), Vec::<PathBuf>::new());
    assert!(TcpStream::connect(server).is_err(), "the port is free again");
}

#[test]
fn a_story_that_breaks_off_ends_with_exit_code_1_and_says_where() {
    let home = Home::new("broken");
    let mut playground = home.playground("--once --speed 4");
    let server = playground.server();
    let rule = r#"{"fault":"InternalError","verb":"patch","resource":"pkis.box.com","user":"system:admin"}"#;
    assert_eq!(http(&server, "POST", "/control/faults", rule).0, 200);
    let (code, stdout, stderr) = playground.last_words();
    assert_eq!(code, Some(1), "{stdout}\n{stderr}");
    let line = stderr.lines().last().unwrap();
    assert!(line.starts_with("error: the story broke off: kubectl patch pki app1-pki -n app1"), "{stderr}");
    assert!(line.contains("500"), "{line}");
    assert!(stdout.contains("3. ") && !stdout.contains("patched"), "{stdout}");
    assert_eq!(home.files(), Vec::<PathBuf>::new());
}
