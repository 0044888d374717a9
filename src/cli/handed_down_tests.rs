use crate::{
    cli::{PluginChoice, Start, Watch, world::World},
    process::connect::{self, Connection},
    watch::exec::Environment,
};

const EXEC: &str = "[plugin_exec]\ncommand = sh\n";

/// With the plugin `exec`, these words and variables, and these keys in the file.
fn start(line: &str, env: &[(&str, &str)], keys: &str) -> Start<Watch> {
    let args: Vec<&str> = "watch --plugin exec -c a.ini".split(' ').chain(line.split_whitespace()).collect();
    let ini = format!("[global]\n{keys}\n{EXEC}");
    World { args: &args, env, files: &[("a.ini", &ini)] }.watch()
}

/// Must be called inside a tokio runtime.
fn connection(ca: Option<&str>) -> Connection {
    Connection {
        client: connect::local("http://127.0.0.1:1", None).unwrap(),
        default_namespace: "own".to_owned(),
        pod_namespace: None,
        server: String::new(),
        endpoint: "used:443".to_owned(),
        ca: ca.map(Into::into),
        warnings: Vec::new(),
    }
}

/// What the child's environment becomes with this connection.
fn told(start: Start<Watch>, ca: Option<&str>) -> Environment {
    let mut watch = start.what;
    watch.connected(&connection(ca), start.own_namespace);
    let PluginChoice::Exec { environment, .. } = watch.plugin else { panic!("exec") };
    environment
}

#[tokio::test]
async fn a_setting_in_use_is_told_whatever_it_was_given_by_and_a_secret_never() {
    let line = "--resource pods --api-endpoint a:1 --token s3cret --ca flag.pem";
    let start = start(line, &[("K8S_NAMESPACE", "app1")], "log_level = warn\nk8s_token = s3cret");
    let told = told(start, Some("flag.pem"));
    let told: Vec<_> = told.iter().filter_map(|(name, value)| Some((name.as_str(), value.as_deref()?))).collect();
    let expected = [
        ("CONFIG_FILE", "a.ini"),
        ("K8S_API_ENDPOINT", "used:443"),
        ("K8S_CA", "flag.pem"),
        ("K8S_NAMESPACE", "app1"),
        ("K8S_NAMESPACED", "True"),
        ("K8S_RESOURCE", "pods"),
        ("LOG_LEVEL", "warn"),
        ("WATCHER_PLUGIN", "exec"),
    ];
    assert_eq!(told, expected);
}

#[tokio::test]
async fn the_file_of_a_token_and_the_context_are_told_where_they_count() {
    let env = &[("K8S_API_ENDPOINT", "a:1"), ("DEMO_CONTROLLER_TOKEN_FILE", "t")];
    let told_of = |line, env| told(start(line, env, "k8s_resource = pods"), None);
    assert_eq!(told_of("", env)["DEMO_CONTROLLER_TOKEN_FILE"].as_deref(), Some("t"));
    let of_context = told_of("--context dev --kubeconfig k", env);
    assert_eq!(of_context["DEMO_CONTROLLER_CONTEXT"].as_deref(), Some("dev"));
    assert_eq!(of_context["KUBECONFIG"].as_deref(), Some("k"));
    assert_eq!(of_context["DEMO_CONTROLLER_TOKEN_FILE"], None);
    let of_server = told_of("--api-endpoint a:1", &[("KUBECONFIG", "for kubectl"), ("DEMO_CONTROLLER_CONTEXT", "dev")]);
    assert_eq!(of_server["DEMO_CONTROLLER_CONTEXT"], None);
    assert!(!of_server.contains_key("KUBECONFIG"), "it is inherited as it is");
}

#[tokio::test]
async fn the_namespace_is_the_one_in_use() {
    let namespace = |line, env| told(start(line, env, "k8s_resource = pods"), None).remove("K8S_NAMESPACE").flatten();
    assert_eq!(namespace("--namespaced", &[]).as_deref(), Some("own"));
    assert_eq!(namespace("--api-path api/v1/namespaces/a/pods", &[("K8S_NAMESPACE", "b")]).as_deref(), Some("a"));
    assert_eq!(namespace("-n a --namespaced=false", &[]), None);
}

#[tokio::test]
async fn what_is_overruled_is_taken_out_of_the_environment() {
    let all: &[(&str, &str)] = &[
        ("K8S_API_ENDPOINT", "other:1"),
        ("K8S_CA", "other.pem"),
        ("K8S_TOKEN", "s3cret"),
        ("DEMO_CONTROLLER_CONTEXT", "other"),
        ("K8S_API_PATH", "api/v1/nodes"),
        ("K8S_API_GROUP", "apps"),
        ("K8S_API_VERSION", "v1"),
        ("K8S_NAMESPACE", "other"),
    ];
    let only = |names: &[&str]| -> Vec<(&str, &str)> {
        all.iter().copied().filter(|(name, _)| names.contains(name)).collect()
    };
    let server = only(&["K8S_API_ENDPOINT", "K8S_CA", "K8S_TOKEN"]);
    let context = only(&["DEMO_CONTROLLER_CONTEXT"]);
    let resource = only(&["K8S_API_PATH", "K8S_API_GROUP", "K8S_API_VERSION"]);
    let namespace = only(&["K8S_NAMESPACE"]);
    for (line, env, removed) in [
        ("--resource pods --api-endpoint a:1", &server, &["K8S_CA", "K8S_TOKEN", "DEMO_CONTROLLER_TOKEN_FILE"][..]),
        ("--resource pods --kubeconfig k", &server, &["K8S_CA", "K8S_TOKEN"]),
        ("--resource pods --api-endpoint a:1", &context, &["DEMO_CONTROLLER_CONTEXT"]),
        ("--resource pods", &resource, &["K8S_API_PATH", "K8S_API_GROUP", "K8S_API_VERSION"]),
        ("--api-path api/v1/pods", &resource, &["K8S_API_GROUP", "K8S_API_VERSION", "K8S_NAMESPACE"]),
        ("--api-path api/v1/pods", &namespace, &["K8S_NAMESPACE"]),
        ("--resource pods --namespaced=false", &namespace, &["K8S_NAMESPACE"]),
        ("--resource pods -n x --namespaced=false", &namespace, &["K8S_NAMESPACE"]),
    ] {
        let environment = told(start(line, env, ""), None);
        for name in removed {
            assert_eq!(environment.get(*name), Some(&None), "{line}: {name}");
        }
        assert!(!environment.values().flatten().any(|value| value.contains("other") || value == "s3cret"), "{line}");
    }
}
