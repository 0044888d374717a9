//! The parts that every controller of this crate is wired from: caches and the reflectors that fill them, and workers
//! that wait for them.
//!
//! They decide nothing. What makes a controller is which change brings which key ([`controller`](crate::controller)).

use std::{future::Future, sync::Arc, time::Duration};

use futures::future::join_all;
use kube::Client;
use tokio::{task::JoinSet, time::Instant};
use tokio_util::sync::CancellationToken;

use crate::{
    explain,
    informer::{self, Change, Health, Key, ListWatch, Object, Reflector, Store},
    process::{
        serve::Check,
        shutdown::{Grace, Unfinished},
    },
    worker::{self, Policy, Reconciler},
    workqueue::WorkQueue,
};

pub mod alive;

/// A store, and whether it can be relied on yet.
pub struct Cache<T> {
    pub resource: &'static str,
    pub store: Arc<Store<T>>,
    pub health: Arc<Health>,
}

impl<T: Object> Cache<T> {
    pub fn new(resource: &'static str, terms: fn(&T) -> &[Key]) -> Self {
        Cache { resource, store: Arc::new(Store::new(terms)), health: Arc::new(Health::default()) }
    }

    pub fn check(&self) -> Check {
        let health = self.health.clone();
        Check::new(self.resource, move || health.check())
    }
}

/// Everything that a cache holds now, as a first list would bring it.
pub fn as_first_list<T: Object>(store: &Store<T>) -> impl Iterator<Item = Change<T>> {
    store.keys().into_iter().filter_map(|key| store.get(&key)).map(|new| Change::Added { new, initial: true })
}

/// What all reflectors have in common.
pub struct Source {
    pub client: Client,
    pub metrics: informer::Metrics,
    pub watch_idle: Duration,
}

impl Source {
    pub fn reflector<T: Object>(&self, cache: &Cache<T>, path: &str) -> Reflector<T> {
        Reflector {
            resource: cache.resource,
            list_watch: ListWatch::new(self.client.clone(), path),
            store: cache.store.clone(),
            health: cache.health.clone(),
            watch_idle: self.watch_idle,
            metrics: self.metrics.clone(),
        }
    }
}

/// Where the API server serves a resource, in one namespace or in all.
pub fn path(group: &str, namespace: Option<&str>, plural: &str) -> String {
    match namespace {
        Some(namespace) => format!("{group}/namespaces/{namespace}/{plural}"),
        None => format!("{group}/{plural}"),
    }
}

/// Whether it is this process's turn to work. One that stands by hands no change on: what it would put on a queue would
/// be for nobody, and the keys of what is long gone would stay there. It needs to remember nothing: what counts when
/// its turn comes is what the caches hold then.
#[derive(Clone, Default)]
pub struct Turn {
    come: CancellationToken,
    begun: CancellationToken,
}

impl Turn {
    /// Of one that has nobody to wait for.
    pub fn ours() -> Self {
        let turn = Turn::default();
        turn.come(|| {});
        turn
    }

    /// It has come: from now on changes are handed on. What is in the caches already goes first, by `hand_on`; the
    /// workers begin after it.
    pub fn come(&self, hand_on: impl FnOnce()) {
        // In this order, and nothing is missed: what changes in between is handed on twice.
        self.come.cancel();
        hand_on();
        self.begun.cancel();
    }

    /// Whether it has come.
    pub fn has_come(&self) -> bool {
        self.come.is_cancelled()
    }

    /// Waits until the workers may begin. Cancel-safe.
    pub async fn begun(&self) {
        self.begun.cancelled().await;
    }

    /// `handler`, once it has come.
    pub fn gate<T, F: Fn(Change<T>)>(&self, handler: &Arc<F>) -> impl Fn(Change<T>) + use<T, F> {
        let (turn, handler) = (self.clone(), handler.clone());
        move |change| {
            if turn.has_come() {
                handler(change);
            }
        }
    }
}

/// What all workers have in common.
pub struct Crew {
    pub policy: Policy,
    pub metrics: worker::Metrics,
    pub turn: Turn,
    pub stop: CancellationToken,
}

impl Crew {
    /// A worker that begins as soon as the caches are synced, and it is this process's turn.
    pub fn member<R: Reconciler<Key>, const N: usize>(
        &self,
        queue: &WorkQueue<Key>,
        job: &Arc<R>,
        caches: [&Arc<Health>; N],
    ) -> impl Future<Output = ()> + Send + use<R, N> {
        let caches = caches.map(Arc::clone);
        let (queue, job, turn, stop) = (queue.clone(), job.clone(), self.turn.clone(), self.stop.clone());
        let (policy, metrics) = (self.policy, self.metrics.clone());
        async move {
            let ready = async {
                for cache in &caches {
                    cache.synced().await;
                }
                turn.begun().await;
            };
            tokio::select! {
                () = ready => {}
                () = stop.cancelled() => return,
            }
            worker::run(queue, job, policy, metrics, stop).await;
        }
    }
}

/// Waits for a task that panics. A controller that goes on with half of its tasks looks healthy and is not: so it becomes
/// everybody's panic. (A reflector that just ends, which none of them should, shows on `/healthz`: [`alive`].)
pub async fn watch_over(tasks: &mut JoinSet<()>) {
    while let Some(ended) = tasks.join_next().await {
        if let Err(error) = ended
            && error.is_panic()
        {
            std::panic::resume_unwind(error.into_panic());
        }
    }
    std::future::pending().await
}

/// Runs until `stop`, then takes nothing new from the queues and finishes what is in progress. Also says when the grace
/// ends. `tasks` go on: what they do is a part of finishing.
///
/// # Errors
/// When the grace ran out before that was done; the keys are named. What was in progress is still in `work`.
pub async fn work_until<const N: usize>(
    stop: &CancellationToken,
    tasks: &mut JoinSet<()>,
    work: &mut JoinSet<()>,
    queues: [&WorkQueue<Key>; N],
    grace: Duration,
) -> (Result<(), Unfinished>, Instant) {
    tokio::select! {
        () = stop.cancelled() => {}
        () = watch_over(tasks) => {}
        () = watch_over(work) => {}
    }
    explain!(Repeat, "shutdown: nothing new is taken from the queues, what is in progress is finished");
    let end = Instant::now() + grace;
    let drain = async {
        join_all(queues.map(WorkQueue::shut_down_with_drain)).await;
        while work.join_next().await.is_some() {}
    };
    let unfinished = || queues.iter().flat_map(|queue| queue.processing()).map(|key| key.to_string()).collect();
    (Grace(grace).wait(drain, unfinished).await, end)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Says who was looked at.
    struct Told(tokio::sync::mpsc::UnboundedSender<Key>);

    impl Reconciler<Key> for Told {
        async fn reconcile(&self, key: &Key) -> Result<worker::Outcome, worker::Error> {
            let _ = self.0.send(key.clone());
            Ok(worker::Outcome::Settled)
        }
        async fn gave_up(&self, _: &Key, _: &str) -> Result<worker::Outcome, worker::Error> {
            Ok(worker::Outcome::Settled)
        }
    }

    #[tokio::test(start_paused = true)]
    async fn no_worker_begins_before_its_turn_and_none_before_everything_was_handed_on() {
        let (told, mut looks) = tokio::sync::mpsc::unbounded_channel();
        let (queue, turn) = (WorkQueue::new("q", &crate::workqueue::Metrics::default()), Turn::default());
        let policy = Policy { max_retries: 0 };
        let (metrics, stop) = (worker::Metrics::default(), CancellationToken::new());
        let crew = Crew { policy, metrics, turn: turn.clone(), stop: stop.clone() };
        let worker = tokio::spawn(crew.member(&queue, &Arc::new(Told(told)), []));
        queue.add(Key::new("ns", "early"));
        testkit::pass(Duration::from_secs(3600)).await;
        assert!(looks.try_recv().is_err(), "it is not our turn");
        turn.come(|| {
            assert!(turn.has_come(), "what changes from now on is handed on");
            assert!(futures::FutureExt::now_or_never(turn.begun()).is_none(), "but nobody works on it yet");
        });
        assert_eq!(looks.recv().await, Some(Key::new("ns", "early")));
        stop.cancel();
        worker.await.unwrap();

        let idle =
            tokio::spawn(Crew { turn: Turn::default(), ..crew }.member(&queue, &Arc::new(Told(told_nobody())), []));
        idle.await.unwrap();
    }

    fn told_nobody() -> tokio::sync::mpsc::UnboundedSender<Key> {
        tokio::sync::mpsc::unbounded_channel().0
    }

    #[test]
    fn one_namespace_or_all() {
        assert_eq!(path("/api/v1", None, "pods"), "/api/v1/pods");
        assert_eq!(path("/apis/box.com/v1", Some("ns"), "pkis"), "/apis/box.com/v1/namespaces/ns/pkis");
    }
}
