//! The list of allowed names while it changes on disk.

use serde_json::json;

use crate::{
    controller::{Controller, Setup},
    objects::Is,
    stage::Stage,
};

pub fn a_change_of_the_list_is_a_new_look_at_every_pki(stage: &mut Stage) {
    let controller = Controller::ready(stage, Setup { names: Some("app1\n"), ..Setup::default() });
    stage.namespace("list");
    stage.create_pki("list", "one", json!({ "serviceName": "app1" }));
    stage.create_pki("list", "two", json!({ "serviceName": "app2" }));
    stage.wait_pki("list", "one", "Issued");
    stage.wait_pki("list", "two", "NameNotAllowed");
    let issued = stage.secret("list", "one");
    controller.allow("app2\n");
    stage.wait_pki("list", "two", "Issued");
    let pki = stage.wait_pki("list", "one", "NameNotAllowed");
    assert!(pki.ready("message").ends_with("allowedNames: [app2]"), "{pki:#}");
    assert_eq!(stage.secret("list", "one").version(), issued.version(), "what was issued stays");
    controller.allow("app2\napp1\n");
    stage.wait_pki("list", "one", "Issued");
    assert_eq!(stage.secret("list", "one").version(), issued.version(), "and is found valid");
}

pub fn a_list_that_cannot_be_read_any_more_leaves_the_last_one_in_force(stage: &mut Stage) {
    let controller = Controller::ready(stage, Setup { names: Some("app1\n"), ..Setup::default() });
    stage.namespace("unreadable");
    controller.remove_names();
    assert_eq!(controller.wait_line("cannot be read").text("level"), "WARN");
    stage.create_pki("unreadable", "one", json!({ "serviceName": "app1" }));
    stage.wait_pki("unreadable", "one", "Issued");
    controller.allow("app2\n");
    stage.wait_pki("unreadable", "one", "NameNotAllowed");
}

pub fn a_list_that_is_emptied_allows_nobody_and_says_so(stage: &mut Stage) {
    let controller = Controller::ready(stage, Setup::default());
    stage.namespace("emptied");
    stage.create_pki("emptied", "one", json!({ "serviceName": "app1" }));
    stage.wait_pki("emptied", "one", "Issued");
    controller.allow("");
    assert_eq!(controller.wait_line("empty").text("level"), "WARN");
    let pki = stage.wait_pki("emptied", "one", "NameNotAllowed");
    assert!(pki.ready("message").ends_with("allowedNames: []"), "{pki:#}");
}

pub fn windows_line_ends_are_fine_and_a_line_that_is_no_name_is_told_with_its_number(stage: &mut Stage) {
    let names = "# names\r\napp1\r\n*.x\r\n\r\napp2 # two\r\n";
    let controller = Controller::ready(stage, Setup { names: Some(names), ..Setup::default() });
    let warning = controller.wait_line("*.x");
    assert_eq!(warning.text("level"), "WARN");
    assert!(warning.0.to_string().contains('3'), "its line is the third: {warning:?}");
    stage.namespace("windows");
    stage.create_pki("windows", "one", json!({ "serviceName": "app1" }));
    stage.create_pki("windows", "two", json!({ "serviceName": "x" }));
    stage.wait_pki("windows", "one", "Issued");
    let pki = stage.wait_pki("windows", "two", "NameNotAllowed");
    assert!(pki.ready("message").ends_with("allowedNames: [app1 app2]"), "{pki:#}");
}
