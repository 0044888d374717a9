//! The reflector: the loop around the [machine](super::machine).
//!
//! It sends the requests of the machine, and passes it the responses, the time and random numbers. It decides nothing.

use std::{sync::Arc, time::Duration};

use tokio::{
    task::consume_budget,
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    Change, Health, ListRequest, ListWatch, Object, Store, Watch, WatchEvent,
    machine::{Machine, NextRequest, Problem, Request, Response, Update, undecodable},
    metrics::{ReflectorMetrics, ResourceMetrics},
};
use crate::explain;

/// Keeps a store up to date with one collection of the API server.
pub struct Reflector<T> {
    /// Its name in the log and the metrics: `pods`.
    pub resource: &'static str,
    /// Sends the requests.
    pub list_watch: ListWatch<T>,
    /// The cache. This reflector is its only writer.
    pub store: Arc<Store<T>>,
    /// Its state, for workers and probes.
    pub health: Arc<Health>,
    /// A watch that sends nothing for this long is opened again. A server sends a bookmark about once a minute.
    pub watch_idle: Duration,
    /// The metrics of all reflectors.
    pub metrics: ReflectorMetrics,
}

impl<T: Object> Reflector<T> {
    /// Keeps the store up to date and calls `on_change` with each change, until `stop`.
    ///
    /// `on_change` is the event handler. It runs between two reads of the watch, so it must not block: it only enqueues keys.
    /// (client-go has an unbounded buffer for slow handlers here. The work queue is that buffer, and holds each key once.)
    ///
    /// Cancellation: `stop` ends it at the next await, and so does dropping the future.
    pub async fn run(self, stop: CancellationToken, on_change: impl Fn(Change<T>)) {
        let _report_end = ReportEnd { resource: self.resource, health: self.health.clone(), stop: stop.clone() };
        let metrics = self.metrics.of(self.resource);
        let (mut machine, mut next) = Machine::start();
        let mut watch = None;
        loop {
            let work = async {
                // Pitfall: `sleep(ZERO)` takes up to 1 ms. That would limit a watch to 1,000 events per second.
                if next.after.is_zero() {
                    consume_budget().await; // yields sometimes, even if the buffer holds many events
                } else {
                    sleep(next.after).await;
                }
                self.send(&next.request, &mut watch, &metrics).await
            };
            let response = tokio::select! {
                biased;
                () = stop.cancelled() => return,
                response = work => response,
            };
            let step = machine.step(response, Instant::now(), rand::random());
            if let Some(problem) = step.problem {
                self.report(problem, Some(&step.next), &metrics);
            }
            let listed = matches!(step.update, Update::Replace(..));
            self.update(step.update).into_iter().for_each(&on_change);
            if listed {
                // After the handler: when the workers start, all keys of the list are in the queue.
                self.health.set_synced();
                metrics.synced.set(1);
                tracing::info!(resource = self.resource, objects = self.store.len(), "listed, the cache is complete");
            }
            metrics.items.set(i64::try_from(self.store.len()).unwrap_or(i64::MAX));
            next = step.next;
        }
    }

    async fn send(&self, request: &Request, watch: &mut Option<Watch<T>>, metrics: &ResourceMetrics) -> Response<T> {
        match request {
            Request::List(list) => {
                *watch = None;
                if !matches!(list, ListRequest::Continue(_)) {
                    metrics.lists.inc();
                    explain!(List, resource = self.resource, "list the objects that exist");
                }
                let page = match self.list_watch.list(list).await {
                    Ok(page) => page,
                    Err(failure) => return Response::Failed(failure),
                };
                metrics.record_response();
                page.undecodable.iter().for_each(|object| self.report(undecodable(object), None, metrics));
                Response::Page(page)
            }
            Request::Watch(version, time_limit) => {
                *watch = None; // closes the old connection before the new one opens
                metrics.watches.inc();
                explain!(Watch, resource = self.resource, version, "watch the changes after this version");
                match self.list_watch.watch(version, *time_limit).await {
                    Ok(open) => *watch = Some(open),
                    Err(failure) => return Response::Failed(failure),
                }
                Response::Opened
            }
            Request::Read => {
                let Some(open) = watch else { return Response::Closed };
                match timeout(self.watch_idle, open.next()).await {
                    Ok(Some(Ok(event))) => {
                        metrics.record_response();
                        // Not when the watch opens: its first event may be a 410.
                        if !matches!(event, WatchEvent::Error(_)) && self.health.clear_last_error() {
                            tracing::info!(resource = self.resource, "the watch works again");
                        }
                        Response::Event(event)
                    }
                    Ok(Some(Err(failure))) => Response::Failed(failure),
                    Ok(None) => Response::Closed,
                    Err(_) => {
                        tracing::debug!(resource = self.resource, idle = ?self.watch_idle, "silent watch, will watch again");
                        Response::Silent
                    }
                }
            }
        }
    }

    fn update(&self, update: Update<T>) -> Vec<Change<T>> {
        match update {
            Update::None => Vec::new(),
            Update::Replace(list, undecodable) => self.store.replace(list, &undecodable),
            Update::Apply(object) => self.store.apply(object).into_iter().collect(),
            Update::Delete(key) => self.store.delete(&key).into_iter().collect(),
        }
    }

    /// Reports a failure: in the log, in the metrics and, before the first sync, on `/readyz`.
    fn report(&self, problem: Problem, next: Option<&NextRequest>, metrics: &ResourceMetrics) {
        metrics.error(problem.label);
        if problem.label == "not_found" {
            self.health.notify_not_found();
        }
        let (resource, error) = (self.resource, &problem.why);
        let retry_in = next.map(|next| format!("{:.1}s", next.after.as_secs_f64()));
        match next.map(|next| &next.request) {
            None | Some(Request::Read) => return tracing::warn!(resource, error, "object skipped"),
            Some(Request::List(_)) => {
                tracing::warn!(resource, error, retry_in, "list or watch failed, will list again")
            }
            Some(Request::Watch(..)) => tracing::warn!(resource, error, retry_in, "watch failed, will watch again"),
        }
        self.health.set_last_error(problem.why);
    }
}

/// Reports a reflector that ends before `stop`, because of a panic or an abort: its store is stale from then on.
struct ReportEnd {
    resource: &'static str,
    health: Arc<Health>,
    stop: CancellationToken,
}

impl Drop for ReportEnd {
    fn drop(&mut self) {
        if !self.stop.is_cancelled() {
            self.health.set_ended();
            tracing::error!(resource = self.resource, "the reflector has ended although nothing stopped it");
        }
    }
}

#[cfg(test)]
mod tests;
