//! The metrics of the queue, under client-go's names, so that existing dashboards work.
//!
//! Adds, retries and durations are counted when they happen. The depth and the unfinished work are computed at each scrape.

use std::{
    fmt,
    sync::{Arc, Weak},
};

use parking_lot::Mutex;
use prometheus_client::{
    collector::Collector,
    encoding::DescriptorEncoder,
    metrics::{MetricType, counter::Counter, family::Family, histogram::Histogram},
    registry::{Registry, Unit},
};

use super::state::Load;

/// The label: the queue's name.
type NameLabel = [(&'static str, &'static str); 1];

/// client-go's buckets, in seconds: ten decades from 10 ns to 10 s.
const BUCKETS: [f64; 10] = [1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0];

/// The metrics of all queues of a process, with the label `name`. A clone shares the counters.
#[derive(Clone)]
pub struct WorkQueueMetrics {
    adds: Family<NameLabel, Counter>,
    retries: Family<NameLabel, Counter>,
    queue_duration: Family<NameLabel, Histogram, fn() -> Histogram>,
    work_duration: Family<NameLabel, Histogram, fn() -> Histogram>,
    queues: Queues,
}

impl Default for WorkQueueMetrics {
    fn default() -> Self {
        WorkQueueMetrics {
            adds: Family::default(),
            retries: Family::default(),
            queue_duration: Family::new_with_constructor(|| Histogram::new(BUCKETS)),
            work_duration: Family::new_with_constructor(|| Histogram::new(BUCKETS)),
            queues: Queues::default(),
        }
    }
}

impl daemon::Metrics for WorkQueueMetrics {
    fn register(&self, registry: &mut Registry) {
        registry.register("workqueue_adds", "Adds, except of keys that were dirty already", self.adds.clone());
        registry.register("workqueue_retries", "Retries", self.retries.clone());
        let (queued, work) = (self.queue_duration.clone(), self.work_duration.clone());
        let help = "Time that a key waits in the queue";
        registry.register_with_unit("workqueue_queue_duration", help, Unit::Seconds, queued);
        let help = "Time that a worker needs for a key";
        registry.register_with_unit("workqueue_work_duration", help, Unit::Seconds, work);
        registry.register_collector(Box::new(self.queues.clone()));
    }
}

impl WorkQueueMetrics {
    /// Returns the metrics of one queue, looked up once. Each scrape reads the load of `queue`, until it is dropped or a later
    /// queue has the same name.
    pub(super) fn of(&self, name: &'static str, queue: Weak<dyn HasLoad>) -> QueueMetrics {
        let mut queues = self.queues.0.lock();
        queues.retain(|(other, queue)| *other != name && queue.strong_count() > 0);
        queues.push((name, queue));
        let name = [("name", name)];
        QueueMetrics {
            adds: self.adds.get_or_create_owned(&name),
            retries: self.retries.get_or_create_owned(&name),
            queue_duration: self.queue_duration.get_or_create_owned(&name),
            work_duration: self.work_duration.get_or_create_owned(&name),
        }
    }
}

/// The metrics of one queue.
#[derive(Debug)]
pub(super) struct QueueMetrics {
    pub adds: Counter,
    /// Retries of both kinds. client-go counts delayed adds here, too, which are not failures.
    pub retries: Counter,
    pub queue_duration: Histogram,
    pub work_duration: Histogram,
}

/// A queue, for the scrape.
pub(super) trait HasLoad: Send + Sync {
    /// Returns its load now.
    fn load(&self) -> Load;
}

/// All queues by name, without keeping them alive.
#[derive(Clone, Default)]
struct Queues(Arc<Mutex<Vec<NamedQueue>>>);

type NamedQueue = (&'static str, Weak<dyn HasLoad>);

impl fmt::Debug for Queues {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Queues")
    }
}

impl Collector for Queues {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        let queues = self.0.lock().clone();
        let loads: Vec<(NameLabel, Load)> =
            queues.iter().filter_map(|(name, queue)| Some(([("name", *name)], queue.upgrade()?.load()))).collect();
        let mut gauge = |name, unit: Option<&Unit>, help, value: fn(&Load) -> f64| {
            let mut family = encoder.encode_descriptor(name, help, unit, MetricType::Gauge)?;
            loads.iter().try_for_each(|(name, load)| family.encode_family(name)?.encode_gauge(&value(load)))
        };
        gauge("workqueue_depth", None, "Keys to be processed", |load| load.dirty as f64)?;
        let seconds = Some(&Unit::Seconds);
        let help = "Sum of the ages of all keys in workers; grows by the number of stuck workers each second";
        gauge("workqueue_unfinished_work", seconds, help, |load| load.unfinished.as_secs_f64())?;
        let help = "Age of the oldest key in a worker";
        gauge("workqueue_longest_running_processor", seconds, help, |load| load.longest.as_secs_f64())
    }
}
