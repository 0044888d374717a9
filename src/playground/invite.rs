//! What is said before the story, and after it: five things to try, and what is to be seen then.

use std::{net::SocketAddr, time::Duration};

use super::page::Page;

/// How often everything is looked at again here. Ten minutes are the default of `run`; who tries things out has less
/// patience.
pub fn resync(speed: f64) -> Duration {
    Duration::from_secs_f64((30.0 / speed).round().max(1.0))
}

/// What this is, and where: the API server and, if they are served, the controller's own pages.
pub fn introduce(page: &mut Page, url: &str, health: Option<SocketAddr>) {
    page.heading("A cluster to play with");
    page.text(&format!(
        "An API server in memory, at {url}; a Deployment controller, a scheduler and a kubelet, simulated; and \
         demo-controller itself, the real one. All of it is in this process, and gone when it ends."
    ));
    page.text(
        "What demo-controller does: it watches for Pki objects, each of which asks for a certificate. It puts the certificate \
         into a Secret; or it says, on the pods that wait for that Secret, why there is none.",
    );
    page.text("Everyone on this machine can use this server, as its administrator, while it runs. Nobody else can.");
    if let Some(address) = health {
        page.text(&format!("The controller's /metrics, /readyz and /healthz are at http://{address}."));
    }
}

/// For a person who has none: the playground itself needs nothing but Rust.
const KUBECTL: &str = "no kubectl? https://kubernetes.io/docs/tasks/tools";

/// See [`simulation::CRASHES`](super::simulation::CRASHES).
const CRASH: &str = "kubectl annotate pod -n app2 --all --overwrite playground/crashes=1";

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
pub fn things(server: &str, resync: Duration) -> [Thing; 5] {
    let look = |text: &str| text.to_owned();
    [
        Thing {
            title: "1. Delete a Secret",
            command: "kubectl delete secret app1-pki -n app1".to_owned(),
            look: format!(
                "At first nothing: the controller has no right to watch Secrets. Its next resync (every {} s here, 10 \
                 min otherwise) finds it gone: \"certificate issued\". A new pod that mounts it leads to the same look, at \
                 once.",
                resync.as_secs()
            ),
        },
        Thing {
            title: "2. Kill a pod",
            command: "kubectl delete pod -n app2 --all".to_owned(),
            look: look(
                "\"pod lifecycle\": one pod goes to Terminating and Deleted, another from none to Ready. No certificate \
                 is issued: the one that is there is good.",
            ),
        },
        Thing {
            title: "3. Cut the watches",
            command: format!("curl -X POST {server}/control/cut"),
            look: look(
                "\"watch failed, will watch again\": a moment later it goes on from the last version that was seen. \
                 Nothing is listed, nothing is missed: kill a pod right now, and see.",
            ),
        },
        Thing {
            title: "4. Forget the past, then cut the watches",
            command: format!("curl -X POST {server}/control/{{compact,cut}}"),
            look: look(
                "410 Expired: the server does not know that version any more, so \"listed, the cache is complete\"; what has \
                 not changed meanwhile has no new line. (It is the watch that is behind that hears 410. None? Each minute a \
                 bookmark brings a newer version, to avoid just this. Kill a pod, and try again at once.)",
            ),
        },
        Thing {
            title: "5. A storm",
            command: r#"kubectl patch deployment app2 -n app2 -p '{"spec":{"replicas":50}}'"#.to_owned(),
            look: look(
                "49 new pods, two lines for each. Each is a reason to look at app2-pki again; not one leads to a write.",
            ),
        },
    ]
}

/// Writes them down.
pub fn invite(page: &mut Page, export: &str, server: &str, resync: Duration) {
    page.heading("Now it is your turn");
    page.text(&format!("The cluster stays until Ctrl-C. In another terminal, point kubectl at it ({KUBECTL}):"));
    page.copy(export);
    page.text(
        "Look around: kubectl get pods -A, describe, explain pki, get events -A -w. The pods are pretended: every image is \
         there, but nothing runs in them, so there are no logs to read, and one crashes only when it is told to:",
    );
    page.copy(CRASH);
    page.text("What the controller does about it appears here, a line for each decision. Five things to try:");
    for thing in things(server, resync) {
        page.thing(thing.title, &thing.command, &thing.look);
    }
    page.text(
        "Then read how it works: docs/tour.md. (--explain narrates each step; --speed 0.2 tells the story slowly.)",
    );
}

/// The same without applications.
pub fn invite_to_begin(page: &mut Page, export: &str) {
    page.heading("An empty cluster");
    page.text(&format!(
        "It stays until Ctrl-C. In another terminal, in the project's folder, point kubectl at it ({KUBECTL}), and let \
         two applications in:"
    ));
    page.copy(export);
    page.copy("kubectl apply -f examples/app1.yaml -f examples/app2.yaml");
    page.text("One of them comes up. `kubectl describe pod -n app1` says why the other does not.");
}
