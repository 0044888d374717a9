use crate::cli::world::{World, args};

/// The line of a setting, its columns with single spaces between them.
fn line(shown: &str, setting: &str) -> String {
    let found = shown.lines().find(|line| line.split_whitespace().next() == Some(setting));
    found.unwrap_or_else(|| panic!("no {setting} in\n{shown}")).split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn each_setting_is_shown_with_its_value_and_where_it_came_from() {
    let world = World {
        args: &["watch", "--show-config", "--resource", "deploy", "-l", "app in (a,b)"],
        env: &[("CONFIG_FILE", "conf/a.ini"), ("K8S_NAMESPACE", "app1"), ("LOG_LEVEL", "")],
        files: &[("conf/a.ini", "[global]\nk8s_namespace = other\ndemo_controller_workers = 2\nlog_level = warn\n")],
    };
    let shown = world.shown();
    for (setting, expected) in [
        ("setting", "setting value where it came from"),
        ("resource", "resource deploy --resource"),
        ("selector", "selector \"app in (a,b)\" --selector"),
        ("namespace", "namespace app1 K8S_NAMESPACE"),
        ("workers", "workers 2 demo_controller_workers in conf/a.ini"),
        ("log-level", "log-level warn log_level in conf/a.ini"),
        ("config", "config conf/a.ini CONFIG_FILE"),
        ("max-retries", "max-retries 5 default"),
        ("api-path", "api-path (none) default"),
        ("explain", "explain false default"),
        ("message_log_level", "message_log_level INFO default"),
    ] {
        assert_eq!(line(&shown, setting), expected);
    }
    let at = shown.find("where it came from").unwrap();
    for line in shown.lines().take_while(|line| !line.is_empty()) {
        assert!(line[..at].ends_with("  ") && !line[at..].starts_with(' '), "the columns are aligned:\n{shown}");
    }
}

#[test]
fn what_a_filter_overrules_is_not_shown_as_if_it_counted() {
    let env = &[("RUST_LOG", "info,kube=debug"), ("LOG_LEVEL", "warn")];
    let mut world = World { args: &["watch", "--show-config", "--resource", "pods"], env, ..World::default() };
    assert_eq!(line(&world.shown(), "log-level"), "log-level info,kube=debug RUST_LOG");
    world.args = &["watch", "--show-config", "--resource", "pods", "--log-level", "error"];
    assert_eq!(line(&world.shown(), "log-level"), "log-level error --log-level");
}

#[test]
fn no_secret_is_shown() {
    let ini = "[global]\nk8s_resource = pods\nwatcher_plugin = exec\nk8s_token = s3cret\n[plugin_exec]\ncommand = sh -c 'curl -u me:s3cret x'\n\
               dns_password s3cret = x\n\
               dns_PassWord = s3cret\napi_key = s3cret\nclient_secret = s3cret\nbot_token = s3cret\nwebhook_url = s3cret\n\
               zone = example.com\n";
    let world = World {
        args: &["watch", "--show-config", "-c", "a.ini", "--api-endpoint", "a:1", "--token", "s3cret"],
        env: &[("K8S_TOKEN", "s3cret")],
        files: &[("a.ini", ini)],
    };
    let shown = world.shown();
    assert!(!shown.contains("s3cret"), "{shown}");
    assert_eq!(line(&shown, "token"), "token *** --token");
    assert_eq!(line(&shown, "dns_password"), "dns_password *** [plugin_exec] in a.ini");
    assert_eq!(line(&shown, "zone"), "zone example.com [plugin_exec] in a.ini");
    assert_eq!(line(&shown, "command"), "command sh … [plugin_exec] in a.ini");
    assert_eq!(line(&shown, "timeout"), "timeout 10s default");
    assert!(
        shown.contains("\nwarning: K8S_TOKEN=*** is ignored: the server is named by --api-endpoint a:1"),
        "{shown}"
    );
}

#[test]
fn it_says_which_server_it_would_be_as_far_as_that_is_known() {
    let shown = |args: &[&str], env: &[(&str, &str)]| {
        let args: Vec<&str> = ["watch", "--show-config", "--resource", "pods"].iter().chain(args).copied().collect();
        let shown = World { args: &args, env, ..World::default() }.shown();
        shown.lines().find_map(|line| line.strip_prefix("server: ")).unwrap().to_owned()
    };
    assert_eq!(shown(&[], &[]), "that of the current context of ~/.kube/config");
    assert_eq!(shown(&["--context", "dev"], &[("KUBECONFIG", "k")]), "that of context dev of KUBECONFIG=k");
    let pod = ("KUBERNETES_SERVICE_HOST", "fd00::1");
    assert_eq!(
        shown(&[], &[pod, ("KUBERNETES_SERVICE_PORT", "6443")]),
        "that of the current context of ~/.kube/config, else https://[fd00::1]:6443/, with the service account's token"
    );
    assert_eq!(
        shown(&[], &[("K8S_API_ENDPOINT", "a:1"), ("DEMO_CONTROLLER_TOKEN_FILE", "t")]),
        "https://a:1/, as K8S_API_ENDPOINT says, with the token in t"
    );
    assert_eq!(
        shown(&["--api-endpoint", "[fd00::1]:443"], &[pod]),
        "https://[fd00::1]:443/, as --api-endpoint says, with the service account's token, if this pod has one"
    );
    assert_eq!(shown(&["--api-endpoint", "a:1"], &[pod]), "https://a:1/, as --api-endpoint says, without a token");
}

#[test]
fn wrong_input_is_still_refused() {
    assert!(args(&["watch", "--show-config"]).refused().starts_with("no resource to watch"));
    let wrong = args(&["watch", "--show-config", "--resource", "pods", "--workers", "0"]).refused();
    assert!(wrong.starts_with("--workers 0: expected"), "{wrong}");
}
