use super::*;

#[test]
fn watch_goes_on_while_the_version_is_good() {
    for end in [End::Closed, End::Broken] {
        let same = next_request(&end, "7") == Next::Watch("7".into());
        assert!(
            same,
            "After a closed or broken watch the version is still good: watch again from there, a list is expensive."
        );
    }
}

#[test]
fn reflector_sees_again_after_a_gap() {
    // The server has only the versions from 10 on.
    let (mut requests, mut end) = (0, End::Gone);
    while let Next::Watch(version) = next_request(&end, "7") {
        requests += 1;
        assert!(
            requests < 5,
            "The server answers each watch from version {version} with 410, and this program watches from there again."
        );
        end = End::Gone;
    }
}
