//! What is printed and over.

use std::net::TcpListener;

use testkit::Folder;

use crate::binary::controller;

#[test]
fn help_version_and_crd_go_to_stdout_and_are_no_error() {
    let home = Folder::new("help");
    for (args, expected) in [
        (&["--help"][..], "--shutdown-grace <DURATION>"),
        (&["run", "--help"], "--shutdown-grace <DURATION>"),
        (&["--help"], "Hand what happens to the objects of any resource to a plugin"),
        (&["watch", "--help"], "--field-selector <SELECTOR>"),
        (&["crd", "--help"], "Usage: demo-controller crd"),
        (&["--version"], concat!("demo-controller ", env!("CARGO_PKG_VERSION"))),
        (&["crd"], ""),
    ] {
        let output = controller(&home).args(args).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{args:?}");
        assert!(output.stderr.is_empty(), "{args:?}");
        assert!(String::from_utf8(output.stdout).unwrap().contains(expected), "{args:?}");
    }
}

#[test]
fn show_config_prints_what_would_be_done_before_anything_is() {
    let ini = "[global]\nk8s_resource = pods\nk8s_api_endpoint = 127.0.0.1:1\nk8s_token = s3cret\nk8s_ca = nowhere\n";
    let home = Folder::new("show").with(&[("a.ini", ini)]);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let output = controller(&home)
        .args(["watch", "-c", "a.ini", "--show-config", "--listen", &taken.local_addr().unwrap().to_string()])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stderr.is_empty(), "not one line of log: {}", String::from_utf8_lossy(&output.stderr));
    let shown = String::from_utf8(output.stdout).unwrap();
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    let lines: Vec<String> = shown.lines().map(words).collect();
    for expected in [
        "resource pods k8s_resource in a.ini",
        "token *** k8s_token in a.ini",
        "workers 4 default",
        "server: https://127.0.0.1:1/, as k8s_api_endpoint in a.ini says, with the token",
    ] {
        assert!(lines.iter().any(|line| line == expected), "{expected} is missing:\n{shown}");
    }
    assert!(!shown.contains("s3cret"));
}
