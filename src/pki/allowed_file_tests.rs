use std::{fs, sync::Mutex};

use super::*;
use testkit::Folder;

fn good(text: &str) -> Content {
    Ok(text.as_bytes().to_vec())
}

fn bad(why: &str) -> Content {
    Err(why.to_owned())
}

/// What each of these reads is news of, after a first read of `a`.
fn news(reads: &[Content]) -> Vec<News> {
    let mut follower = Follower::new(good("a"));
    reads.iter().map(|read| follower.look(read.clone())).collect()
}

#[test]
fn a_change_counts_when_two_reads_in_a_row_agree_on_it() {
    assert_eq!(
        news(&[good("a"), good("b"), good("b"), good("b")]),
        [News::None, News::None, News::Content(b"b".into()), News::None]
    );
}

#[test]
fn a_file_that_is_caught_half_written_changes_nothing() {
    assert_eq!(news(&[good(""), good("a")]), [News::None, News::None]);
    assert_eq!(news(&[good(""), good("a"), good("")]), [News::None, News::None, News::None], "not in a row");
    assert_eq!(news(&[good(""), good("a,b"), good("a,b")])[2], News::Content(b"a,b".into()));
    assert_eq!(news(&[bad("gone"), good("a")]), [News::None, News::None]);
}

#[test]
fn a_file_that_stays_unreadable_is_told_once_per_reason() {
    let unreadable = |why: &str| News::Unreadable(why.to_owned());
    assert_eq!(
        news(&[bad("gone"), bad("gone"), bad("gone"), bad("denied"), bad("denied"), bad("denied")]),
        [News::None, unreadable("gone"), News::None, News::None, unreadable("denied"), News::None]
    );
}

#[test]
fn a_file_that_comes_back_as_it_was_is_no_change_of_the_list() {
    let reads = [bad("gone"), bad("gone"), good("a"), good("a"), good("b"), good("b")];
    assert_eq!(news(&reads)[3..], [News::Back, News::None, News::Content(b"b".into())]);
}

#[test]
fn an_emptied_file_is_a_list_and_allows_nobody() {
    assert_eq!(news(&[good(""), good("")])[1], News::Content(Vec::new()));
}

#[test]
fn only_a_regular_file_of_a_sensible_size_is_read() {
    let folder = Folder::new("size");
    let file = folder.file("names", &"#".repeat(LIMIT as usize));
    assert_eq!(read(&file).unwrap().len() as u64, LIMIT);
    fs::write(&file, "#".repeat(LIMIT as usize + 1)).unwrap();
    assert_eq!(read(&file), bad("larger than 1048576 bytes"));
    assert_eq!(read(&std::env::temp_dir()), bad("not a regular file"));
    assert_eq!(read(Path::new("/dev/null")), bad("not a regular file"));
    assert!(read(Path::new("/no/such/file")).unwrap_err().contains("No such file"));
}

#[test]
fn without_a_file_the_samples_names_are_allowed() {
    assert_eq!(*Allowed::load(None).current(), AllowedNames::sample());
}

#[test]
fn a_file_that_is_gone_by_now_allows_nobody() {
    assert!(Allowed::load(Some(Path::new("/no/such/file"))).current().is_empty());
}

#[test]
fn a_byte_that_is_no_text_spoils_its_own_line_alone() {
    assert_eq!(parse(Path::new("f"), b"app1\n\xff\napp2\n"), AllowedNames::sample());
}

#[tokio::test(start_paused = true)]
async fn a_list_that_changes_is_in_force_before_anyone_is_told() {
    let folder = Folder::new("follow");
    let file = folder.file("names", "app1\n");
    let allowed = Allowed::load(Some(&file));
    let seen = Mutex::new(Vec::new());
    let told = || seen.lock().unwrap().push(allowed.current());
    let mut follow = std::pin::pin!(allowed.follow(told));

    let wait = |time| tokio::time::sleep(time);
    tokio::select! { () = &mut follow => {}, () = wait(EVERY * 5) => {} }
    assert_eq!(seen.lock().unwrap().len(), 0, "nothing has changed");

    fs::write(&file, "app1\nteam/app2\n").unwrap();
    tokio::select! { () = &mut follow => {}, () = wait(EVERY * 3) => {} }
    let lists = std::mem::take(&mut *seen.lock().unwrap());
    assert_eq!(lists.iter().map(|l| (**l).clone()).collect::<Vec<_>>(), [AllowedNames::parse("app1\nteam/app2").0]);

    fs::remove_file(&file).unwrap();
    tokio::select! { () = &mut follow => {}, () = wait(EVERY * 5) => {} }
    assert_eq!(seen.lock().unwrap().len(), 0);
    assert_eq!(allowed.current().len(), 2, "the last list stays");
}
