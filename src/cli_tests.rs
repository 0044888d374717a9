use std::time::Duration;

use super::{
    run::TABLE,
    world::{World, args},
    *,
};
use crate::process::{
    connect::{Connection, local},
    leader::Candidate,
};

#[test]
fn run_is_the_default_and_its_defaults_are_those_of_the_design() {
    let expected = Run {
        namespace: None,
        allowed_names: None,
        workers: 4,
        resync: Some(Duration::from_secs(600)),
        max_retries: 12,
        remind: Duration::from_secs(1800),
        ca_secret: ("controlplane".to_owned(), "demo-controller-ca".to_owned()),
        dry_run: false,
        leader_elect: None,
        watch_idle: Duration::from_secs(150),
        listen: Some(([127, 0, 0, 1], 8080).into()),
        shutdown_grace: Duration::from_secs(20),
        explain: false,
    };
    assert_eq!(args(&[]).start().what, expected);
    assert_eq!(args(&["run"]).start().what, expected);
    assert_eq!(args(&["--workers", "8"]).start().what, Run { workers: 8, ..expected.clone() });
    assert_eq!(args(&["run", "--workers=8"]).start().what, Run { workers: 8, ..expected });
}

#[test]
fn every_setting_can_be_given_by_flag_variable_and_file() {
    let values = [
        ("namespace", "K8S_NAMESPACE", "app1"),
        ("allowed-names", "DEMO_CONTROLLER_ALLOWED_NAMES", "Cargo.toml"),
        ("workers", "DEMO_CONTROLLER_WORKERS", "2"),
        ("resync", "DEMO_CONTROLLER_RESYNC", "0"),
        ("max-retries", "DEMO_CONTROLLER_MAX_RETRIES", "0"),
        ("remind", "DEMO_CONTROLLER_REMIND", "1h"),
        ("ca-secret", "DEMO_CONTROLLER_CA_SECRET", "a/b.c"),
        ("dry-run", "DEMO_CONTROLLER_DRY_RUN", "true"),
        ("leader-elect", "DEMO_CONTROLLER_LEADER_ELECT", "false"),
        ("watch-idle", "DEMO_CONTROLLER_WATCH_IDLE", "5s"),
        ("listen", "DEMO_CONTROLLER_LISTEN", "off"),
        ("shutdown-grace", "DEMO_CONTROLLER_SHUTDOWN_GRACE", "1m"),
        ("explain", "DEMO_CONTROLLER_EXPLAIN", "yes"),
    ];
    let expected = Run {
        namespace: Some("app1".to_owned()),
        allowed_names: Some("Cargo.toml".into()),
        workers: 2,
        resync: None,
        max_retries: 0,
        remind: Duration::from_secs(3600),
        ca_secret: ("a".to_owned(), "b.c".to_owned()),
        dry_run: true,
        leader_elect: None,
        watch_idle: Duration::from_secs(5),
        listen: None,
        shutdown_grace: Duration::from_secs(60),
        explain: true,
    };
    let names = ("names", "app1\n");

    let flags: Vec<String> = values.iter().map(|(flag, _, value)| format!("--{flag}={value}")).collect();
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    assert_eq!(World { args: &flags, files: &[names], ..World::default() }.start().what, expected);

    let env: Vec<(&str, &str)> = values.iter().map(|(_, variable, value)| (*variable, *value)).collect();
    assert_eq!(World { env: &env, files: &[names], ..World::default() }.start().what, expected);

    let keys: String =
        values.iter().map(|(_, variable, value)| format!("{} = {value}\n", variable.to_lowercase())).collect();
    let files = [names, ("a.ini", &format!("[global]\n{keys}"))];
    assert_eq!(World { args: &["--config", "a.ini"], files: &files, ..World::default() }.start().what, expected);
}

#[test]
fn a_switch_that_a_variable_sets_can_be_unset_by_its_flag() {
    let env = &[("DEMO_CONTROLLER_DRY_RUN", "true")][..];
    assert!(World { env, ..World::default() }.start().what.dry_run);
    assert!(!World { args: &["--dry-run=false"], env, ..World::default() }.start().what.dry_run);
    assert!(args(&["--dry-run"]).start().what.dry_run);
    assert_eq!(args(&["--leader-elect"]).start().what.leader_elect, Some(Candidate::default()));
    let elect = &[("DEMO_CONTROLLER_LEADER_ELECT", "yes")];
    assert!(World { env: elect, ..World::default() }.start().what.leader_elect.is_some());
}

#[test]
fn one_own_namespace_only_without_a_name() {
    let namespaced = ("K8S_NAMESPACED", "True");
    assert!(World { env: &[namespaced], ..World::default() }.start().own_namespace);
    let named = World { args: &["-n", "app1"], env: &[namespaced], ..World::default() }.start();
    assert!(!named.own_namespace && named.what.namespace.as_deref() == Some("app1"));
    assert!(!World { env: &[("K8S_NAMESPACED", "")], ..World::default() }.start().own_namespace);
}

#[test]
fn an_outspoken_false_takes_back_a_namespace_of_its_own_or_a_weaker_source() {
    let namespaces = |line: &str, env: &[(&str, &str)]| {
        let line: Vec<&str> = line.split_whitespace().collect();
        let start = World { args: &line, env, ..World::default() }.start();
        (start.what.namespace, start.warnings)
    };
    let (namespace, warnings) = namespaces("", &[("K8S_NAMESPACED", "False"), ("K8S_NAMESPACE", "app1")]);
    assert_eq!(namespace, None);
    assert_eq!(warnings, ["K8S_NAMESPACE=app1 is ignored: K8S_NAMESPACED=False asks for all namespaces"]);
    assert_eq!(namespaces("--namespaced=false", &[("K8S_NAMESPACE", "app1")]).0, None);
    let (namespace, warnings) = namespaces("-n app1", &[("K8S_NAMESPACED", "False")]);
    assert_eq!(namespace.as_deref(), Some("app1"), "who types a namespace means it");
    assert!(warnings.is_empty());
    assert!(args(&["--namespaced"]).start().own_namespace);
}

#[test]
fn wrong_input_is_refused_in_one_line_that_names_it() {
    for (line, expected) in [
        ("--wrokers 3", "unknown flag --wrokers: did you mean --workers?"),
        ("--zzz=s3cret", "unknown flag --zzz: see --help for those there are"),
        ("wacht", "unexpected argument \"wacht\": did you mean watch?"),
        ("zzz", "unexpected argument \"zzz\": expected flags, or one command before them: run (the default), watch"),
        (
            "run extra",
            "unexpected argument \"extra\": expected flags, or one command before them: run (the default), watch",
        ),
        (
            "crd extra",
            "unexpected argument \"extra\": expected flags, or one command before them: run (the default), watch",
        ),
        ("crd --workers 1", "unknown flag --workers: see --help for those there are"),
        ("--workers 1 crd", "flags stand before the command: expected the command first"),
        ("--workers", "--workers <N> needs a value"),
        ("--workers=", "--workers <N> needs a value"),
        ("--workers 1 --workers 2", "--workers is given more than once: expected it once"),
        ("--explain --explain", "--explain is given more than once: expected it once"),
        ("--workers 0", "--workers 0: expected a whole number from 1 to 1024"),
        ("--max-retries -1", "--max-retries -1: expected a whole number from 0 to 1000"),
        ("--max-retries=-1", "--max-retries -1: expected a whole number from 0 to 1000"),
        (
            "--resync -5s",
            "unknown flag -5: see --help for those there are; a value that begins with - is written as in ",
        ),
        ("--resync=-5s", "--resync -5s: expected a duration such as 3s, 10m or 1h30m, 0 for off, at most 8760h"),
        ("--resync 10", "--resync 10: expected a duration such as 3s, 10m or 1h30m, 0 for off, at most 8760h"),
        ("--remind 0", "--remind 0: expected a duration such as 3s, 10m or 1h30m, more than 0, at most 8760h"),
        ("--dry-run=maybe", "--dry-run=maybe: expected true or false"),
        ("-n App1", "--namespace App1: expected a namespace's name: "),
        ("--ca-secret x", "--ca-secret x: expected NAMESPACE/NAME, such as controlplane/demo-controller-ca"),
        ("--listen example.com:80", "--listen example.com:80: expected ADDRESS:PORT such as 127.0.0.1:8080, "),
        ("--log-level loud", "--log-level loud: expected trace, debug, info, warn or error"),
        ("--log-format xml", "--log-format xml: expected text or json"),
        (
            "--allowed-names nowhere",
            "--allowed-names nowhere: cannot be read (No such file or directory (os error 2)): expected a text file, ",
        ),
        ("--config nowhere", "--config nowhere: cannot be read: entity not found"),
        ("--dry-run --leader-elect", "--dry-run=true: contradicts --leader-elect: expected one of the two"),
        ("--token a --token-file b", "--token *** contradicts --token-file b: expected one of the two"),
    ] {
        let refused = args(&line.split(' ').collect::<Vec<_>>()).refused();
        assert!(refused.starts_with(expected), "{line}: {refused}");
    }
}

#[test]
fn a_variable_with_a_services_name_is_not_ours() {
    // What Kubernetes sets in each pod beside a Service called demo-controller.
    let env = &[("DEMO_CONTROLLER_PORT", "tcp://10.0.0.1:80"), ("DEMO_CONTROLLER_SERVICE_HOST", "10.0.0.1")];
    assert_eq!(World { env, ..World::default() }.start().what, args(&[]).start().what);
}

#[test]
fn help_is_no_error_and_names_every_flag_and_variable() {
    for line in [&["--help"][..], &["run", "-h"], &["crd", "--help"], &["--version"], &["help", "run"]] {
        assert!(matches!(args(line).parse(), Ok(Command::Print(_))), "{line:?}");
    }
    let Ok(Command::Print(help)) = args(&["--help"]).parse() else { panic!("help") };
    let help = help.to_string();
    for row in TABLE.iter().flat_map(|(_, rows)| rows.iter()) {
        assert!(help.contains(row.env) && help.contains(&format!("--{}", row.flag)), "{} is missing", row.env);
    }
    let longest = help.lines().map(|line| line.chars().count()).max();
    assert!(longest <= Some(112), "a line of {longest:?} characters");
    assert_eq!(help.contains("playground"), cfg!(feature = "playground"), "no more is promised than this build has");
    assert!(matches!(args(&["crd"]).parse(), Ok(Command::Crd)));
}

#[cfg(not(feature = "playground"))]
#[test]
fn without_the_playground_its_name_leads_to_how_to_get_it() {
    let refused = args(&["playground"]).refused();
    assert!(refused.starts_with("unexpected argument \"playground\": expected flags, or one command"), "{refused}");
    assert!(refused.contains("it is in one with the cargo feature `playground`"), "{refused}");
}

#[test]
fn a_candidate_is_named_by_its_pod_and_a_pod_s_namespace_must_be_one() {
    let args = &["--leader-elect"][..];
    let env = &[("POD_NAME", "demo-controller-1"), ("POD_NAMESPACE", "controlplane")][..];
    let wanted = Candidate { name: Some("demo-controller-1".to_owned()), namespace: Some("controlplane".to_owned()) };
    assert_eq!(World { args, env, ..World::default() }.start().what.leader_elect, Some(wanted));
    assert_eq!(World { env, ..World::default() }.start().what.leader_elect, None);
    let empty = World { args, env: &[("POD_NAME", ""), ("POD_NAMESPACE", " ")], ..World::default() };
    assert_eq!(empty.start().what.leader_elect, Some(Candidate::default()));
    let wrong = World { args, env: &[("POD_NAMESPACE", "Control/Plane")], ..World::default() };
    assert_eq!(wrong.refused(), "POD_NAMESPACE=Control/Plane: expected a namespace's name");
}

#[tokio::test]
async fn the_lease_is_where_the_pod_is_else_where_the_context_is() {
    let connection = |pod: Option<&str>| Connection {
        client: local("http://127.0.0.1:1", None).unwrap(),
        default_namespace: "of-context".to_owned(),
        pod_namespace: pod.map(str::to_owned),
        server: String::new(),
        endpoint: String::new(),
        ca: None,
        warnings: Vec::new(),
    };
    for (variable, pod, namespace) in [
        ("of-variable", Some("of-account"), "of-variable"),
        ("", Some("of-account"), "of-account"),
        ("", None, "of-context"),
    ] {
        let env = &[("POD_NAMESPACE", variable)][..];
        let mut run = World { args: &["--leader-elect"], env, ..World::default() }.start().what;
        run.connected(&connection(pod), false);
        assert_eq!(run.leader_elect.unwrap().namespace.as_deref(), Some(namespace));
        assert_eq!(run.namespace, None, "where it looks is another question");
    }
}
