use super::*;
use crate::cli::world::{World, args};

/// With `--resource pods` and nothing else.
fn pods() -> Watch {
    Watch {
        wanted: wanted("pods"),
        namespace: None,
        labels: None,
        fields: None,
        plugin: PluginChoice::Simple,
        config: watch::Config::new(),
        workers: 4,
        max_retries: 5,
        watch_idle: Duration::from_secs(150),
        listen: Some(([127, 0, 0, 1], 8080).into()),
        shutdown_grace: Duration::from_secs(20),
        explain: false,
    }
}

fn wanted(name: &str) -> Wanted {
    Wanted::parse(Some(name), None, None, None).unwrap()
}

/// `demo-controller watch` and these words.
fn refused(line: &str, env: &[(&str, &str)], ini: &str) -> String {
    let args: Vec<&str> = std::iter::once("watch").chain(line.split_whitespace()).collect();
    World { args: &args, env, files: &[("a.ini", ini)] }.refused()
}

#[test]
fn a_resource_is_all_it_needs_and_its_defaults_are_those_of_the_design() {
    assert_eq!(args(&["watch", "--resource", "pods"]).watch().what, pods());
}

#[test]
fn every_setting_can_be_given_by_flag_variable_and_file() {
    let values = [
        ("resource", "K8S_RESOURCE", "routes"),
        ("api-group", "K8S_API_GROUP", "apis/route.openshift.io"),
        ("api-version", "K8S_API_VERSION", "v1"),
        ("namespace", "K8S_NAMESPACE", "app1"),
        ("namespaced", "K8S_NAMESPACED", "True"),
        ("selector", "DEMO_CONTROLLER_SELECTOR", "app in (a,b)"),
        ("field-selector", "DEMO_CONTROLLER_FIELD_SELECTOR", "metadata.name!=x"),
        ("plugin", "WATCHER_PLUGIN", "simple"),
        ("workers", "DEMO_CONTROLLER_WORKERS", "2"),
        ("max-retries", "DEMO_CONTROLLER_MAX_RETRIES", "0"),
        ("watch-idle", "DEMO_CONTROLLER_WATCH_IDLE", "5s"),
        ("listen", "DEMO_CONTROLLER_LISTEN", "off"),
        ("shutdown-grace", "DEMO_CONTROLLER_SHUTDOWN_GRACE", "1m"),
        ("explain", "DEMO_CONTROLLER_EXPLAIN", "yes"),
    ];
    let expected = Watch {
        wanted: wanted("routes.v1.route.openshift.io"),
        namespace: Some("app1".to_owned()),
        labels: Some("app in (a,b)".to_owned()),
        fields: Some("metadata.name!=x".to_owned()),
        workers: 2,
        max_retries: 0,
        watch_idle: Duration::from_secs(5),
        listen: None,
        shutdown_grace: Duration::from_secs(60),
        explain: true,
        ..pods()
    };
    let flags: Vec<String> = values.iter().map(|(flag, _, value)| format!("--{flag}={value}")).collect();
    let flags: Vec<&str> = std::iter::once("watch").chain(flags.iter().map(String::as_str)).collect();
    assert_eq!(args(&flags).watch().what, expected);

    let env: Vec<(&str, &str)> = values.iter().map(|(_, variable, value)| (*variable, *value)).collect();
    assert_eq!(World { args: &["watch"], env: &env, ..World::default() }.watch().what, expected);

    let keys: String =
        values.iter().map(|(_, variable, value)| format!("{} = {value}\n", variable.to_lowercase())).collect();
    let files = [("a.ini", &*format!("[global]\n{keys}"))];
    assert_eq!(World { args: &["watch", "-c", "a.ini"], files: &files, ..World::default() }.watch().what, expected);
}

#[test]
fn a_path_says_group_version_and_namespace_and_what_it_overrules_is_warned_about() {
    let env = &[
        ("K8S_API_PATH", "apis/route.openshift.io/v1/namespaces/a/routes"),
        ("K8S_RESOURCE", "routes"),
        ("K8S_API_GROUP", "apps"),
        ("K8S_NAMESPACE", "b"),
    ];
    let start = World { args: &["watch"], env, ..World::default() }.watch();
    assert_eq!(start.what.wanted.to_string(), "/apis/route.openshift.io/v1/namespaces/a/routes");
    assert_eq!(start.what.namespace.as_deref(), Some("a"));
    let path = "K8S_API_PATH=apis/route.openshift.io/v1/namespaces/a/routes says what to watch";
    let ignored = ["K8S_API_GROUP=apps", "K8S_NAMESPACE=b"].map(|given| format!("{given} is ignored: {path}"));
    assert_eq!(start.warnings, ignored);

    let all = [("K8S_API_PATH", "/api/v1/pods"), ("K8S_RESOURCE", "routes"), ("K8S_NAMESPACED", "true")];
    let start = World { args: &["watch"], env: &all, ..World::default() }.watch();
    assert_eq!(start.what.wanted.to_string(), "/api/v1/pods", "of one source, the path counts");
    assert!(start.what.namespace.is_none() && !start.own_namespace, "the path says all namespaces");
}

#[test]
fn a_resource_on_the_command_line_beats_a_path_in_the_environment() {
    let env = &[("K8S_API_PATH", "api/v1/nodes"), ("K8S_NAMESPACE", "a")];
    let start = World { args: &["watch", "--resource", "pods"], env, ..World::default() }.watch();
    assert_eq!(start.what, Watch { namespace: Some("a".to_owned()), ..pods() });
    assert_eq!(start.warnings, ["K8S_API_PATH=api/v1/nodes is ignored: --resource pods says what to watch"]);
}

#[test]
fn a_group_and_a_version_count_beside_a_resource_that_is_not_stronger() {
    let env = &[("K8S_API_GROUP", "apps"), ("K8S_API_VERSION", "v1")];
    for (resource, meant) in [("pods", "pods"), ("jobs.batch", "jobs.batch")] {
        let start = World { args: &["watch", "--resource", resource], env, ..World::default() }.watch();
        assert_eq!(start.what.wanted, wanted(meant));
        let ignored = ["K8S_API_GROUP=apps", "K8S_API_VERSION=v1"];
        assert_eq!(
            start.warnings,
            ignored.map(|given| format!("{given} is ignored: --resource {resource} says what to watch"))
        );
    }
    let files = &[("a.ini", "[global]\nk8s_resource = deploy\nk8s_api_group = batch\n")];
    let start = World { args: &["watch", "-c", "a.ini", "--api-version", "v2"], env, files }.watch();
    assert_eq!(start.what.wanted, wanted("deploy.v2.apps"), "of each the strongest counts");
    assert!(start.warnings.is_empty());
}

#[test]
fn the_plugins_section_is_handed_over_and_those_of_others_are_not_looked_at() {
    let ini = "[global]\nk8s_resource = pods\nwatcher_plugin = exec\n[plugin_dns]\nx = 1\nx = 2\n\
               [plugin_exec]\nCommand = sh -c cat\nTimeout = 2s\nZone = example.com\nttl =\n";
    let start = World { args: &["watch", "-c", "a.ini"], files: &[("a.ini", ini)], ..World::default() }.watch();
    let PluginChoice::Exec { child: exec, .. } = start.what.plugin else { panic!("exec") };
    assert_eq!((exec.program.as_str(), exec.timeout), ("sh", Duration::from_secs(2)));
    let config: Vec<(&str, &str)> = start.what.config.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    assert_eq!(
        config,
        [("command", "sh -c cat"), ("timeout", "2s"), ("zone", "example.com")],
        "an empty value is unset"
    );
}

#[test]
fn keys_of_the_other_command_are_taken_and_those_of_nobody_are_not() {
    let both = "[global]\nk8s_resource = pods\ndemo_controller_ca_secret = wrong\ndemo_controller_selector = a in\n";
    let files = &[("a.ini", both)];
    let mistake = World { args: &["watch", "-c", "a.ini"], files, ..World::default() }.refused();
    assert!(mistake.starts_with("demo_controller_selector = \"a in\" in a.ini: expected labels"), "{mistake}");
    let mistake = World { args: &["run", "-c", "a.ini"], files, ..World::default() }.refused();
    assert!(mistake.starts_with("demo_controller_ca_secret = wrong in a.ini: expected NAMESPACE/NAME"), "{mistake}");
    for command in ["run", "watch"] {
        for (typo, meant) in [
            ("k8s_resorce", "k8s_resource"),
            ("demo_controller_ca_secrets", "demo_controller_ca_secret"),
            ("watcher_plugins", "watcher_plugin"),
        ] {
            let ini = format!("[global]\n{typo} = x\n");
            let files = &[("a.ini", ini.as_str())];
            let mistake = World { args: &[command, "-c", "a.ini"], files, ..World::default() }.refused();
            assert_eq!(mistake, format!("a.ini: unknown key {typo} in [global]: did you mean {meant}?"));
        }
        let files = &[("a.ini", "[global]\nconfig_file = b.ini\n")];
        let nested = World { args: &[command, "-c", "a.ini"], files, ..World::default() }.refused();
        assert!(nested.starts_with("a.ini: unknown key config_file in [global]"), "{nested}");
    }
}

#[test]
fn wrong_input_is_refused_in_one_line_that_names_it() {
    for (line, env, expected) in [
        ("", None, "no resource to watch: give --resource, K8S_RESOURCE or k8s_resource in the --config file"),
        ("", Some(("K8S_RESOURCE", " ")), "no resource to watch: "),
        ("--api-group apps", None, "no resource to watch: "),
        ("--resource=", None, "--resource <RES> needs a value"),
        ("--resource ../x", None, "--resource ../x: expected one resource, as kubectl names it"),
        ("--api-path pods", None, "--api-path pods: expected as API path that of a collection"),
        (
            "--resource deployments.apps --api-group batch",
            None,
            "--resource deployments.apps, --api-group batch: the name has another group in it than",
        ),
        (
            "--resource pods",
            Some(("WATCHER_PLUGIN", "dns")),
            "WATCHER_PLUGIN=dns: unknown plugin: expected simple or exec;",
        ),
        ("--resource pods --plugin exec", None, "--plugin exec: [plugin_exec] needs command: "),
        ("--resource pods -l a=b=c", None, "--selector a=b=c: expected labels such as app=web"),
        ("--resource pods --field-selector x", None, "--field-selector x: expected fields such as metadata.name=web"),
        ("--resource pods --max-retries 5.5", None, "--max-retries 5.5: expected a whole number from 0 to 1000"),
        ("--resource pods --namespaced=maybe", None, "--namespaced=maybe: expected true or false"),
        ("--resource pods --resync 10m", None, "unknown flag --resync: "),
        ("--resource pods --selektor a", None, "unknown flag --selektor: did you mean --selector?"),
        ("pods", None, "unexpected argument \"pods\": expected flags"),
    ] {
        let refused = refused(line, env.as_slice(), "");
        assert!(refused.starts_with(expected), "{line}: {refused}");
    }
    let advice = refused("--resource pods --plugin dns", &[], "");
    assert!(advice.contains("examples/plugins/adapter.py") && advice.contains("docs/event-controller.md"), "{advice}");
}

#[test]
fn what_is_wrong_in_a_plugins_section_is_told_with_its_file() {
    const FILE: &[(&str, &str)] = &[("CONFIG_FILE", "a.ini"), ("K8S_RESOURCE", "pods")];
    for (ini, expected) in [
        (
            "[plugin_simple]\nmessage_log_level = loud\n",
            "a.ini: [plugin_simple] message_log_level = loud: expected TRACE,",
        ),
        (
            "[plugin_simple]\nmesage_log_level = INFO\n",
            "a.ini: unknown key mesage_log_level in [plugin_simple]: did you mean",
        ),
        (
            "[plugin_simple]\nmessage_log_level = INFO\nMessage_Log_Level = WARN\n",
            "a.ini: message_log_level is given twice in [plugin_simple]",
        ),
        ("[global]\nwatcher_plugin = exec\n[plugin_exec]\ntimeout = 1s\n", "a.ini: [plugin_exec] needs command"),
    ] {
        let refused = refused("", FILE, ini);
        assert!(refused.starts_with(expected), "{ini:?}: {refused}");
    }
}

#[test]
fn its_help_names_every_flag_and_variable() {
    let Ok(Command::Print(help)) = args(&["watch", "--help"]).parse() else { panic!("help") };
    let help = help.to_string();
    for row in flags::rows(TABLE) {
        assert!(help.contains(row.env) && help.contains(&format!("--{}", row.flag)), "{} is missing", row.env);
    }
    assert!(help.contains("--show-config"));
    let longest = help.lines().map(|line| line.chars().count()).max();
    assert!(longest <= Some(120), "a line of {longest:?} characters");
}
