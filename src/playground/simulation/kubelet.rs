//! The simulated kubelet, and with it the scheduler: gives each pod a node, waits for its Secrets, starts it, restarts
//! it, ends it. There are no containers: only what a kubelet writes about them.
//!
//! # One step at a time, whatever has happened
//!
//! A look works out from the pod as it is *which* step is next, takes that one, and is done: the write changes the pod,
//! the change brings the key, the next look takes the next step. Nothing is remembered but how long a step has lasted
//! ([`Waits`]); after a restart of the simulation every pod goes on from where it is.
//!
//! # How a step is never taken twice
//!
//! Right after a write the cache still shows the pod as it was before, and the step that is next by the cache has been
//! taken. Each write names what it is based on (a status the resourceVersion, a deletion the UID; a pod is bound only
//! once), so the API server refuses it, with a 409. That is no error: the worker tries again a little later, and by
//! then the cache has caught up.
//!
//! # Secrets
//!
//! A kubelet must know when a Secret appears, so it watches them, here all of them with one informer; a real one each
//! that its pods mount, by name, which is all that the API server allows it (the Node authorizer). The controller of
//! this crate watches none: it would have to be allowed to list every Secret of the cluster, only to learn a little
//! sooner that someone has deleted one that it has made. It gets by name what it needs, and looks again at each resync.

use std::{sync::Arc, time::Duration};

use k8s_openapi::{
    api::core::v1::{Binding, Container, ObjectReference, Pod, PodStatus},
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions},
    core::Status,
};
use serde_json::json;

use super::{
    needs::{Need, needs},
    objects::{Secret, Whole, verdict},
    pod_status,
    waits::{Step, Wait, Waits},
};
use crate::{
    events::{Kind, Recorder},
    informer::{Key, Object, Store},
    request::{Failure, bounded},
    worker::{Error, Outcome, Reconciler},
};

/// The one node that there is.
pub const NODE: &str = "node-1";

/// How often the pod's first container shall have crashed in all. A number and not "crash now": how many crashes are
/// still due can be looked up at any time, and is never done twice.
pub const CRASHES: &str = "playground/crashes";

/// How long things take.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// To start a pod that has all that it needs.
    pub start: Duration,
    /// To start a container again.
    pub restart: Duration,
    /// To end a pod that is being deleted.
    pub end: Duration,
    /// Until a missing Secret is complained of again; each time twice as long, up to `complain_at_most`.
    pub complain: Duration,
    /// See `complain`.
    pub complain_at_most: Duration,
}

impl Pace {
    /// About as long as in a real cluster, divided by `speed`.
    pub fn new(speed: f64) -> Self {
        let takes = |seconds: f64| Duration::try_from_secs_f64(seconds / speed).unwrap_or(Duration::ZERO);
        Pace {
            start: takes(1.0),
            restart: takes(2.0),
            end: takes(2.0),
            // Even in a fast cluster nobody reads faster than this.
            complain: takes(0.5).max(Duration::from_millis(50)),
            complain_at_most: takes(122.0),
        }
    }
}

/// The job, as the worker sees it.
pub struct Kubelet {
    /// For the writes.
    pub client: Client,
    /// What is to run, found by the Secrets that it waits for.
    pub pods: Arc<Store<Whole<Pod>>>,
    /// Which Secrets there are.
    pub secrets: Arc<Store<Secret>>,
    /// How long things take.
    pub pace: Pace,
    /// How long they have taken already.
    pub waits: Waits,
    /// Says where pods go.
    pub scheduler: Recorder,
    /// Says how they are.
    pub recorder: Recorder,
}

impl Reconciler<Key> for Kubelet {
    async fn reconcile(&self, key: &Key) -> Result<Outcome, Error> {
        let Some(pod) = self.pods.get(key) else {
            self.waits.forget(key);
            return Ok(Outcome::Settled);
        };
        verdict(self.look(&pod).await)
    }

    async fn gave_up(&self, _key: &Key, _why: &str) -> Result<Outcome, Error> {
        Ok(Outcome::Settled)
    }
}

impl Kubelet {
    async fn look(&self, pod: &Whole<Pod>) -> Result<Outcome, Failure> {
        if pod.is_deleting() {
            return self.end(pod).await;
        }
        if pod.spec.as_ref().is_none_or(|spec| spec.node_name.is_none()) {
            return self.bind(pod).await;
        }
        match pod_status::phase(pod) {
            "Pending" => {
                let missing = needs(pod).into_iter().find(|need| self.secrets.get(&need.secret).is_none());
                match missing {
                    Some(need) => self.wait_for(pod, &need).await,
                    None => self.start(pod).await,
                }
            }
            "Running" => self.restart(pod).await,
            // It is over, and nobody here starts it again.
            _ => Ok(Outcome::Settled),
        }
    }

    /// The scheduler's part. There is one node, and there is always room on it.
    async fn bind(&self, pod: &Whole<Pod>) -> Result<Outcome, Failure> {
        let name = pod.key().name();
        let metadata = ObjectMeta { name: Some(name.into()), uid: Some(pod.uid().into()), ..ObjectMeta::default() };
        let target = ObjectReference { kind: Some("Node".into()), name: Some(NODE.into()), ..Default::default() };
        let binding = Binding { metadata, target };
        let (api, params) = (self.api(pod), PostParams::default());
        let _: Status = bounded(api.create_subresource("binding", name, &params, &binding)).await?;
        let message = format!("Successfully assigned {} to {NODE}", pod.key());
        self.scheduler.record(&pod.reference(), Kind::Normal, "Scheduled", &message);
        Ok(Outcome::Settled)
    }

    /// Not a failure, and nothing to try again: the Secret's appearance brings the key. Only the complaint is repeated.
    async fn wait_for(&self, pod: &Whole<Pod>, need: &Need) -> Result<Outcome, Failure> {
        self.write(pod, pod_status::waiting(pod, need)).await?;
        let (complain, left) = match self.waits.on(pod, Step::Mount, self.pace.complain) {
            Wait::Began(left) => (true, left),
            Wait::Left(left) => (false, left),
            Wait::Over => (true, self.waits.again(pod, self.pace.complain_at_most)),
        };
        if complain {
            let missing = format!("secret {:?} not found", need.secret.name());
            let (reason, message) = match &need.volume {
                Some(volume) => ("FailedMount", format!("MountVolume.SetUp failed for volume {volume:?} : {missing}")),
                None => ("Failed", format!("Error: {missing}")),
            };
            self.recorder.record(&pod.reference(), Kind::Warning, reason, &message);
        }
        Ok(Outcome::RequeueAfter(left))
    }

    async fn start(&self, pod: &Whole<Pod>) -> Result<Outcome, Failure> {
        match self.waits.on(pod, Step::Start, self.pace.start) {
            Wait::Began(left) | Wait::Left(left) => {
                self.write(pod, pod_status::creating(pod)).await?;
                Ok(Outcome::RequeueAfter(left))
            }
            Wait::Over => {
                self.write(pod, pod_status::running(pod)).await?;
                let containers = pod.spec.iter().flat_map(|spec| &spec.containers);
                containers.for_each(|container| self.tell_of_start(pod, container));
                Ok(Outcome::Settled)
            }
        }
    }

    async fn restart(&self, pod: &Whole<Pod>) -> Result<Outcome, Failure> {
        if !pod_status::is_down(pod) {
            let crashes = pod.annotations().get(CRASHES).and_then(|text| text.parse().ok()).unwrap_or(0);
            if pod_status::restarts(pod) < crashes {
                self.write(pod, pod_status::crashed(pod)).await?;
            }
            return Ok(Outcome::Settled);
        }
        match self.waits.on(pod, Step::Restart, self.pace.restart) {
            Wait::Began(left) | Wait::Left(left) => Ok(Outcome::RequeueAfter(left)),
            Wait::Over => {
                self.write(pod, pod_status::restarted(pod)).await?;
                // The next crash is another restart.
                self.waits.forget(pod.key());
                let first = pod.spec.iter().flat_map(|spec| &spec.containers).next();
                first.into_iter().for_each(|container| self.tell_of_start(pod, container));
                Ok(Outcome::Settled)
            }
        }
    }

    async fn end(&self, pod: &Whole<Pod>) -> Result<Outcome, Failure> {
        let grace = pod.metadata.deletion_grace_period_seconds.unwrap_or(0);
        let grace = Duration::from_secs(grace.try_into().unwrap_or(0));
        match self.waits.on(pod, Step::End, self.pace.end.min(grace)) {
            Wait::Began(left) => {
                for container in pod.spec.iter().flat_map(|spec| &spec.containers) {
                    self.tell(pod, "Killing", &format!("Stopping container {}", container.name));
                }
                Ok(Outcome::RequeueAfter(left))
            }
            Wait::Left(left) => Ok(Outcome::RequeueAfter(left)),
            Wait::Over => {
                // Grace 0 says: it has ended. And it is this very pod, not another one that has its name by now.
                let preconditions = Some(Preconditions { uid: Some(pod.uid().into()), ..Preconditions::default() });
                let params = DeleteParams { preconditions, ..DeleteParams::default().grace_period(0) };
                bounded(self.api(pod).delete(pod.key().name(), &params)).await?;
                Ok(Outcome::Settled)
            }
        }
    }

    /// Writes the status, if it does not say so already.
    async fn write(&self, pod: &Whole<Pod>, status: PodStatus) -> Result<(), Failure> {
        if pod.status.as_ref() == Some(&status) {
            return Ok(());
        }
        // Never modify an object of the cache. The copy carries the resourceVersion of what it is based on.
        let changed = Pod { status: Some(status), ..Pod::clone(pod) };
        bounded(self.api(pod).replace_status(pod.key().name(), &PostParams::default(), &changed)).await?;
        Ok(())
    }

    fn tell_of_start(&self, pod: &Whole<Pod>, container: &Container) {
        let image = container.image.as_deref().unwrap_or_default();
        self.tell(pod, "Pulled", &format!("Container image {image:?} already present on machine"));
        self.tell(pod, "Created", "Container created");
        self.tell(pod, "Started", "Container started");
    }

    fn tell(&self, pod: &Whole<Pod>, reason: &str, message: &str) {
        self.recorder.record(&pod.reference(), Kind::Normal, reason, message);
    }

    fn api(&self, pod: &Whole<Pod>) -> Api<Pod> {
        Api::namespaced(self.client.clone(), pod.key().namespace())
    }
}

/// Makes the pod's first container crash once more.
///
/// # Errors
/// Of the two requests. 409: two did it at once.
pub async fn crash(client: &Client, pod: &Key) -> Result<(), Failure> {
    let api: Api<Pod> = Api::namespaced(client.clone(), pod.namespace());
    let present = bounded(api.get(pod.name())).await?;
    let crashes = pod_status::restarts(&present) + 1;
    let patch = json!({ "metadata": {
        "resourceVersion": present.resource_version(),
        "annotations": { CRASHES: crashes.to_string() },
    }});
    bounded(api.patch(pod.name(), &PatchParams::default(), &Patch::Merge(patch))).await?;
    Ok(())
}
