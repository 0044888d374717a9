//! Wires the rooms of `watch` together, on one page: one cache, one queue, one job, whatever the resource.
//!
//! ```text
//!  discovery --path--> reflector --> cache of Dynamic --key--> queue --> workers: Deliver --> plugin --> log
//! ```
//!
//! Beside `controller.rs` it shows what is specific to a resource: here, nothing but its path.

use std::{sync::Arc, time::Duration};

use kube::Client;
use prometheus_client::registry::Registry;
use tokio::{
    net::TcpListener,
    task::JoinSet,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

use crate::{
    cli::{self, PluginChoice},
    explain,
    informer::{self, Backoff, Change, Health, Key, LONGEST_BACKOFF, Store},
    process::{
        serve::{self, Check, Pages},
        shutdown::Unfinished,
        vitals,
    },
    watch::{
        Deliver, Dynamic, Plugin, Resource, Simple, Wanted,
        discovery::{self, Waiting},
        exec::{self, Exec},
    },
    wiring::{
        Cache, Crew, Source, Turn,
        alive::{STUCK, Supply, stuck},
        watch_over, work_until,
    },
    worker::{self, Policy},
    workqueue::{self, WorkQueue},
};

/// Runs the controller until `stop`, then finishes what is in progress.
///
/// # Errors
/// When the grace ran out before that was done; the keys are named.
pub async fn run(
    client: Client,
    settings: cli::Watch,
    listener: Option<TcpListener>,
    stop: CancellationToken,
) -> Result<(), Unfinished> {
    match settings.plugin.clone() {
        PluginChoice::Simple => {
            hand_to(Arc::new(Simple), STUCK, Counts::default(), client, settings, listener, stop).await.0
        }
        PluginChoice::Exec { child, environment } => {
            // A slow plugin is no stuck process.
            let stuck_after = STUCK.saturating_add(child.longest_look(settings.workers));
            let plugin = Arc::new(Exec::new(child, environment, stop.clone()));
            let counts = Counts { plugin: Some(plugin.metrics().clone()), ..Counts::default() };
            let (done, grace) = hand_to(plugin.clone(), stuck_after, counts, client, settings, listener, stop).await;
            // No call is in progress any more: nobody takes its child away in the middle of one.
            plugin.end(grace).await;
            done
        }
    }
}

/// The controller, for one plugin. Also says when its grace ends.
async fn hand_to<P: Plugin>(
    plugin: Arc<P>,
    stuck_after: Duration,
    counts: Counts,
    client: Client,
    settings: cli::Watch,
    listener: Option<TcpListener>,
    stop: CancellationToken,
) -> (Result<(), Unfinished>, Instant) {
    let queue = WorkQueue::new("watch", &counts.queues);
    let (waiting, health) = (Arc::new(Waiting::default()), Arc::new(Health::default()));

    let mut tasks = JoinSet::new();
    let ended = CancellationToken::new();
    let supply = Supply::new(settings.wanted.to_string(), &stop);
    if let Some(listener) = listener {
        let alive = vec![supply.check(), stuck(&queue, stuck_after, &stop)];
        let ready = vec![ready(&settings.wanted, waiting.clone(), health.clone())];
        let pages = Pages { alive, ready, metrics: Arc::new(counts.registry()) };
        tasks.spawn(serve::run(listener, pages, ended.clone()));
    }

    // Where it is served. The answer may take as long as it takes someone to install a definition.
    let search = Search { client, wanted: settings.wanted, namespace: settings.namespace, waiting, stop: stop.clone() };
    let found = tokio::select! {
        found = search.run() => found,
        () = watch_over(&mut tasks) => None,
    };
    let Some(resource) = found.map(Arc::new) else {
        ended.cancel();
        return (Ok(()), Instant::now());
    };

    // What brings keys. (`leak`: the name is a metric's label, and is made once in the life of the process.)
    let store = Arc::new(Store::new(|_: &Dynamic| &[]));
    let cache = Cache { resource: resource.name.clone().leak(), store, health: health.clone() };
    let job = Arc::new(Deliver::new(cache.store.clone(), resource.clone(), plugin, settings.config));
    let source = Source { client: search.client.clone(), metrics: counts.informers, watch_idle: settings.watch_idle };
    let selectors = (settings.labels, settings.fields);
    let mirror = Mirror { source, cache, selectors, job: job.clone(), queue: queue.clone() };
    tasks.spawn(supply.from(follow(resource, search, mirror)));

    // What takes them.
    let policy = Policy { max_retries: settings.max_retries };
    let crew = Crew { policy, metrics: counts.workers, turn: Turn::ours(), stop: stop.clone() };
    let mut work = JoinSet::new();
    for _ in 0..settings.workers {
        work.spawn(crew.member(&queue, &job, [&health]));
    }

    let (done, grace) = work_until(&stop, &mut tasks, &mut work, [&queue], settings.shutdown_grace).await;
    // Drops what is still in the plugin's hands, after the grace.
    work.shutdown().await;
    ended.cancel();
    (done, grace)
}

/// Finds out where the resource is served.
struct Search {
    client: Client,
    wanted: Wanted,
    namespace: Option<String>,
    waiting: Arc<Waiting>,
    stop: CancellationToken,
}

impl Search {
    async fn run(&self) -> Option<Resource> {
        let Search { client, wanted, namespace, waiting, stop } = self;
        discovery::wait(client, wanted, namespace.as_deref(), waiting, stop).await
    }
}

/// Brings what happens into the cache and on the queue.
struct Mirror<P> {
    source: Source,
    cache: Cache<Dynamic>,
    selectors: (Option<String>, Option<String>),
    job: Arc<Deliver<P>>,
    queue: WorkQueue<Key>,
}

impl<P: Plugin> Mirror<P> {
    /// Until `stop`.
    async fn run(&self, path: &str, stop: CancellationToken) {
        let mut reflector = self.source.reflector(&self.cache, path);
        let (labels, fields) = &self.selectors;
        reflector.list_watch = reflector.list_watch.selecting(labels.as_deref(), fields.as_deref());
        reflector.run(stop, |change| self.on(&change)).await;
    }

    /// What a change leads to: the job takes notice of it, and its key goes on the queue.
    fn on(&self, change: &Change<Dynamic>) {
        self.job.notice(change);
        explain!(Change, object = %change.key(), "a change in the cache: the object's key goes on the queue");
        self.queue.add(change.key().clone());
    }
}

/// Mirrors the resource where it is served, and looks for it again when it is not served there any more: a definition
/// that moves from v1beta1 to v1 is everyday life. The cache stays, so that nobody is told of an end that was none.
async fn follow<P: Plugin>(mut resource: Arc<Resource>, search: Search, mirror: Mirror<P>) {
    // What is found may still not be there: discovery can be ahead of what it tells of, or behind.
    let mut backoff = Backoff::default();
    loop {
        let begun = Instant::now();
        tokio::select! {
            () = mirror.run(&resource.path, search.stop.clone()) => return, // stopped
            () = mirror.cache.health.unserved() => search.waiting.lost(&resource.path),
        }
        if begun.elapsed() > LONGEST_BACKOFF {
            backoff.reset();
        }
        if search.stop.run_until_cancelled(sleep(backoff.next(rand::random()))).await.is_none() {
            return;
        }
        let Some(found) = search.run().await else { return };
        if found.name != resource.name {
            // A stranger that goes by the same word, while the group of the right one is away.
            tracing::warn!(wanted = %search.wanted, resource = resource.name, found = found.name, "not what was watched");
            search.waiting.lost(&resource.path);
            continue;
        }
        resource = Arc::new(found);
        mirror.job.moved(resource.clone());
    }
}

/// What is waited for, in this order: that the resource is served, and that the cache is complete.
fn ready(wanted: &Wanted, waiting: Arc<Waiting>, health: Arc<Health>) -> Check {
    Check::new(wanted.to_string(), move || waiting.check().and_then(|()| health.check()))
}

/// What is counted: each room counts its own.
#[derive(Default)]
struct Counts {
    informers: informer::Metrics,
    queues: workqueue::Metrics,
    workers: worker::Metrics,
    /// Of `exec`; the others have nothing to count.
    plugin: Option<exec::Metrics>,
}

impl Counts {
    fn registry(&self) -> Registry {
        let mut registry = Registry::default();
        vitals::register(&mut registry);
        self.informers.register(&mut registry);
        self.queues.register(&mut registry);
        self.workers.register(&mut registry);
        self.plugin.iter().for_each(|plugin| plugin.register(&mut registry));
        registry
    }
}

#[cfg(test)]
#[path = "watcher_tests.rs"]
mod tests;
