use std::collections::BTreeSet;

use testkit::{Folder, repo_file};

use super::*;

/// Parses flags and an ini file, unless it is empty. For variables see tests/cli.rs.
fn parse(flags: &[&str], ini: &str) -> Result<Settings, String> {
    let folder = Folder::new("cli");
    let mut args: Vec<OsString> = ["event-controller"].iter().chain(flags).map(OsString::from).collect();
    if !ini.is_empty() {
        args.extend(["-c".into(), folder.file("a.ini", ini).into()]);
    }
    super::parse(args).map_err(|error| {
        assert_eq!(error.exit_code(), 2);
        error.to_string().lines().next().unwrap().replace(&folder.display().to_string(), "")
    })
}

fn settings(flags: &str, ini: &str) -> Settings {
    parse(&flags.split_whitespace().collect::<Vec<_>>(), ini).unwrap_or_else(|error| panic!("{error}"))
}

fn parse_error(flags: &str, ini: &str) -> String {
    parse(&flags.split_whitespace().collect::<Vec<_>>(), ini).expect_err("an error")
}

#[test]
fn defaults_are_as_documented() {
    let Settings { controller, daemon, exec, explain, .. } = settings("--resource pods", "");
    assert_eq!((controller.workers, controller.max_retries, controller.namespace), (4, 5, None));
    assert_eq!((controller.watch_idle.as_secs(), controller.shutdown_grace.as_secs()), (150, 20));
    assert_eq!((controller.labels, controller.fields, exec, explain), (None, None, None, false));
    assert_eq!(daemon.listen, "127.0.0.1:8080".parse().unwrap());
}

#[test]
fn file_has_the_same_settings_as_the_flags() {
    let flags = "--resource routes --api-group apis/route.openshift.io --api-version v1 -n app1 -l app=web \
                 --field-selector metadata.name=x --workers 2 --max-retries 0 --watch-idle 5s --shutdown-grace 1m --explain";
    let ini = "[global]\nK8S_Resource = routes\nk8s_api_group = apis/route.openshift.io\nk8s_api_version = v1\n\
               k8s_namespace = app1\nk8s_namespaced = True\nevent_controller_selector = app=web\n\
               event_controller_field_selector = metadata.name=x\nevent_controller_workers = 2\n\
               event_controller_max_retries = 0\nevent_controller_watch_idle = 5s\nevent_controller_shutdown_grace = 1m\n\
               event_controller_explain = true\nlog_level = WARNING\nk8s_api_endpoint =\n";
    let (from_flags, from_file) = (settings(flags, ""), settings("", ini));
    assert_eq!(from_flags.controller, from_file.controller);
    let config = from_flags.controller;
    assert_eq!((config.labels.as_deref(), config.fields.as_deref()), (Some("app=web"), Some("metadata.name=x")));
    let seconds = [config.watch_idle, config.shutdown_grace].map(|time| time.as_secs());
    assert_eq!((config.namespace.as_deref(), config.max_retries, seconds), (Some("app1"), 0, [5, 60]));
    assert!(from_flags.explain && from_file.explain && !from_file.own_namespace);
    assert_eq!(from_file.environment["LOG_LEVEL"].as_deref(), Some("warn"));
    assert_eq!(settings("--workers 3", ini).controller.workers, 3, "a flag beats the file");
}

#[test]
fn error_names_the_flag_the_value_and_the_accepted_form() {
    for (flags, ini, parts) in [
        ("", "", ["no resource: expected", "--resource, K8S_RESOURCE or k8s_resource"]),
        ("--resource ../x", "", ["--resource ../x", "expected one resource"]),
        ("--api-path pods", "", ["--api-path pods", "expected the path of a collection"]),
        ("--resource pods --plugin dns", "", ["'dns' for '--plugin <NAME>'", "expected simple, or exec"]),
        ("--resource pods --plugin exec", "", ["[plugin_exec] command", "expected a program"]),
        ("--resource pods --api-endpoint ftp://a", "", ["--api-endpoint", "expected HOST:PORT"]),
        ("-c nowhere", "", ["--config nowhere: ", "No such file"]),
        ("", "[global]\nk8s_resorce = x\n", ["a.ini: unknown key k8s_resorce in [global]", "expected"]),
        ("", "[global]\nconfig_file = b.ini\n", ["a.ini: unknown key config_file", "expected"]),
        (
            "",
            "[global]\nevent_controller_workers = 0\n",
            ["a.ini: invalid value '0' for '--workers <N>'", "from 1 to 1024"],
        ),
        (
            "",
            "[global]\nk8s_namespaced = maybe\n",
            ["a.ini: invalid value 'maybe' for '--namespaced", "expected true or false"],
        ),
        ("--resource pods", "[plugin_simple]\nmessage_log_level = loud\n", ["message_log_level", "expected TRACE"]),
    ] {
        let error = parse_error(flags, ini);
        assert!(parts.iter().all(|part| error.contains(part)), "{flags} {ini}: {error}");
    }
}

#[test]
fn path_or_name_of_the_stronger_source_wins() {
    let resource = |settings: &Settings| settings.controller.resource.to_string();
    let ini = "[global]\nk8s_api_path = api/v1/namespaces/a/nodes\nk8s_api_group = apps\nk8s_namespace = b\n";
    let by_file = settings("", ini);
    assert_eq!((resource(&by_file), by_file.controller.namespace.as_deref()), ("nodes.v1".to_owned(), Some("a")));
    let by_flag = settings("--resource pods", ini);
    assert_eq!((resource(&by_flag), by_flag.controller.namespace.as_deref()), ("pods".to_owned(), Some("b")));
    let expected = ["--api-path", "--api-group"]
        .map(|flag| format!("{flag} is ignored, because --resource comes from a stronger source"));
    assert_eq!(by_flag.warnings, expected);
    assert_eq!(resource(&settings("--api-group batch", "[global]\nk8s_resource = jobs\n")), "jobs.batch");
}

#[test]
fn namespaced_works_as_in_the_original() {
    let namespace = |flags: &str, ini: &str| {
        let settings = settings(&format!("--resource pods {flags}"), ini);
        (settings.controller.namespace, settings.own_namespace)
    };
    assert_eq!(namespace("--namespaced", ""), (None, true));
    assert_eq!(namespace("", "[global]\nk8s_namespaced = True\nk8s_namespace = a\n"), (Some("a".into()), false));
    assert_eq!(namespace("", "[global]\nk8s_namespaced = False\nk8s_namespace = a\n"), (None, false));
    assert_eq!(
        namespace("-n b", "[global]\nk8s_namespaced = False\n"),
        (Some("b".into()), false),
        "a flag is stronger"
    );
}

#[test]
fn server_gets_only_the_token_of_its_own_source() {
    const BOTH: &str = "[global]\nk8s_resource = pods\nk8s_api_endpoint = a:1\nk8s_token = s3cret\nk8s_ca = a.pem\n";
    const TOKEN: &str = "[global]\nk8s_resource = pods\nk8s_token = s3cret\n";
    let target = |flags: &str, ini: &str| {
        let settings = settings(flags, ini);
        match settings.target {
            Target::Server { url, token, ca } => {
                let token = match token {
                    Some(Token::Inline(token)) => token,
                    Some(Token::File(path)) => path.display().to_string(),
                    None => "none".to_owned(),
                };
                (format!("{url} {token} {}", ca.unwrap_or_default().display()), settings.warnings.len())
            }
            Target::Kubeconfig { context, .. } => (context.unwrap_or_default(), settings.warnings.len()),
        }
    };
    for (flags, ini, expected, warnings) in [
        ("", BOTH, "https://a:1/ s3cret a.pem", 0),
        ("--api-endpoint http://b:2", BOTH, "http://b:2/ none ", 2),
        ("--api-endpoint b:2 --token-file t", BOTH, "https://b:2/ t ", 2),
        ("--context dev", BOTH, "dev", 3),
        ("--kubeconfig k", TOKEN, "", 1),
    ] {
        assert_eq!(target(flags, ini), (expected.to_owned(), warnings), "{flags} {ini}");
    }
    for (flags, ini, why) in [
        ("", TOKEN, "--token is only for a server from the same source"),
        ("--token s3cret", BOTH, "--token is only for a server from the same source"),
        ("--resource pods --api-endpoint a:1 --context c", "", "--api-endpoint contradicts --kubeconfig and --context"),
        ("--resource pods --api-endpoint a:1 --token s3cret --token-file t", "", "--token contradicts --token-file"),
    ] {
        let error = parse_error(flags, ini);
        assert!(error.contains(why) && !error.contains("s3cret"), "{flags} {ini}: {error}");
    }
}

#[test]
fn plugin_gets_only_its_own_section() {
    let ini = "[global]\nk8s_resource = pods\nwatcher_plugin = exec\n[plugin_dns]\nx = 1\n\
               [plugin_exec]\nCommand = sh -c cat\nTimeout = 2s\nZone = example.com\nttl =\n";
    let settings = settings("", ini);
    let exec = settings.exec.unwrap();
    assert_eq!((exec.program.as_str(), exec.timeout), ("sh", Duration::from_secs(2)));
    let keys: Vec<&String> = settings.controller.plugin.keys().collect();
    assert_eq!(keys, ["command", "timeout", "zone"]);
    assert_eq!(settings.controller.stuck_after, Duration::from_secs(300 + 4 * 8));
}

/// Returns the variables in `--help`, in lower case.
fn variables() -> BTreeSet<String> {
    Cli::command().get_arguments().filter_map(variable_of).map(|name| name.to_lowercase()).collect()
}

#[test]
fn sample_file_has_exactly_the_accepted_keys() {
    let sample = repo_file("event-controller/config.ini.sample");
    let (global, _) = sample.split_once("\n[plugin_simple]").unwrap();
    let keys: BTreeSet<String> = global
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once('='))
        .map(|(key, _)| key.trim().to_owned())
        .collect();
    let mut expected = variables();
    expected.remove("config_file");
    assert_eq!(keys, expected);
    assert_eq!(settings("", &sample).controller.resource.to_string(), "pods");
}

#[test]
fn files_in_the_guide_are_accepted() {
    let guide = repo_file("docs/event-controller.md");
    let blocks: Vec<&str> = guide.split("```ini\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert!(blocks.len() >= 2);
    for ini in blocks {
        assert!(settings("", ini).exec.is_some(), "{ini}");
    }
}
