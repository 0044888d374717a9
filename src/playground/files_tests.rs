use std::{
    os::unix::fs::PermissionsExt,
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::*;

const SERVER: &str = "http://127.0.0.1:4711";

/// One test at a time: a folder's name, which follows from the process's id, is free again when it is gone, and the next
/// test would take it before this one has looked.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn nobody_else_can_read_them_and_nothing_stays() {
    let _alone = alone();
    let files = Files::create(SERVER, "app1\n", None).unwrap();
    let (folder, kubeconfig) = (files.0.folder.clone(), files.0.kubeconfig.clone());
    assert_eq!((mode(&folder), mode(&kubeconfig), mode(files.allowed_names())), (0o700, 0o600, 0o600));
    assert_eq!(fs::read_to_string(files.allowed_names()).unwrap(), "app1\n");
    assert_eq!(files.export(), format!("export KUBECONFIG={}", kubeconfig.display()));
    // As kubectl does while it changes one.
    fs::write(folder.join("kubeconfig.lock"), "").unwrap();
    drop(files);
    assert!(!folder.exists());
}

#[test]
fn the_kubeconfig_can_be_read_as_one() {
    let read = kube::config::Kubeconfig::from_yaml(&kubeconfig(SERVER)).unwrap();
    assert_eq!(read.current_context.as_deref(), Some("playground"));
    assert_eq!(read.clusters[0].cluster.as_ref().unwrap().server.as_deref(), Some(SERVER));
}

#[test]
fn two_at_once_do_not_meet() {
    let _alone = alone();
    let one = Files::create(SERVER, "", None).unwrap();
    let two = Files::create(SERVER, "", None).unwrap();
    assert_ne!(one.0.folder, two.0.folder);
    drop(one);
    assert!(two.0.kubeconfig.exists());
}

#[test]
fn a_file_that_is_asked_for_is_made_and_removed_and_one_that_exists_is_left_alone() {
    let _alone = alone();
    let place = folder(&std::env::temp_dir()).unwrap();
    let out = place.join("my config");
    let files = Files::create(SERVER, "", Some(&out)).unwrap();
    assert_eq!(mode(&out), 0o600);
    assert_eq!(files.export(), format!("export KUBECONFIG='{}'", out.display()));
    let first = files.0.folder.clone();

    let refused = Files::create(SERVER, "", Some(&out)).unwrap_err();
    assert_eq!(refused.code, 2);
    assert!(refused.to_string().contains("expected a new file, as it is removed at the end"), "{refused}");
    assert!(out.exists(), "it is the other's");
    drop(files);
    assert!(!out.exists() && !first.exists());

    let refused = Files::create(SERVER, "", Some(&place.join("no/where"))).unwrap_err();
    assert!(refused.to_string().contains("No such file"), "{refused}");
    fs::remove_dir(&place).expect("empty again");
}

#[test]
fn an_end_that_drops_nothing_can_remove_them_too_but_no_later_ones_of_their_names() {
    let _alone = alone();
    let (traces, place) = (Traces::default(), folder(&std::env::temp_dir()).unwrap());
    let out = place.join("config");
    traces.remove();
    let files = Files::create(SERVER, "", Some(&out)).unwrap();
    traces.note(&files);
    traces.clone().remove();
    assert!(!files.0.folder.exists() && !out.exists());

    traces.note(&files);
    drop(files);
    traces.forget();
    let others = Files::create(SERVER, "", Some(&out)).unwrap();
    traces.remove();
    assert!(out.exists());
    drop(others);
    fs::remove_dir(&place).expect("empty again");
}

#[test]
fn a_shell_reads_the_path_as_one_word() {
    assert_eq!(shell_word("/tmp/a-1/k"), "/tmp/a-1/k");
    assert_eq!(shell_word("/a b/it's"), r"'/a b/it'\''s'");
}
