//! Puts the modules together: one cache, one queue, one job, whatever the resource. Read it beside `demo_controller::controller`.
//!
//! ```text
//!  discovery --path--> reflector --> cache of Dynamic --key--> queue --> workers: Dispatcher --> plugin --> log
//! ```

use std::{pin::pin, sync::Arc, time::Duration};

use daemon::{Telemetry, shutdown::Unfinished};
use demo_controller::{
    explain,
    informer::{Backoff, Health, ListWatch, Reflector, ReflectorMetrics, Store},
    worker::WorkerPool,
    workqueue::WorkQueue,
};
use kube::Client;
use tokio::{task::JoinSet, time::sleep};
use tokio_util::sync::CancellationToken;

use crate::{
    discovery::Search,
    dispatcher::Dispatcher,
    plugin::{self, Plugin},
    resource::Wanted,
};

/// What the controller does.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// The resource, as the user names it.
    pub wanted: Wanted,
    /// One namespace, or None for all.
    pub namespace: Option<String>,
    /// Label selector, which the API server reads.
    pub labels: Option<String>,
    /// Field selector, which the API server reads.
    pub fields: Option<String>,
    /// The plugin's section of the file.
    pub plugin: plugin::Config,
    /// Concurrent workers, at least 1.
    pub workers: usize,
    /// Retries before an event is dropped.
    pub max_retries: u32,
    /// How long a watch may be silent before it is opened again.
    pub watch_idle: Duration,
    /// How long work in progress may take to finish after the stop.
    pub shutdown_grace: Duration,
    /// How long an event may be with the plugin before `/healthz` fails.
    pub stuck_after: Duration,
}

/// Runs the controller until `stop`, then finishes what is in progress.
///
/// # Errors
/// The grace period ended before that; the error names the keys.
pub async fn run<P: Plugin>(
    client: Client,
    config: Config,
    plugin: Arc<P>,
    telemetry: &Telemetry,
    stop: CancellationToken,
) -> Result<(), Unfinished> {
    // 1. Where the resource is served. It may not be there yet.
    let mut search = Search::new(client.clone(), config.wanted, config.namespace, telemetry);
    let Some(mut resource) = stop.run_until_cancelled(search.run()).await.map(Arc::new) else { return Ok(()) };

    // 2. The cache and its health, the queue, the job. (`leak`: a metric's label, once in the life of the process.)
    let name: &'static str = resource.name.clone().leak();
    let (store, health) = (Arc::new(Store::new()), Health::new(name, telemetry));
    let queue = WorkQueue::new("event", telemetry);
    let dispatcher = Arc::new(Dispatcher::new(store.clone(), resource.clone(), plugin, config.plugin));

    // 3. The workers take keys from the queue, as soon as the cache is synced.
    let pool = WorkerPool::new(config.workers, config.max_retries, telemetry, &stop);
    let mut workers = pool.stuck_after(config.stuck_after);
    workers.spawn(&queue, dispatcher.clone(), {
        let health = health.clone();
        async move { health.wait_until_synced().await }
    });

    // 4. What enqueues keys: changes. When the path is not served any more, the resource is searched again. The cache stays, so
    //    that no object is DELETED by that.
    let (metrics, stopped) = (telemetry.metrics::<ReflectorMetrics>(), stop.clone());
    let mirror = async move {
        let mut backoff = Backoff::default();
        loop {
            let list_watch = ListWatch::new(client.clone(), &*resource.path);
            let reflector = Reflector {
                resource: name,
                list_watch: list_watch.selecting(config.labels.as_deref(), config.fields.as_deref()),
                store: store.clone(),
                health: health.clone(),
                watch_idle: config.watch_idle,
                metrics: metrics.clone(),
            };
            let moved = stopped.child_token();
            let mut run = pin!(reflector.run(moved.clone(), |change| {
                dispatcher.track(&change);
                explain!(Change, object = %change.key(), "a change in the cache: the object's key goes on the queue");
                queue.add(change.key().clone());
            }));
            tokio::select! {
                () = &mut run => return, // stopped
                () = health.not_found() => moved.cancel(),
            }
            run.await;
            // Discovery may be ahead of what it describes, or behind.
            sleep(backoff.next(rand::random())).await;
            resource = Arc::new(search.run_again(&resource).await);
            dispatcher.set_resource(resource.clone());
        }
    };
    let mut tasks = JoinSet::new();
    tasks.spawn(async move { stop.run_until_cancelled(mirror).await.unwrap_or_default() });

    // 5. Run until the stop, then finish what is in progress, within the grace period.
    workers.until_stopped(&mut tasks).await;
    workers.drain(config.shutdown_grace).await
}

#[cfg(test)]
mod tests;
