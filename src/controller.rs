//! Wires the rooms of `run` together, on one page: two caches, two queues, two jobs.
//!
//! ```text
//!  Pki reflector --> Pki cache --> on_pki -----------------> Pki queue --> workers: Certificates
//!                                     a new pod mounts its Secret ^           | reads both caches
//!  Pod reflector --> Pod cache --> on_pod ------------------------+           v
//!                                     +--------------------> Pod queue --> workers: Lifecycle
//! ```
//!
//! Where several replicas elect a leader, each of them has its caches filled and follows what changes; on_pki and on_pod,
//! and all that comes after them, are the leader's alone. Who takes over begins as after a start: the caches are handed
//! on as a first list, so that nothing in them is news and everything is looked at.

use std::{pin::pin, sync::Arc, time::Duration};

use kube::Client;
use prometheus_client::registry::Registry;
use tokio::{
    net::TcpListener,
    task::JoinSet,
    time::{Instant, timeout_at},
};
use tokio_util::sync::CancellationToken;

use crate::{
    cli,
    events::{self, ObjectRef, Recorder},
    explain,
    informer::{self, Change, Key, Object, Resync, Store},
    pki::{self, Allowed, CaSecret, Certificates, Pki, Told, Written},
    pods::{Lifecycle, Pod},
    process::{
        leader::{self, Election},
        serve::{self, Check, Pages},
        shutdown::Unfinished,
        vitals,
    },
    wiring::{
        Cache, Crew, Source, Turn,
        alive::{STUCK, Supply, stuck, stuck_in},
        as_first_list, path, work_until,
    },
    worker::{self, Policy},
    workqueue::{self, WorkQueue},
};

/// Why it did not end well: for the last line of the log. Exit code 1.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failed {
    /// The grace ran out; the keys are named.
    #[error(transparent)]
    Unfinished(#[from] Unfinished),
    /// It led, and does not any more. What was in progress was dropped.
    #[error(transparent)]
    Lost(#[from] leader::Lost),
}

/// Runs the controller until `stop`, then finishes what is in progress; one that leads then gives the Lease back.
///
/// # Errors
/// See [`Failed`].
pub async fn run(
    client: Client,
    settings: cli::Run,
    listener: Option<TcpListener>,
    stop: CancellationToken,
) -> Result<(), Failed> {
    let counts = Counts::default();
    let Some(candidate) = settings.leader_elect.clone() else {
        counts.leader.alone();
        return Ok(work(client, settings, counts, None, listener, stop).await.0?);
    };
    let election = Election::new(client.clone(), &candidate, counts.leader.clone());
    let resign = CancellationToken::new();
    let mut office = pin!({
        let (resign, stop) = (resign.clone(), stop.clone());
        let election = &election;
        async move {
            let ended = election.run(resign).await;
            // What is dropped because of it does not end by itself, so nobody has to miss it.
            stop.cancel();
            ended
        }
    });
    let (done, grace) = tokio::select! {
        biased;
        lost = &mut office => return Ok(lost?),
        done = work(client, settings, counts, Some(&election), listener, stop) => done,
    };
    // With work unfinished the Lease is left to run out by itself: what is on the wire may take as long.
    done?;
    resign.cancel();
    // Has said what came of it.
    match timeout_at(grace, office).await {
        Ok(ended) => ended?,
        Err(_) => tracing::warn!("no time was left to give the Lease back, it runs out by itself"),
    }
    Ok(())
}

/// All of it but the election. Also says when the grace ends.
async fn work(
    client: Client,
    settings: cli::Run,
    counts: Counts,
    election: Option<&Election>,
    listener: Option<TcpListener>,
    stop: CancellationToken,
) -> (Result<(), Unfinished>, Instant) {
    // What we know, and what there is to do.
    let (pkis, pods) = (Cache::<Pki>::new("pkis", |_| &[]), Cache::<Pod>::new("pods", |pod| &pod.secrets));
    let (pki_queue, pod_queue) = (WorkQueue::new("pki", &counts.queues), WorkQueue::new("pod", &counts.queues));

    // Who does it, while it is our turn: what they write passes the fence.
    let turn = Turn::default();
    let writes = election.map_or_else(|| client.clone(), |election| election.fence().guard(&client));
    let voice = events::Settings { component: "controlplane".into(), dry_run: settings.dry_run };
    let (recorder, writer) =
        Recorder::new(writes.clone(), voice, counts.events.clone(), &counts.queues, &counts.workers);
    let allowed = Arc::new(Allowed::load(settings.allowed_names.as_deref()));
    let lifecycle = Arc::new(Lifecycle::new(pods.store.clone()));
    let (ca_namespace, ca_name) = &settings.ca_secret;
    let certificates = Arc::new(Certificates {
        client: writes.clone(),
        store: pkis.store.clone(),
        allowed: allowed.clone(),
        ca: CaSecret::new(writes, Key::new(ca_namespace, ca_name), settings.dry_run),
        mounts: {
            let pods = pods.store.clone();
            Arc::new(move |secret| waiting_pods(&pods, secret))
        },
        recorder: recorder.clone(),
        told: Told::default(),
        written: Written::default(),
        remind: settings.remind,
        dry_run: settings.dry_run,
        metrics: counts.certificates.clone(),
    });

    // From here on everything runs by itself, in tasks that end at `stop` or when their set is dropped.
    let mut tasks = JoinSet::new();
    let ended = CancellationToken::new();
    let supplies = (Supply::new("pkis", &stop), Supply::new("pods", &stop));
    if let Some(listener) = listener {
        let alive = alive([&supplies.0, &supplies.1], [&pki_queue, &pod_queue], recorder.clone(), &stop);
        let ready = [pkis.check(), pods.check()].into_iter().chain(election.map(Election::check)).collect();
        let pages = Pages { alive, ready, metrics: Arc::new(counts.registry()) };
        // To the very end: the shutdown is a part of the life that a probe looks at.
        tasks.spawn(serve::run(listener, pages, ended.clone()));
    }
    tasks.spawn(writer);

    // What brings keys: the API server, the clock, and the list of allowed names.
    let namespace = settings.namespace.as_deref();
    let source = Source { client, metrics: counts.informers, watch_idle: settings.watch_idle };
    let reflector = source.reflector(&pkis, &path(pki::GROUP_PATH, namespace, pki::PLURAL));
    let on_pki = Arc::new(on_pki(pki_queue.clone()));
    tasks.spawn(supplies.0.from(reflector.run(stop.clone(), turn.gate(&on_pki))));
    let reflector = source.reflector(&pods, &path("/api/v1", namespace, "pods"));
    let on_pod = Arc::new(on_pod(pod_queue.clone(), lifecycle.clone(), pki_queue.clone(), pkis.store.clone()));
    tasks.spawn(supplies.1.from(reflector.run(stop.clone(), turn.gate(&on_pod))));
    if let Some(every) = settings.resync {
        tasks.spawn(resync(Resync { every }, turn.clone(), pkis.store.clone(), pki_queue.clone()));
        tasks.spawn(resync(Resync { every }, turn.clone(), pods.store.clone(), pod_queue.clone()));
    }
    tasks.spawn({
        let (turn, pkis, queue) = (turn.clone(), pkis.store.clone(), pki_queue.clone());
        let again = move || pkis.keys().into_iter().filter(|_| turn.has_come()).for_each(|key| queue.add(key));
        async move { allowed.follow(again).await }
    });
    let elected = election.map(Election::elected);
    tasks.spawn({
        let (turn, pkis, pods) = (turn.clone(), pkis.store.clone(), pods.store.clone());
        async move {
            if let Some(elected) = elected {
                elected.cancelled().await;
            }
            turn.come(|| {
                as_first_list(&pkis).for_each(&*on_pki);
                as_first_list(&pods).for_each(&*on_pod);
            });
        }
    });

    // What takes them. No worker before the caches that its job reads are full: it would take everything that it does
    // not find for deleted.
    let policy = Policy { max_retries: settings.max_retries };
    let crew = Crew { policy, metrics: counts.workers, turn, stop: stop.clone() };
    let mut work = JoinSet::new();
    for _ in 0..settings.workers {
        work.spawn(crew.member(&pki_queue, &certificates, [&pkis.health, &pods.health]));
        work.spawn(crew.member(&pod_queue, &lifecycle, [&pods.health]));
    }

    let queues = [&pki_queue, &pod_queue];
    let (done, grace) = work_until(&stop, &mut tasks, &mut work, queues, settings.shutdown_grace).await;
    // Events are best effort: what cannot be sent in the rest of the grace is a pity, not a failure.
    // Some of it is left for giving the Lease back.
    let reserve = election.map_or(Duration::ZERO, |_| leader::RELEASE_LIMIT);
    if timeout_at(grace.checked_sub(reserve).unwrap_or(grace), recorder.flush()).await.is_err() {
        tracing::warn!(events = recorder.pending(), "events were not sent before the end of the grace");
    }
    ended.cancel();
    (done, grace)
}

/// What is counted: each room counts its own.
#[derive(Default)]
struct Counts {
    informers: informer::Metrics,
    queues: workqueue::Metrics,
    workers: worker::Metrics,
    events: events::Metrics,
    certificates: pki::Metrics,
    leader: leader::Metrics,
}

impl Counts {
    fn registry(&self) -> Registry {
        let mut registry = Registry::default();
        vitals::register(&mut registry);
        self.informers.register(&mut registry);
        self.queues.register(&mut registry);
        self.workers.register(&mut registry);
        self.events.register(&mut registry);
        self.certificates.register(&mut registry);
        self.leader.register(&mut registry);
        registry
    }
}

/// What `/healthz` asks: is each cache still followed, does each key come out of its worker?
fn alive(
    supplies: [&Supply; 2],
    queues: [&WorkQueue<Key>; 2],
    recorder: Recorder,
    stop: &CancellationToken,
) -> Vec<Check> {
    let events = stuck_in("events", move || recorder.oldest(), STUCK, stop);
    supplies
        .map(Supply::check)
        .into_iter()
        .chain(queues.map(|queue| stuck(queue, STUCK, stop)))
        .chain([events])
        .collect()
}

/// What a change of a Pki leads to.
fn on_pki(queue: WorkQueue<Key>) -> impl Fn(Change<Pki>) {
    move |change| {
        if concerns(&change) {
            explain!(Change, pki = %change.key(), "a change of what it asks for: the Pki's key goes on the queue");
            queue.add(change.key().clone());
        }
    }
}

/// Whether a change of a Pki is anything to act on. Our own write of its status is not: a reconcile that writes, sees
/// its write as a change, and reconciles again is a loop, and for a key that was given up it would be an endless retry.
fn concerns(change: &Change<Pki>) -> bool {
    match change {
        Change::Added { .. } | Change::Deleted(_) => true,
        Change::Updated { old, new } => {
            change.is_replacement() || old.generation != new.generation || old.deleting != new.deleting
        }
    }
}

/// What a change of a pod leads to.
fn on_pod(
    queue: WorkQueue<Key>,
    lifecycle: Arc<Lifecycle>,
    pki_queue: WorkQueue<Key>,
    pkis: Arc<Store<Pki>>,
) -> impl Fn(Change<Pod>) {
    move |change| {
        if let Change::Added { new, initial: true } = &change {
            lifecycle.baseline(new.clone());
        }
        // A pod that waits for a certificate is news for the Pki. Once: its later changes are none of the Pki's
        // business.
        let secrets = newcomer(&change).map_or(&[][..], |pod| &pod.secrets);
        secrets.iter().filter(|secret| pkis.get(secret).is_some()).for_each(|secret| pki_queue.add(secret.clone()));
        explain!(Change, pod = %change.key(), "a change in the cache: the pod's key goes on the queue");
        queue.add(change.key().clone());
    }
}

/// The pod of this change, if it is one that we did not know.
fn newcomer(change: &Change<Pod>) -> Option<&Pod> {
    match change {
        Change::Added { new, .. } => Some(new),
        Change::Updated { new, .. } if change.is_replacement() => Some(new),
        _ => None,
    }
}

/// The pods that mount this Secret and could still start.
fn waiting_pods(pods: &Store<Pod>, secret: &Key) -> Vec<ObjectRef> {
    let pods = pods.indexed(secret).into_iter().filter_map(|key| pods.get(&key));
    pods.filter(|pod| !pod.state.is_over()).map(|pod| ObjectRef::of("v1", "Pod", &*pod)).collect()
}

async fn resync<T: Object>(resync: Resync, turn: Turn, store: Arc<Store<T>>, queue: WorkQueue<Key>) {
    turn.begun().await;
    resync.run(&store, |key| queue.add(key)).await;
}

#[cfg(test)]
#[path = "controller_tests.rs"]
mod tests;
