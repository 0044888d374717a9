//! `conf/config.ini.sample` and the file of the Python event controller.

use std::collections::BTreeSet;

use super::{
    run, watch,
    world::{World, args},
};
use crate::process::flags;

const SAMPLE: &str = include_str!("../../conf/config.ini.sample");

/// The keys of a section, each with the comment above it.
fn documented(section: &str) -> Vec<(&'static str, String)> {
    let (mut current, mut comment, mut keys) = ("", String::new(), Vec::new());
    for line in SAMPLE.lines() {
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            current = name;
        } else if let Some(text) = line.strip_prefix('#') {
            comment.push_str(text);
        } else if let Some((key, _)) = line.split_once('=') {
            if current == section {
                keys.push((key.trim(), comment.clone()));
            }
        } else {
            comment.clear();
        }
    }
    keys
}

#[test]
fn the_sample_documents_every_key_with_its_default_and_no_other() {
    let keys = documented("global");
    let rows = || flags::rows(run::TABLE).chain(flags::rows(watch::TABLE)).filter(|row| row.env != "CONFIG_FILE");
    let expected: BTreeSet<String> = rows().map(|row| row.env.to_lowercase()).collect();
    let found: BTreeSet<String> = keys.iter().map(|(key, _)| (*key).to_owned()).collect();
    assert_eq!(found, expected);
    assert_eq!(keys.len(), found.len(), "each stands there once");
    for row in rows() {
        let (_, comment) = keys.iter().find(|(key, _)| *key == row.env.to_lowercase()).unwrap();
        assert!(
            comment.split_whitespace().collect::<Vec<_>>().join(" ").contains(row.default),
            "{}: {comment}",
            row.env
        );
    }
    let names = |section| documented(section).into_iter().map(|(key, _)| key).collect::<Vec<_>>();
    assert_eq!(names("plugin_simple"), ["message_log_level"]);
    assert_eq!(names("plugin_exec"), ["command", "timeout"]);
}

#[test]
fn the_sample_as_it_stands_changes_no_default() {
    let world = World { env: &[("CONFIG_FILE", "sample")], files: &[("sample", SAMPLE)], ..World::default() };
    let watch = World { args: &["watch"], ..world }.watch();
    assert_eq!(watch.what, args(&["watch", "--resource", "pods"]).watch().what);
    assert_eq!(world.start().what, args(&[]).start().what);
    assert!(watch.warnings.is_empty() && world.start().warnings.is_empty());
}

#[test]
fn a_line_of_the_sample_that_is_filled_in_counts() {
    for (key, value) in documented("plugin_exec").iter().map(|(key, _)| key).zip(["sh", "3s"]) {
        let ini = SAMPLE.replace(&format!("\n{key} ="), &format!("\n{key} = {value}"));
        let ini =
            ini.replace("\nwatcher_plugin =", "\nwatcher_plugin = exec").replace("\ncommand =\n", "\ncommand = sh\n");
        let files = &[("sample", ini.as_str())];
        let start = World { args: &["watch", "-c", "sample"], files, ..World::default() }.watch();
        assert_eq!(start.what.config.get(*key).map(String::as_str), Some(value));
    }
}

/// As the Python event controller's users have it.
const ORIGINAL: &str = "\
[global]
k8s_ca=/etc/config/ca.crt
k8s_token=sha256~abc
k8s_api_endpoint=master.example.com:8443
k8s_api_path=
k8s_api_group=apis/route.openshift.io
k8s_api_version=v1
k8s_namespaced=True
k8s_namespace=event-controller
k8s_resource=routes
log_level=WARNING
watcher_plugin=simple

[plugin_simple]
#message_log_level=WARNING

[plugin_dns]
resolv_conf=/etc/resolv.conf     # Optional
update_key=abc

[plugin_ipa]
ipa_user=admin
ipa_password=100%%
";

#[test]
fn the_originals_file_is_taken_unchanged_by_both_commands() {
    let world = World { env: &[("CONFIG_FILE", "config.ini")], files: &[("config.ini", ORIGINAL)], ..World::default() };
    let start = World { args: &["watch"], ..world }.watch();
    assert_eq!(start.what.wanted.to_string(), "routes.v1.route.openshift.io");
    assert_eq!(start.what.namespace.as_deref(), Some("event-controller"));
    assert!(start.what.config.is_empty() && start.warnings.is_empty());
    assert_eq!(world.start().what.namespace.as_deref(), Some("event-controller"));
    let loud = ORIGINAL.replace("#message", "message");
    let world = World { args: &["watch"], files: &[("config.ini", &loud)], ..world };
    assert_eq!(world.watch().what.config.get("message_log_level").map(String::as_str), Some("WARNING"));
}

#[test]
fn the_originals_file_with_nothing_filled_in_is_taken_too() {
    let ini: String = ORIGINAL
        .lines()
        .map(|line| match line.split_once('=') {
            Some((key, _)) if !line.starts_with('#') => format!("{key}=\n"),
            _ => format!("{line}\n"),
        })
        .collect();
    let world = World {
        args: &["watch", "-c", "config.ini"],
        env: &[("K8S_RESOURCE", "routes")],
        files: &[("config.ini", &ini)],
    };
    assert_eq!(world.watch().what, args(&["watch", "--resource", "routes"]).watch().what);
}
