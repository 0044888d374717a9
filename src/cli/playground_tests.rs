use super::*;
use crate::cli::world::{World, args};

fn play(line: &str) -> Play {
    let line: Vec<&str> = std::iter::once("playground").chain(line.split_whitespace()).collect();
    match args(&line).parse() {
        Ok(Command::Playground { play, .. }) => play,
        other => panic!("expected a playground, got {other:?}"),
    }
}

#[test]
fn it_needs_no_flag_and_its_server_has_no_fixed_port() {
    let expected =
        Play { port: 0, once: false, apps: true, kubeconfig_out: None, speed: 1.0, listen: None, explain: false };
    assert_eq!(play(""), expected);
    let line = "--port 6443 --once --kubeconfig-out k --speed 0.1 --listen :9000 --explain --log-level debug";
    let expected = Play {
        port: 6443,
        once: true,
        kubeconfig_out: Some("k".into()),
        speed: 0.1,
        listen: Some("[::]:9000".parse().unwrap()),
        explain: true,
        ..expected
    };
    assert_eq!(play(line), expected);
    assert!(!play("--no-apps").apps);
}

#[test]
fn your_kubeconfig_and_the_services_variables_are_none_of_its_business() {
    let env = &[
        ("KUBECONFIG", "/nowhere"),
        ("K8S_TOKEN", "t"),
        ("CONFIG_FILE", "/nowhere"),
        ("DEMO_CONTROLLER_PORT", "tcp://10.0.0.1:80"),
        ("DEMO_CONTROLLER_PLAYGROUND_SPEED", "2.5"),
    ];
    let parsed = World { args: &["playground"], env, ..World::default() }.parse();
    let Ok(Command::Playground { play, .. }) = parsed else { panic!("{parsed:?}") };
    assert_eq!(play, Play { speed: 2.5, ..Play::default() });
}

#[test]
fn wrong_input_is_refused_in_one_line_that_names_it() {
    for (line, expected) in [
        ("--port 65536", "--port 65536: expected a port, 1 to 65535, or 0 for any that is free"),
        ("--port -1", "--port -1: expected a port"),
        ("--port http", "--port http: expected a port"),
        ("--speed 0", "--speed 0: expected a number from 0.1 to 100"),
        ("--speed 101", "--speed 101: expected a number from 0.1 to 100"),
        ("--speed NaN", "--speed NaN: expected a number from 0.1 to 100"),
        ("--speed inf", "--speed inf: expected a number from 0.1 to 100"),
        ("--speed -3", "--speed -3: expected a number from 0.1 to 100"),
        ("--speed fast", "--speed fast: expected a number from 0.1 to 100"),
        ("--speed=", "--speed <X> needs a value"),
        ("--kubeconfig-out", "--kubeconfig-out <FILE> needs a value"),
        ("--once=maybe", "--once=maybe: expected true or false"),
        ("--once --no-apps", "--once contradicts --no-apps: expected one of the two"),
        ("--listen example.com:80", "--listen example.com:80: expected ADDRESS:PORT"),
        ("--log-format xml", "--log-format xml: expected text or json"),
        ("--onec", "unknown flag --onec: did you mean --once?"),
        ("--kubeconfig x", "unknown flag --kubeconfig: did you mean --kubeconfig-out?"),
        ("now", "unexpected argument \"now\": expected flags"),
    ] {
        let line: Vec<&str> = std::iter::once("playground").chain(line.split(' ')).collect();
        let refused = args(&line).refused();
        assert!(refused.starts_with(expected), "{line:?}: {refused}");
    }
}

#[test]
fn its_help_names_its_own_defaults() {
    let Ok(Command::Print(help)) = args(&["playground", "--help"]).parse() else { panic!("help") };
    let help = help.to_string();
    for words in ["--once", "--no-apps", "--speed <X>", "[default: off]", "[default: text]", "127.0.0.1"] {
        assert!(help.contains(words), "{words} is missing");
    }
    let longest = help.lines().map(|line| line.chars().count()).max();
    assert!(longest <= Some(112), "a line of {longest:?} characters");
}
