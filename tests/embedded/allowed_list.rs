//! The list of allowed names while it changes on disk, where it is looked at once a second. The scenarios of
//! `tests/e2e/scenarios/allowed_list.rs`, in the time that they take without the seconds.

use std::{fs, path::PathBuf, time::Duration};

use demo_controller::cli::Run;
use serde_json::Value;
use tracing::Level;

use testkit::{Folder, Log};

use crate::{said::said, world::World};

/// A file with a list of names, and a controller that goes by it.
struct List {
    log: Log,
    world: World,
    file: PathBuf,
    _folder: Folder,
}

impl List {
    async fn new(names: &str) -> List {
        let (log, mut world) = (Log::start(Level::INFO), World::new(1).await);
        let folder = Folder::new("names");
        let file = folder.file("names", names);
        // Nothing else brings a Pki back.
        let run = Run { resync: None, remind: Duration::from_secs(86_400), ..Run::default() };
        let address = world.serve(Run { allowed_names: Some(file.clone()), ..run }).await;
        world.ready(address).await;
        world.namespace("ns").await;
        List { log, world, file, _folder: folder }
    }

    /// Puts another list in place, as an editor or a ConfigMap does: all at once.
    fn allow(&self, names: &str) {
        let next = self.file.with_extension("next");
        fs::write(&next, names).expect("a list of names can be written");
        fs::rename(next, &self.file).expect("a file can be renamed");
    }

    /// Waits for this line at WARN.
    async fn warned(&self, words: &str) -> Value {
        let line = self.world.until(async || said(&self.log, words)).await;
        assert_eq!(line["level"], "WARN");
        line
    }

    /// Waits until a name that is not allowed is answered with this list.
    async fn refused(&self, pki: &Value, list: &str) {
        let pki = self.world.judged(pki, "NameNotAllowed").await;
        let message = pki["status"]["conditions"][0]["message"].as_str().unwrap_or_default();
        assert!(message.ends_with(&format!("allowedNames: [{list}]")), "{message}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_of_the_list_is_a_new_look_at_every_pki() {
    let list = List::new("app1\n").await;
    let one = list.world.create_pki("ns", "one", "app1").await;
    let two = list.world.create_pki("ns", "two", "app2").await;
    list.world.judged(&one, "Issued").await;
    list.world.judged(&two, "NameNotAllowed").await;
    let secret = "/api/v1/namespaces/ns/secrets/one";
    let issued = list.world.get(secret).await;
    list.allow("app2\n");
    list.world.judged(&two, "Issued").await;
    list.refused(&one, "app2").await;
    assert_eq!(list.world.get(secret).await, issued, "what was issued stays");
    list.allow("app2\napp1\n");
    list.world.judged(&one, "Issued").await;
    assert_eq!(list.world.get(secret).await, issued, "and is found valid");
    list.world.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_list_that_cannot_be_read_any_more_leaves_the_last_one_in_force() {
    let list = List::new("app1\n").await;
    fs::remove_file(&list.file).expect("the list can be removed");
    list.warned("cannot be read").await;
    let one = list.world.create_pki("ns", "one", "app1").await;
    list.world.judged(&one, "Issued").await;
    list.allow("app2\n");
    list.refused(&one, "app2").await;
    list.world.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_list_that_is_emptied_allows_nobody_and_says_so() {
    let list = List::new("app1\r\napp2 # two\r\n").await;
    let one = list.world.create_pki("ns", "one", "app1").await;
    list.world.judged(&one, "Issued").await;
    list.allow("");
    list.warned("empty").await;
    list.refused(&one, "").await;
    list.world.end().await;
}
