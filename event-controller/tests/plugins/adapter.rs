//! `adapter.py` with plugins for the original, in this folder.

use std::{fs, process::Command};

use serde_json::{Value, json};

use testkit::Folder;

use crate::{PluginProcess, are_installed, event, repo_path, route};

/// Returns the command of the adapter with this plugin, without variables of a cluster.
fn adapter(plugin: &str) -> Command {
    let mut command = Command::new("python3");
    command
        .arg(repo_path("examples/plugins/adapter.py"))
        .arg(repo_path(&format!("event-controller/tests/plugins/{plugin}")));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("K8S_") {
            command.env_remove(name);
        }
    }
    command
        .env_remove("LOG_LEVEL")
        .env_remove("CONFIG_FILE")
        .env_remove("PYTHONUNBUFFERED")
        .env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

/// Evaluates an expression in the plugin `settings`.
fn eval(plugin: &mut PluginProcess, expression: &str, config: &Value) -> (String, String) {
    let mut object = route();
    object["spec"]["ask"] = json!(expression);
    plugin.request(&event("ADDED", &object), config)
}

#[test]
fn plugin_of_the_original_runs_unchanged() {
    if !are_installed(&["python3"]) {
        return;
    }
    let mut plugin = PluginProcess::start(&mut adapter("plugin_simple"));
    assert_eq!(plugin.request(&event("ADDED", &route()), &json!({})), ("Kind: Route; Name: web".into(), "INFO".into()));
    let config = json!({"command": "python3 adapter.py", "message_log_level": "warning"});
    assert_eq!(
        plugin.request(&event("DELETED", &route()), &config),
        ("Kind: Route; Name: web".into(), "WARNING".into())
    );
    let (status, stderr) = plugin.close();
    assert!(status.success() && stderr.is_empty(), "{status} {stderr}");
}

#[test]
fn plugin_that_prints_and_reads_does_not_break_the_protocol() {
    if !are_installed(&["python3"]) {
        return;
    }
    let mut plugin = PluginProcess::start(&mut adapter("plugin_prints"));
    for _ in 0..2 {
        assert_eq!(plugin.request(&event("ADDED", &route()), &json!({})).0, "said ''\non two lines");
    }
    let (_, stderr) = plugin.close();
    for printed in ["printed while imported", "\"level\": \"ERROR\"", "written", "by the system call", "from a program"]
    {
        assert!(stderr.contains(printed), "{printed}: {stderr}");
    }
}

/// The exit makes the controller retry the event. A running thread of the plugin does not delay the exit.
#[test]
fn exception_ends_the_process_without_a_response() {
    if !are_installed(&["python3"]) {
        return;
    }
    for (name, why) in [("raises", "KeyError: 'host'"), ("exits", "SystemExit: 0"), ("threads", "KeyError: 'host'")] {
        let mut plugin = PluginProcess::start(&mut adapter("plugin_raises"));
        let mut object = route();
        assert_eq!(plugin.request(&event("ADDED", &object), &json!({})).0, "web is handled");
        object["metadata"]["name"] = json!(name);
        let (code, stderr) = plugin.fail_on(&event("ADDED", &object), &json!({}));
        assert_eq!(code, Some(1));
        for part in [why, "event-controller retry the event", &format!("handling {name}")] {
            assert!(stderr.contains(part), "{part}: {stderr}");
        }
    }
}

#[test]
fn unusual_return_values_are_converted() {
    if !are_installed(&["python3"]) {
        return;
    }
    let mut plugin = PluginProcess::start(&mut adapter("plugin_settings"));
    let nothing = "ADDED Route web: handled; the plugin has no message";
    for (result, message, level) in [
        ("('m', 'WARN')", "m", "WARNING"),
        ("('m', 'Trace')", "m", "TRACE"),
        ("('m', 30)", "m", "WARNING"),
        ("('m', None)", "m", "INFO"),
        ("('m', 'loud')", "m", "WARNING"),
        ("(None, 'DEBUG')", nothing, "DEBUG"),
        ("None", nothing, "INFO"),
        ("'m'", "m", "INFO"),
        ("('half of a pair: \\ud83d', 'INFO')", "half of a pair: ?", "INFO"),
        ("(1, 2, 3)", "(1, 2, 3)", "WARNING"),
        ("('\\U0001f600' * 100000, 'INFO')", &"\u{1f600}".repeat(10_000), "INFO"),
    ] {
        assert_eq!(eval(&mut plugin, result, &json!({})), (message.into(), level.into()), "{result}");
    }
    let (_, stderr) = plugin.close();
    assert!(stderr.contains("unknown level 'loud'") && stderr.contains("got tuple"), "{stderr}");
}

#[test]
fn watcher_has_a_logger_with_the_given_level() {
    if !are_installed(&["python3"]) {
        return;
    }
    for (level, shown) in [("info", "[INFO] said\n[CRITICAL] shouted\n"), ("error", "[CRITICAL] shouted\n")] {
        let mut plugin = PluginProcess::start(adapter("plugin_settings").env("LOG_LEVEL", level));
        assert_eq!(eval(&mut plugin, "watcher.config.log_level", &json!({})).0, level.to_uppercase());
        assert_eq!(plugin.close().1, shown);
    }
}

#[test]
fn own_section_overrides_that_of_exec() {
    if !are_installed(&["python3"]) {
        return;
    }
    let folder = Folder::new("sections");
    let ini = folder.file(
        "config.ini",
        "[global]\nk8s_resource=routes\n[plugin_settings]\nurl=https://old/\nTimeout=3\npassword=100%\nhost=%(url)sx\n",
    );
    let mut plugin = PluginProcess::start(adapter("plugin_settings").env("CONFIG_FILE", &ini));
    let exec = json!({"command": "python3", "timeout": "20s", "url": "https://new/", "realm": "R"});
    for (expression, value) in [
        ("config['url']", "https://old/"),
        ("config.get('URL')", "https://old/"),
        ("config['realm']", "R"),
        ("config.getint('timeout')", "3"),
        ("config['password']", "100%"),
        ("config['host']", "https://old/x"),
        ("config.get('absent', 'default')", "default"),
        ("config.get('command')", "None"),
        ("'absent' in config", "False"),
        ("watcher.config.getPluginConfig()['realm']", "R"),
        ("watcher.config.getPlugin()", "settings"),
        ("watcher.config.plugin", "settings"),
        ("watcher.config.k8s_resource", "routes"),
        ("watcher.config.config_file", &ini.to_string_lossy()),
    ] {
        assert_eq!(eval(&mut plugin, &format!("str({expression})"), &exec).0, value, "{expression}");
    }
    let mut object = route();
    object["spec"]["ask"] = json!("config['absent']");
    let (_, stderr) = plugin.fail_on(&event("ADDED", &object), &exec);
    assert!(stderr.contains("KeyError: 'absent'"), "{stderr}");
}

#[test]
fn variable_beats_file_and_file_beats_default() {
    if !are_installed(&["python3"]) {
        return;
    }
    let folder = Folder::new("order");
    let ini = folder.file("config.ini", "[global]\nk8s_namespace=from-file\nk8s_api_version=v2\nk8s_ca=\n");
    let mut plugin = PluginProcess::start(
        adapter("plugin_settings")
            .env("CONFIG_FILE", &ini)
            .env("K8S_API_ENDPOINT", "https://master.example.com:8443/")
            .env("K8S_NAMESPACE", "shop"),
    );
    for (expression, value) in [
        ("watcher.config.k8s_endpoint", "master.example.com:8443"),
        ("watcher.config.k8s_namespace", "shop"),
        ("watcher.config.k8s_api_version", "v2"),
        ("watcher.config.k8s_api_group", "oapi"),
        ("watcher.config.k8s_api_path", ""),
        ("watcher.config.k8s_namespaced", "True"),
        ("watcher.config.k8s_ca", "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt"),
        ("watcher.config.getParam('k8s_namespace')", "shop"),
        ("watcher.config.getParam('MINE', '/nowhere', 'default')", "default"),
    ] {
        assert_eq!(eval(&mut plugin, expression, &json!({})).0, value, "{expression}");
    }
}

#[test]
fn token_is_read_again_and_is_only_for_its_server() {
    if !are_installed(&["python3"]) {
        return;
    }
    let token = "watcher.config.k8s_token";
    let folder = Folder::new("token");
    let file = folder.file("token", "first\n");
    let config = json!({"k8s_token_file": file});
    let mut plugin =
        PluginProcess::start(adapter("plugin_settings").env("K8S_API_ENDPOINT", "master.example.com:8443"));
    assert_eq!(eval(&mut plugin, token, &config).0, "first");
    fs::write(&file, "second\n").unwrap();
    assert_eq!(eval(&mut plugin, token, &config).0, "second");

    // The token of the file is for the server of the file, that of the pod for the pod's own cluster.
    let ini = folder.file("config.ini", "[global]\nk8s_token=mine\nk8s_api_endpoint=https://a.example.com:8443/\n");
    let token_for = |endpoint: &str| {
        let mut plugin = adapter("plugin_settings");
        plugin.env("CONFIG_FILE", &ini).env("K8S_API_ENDPOINT", endpoint).env("KUBERNETES_SERVICE_HOST", "fd00:0::1");
        let mut plugin = PluginProcess::start(&mut plugin);
        (eval(&mut plugin, token, &json!({})).0, plugin.close().1)
    };
    assert_eq!(token_for("a.example.com:8443").0, "mine");
    // A tenant may own a Service "kubernetes" in the pod's namespace, or a pod "kubernetes.default".
    for endpoint in [
        "b.example.com",
        "a.example.com",
        "kubernetes:443",
        "kubernetes.default:443",
        "kubernetes.default.svc.example.com",
        "fd00::1:6443",
    ] {
        let (token, stderr) = token_for(endpoint);
        assert_eq!(token, "");
        let why = format!("none is for {endpoint}; set one in [plugin_exec]: k8s_token_file = FILE");
        assert!(stderr.contains(&why), "{stderr}");
    }
    for endpoint in ["kubernetes.default.svc:443", "Kubernetes.Default.Svc.", "[fd00::1]:6443"] {
        // Only a pod has a token.
        let (token, stderr) = token_for(endpoint);
        assert!(token != "mine" && !stderr.contains("none is for"), "{endpoint}: {stderr}");
    }
}

#[test]
fn ca_of_the_file_is_for_the_server_of_the_file() {
    if !are_installed(&["python3"]) {
        return;
    }
    let folder = Folder::new("ca");
    let ini = folder.file("config.ini", "[global]\nk8s_ca=a.pem\nk8s_api_endpoint=a.example.com\n");
    for (endpoint, ca) in [
        ("a.example.com", "a.pem"),
        ("b.example.com", "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt"),
        ("", "a.pem"),
    ] {
        let mut plugin = adapter("plugin_settings");
        let mut plugin = PluginProcess::start(plugin.env("CONFIG_FILE", &ini).env("K8S_API_ENDPOINT", endpoint));
        assert_eq!(eval(&mut plugin, "watcher.config.k8s_ca", &json!({})).0, ca, "{endpoint}");
    }
}

#[test]
fn plugin_imports_modules_beside_it() {
    if !are_installed(&["python3"]) {
        return;
    }
    let mut plugin = PluginProcess::start(&mut adapter("plugin_sibling"));
    assert_eq!(plugin.request(&event("ADDED", &route()), &json!({"url": "dir:"})).0, "hello dir:web");

    // But not from the directory of the adapter, where a module could hide a library of the same name.
    let mut plugin = PluginProcess::start(&mut adapter("plugin_settings"));
    let found = "str(__import__('importlib.util').util.find_spec('adapter'))";
    assert_eq!(eval(&mut plugin, found, &json!({})).0, "None");
}

#[test]
fn directory_without_a_plugin_is_rejected() {
    if !are_installed(&["python3"]) {
        return;
    }
    for (plugin, why) in [("nowhere", "nowhere has no __init__.py"), ("Directory", "has no handle_event(")] {
        let (status, stderr) = PluginProcess::start(&mut adapter(plugin)).close();
        assert_eq!(status.code(), Some(1));
        assert!(stderr.starts_with("adapter.py: ") && stderr.contains(why), "{stderr}");
    }
}
