//! Five things to try, and what is to be seen then.

use std::time::Duration;

use super::page::Page;

/// How often everything is looked at again here. Ten minutes are the default of `run`; who tries things out has less
/// patience.
pub const RESYNC: Duration = Duration::from_secs(30);

/// One line to copy, and what to look for.
pub struct Thing {
    /// With its number.
    pub title: &'static str,
    /// To copy.
    pub command: String,
    /// What happens then.
    pub look: String,
}

/// What to try with the story's two applications.
pub fn things(server: &str) -> [Thing; 5] {
    [
        Thing {
            title: "1. Delete a Secret",
            command: "kubectl delete secret app1-pki -n app1".to_owned(),
            look: format!(
                "At first nothing: the controller has no right to watch Secrets. Its next resync (every \
                 {} s here, 10 min otherwise) finds it gone: \"certificate issued\". A new pod that mounts it would be \
                 noticed at once.",
                RESYNC.as_secs()
            ),
        },
        Thing {
            title: "2. Kill a pod",
            command: "kubectl delete pod -n app2 --all".to_owned(),
            look:
                "\"pod lifecycle\": Terminating, Deleted; a new pod goes from none to Ready. The certificate is looked \
                   at again, and stays: its serial number does not change."
                    .to_owned(),
        },
        Thing {
            title: "3. Cut the watch",
            command: format!("curl -X POST {server}/control/cut"),
            look: "The watches end without a word, and are opened again where they were: nothing is listed again, and \
                   nothing is missed."
                .to_owned(),
        },
        Thing {
            title: "4. Forget the past, then cut the watch",
            command: format!("curl -X POST {server}/control/compact; curl -X POST {server}/control/cut"),
            look: "Now the server does not know any more what happened since: 410 Gone, \"listed, the cache is \
                   complete\". The pods have no new line: no change is invented."
                .to_owned(),
        },
        Thing {
            title: "5. A storm",
            command: r#"kubectl patch deployment app2 -n app2 -p '{"spec":{"replicas":50}}'"#.to_owned(),
            look:
                "49 pods at once, two or three lines for each. Every one of them is a reason to look at app2-pki; not \
                   one leads to a write."
                    .to_owned(),
        },
    ]
}

/// Writes them down.
pub fn invite(page: &mut Page, export: &str, server: &str) {
    page.heading("Now it is your turn");
    page.text(
        "The cluster stays until Ctrl-C. In another terminal, point kubectl at it, and look around (get pods -A, \
         describe, explain pki, get events -A -w):",
    );
    page.copy(export);
    page.text("What the controller does about it appears here, a line for each decision. Five things to try:");
    for thing in things(server) {
        page.thing(thing.title, &thing.command, &thing.look);
    }
    page.text("Then read how it works: docs/tour.md. With --explain the controller narrates each step.");
}

/// The same without applications.
pub fn invite_to_begin(page: &mut Page, export: &str) {
    page.heading("An empty cluster");
    page.text("It stays until Ctrl-C. In another terminal, point kubectl at it, and let two applications in:");
    page.copy(export);
    page.copy("kubectl apply -f examples/app1.yaml -f examples/app2.yaml");
    page.text("One of them comes up. `kubectl describe pod -n app1` says why the other does not.");
}
