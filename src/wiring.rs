//! The parts that every controller of this crate is wired from: caches and the reflectors that fill them, and workers
//! that wait for them.
//!
//! They decide nothing. What makes a controller is which change brings which key ([`controller`](crate::controller)).

use std::{future::Future, sync::Arc, time::Duration};

use kube::Client;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::{
    informer::{self, Health, Key, ListWatch, Object, Reflector, Store},
    process::serve::Check,
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

/// What all workers have in common.
pub struct Crew {
    pub policy: Policy,
    pub metrics: worker::Metrics,
    pub stop: CancellationToken,
}

impl Crew {
    /// A worker that begins as soon as the caches are synced.
    pub fn member<R: Reconciler<Key>, const N: usize>(
        &self,
        queue: &WorkQueue<Key>,
        job: &Arc<R>,
        caches: [&Arc<Health>; N],
    ) -> impl Future<Output = ()> + Send + use<R, N> {
        let caches = caches.map(Arc::clone);
        let (queue, job, stop) = (queue.clone(), job.clone(), self.stop.clone());
        let (policy, metrics) = (self.policy, self.metrics.clone());
        async move {
            for cache in &caches {
                tokio::select! {
                    () = cache.synced() => {}
                    () = stop.cancelled() => return,
                }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_namespace_or_all() {
        assert_eq!(path("/api/v1", None, "pods"), "/api/v1/pods");
        assert_eq!(path("/apis/box.com/v1", Some("ns"), "pkis"), "/apis/box.com/v1/namespaces/ns/pkis");
    }
}
