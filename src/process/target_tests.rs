use std::{collections::HashMap, ffi::OsString, path::Path};

use super::*;
use crate::process::settings::Table;

static CONFIG: Setting = Setting { flag: "config", env: "CONFIG_FILE", ..ROW };
static TABLE: Table = &[("", &[&KUBECONFIG, &CONTEXT, &API_ENDPOINT, &TOKEN, &TOKEN_FILE, &CA, &CONFIG])];

/// Three sources, each as words `endpoint=… token=… file=… ca=… context=… kubeconfig=…`.
#[derive(Default)]
struct Given3<'a> {
    flags: &'a str,
    env: &'a str,
    file: &'a str,
}

fn row(word: &str) -> (&'static str, String) {
    let (name, value) = word.split_once('=').unwrap();
    let row = match name {
        "endpoint" => &API_ENDPOINT,
        "token" => &TOKEN,
        "file" => &TOKEN_FILE,
        "ca" => &CA,
        "context" => &CONTEXT,
        "kubeconfig" => &KUBECONFIG,
        _ => unreachable!("{name}"),
    };
    (row.env, value.to_owned())
}

fn decision(Given3 { flags, env, file }: Given3) -> Result<(Target, Vec<String>), Refusal> {
    let env: HashMap<_, _> = env.split_whitespace().map(row).collect();
    let lines = file.split_whitespace().map(row).map(|(name, value)| format!("{} = {value}\n", name.to_lowercase()));
    let ini = format!("[global]\n{}", lines.collect::<String>());
    let env = |name: &str| match name {
        "CONFIG_FILE" => Some("a.ini".into()),
        _ => env.get(name).map(OsString::from),
    };
    let flags = flags.split_whitespace().map(row).collect();
    let settings = Settings::collect(TABLE, flags, &env, &CONFIG, &[], &|_: &Path| Ok(ini.clone()));
    decide(&settings.unwrap())
}

/// `https://a:1/ token ca` or `kubeconfig F context C`.
fn told(given: Given3) -> String {
    match decision(given) {
        Err(refusal) => format!("refused: {refusal}"),
        Ok((Target::Server { url, token, ca, .. }, _)) => {
            let token = match token {
                None => "anonymous".to_owned(),
                Some(Token::Inline(secret)) => secret.0,
                Some(Token::File(file)) => file.text,
            };
            format!("{url} {token} {}", ca.map_or("system".to_owned(), |ca| ca.text))
        }
        Ok((Target::Kubeconfig { files, context }, _)) => {
            let text = |given: Option<Given>| given.map_or("default".to_owned(), |given| given.text);
            format!("kubeconfig {} {}", text(files), text(context))
        }
    }
}

fn warned(given: Given3) -> Vec<String> {
    decision(given).unwrap().1
}

#[test]
fn a_server_gets_the_token_and_the_ca_of_the_source_that_names_it() {
    assert_eq!(told(Given3 { flags: "endpoint=a:1 token=t ca=c", ..Given3::default() }), "https://a:1/ t c");
    assert_eq!(told(Given3 { env: "endpoint=a:1 file=f", ..Given3::default() }), "https://a:1/ f system");
    assert_eq!(told(Given3 { file: "endpoint=a:1 token=t", ..Given3::default() }), "https://a:1/ t system");
}

#[test]
fn a_server_never_gets_another_sources_token() {
    let stolen = || Given3 { flags: "endpoint=a:1", env: "endpoint=b:1 token=secret ca=c", file: "token=other" };
    assert_eq!(told(stolen()), "https://a:1/ anonymous system");
    let warnings = warned(stolen());
    assert_eq!(warnings.len(), 4, "{warnings:?}");
    assert!(
        warnings[1].starts_with("K8S_TOKEN=*** is ignored: the server is named by --api-endpoint a:1"),
        "{warnings:?}"
    );
    assert!(!warnings.concat().contains("secret") && !warnings.concat().contains("other"), "{warnings:?}");
}

#[test]
fn a_token_whose_source_names_no_server_is_refused() {
    for (given, line) in [
        (Given3 { flags: "token=t", ..Given3::default() }, "--token ***: goes only to"),
        (Given3 { flags: "token=t", env: "endpoint=a:1", ..Given3::default() }, "--token ***: goes only to"),
        (Given3 { env: "token=t", file: "endpoint=a:1", ..Given3::default() }, "K8S_TOKEN=***: goes only to"),
        (Given3 { env: "ca=c", ..Given3::default() }, "K8S_CA=c: goes only to"),
        (Given3 { file: "file=f", ..Given3::default() }, "demo_controller_token_file = f in a.ini: goes only to"),
        (Given3 { flags: "context=x token=t", ..Given3::default() }, "--token ***: goes only to"),
        (Given3 { flags: "kubeconfig=k ca=c", ..Given3::default() }, "--ca c: goes only to"),
    ] {
        let told = told(given);
        assert!(told.starts_with(&format!("refused: {line}")), "{told}");
    }
    let env = told(Given3 { env: "token=t", ..Given3::default() });
    assert!(env.ends_with("give K8S_API_ENDPOINT too, or drop it"), "{env}");
}

#[test]
fn two_answers_from_one_source_are_refused() {
    for (given, line) in [
        (
            Given3 { flags: "endpoint=a:1 token=t file=f", ..Given3::default() },
            "--token *** contradicts --token-file f",
        ),
        (
            Given3 { env: "endpoint=a:1 token=t file=f", ..Given3::default() },
            "K8S_TOKEN=*** contradicts DEMO_CONTROLLER_TOKEN_FILE=f",
        ),
        (
            Given3 { flags: "endpoint=a:1", file: "token=t file=f", ..Given3::default() },
            "k8s_token = *** in a.ini contradicts demo_controller_token_file = f in a.ini",
        ),
        (Given3 { flags: "endpoint=a:1 context=c", ..Given3::default() }, "--api-endpoint a:1 contradicts --context c"),
        (
            Given3 { flags: "endpoint=a:1 kubeconfig=k", ..Given3::default() },
            "--api-endpoint a:1 contradicts --kubeconfig k",
        ),
    ] {
        let told = told(given);
        assert!(told.starts_with(&format!("refused: {line}: expected one of the two")), "{told}");
    }
}

#[test]
fn a_kubeconfig_that_is_asked_for_beats_weaker_sources_and_the_variable_beats_none() {
    assert_eq!(told(Given3::default()), "kubeconfig default default");
    assert_eq!(told(Given3 { env: "kubeconfig=k", ..Given3::default() }), "kubeconfig k default");
    assert_eq!(told(Given3 { env: "kubeconfig=k endpoint=a:1", ..Given3::default() }), "https://a:1/ anonymous system");
    let file = || Given3 { env: "kubeconfig=k", file: "endpoint=a:1", ..Given3::default() };
    assert_eq!(told(file()), "https://a:1/ anonymous system");
    assert!(warned(file()).is_empty(), "KUBECONFIG is there for other programs");

    let asked = || Given3 { flags: "context=dev", env: "kubeconfig=k endpoint=a:1 token=t", ..Given3::default() };
    assert_eq!(told(asked()), "kubeconfig k dev");
    assert_eq!(warned(asked()).len(), 2, "endpoint and token are ignored");
    assert_eq!(told(Given3 { flags: "kubeconfig=k", file: "context=dev", ..Given3::default() }), "kubeconfig k dev");
}

#[test]
fn an_endpoint_is_a_host_and_port_or_a_url() {
    for (text, url) in [
        ("master.example.com:8443", "https://master.example.com:8443/"),
        ("10.0.0.1", "https://10.0.0.1/"),
        ("[::1]:6443", "https://[::1]:6443/"),
        ("https://a/k8s/clusters/c", "https://a/k8s/clusters/c"),
        ("http://127.0.0.1:8001", "http://127.0.0.1:8001/"),
    ] {
        let told = told(Given3 { flags: &format!("endpoint={text}"), ..Given3::default() });
        assert_eq!(told, format!("{url} anonymous system"));
    }
    for text in
        ["ftp://a", "https://", ":6443", "a:", "a:0", "a:99999", "a:b", "https://u:p@a", "a?x", "https://a#x", "/x"]
    {
        let told = told(Given3 { flags: &format!("endpoint={text}"), ..Given3::default() });
        assert!(told.contains("expected HOST:PORT or a URL"), "{text}: {told}");
    }
}

#[test]
fn a_token_over_plain_http_is_sent_but_not_silently() {
    assert_eq!(warned(Given3 { flags: "endpoint=http://a:1 token=t", ..Given3::default() }).len(), 1);
    for quiet in ["endpoint=http://localhost:1 token=t", "endpoint=http://[::1]:1 token=t", "endpoint=http://a:1"] {
        assert!(warned(Given3 { flags: quiet, ..Given3::default() }).is_empty(), "{quiet}");
    }
}

#[test]
fn the_variable_lists_files_as_kubectls_does_and_the_flag_names_one() {
    let (target, _) = decision(Given3 { env: "kubeconfig=:a:b::", ..Given3::default() }).unwrap();
    let Target::Kubeconfig { files: Some(given), .. } = target else { panic!("a kubeconfig") };
    assert_eq!(files(&given), [PathBuf::from("a"), PathBuf::from("b")]);
    let (target, _) = decision(Given3 { flags: "kubeconfig=a:b", ..Given3::default() }).unwrap();
    let Target::Kubeconfig { files: Some(given), .. } = target else { panic!("a kubeconfig") };
    assert_eq!(files(&given), [PathBuf::from("a:b")]);
}
