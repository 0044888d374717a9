//! What it is started with: flags, files, ports.

use std::path::PathBuf;

use crate::world::{Home, Playground, http};

#[test]
fn two_at_once_are_two_clusters() {
    let home = Home::new("two");
    let mut both = [home.playground("--once --speed 20"), home.playground("--once --speed 20")];
    let [one, two] = both.each_mut().map(Playground::server);
    assert_ne!(one, two);
    for playground in &mut both {
        let (code, stdout, stderr) = playground.last_words();
        assert_eq!(code, Some(0), "{stdout}\n{stderr}");
    }
    assert_eq!(home.files(), Vec::<PathBuf>::new());
}

#[test]
fn without_apps_it_is_an_empty_cluster_with_a_kubeconfig_where_it_was_asked_for() {
    let home = Home::new("empty");
    let mut playground = home.playground("--no-apps --kubeconfig-out play.yaml --speed 20");
    let server = playground.server();
    let kubeconfig = playground.kubeconfig();
    assert_eq!(kubeconfig, home.0.join("play.yaml"));
    playground.stdout.until("kubectl apply -f");
    let (code, pods) = http(&server, "GET", "/api/v1/pods", "");
    assert!(code == 200 && pods.contains("\"items\":[]"), "{pods}");
    assert_eq!(http(&server, "GET", "/apis/box.com/v1/pkis", "").0, 200, "demo-controller.yaml is installed");

    // The same place again: not over the first one's file.
    let mut second = home.playground("--kubeconfig-out play.yaml");
    let (code, stdout, stderr) = second.last_words();
    assert_eq!((code, stdout.as_str()), (Some(2), ""));
    assert!(stderr.starts_with("error: --kubeconfig-out play.yaml: File exists"), "{stderr}");
    assert!(kubeconfig.exists());

    playground.signal("TERM");
    assert_eq!(playground.ended().code(), Some(0));
    assert_eq!(home.files(), Vec::<PathBuf>::new());
}

#[test]
fn a_port_that_is_asked_for_is_taken_and_one_that_is_taken_is_refused() {
    let home = Home::new("port");
    let mut first = home.playground("--no-apps");
    let server = first.server();
    let port = server.rsplit_once(':').unwrap().1;
    let mut second = home.playground(&format!("--port {port}"));
    let (code, stdout, stderr) = second.last_words();
    assert_eq!((code, stdout.as_str()), (Some(1), ""));
    assert!(stderr.starts_with(&format!("error: --port {port}: Address already in use")), "{stderr}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
}

#[test]
fn wrong_flags_are_told_in_one_line_and_help_is_no_error() {
    let home = Home::new("flags");
    for (args, expected) in [
        ("--speed 0", "error: --speed 0: expected a number from 0.1 to 100"),
        ("--port 99999", "error: --port 99999: expected a port"),
        ("--once --no-apps", "error: --once contradicts --no-apps"),
        ("--kubeconfig-out no/where", "error: --kubeconfig-out no/where: No such file or directory"),
        ("--kubeconfig x", "error: unknown flag --kubeconfig: did you mean --kubeconfig-out?"),
    ] {
        let output = home.command(args).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{args}: {stderr}");
        assert!(stderr.starts_with(expected) && stderr.lines().count() == 1 && output.stdout.is_empty(), "{stderr}");
    }
    let output = home.command("--help").output().unwrap();
    assert!(output.status.success() && String::from_utf8(output.stdout).unwrap().contains("--no-apps"));
    assert_eq!(home.files(), Vec::<PathBuf>::new());
}

#[test]
fn where_the_controllers_own_pages_are_is_told() {
    let home = Home::new("pages");
    let mut playground = home.playground("--no-apps --listen 127.0.0.1:0");
    let line = playground.stdout.until("/metrics, /readyz and /healthz are at http://127.0.0.1:");
    let address = line.split_once("http://").unwrap().1.trim_end_matches('.');
    assert_eq!(http(address, "GET", "/healthz", "").0, 200);
}

#[test]
fn the_kubeconfig_that_is_printed_is_found_from_everywhere() {
    let home = Home::new("relative");
    let mut playground = Playground::start({
        let mut command = home.command("--no-apps");
        command.env("TMPDIR", ".");
        command
    });
    assert!(playground.kubeconfig().starts_with(&*home.0));
}
