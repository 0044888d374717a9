//! Connects the modules: one cache, one queue, one reconciler, for any resource. Compare `demo_controller::controller`.
//!
//! ```text
//!  discovery --path--> reflector --> cache of DynamicObject --key--> queue --> workers: Dispatcher --> plugin --> log
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
    resource::ResourceArg,
};

/// The settings of the controller.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// The resource to watch.
    pub resource: ResourceArg,
    /// The namespace to watch. None: all.
    pub namespace: Option<String>,
    /// Label selector, parsed by the API server.
    pub labels: Option<String>,
    /// Field selector, parsed by the API server.
    pub fields: Option<String>,
    /// The plugin's section of the file.
    pub plugin: plugin::Config,
    /// Concurrent workers, at least 1.
    pub workers: usize,
    /// Retries before an event is dropped.
    pub max_retries: u32,
    /// Longest silence of a watch before it is opened again.
    pub watch_idle: Duration,
    /// Longest time for work in progress after the stop.
    pub shutdown_grace: Duration,
    /// Longest time of a reconcile before `/healthz` fails.
    pub stuck_after: Duration,
}

/// Runs the controller until `stop`, then finishes work in progress.
///
/// # Errors
/// The grace period ended before the work did.
pub async fn run<P: Plugin>(
    client: Client,
    config: Config,
    plugin: Arc<P>,
    telemetry: &Telemetry,
    stop: CancellationToken,
) -> Result<(), Unfinished> {
    // 1. Find the resource. It may not exist yet.
    let mut search = Search::new(client.clone(), config.resource, config.namespace, telemetry);
    let Some(mut resource) = stop.run_until_cancelled(search.run()).await.map(Arc::new) else { return Ok(()) };

    // 2. The cache and its health, the queue, the reconciler. (`leak`: metric labels are static; this runs once.)
    let name: &'static str = resource.name.clone().leak();
    let (store, health) = (Arc::new(Store::new()), Health::new(name, telemetry));
    let queue = WorkQueue::new("event", telemetry);
    let dispatcher = Arc::new(Dispatcher::new(store.clone(), resource.clone(), plugin, config.plugin));

    // 3. The workers process keys once the cache has synced.
    let pool = WorkerPool::new(config.workers, config.max_retries, telemetry, &stop);
    let mut workers = pool.stuck_after(config.stuck_after);
    workers.spawn(&queue, dispatcher.clone(), {
        let health = health.clone();
        async move { health.wait_until_synced().await }
    });

    // 4. Changes of the cache enqueue keys. When the path is not served any more, the resource is searched again. The
    //    cache is kept, so that no object is DELETED.
    let (metrics, stopped) = (telemetry.metrics::<ReflectorMetrics>(), stop.clone());
    let watch = async move {
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
            let not_served = stopped.child_token();
            let mut run = pin!(reflector.run(not_served.clone(), |change| {
                dispatcher.track(&change);
                explain!(Change, object = %change.key(), "the cache changed: enqueue the object's key");
                queue.add(change.key().clone());
            }));
            tokio::select! {
                () = &mut run => return, // stopped
                () = health.wait_until_not_found() => not_served.cancel(),
            }
            run.await;
            // Discovery and the served paths may disagree for a moment.
            sleep(backoff.next(rand::random())).await;
            resource = Arc::new(search.run_again(&resource).await);
            dispatcher.set_resource(resource.clone());
        }
    };
    let mut tasks = JoinSet::new();
    tasks.spawn(async move { stop.run_until_cancelled(watch).await.unwrap_or_default() });

    // 5. Run until the stop, then finish work in progress within the grace period.
    workers.wait_until_stopped(&mut tasks).await;
    workers.drain(config.shutdown_grace).await
}

#[cfg(test)]
mod tests;
