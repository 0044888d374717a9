use std::sync::Mutex;

use serde_json::json;
use testkit::{Folder, Log};

use super::*;

fn list(text: &str) -> AllowedNames {
    AllowedNames::parse(text.as_bytes()).0
}

fn check(list: &AllowedNames, spec: serde_json::Value, namespace: &str) -> Option<String> {
    let request = CertificateRequest::new(&spec, namespace, "cluster.local").unwrap();
    list.check(&request, &Key::new(namespace, "app1-pki")).err()
}

#[test]
fn list_has_one_name_per_line_and_comments() {
    let list = list("\u{feff}# the first\r\napp1\r\n\n  app2 \t# the second\n#app3\nteam/app4#x");
    assert_eq!(list.0, ["app1", "app2", "team/app4"]);
    assert_eq!(list.in_namespace("team").collect::<Vec<_>>(), ["app1", "app2", "app4"]);
    assert_eq!(list.in_namespace("other").collect::<Vec<_>>(), ["app1", "app2"]);
}

#[test]
fn line_that_is_not_a_name_is_skipped_with_its_number() {
    let text = b"app1\n*.x\r\n# *.y\napp2\nTEAM/app\n/app\nteam/\na/b/c\napp 3\n\xff\n";
    let (names, wrong) = AllowedNames::parse(text);
    assert_eq!(names.0, ["app1", "app2"]);
    assert_eq!(wrong.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [2, 5, 6, 7, 8, 9, 10]);
    assert_eq!(wrong[0].1, "*.x");
}

#[test]
fn name_of_one_namespace_is_allowed_in_no_other() {
    let list = list("team/app1");
    assert_eq!(check(&list, json!({ "serviceName": "app1" }), "team"), None);
    assert!(check(&list, json!({ "serviceName": "app1" }), "other").is_some());
}

#[test]
fn every_name_of_a_request_needs_to_be_allowed() {
    let spec = json!({ "serviceName": "s", "commonName": "C.x", "dnsNames": ["d1.example.com", "d2"] });
    for (allowed, refused) in [
        ("", Some("ServiceName: s ")),
        ("C.x\nd1.example.com\nd2", Some("ServiceName: s ")),
        ("s\nd1.example.com\nd2", Some("commonName: C.x ")),
        ("s\nC.x\nd2", Some("dnsName: d1.example.com ")),
        ("s\nC.x\nd1.example.com", Some("dnsName: d2 ")),
        ("s\nC.x\nd1.example.com\nd2", None),
    ] {
        let message = check(&list(allowed), spec.clone(), "ns");
        assert_eq!(message.is_some(), refused.is_some(), "{allowed}");
        assert!(message.unwrap_or_default().starts_with(refused.unwrap_or_default()), "{allowed}");
    }
}

#[test]
fn message_has_the_original_text_and_no_foreign_names() {
    let list = list("other-team/merger\napp1\nmine/app2");
    let message = |namespace| check(&list, json!({ "serviceName": "appp1" }), namespace).unwrap();
    assert_eq!(message("mine"), "ServiceName: appp1 in pki: app1-pki is not found in allowedNames: [app1 app2]");
    assert!(message("third").ends_with(": [app1]"));
}

#[test]
fn sample_list_equals_the_list_of_the_manifest() {
    let (_, rest) = include_str!("../../../demo-controller.yaml").split_once("  allowed-names: |\n").unwrap();
    let (names, wrong) = AllowedNames::parse(rest.split_once("\n---\n").unwrap().0.as_bytes());
    assert_eq!((&names, wrong), (&*AllowedNamesFile::new(None).current(), vec![]));
}

#[test]
fn missing_flag_allows_the_sample_names_with_a_warning() {
    let log = Log::start(tracing::Level::WARN);
    AllowedNamesFile::new(None);
    assert!(log.find("app1 and app2 are allowed").is_ok(), "{:?}", log.lines());
}

#[test]
fn only_a_regular_file_of_limited_size_is_read() {
    let folder = Folder::new("size");
    let file = folder.file("names", &"#".repeat(MAX_BYTES as usize));
    assert_eq!(read_allowed_names(&file).unwrap().len() as u64, MAX_BYTES);
    let larger = folder.file("larger", &"#".repeat(MAX_BYTES as usize + 1));
    for path in [&larger, &folder.join("."), Path::new("/dev/null")] {
        assert_eq!(read_allowed_names(path).unwrap_err(), "not a regular file of at most 1048576 bytes");
    }
    assert!(read_allowed_names(&folder.join("none")).unwrap_err().contains("No such file"));
}

#[tokio::test(start_paused = true)]
async fn changed_file_is_current_when_its_handler_is_called() {
    let log = Log::start(tracing::Level::WARN);
    let warnings = || log.lines().into_iter().map(|line| line["message"].to_string()).collect::<Vec<_>>();
    let folder = Folder::new("follow");
    let path = folder.file("names", "app1\n");
    // As a mounted ConfigMap changes: in one step.
    let replace = |text| fs::rename(folder.file("next", text), &path).unwrap();
    let file = AllowedNamesFile::new(Some(path.clone()));
    let seen = Mutex::new(Vec::new());
    let mut follow = std::pin::pin!(file.follow(|| seen.lock().unwrap().push(file.current().0.clone())));
    let mut pass = async || tokio::select! { () = &mut follow => {}, () = tokio::time::sleep(READ_EVERY * 5) => {} };

    pass().await;
    assert!(seen.lock().unwrap().is_empty(), "nothing has changed");
    for (text, names) in [("app1\nteam/app2\n", vec!["app1", "team/app2"]), ("\n*\n", vec![])] {
        replace(text);
        pass().await;
        assert_eq!(seen.lock().unwrap().drain(..).collect::<Vec<_>>(), [names]);
    }
    assert!(warnings()[0].contains("line 2: ") && warnings()[1].contains("empty: no name is allowed"));

    replace("app1\n");
    pass().await;
    fs::remove_file(&path).unwrap();
    pass().await;
    assert_eq!(seen.lock().unwrap().len(), 1, "an unreadable file is not a change");
    assert_eq!(file.current().0, ["app1"], "the last list stays");
    assert_eq!(warnings().len(), 3, "one warning: {:?}", warnings());
}
