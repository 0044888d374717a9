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
use tokio::{net::TcpListener, task::JoinSet, time::Instant};
use tokio_util::sync::CancellationToken;

use crate::{
    cli::{self, PluginChoice},
    explain,
    informer::{self, Change, Health, Key, Store},
    process::{
        serve::{self, Check, Pages},
        shutdown::{Grace, Unfinished},
        vitals,
    },
    watch::{
        Deliver, Dynamic, Plugin, Simple, Wanted,
        discovery::{self, Waiting},
        exec::{self, Exec},
    },
    wiring::{
        Cache, Crew, Source, Turn,
        alive::{STUCK, Supply, stuck},
        watch_over,
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
    let found = tokio::select! {
        found = discovery::wait(&client, &settings.wanted, settings.namespace.as_deref(), &waiting, &stop) => found,
        () = watch_over(&mut tasks) => None,
    };
    let Some(resource) = found else {
        ended.cancel();
        return (Ok(()), Instant::now());
    };

    // What brings keys. (`leak`: the name is a metric's label, and is made once in the life of the process.)
    let store = Arc::new(Store::new(|_: &Dynamic| &[]));
    let cache = Cache { resource: resource.name.clone().leak(), store, health };
    let job = Arc::new(Deliver::new(cache.store.clone(), Arc::new(resource.clone()), plugin, settings.config));
    let source = Source { client, metrics: counts.informers, watch_idle: settings.watch_idle };
    let mut reflector = source.reflector(&cache, &resource.path);
    reflector.list_watch = reflector.list_watch.selecting(settings.labels.as_deref(), settings.fields.as_deref());
    tasks.spawn(supply.from(reflector.run(stop.clone(), on_change(job.clone(), queue.clone()))));

    // What takes them.
    let policy = Policy { max_retries: settings.max_retries };
    let crew = Crew { policy, metrics: counts.workers, turn: Turn::ours(), stop: stop.clone() };
    let mut work = JoinSet::new();
    for _ in 0..settings.workers {
        work.spawn(crew.member(&queue, &job, [&cache.health]));
    }

    tokio::select! {
        () = stop.cancelled() => {}
        () = watch_over(&mut tasks) => {}
        () = watch_over(&mut work) => {}
    }

    explain!(Repeat, "shutdown: nothing new is taken from the queue, what is in progress is finished");
    let grace = Instant::now() + settings.shutdown_grace;
    let drain = async {
        queue.shut_down_with_drain().await;
        while work.join_next().await.is_some() {}
    };
    let unfinished = || queue.processing().iter().map(Key::to_string).collect();
    let done = Grace(settings.shutdown_grace).wait(drain, unfinished).await;
    // Drops what is still in the plugin's hands, after the grace.
    work.shutdown().await;
    ended.cancel();
    (done, grace)
}

/// What is waited for, in this order: that the resource is served, and that the cache is complete.
fn ready(wanted: &Wanted, waiting: Arc<Waiting>, health: Arc<Health>) -> Check {
    Check::new(wanted.to_string(), move || waiting.check().and_then(|()| health.check()))
}

/// What a change leads to: the job takes notice of it, and its key goes on the queue.
fn on_change<P: Plugin>(job: Arc<Deliver<P>>, queue: WorkQueue<Key>) -> impl Fn(Change<Dynamic>) {
    move |change| {
        job.notice(&change);
        explain!(Change, object = %change.key(), "a change in the cache: the object's key goes on the queue");
        queue.add(change.key().clone());
    }
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
