//! The workers of all queues: their start, their health check, and their end.

use std::{future::Future, sync::Arc, time::Duration};

use daemon::{LogThrottle, Telemetry, shutdown::Unfinished};
use futures::{FutureExt, future::join_all};
use tokio::{task::JoinSet, time::timeout};
use tokio_util::sync::CancellationToken;

use super::{Reconciler, Worker};
use crate::{explain, informer::Key, workqueue::WorkQueue};

/// The workers of a controller: the same number for each of its queues.
pub struct WorkerPool {
    workers: usize,
    max_retries: u32,
    stuck_after: Duration,
    telemetry: Telemetry,
    stop: CancellationToken,
    queues: Vec<WorkQueue<Key>>,
    tasks: JoinSet<()>,
}

impl WorkerPool {
    /// Creates a pool with `workers` per queue. A failing key is retried `max_retries` times; 12 retries take about 20 s.
    pub fn new(workers: usize, max_retries: u32, telemetry: &Telemetry, stop: &CancellationToken) -> Self {
        WorkerPool {
            workers,
            max_retries,
            stuck_after: Duration::from_secs(300),
            telemetry: telemetry.clone(),
            stop: stop.clone(),
            queues: Vec::new(),
            tasks: JoinSet::new(),
        }
    }

    /// Sets how long a key may be in a worker before `/healthz` fails; 5 minutes by default.
    ///
    /// It must be longer than any reconcile. Each request has a time limit ([`crate::request::REQUEST_TIMEOUT`]), so an unavailable
    /// API server does not make `/healthz` fail: a restart would not help.
    #[must_use]
    pub fn stuck_after(self, limit: Duration) -> Self {
        WorkerPool { stuck_after: limit, ..self }
    }

    /// Starts the workers of a queue. They take no key before `synced` completes, because they would treat objects that are
    /// not listed yet as deleted.
    pub fn spawn<R: Reconciler<Key>>(
        &mut self,
        queue: &WorkQueue<Key>,
        reconciler: Arc<R>,
        synced: impl Future<Output = ()> + Send + 'static,
    ) {
        self.add_liveness(queue);
        self.queues.push(queue.clone());
        let (synced, throttle) = (synced.boxed().shared(), Arc::new(LogThrottle::default()));
        for _ in 0..self.workers {
            let worker = Worker {
                queue: queue.clone(),
                reconciler: reconciler.clone(),
                max_retries: self.max_retries,
                throttle: throttle.clone(),
                metrics: self.telemetry.metrics(),
            };
            let (synced, stop) = (synced.clone(), self.stop.clone());
            self.tasks.spawn(async move {
                if stop.run_until_cancelled(synced).await.is_some() {
                    worker.run(stop).await;
                }
            });
        }
    }

    /// Makes `/healthz` fail if a key does not leave its worker: a bug (a deadlock, for example) that only a restart ends.
    fn add_liveness(&self, queue: &WorkQueue<Key>) {
        let (queue, limit, stop) = (queue.clone(), self.stuck_after, self.stop.clone());
        self.telemetry.add_liveness(format!("queue {}", queue.name()), move || match queue.longest_running() {
            // During a shutdown the grace period is the limit.
            Some((key, age)) if age > limit && !stop.is_cancelled() => {
                let (age, limit) = (age.as_secs(), limit.as_secs());
                Err(format!("{key} has been in a worker for {age} s (limit {limit} s): restart the process"))
            }
            _ => Ok(()),
        });
    }

    /// Waits for the stop. A panic in a worker or in one of `tasks` is raised here: a controller with half of its tasks must
    /// not continue.
    pub async fn wait_until_stopped(&mut self, tasks: &mut JoinSet<()>) {
        tokio::select! {
            () = self.stop.cancelled() => {}
            () = propagate_panics(tasks) => {}
            () = propagate_panics(&mut self.tasks) => {}
        }
    }

    /// Takes no more keys, and finishes the keys in progress, for at most `grace`.
    ///
    /// # Errors
    /// The keys that are unfinished then; their reconciles are dropped at an await point.
    pub async fn drain(mut self, grace: Duration) -> Result<(), Unfinished> {
        explain!(Repeat, "shutdown: no more keys are taken from the queues, the keys in progress are finished");
        let drained = async {
            join_all(self.queues.iter().map(WorkQueue::shut_down_with_drain)).await;
            while self.tasks.join_next().await.is_some() {}
        };
        timeout(grace, drained).await.map_err(|_| {
            let keys = self.queues.iter().flat_map(WorkQueue::processing).map(|key| key.to_string()).collect();
            Unfinished { after: grace, keys }
        })
    }
}

async fn propagate_panics(tasks: &mut JoinSet<()>) {
    while let Some(ended) = tasks.join_next().await {
        if let Some(panic) = ended.err().and_then(|error| error.try_into_panic().ok()) {
            std::panic::resume_unwind(panic);
        }
    }
    std::future::pending().await
}
