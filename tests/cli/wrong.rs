//! Wrong input.

use std::net::TcpListener;

use testkit::Folder;

use crate::binary::{KUBECONFIG, controller, one_line};

/// Arguments, variables, and how the line begins.
type Wrong = (&'static str, &'static [(&'static str, &'static str)], &'static str);

#[test]
fn every_wrong_input_ends_with_exit_code_2_and_one_line_that_names_it() {
    let home = Folder::new("wrong").with(&[
        ("kube", KUBECONFIG),
        ("notyaml", "users: [{user: {token: s3cret\n"),
        ("nocurrent", &KUBECONFIG.replace("current-context: dev", "")),
        ("text", "no certificate\n"),
        ("empty", ""),
        ("workers.ini", "[global]\ndemo_controller_workers = 0\n"),
        ("typo.ini", "[global]\nk8s_tokn = s3cret\n"),
        ("token.ini", "[global]\nk8s_token = s3cret\n"),
        ("both.ini", "[global]\nk8s_api_endpoint = a:1\nk8s_token = s3cret\ndemo_controller_token_file = empty\n"),
        ("broken.ini", "[global\n"),
        (
            "exec.ini",
            "[global]\nwatcher_plugin = exec\n[plugin_exec]\ncommand = no-such-program s3cret\npassword = s3cret\n",
        ),
        ("loud.ini", "[plugin_simple]\nmessage_log_level = loud\n"),
    ]);
    home.file("huge", &"app1\n".repeat(300_000));
    let table: &[Wrong] = &[
        (
            "",
            &[],
            "no API server to connect to: give --kubeconfig, KUBECONFIG, ~/.kube/config or --api-endpoint, or run in a pod",
        ),
        ("--wrokers 3", &[], "unknown flag --wrokers: did you mean --workers?"),
        ("run extra", &[], "unexpected argument \"extra\": expected "),
        ("--workers 0", &[], "--workers 0: expected a whole number from 1 to 1024"),
        ("", &[("DEMO_CONTROLLER_WORKERS", "0")], "DEMO_CONTROLLER_WORKERS=0: expected a whole number from 1 to 1024"),
        (
            "--config workers.ini",
            &[],
            "demo_controller_workers = 0 in workers.ini: expected a whole number from 1 to 1024",
        ),
        ("", &[("CONFIG_FILE", "typo.ini")], "typo.ini: unknown key k8s_tokn in [global]: did you mean k8s_token?"),
        ("--config broken.ini", &[], "broken.ini: expected an ini file, [section] and key = value, but not near line "),
        ("--config nowhere", &[], "--config nowhere: cannot be read: No such file"),
        ("", &[("CONFIG_FILE", "nowhere")], "CONFIG_FILE=nowhere: cannot be read: No such file"),
        ("--config /dev/zero", &[], "--config /dev/zero: cannot be read: larger than 1048576 bytes"),
        ("--config .", &[], "--config .: cannot be read: Is a directory"),
        ("--resync 10", &[], "--resync 10: expected a duration such as 3s, 10m or 1h30m"),
        (
            "",
            &[("DEMO_CONTROLLER_REMIND", "a while")],
            "DEMO_CONTROLLER_REMIND=\"a while\": expected a duration such as",
        ),
        ("", &[("K8S_NAMESPACED", "maybe")], "K8S_NAMESPACED=maybe: expected true or false"),
        ("-n Team_1", &[], "--namespace Team_1: expected a namespace's name"),
        ("", &[("LOG_LEVEL", "LOUD")], "LOG_LEVEL=LOUD: expected trace, debug, info, warn or error"),
        ("", &[("RUST_LOG", "a=b=c")], "RUST_LOG=a=b=c: expected a filter such as"),
        ("--allowed-names nowhere", &[], "--allowed-names nowhere: cannot be read (No such file"),
        ("--allowed-names .", &[], "--allowed-names .: cannot be read (not a regular file"),
        ("--allowed-names huge", &[], "--allowed-names huge: cannot be read (larger than 1048576 bytes"),
        (
            "--token s3cret --token-file empty",
            &[],
            "--token *** contradicts --token-file empty: expected one of the two",
        ),
        (
            "--config both.ini",
            &[],
            "k8s_token = *** in both.ini contradicts demo_controller_token_file = empty in both.ini",
        ),
        (
            "",
            &[("K8S_TOKEN", "s3cret")],
            "K8S_TOKEN=***: goes only to a server that is named in the same place: give K8S_API_ENDPOINT",
        ),
        ("--config token.ini", &[("K8S_API_ENDPOINT", "")], "k8s_token = *** in token.ini: goes only to a server"),
        ("--api-endpoint a:1 --token s3cret\u{e9}", &[], "--token ***: expected one word of ASCII characters"),
        ("--api-endpoint a:99999", &[], "--api-endpoint a:99999: expected HOST:PORT or a URL"),
        ("--api-endpoint a:1 --token-file nowhere", &[], "--token-file nowhere: cannot be read: No such file"),
        ("--api-endpoint a:1 --token-file empty", &[], "--token-file empty: expected a token"),
        ("--api-endpoint a:1 --ca nowhere", &[], "--ca nowhere: cannot be read: No such file"),
        ("--api-endpoint a:1 --ca text", &[], "--ca text: expected CA certificates in PEM"),
        ("", &[("K8S_API_ENDPOINT", "a:1"), ("K8S_CA", "nowhere")], "K8S_CA=nowhere: cannot be read: No such file"),
        ("--api-endpoint a:1", &[], "--api-endpoint: failed to add a root certificate: "),
        ("--kubeconfig nowhere", &[], "--kubeconfig nowhere: there is no such file"),
        ("", &[("KUBECONFIG", "nowhere")], "KUBECONFIG=nowhere: there is no such file"),
        ("", &[("KUBECONFIG", "nowhere:neither")], "KUBECONFIG=nowhere:neither: there is no such file"),
        ("--kubeconfig .", &[], "--kubeconfig .: cannot be read: Is a directory"),
        ("", &[("KUBECONFIG", ".:kube")], "KUBECONFIG=.:kube: .: cannot be read: Is a directory"),
        ("--kubeconfig notyaml", &[], "--kubeconfig notyaml: expected a kubeconfig, but line "),
        ("--kubeconfig empty", &[], "--kubeconfig empty: it has no current-context: give --context, one of none"),
        (
            "--kubeconfig nocurrent",
            &[],
            "--kubeconfig nocurrent: it has no current-context: give --context, one of dev,",
        ),
        (
            "--context prod",
            &[("KUBECONFIG", "kube")],
            "--context prod: no such context in KUBECONFIG=kube: expected one of dev,",
        ),
        ("--context prod", &[], "--context prod: there is no kubeconfig: expected "),
        (
            "--kubeconfig kube --context lost",
            &[],
            "--kubeconfig kube: context lost: failed to load the cluster of context: gone",
        ),
        ("--kubeconfig kube --context proxied", &[], "--kubeconfig kube: context proxied: proxy-url is not supported"),
        (
            "--kubeconfig kube --context badca",
            &[],
            "--kubeconfig kube: context badca: failed to load certificate authority",
        ),
        (
            "--kubeconfig kube --context filed",
            &[],
            "context filed of --kubeconfig kube: token file nowhere.token: cannot be read",
        ),
        (
            "--kubeconfig kube --context plugged",
            &[],
            "context plugged of --kubeconfig kube: its exec plugin cannot be started",
        ),
        ("--kubeconfig kube --api-endpoint a:1", &[], "--api-endpoint a:1 contradicts --kubeconfig kube"),
        ("--listen example.com:80", &[], "--listen example.com:80: expected ADDRESS:PORT such as 127.0.0.1:8080"),
        ("--ca-secret demo", &[], "--ca-secret demo: expected NAMESPACE/NAME"),
        ("-c typo.ini", &[], "typo.ini: unknown key k8s_tokn in [global]: did you mean k8s_token?"),
        ("watch", &[], "no resource to watch: give --resource, K8S_RESOURCE or k8s_resource in the --config file"),
        ("watch", &[("K8S_RESOURCE", "pods")], "no API server to connect to: give --kubeconfig, "),
        ("watch --resource pods/status", &[], "--resource pods/status: expected one resource, as kubectl names it"),
        ("watch --resource pods --plugin dns", &[], "--plugin dns: unknown plugin: expected simple or exec"),
        ("watch --resource pods", &[("WATCHER_PLUGIN", "exec")], "WATCHER_PLUGIN=exec: [plugin_exec] needs command: "),
        ("watch --resource pods -c exec.ini", &[], "exec.ini: [plugin_exec] command = no-such-program …: "),
        (
            "watch --resource pods -c loud.ini",
            &[],
            "loud.ini: [plugin_simple] message_log_level = loud: expected TRACE",
        ),
        (
            "watch --resource pods -c loud.ini --plugin exec",
            &[],
            "--plugin exec: loud.ini: [plugin_exec] needs command",
        ),
        ("watch --resource pods -l a=b=c", &[], "--selector a=b=c: expected labels such as app=web"),
        (
            "watch --resource pods --field-selector a",
            &[],
            "--field-selector a: expected fields such as metadata.name=web",
        ),
        (
            "watch --resource deployments.apps --api-group batch",
            &[],
            "--resource deployments.apps, --api-group batch: the name has another group in it",
        ),
        ("watch --resource pods --resync 1s", &[], "unknown flag --resync: "),
        (
            "watch --resource pods -c typo.ini",
            &[],
            "typo.ini: unknown key k8s_tokn in [global]: did you mean k8s_token?",
        ),
        ("watch --resource pods --show-config --workers 0", &[], "--workers 0: expected a whole number from 1 to 1024"),
    ];
    for (args, env, expected) in table {
        let output = controller(&home).args(args.split_whitespace()).envs(env.iter().copied()).output().unwrap();
        let line = one_line(&output, 2);
        assert!(line.starts_with(expected), "{args} {env:?}: {line}");
        assert!(!line.contains("s3cret"), "a secret in {line}");
    }
}

#[test]
fn a_port_that_is_taken_ends_with_exit_code_1_and_one_line() {
    let home = Folder::new("port");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output =
        controller(&home).args(["--api-endpoint", "http://127.0.0.1:1", "--listen", &address]).output().unwrap();
    assert!(one_line(&output, 1).starts_with(&format!("--listen {address}: Address already in use")));
}
