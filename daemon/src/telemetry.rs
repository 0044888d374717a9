//! Metrics, liveness and readiness of one process.
//!
//! Each component gets the [`Telemetry`] as an argument, and adds its metrics and checks. The HTTP endpoint reads them.

use std::{
    any::{Any, TypeId},
    collections::HashMap,
    fmt,
    sync::Arc,
};

use parking_lot::Mutex;
use prometheus_client::{encoding::text::encode, registry::Registry};

/// The metrics of one kind of component, such as all work queues. Clones share their counters.
pub trait Metrics: Clone + Default + Send + Sync + 'static {
    /// Adds the metrics to the registry. Called once per process.
    fn register(&self, registry: &mut Registry);
}

/// Runs at each request to `/healthz` or `/readyz`. Must not block; the error is one line.
type Check = Arc<dyn Fn() -> Result<(), String> + Send + Sync>;

/// Metrics and checks of one process. Clones share them.
#[derive(Clone, Default)]
pub struct Telemetry(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    registry: Registry,
    metrics: HashMap<TypeId, Box<dyn Any + Send>>,
    liveness: Vec<(String, Check)>,
    readiness: Vec<(String, Check)>,
}

impl Telemetry {
    /// Returns the metrics of this type. The first call registers them.
    pub fn metrics<M: Metrics>(&self) -> M {
        let mut inner = self.0.lock();
        if let Some(metrics) = inner.metrics.get(&TypeId::of::<M>()).and_then(|any| any.downcast_ref::<M>()) {
            return metrics.clone();
        }
        let metrics = M::default();
        metrics.register(&mut inner.registry);
        inner.metrics.insert(TypeId::of::<M>(), Box::new(metrics.clone()));
        metrics
    }

    /// Adds a check to `/healthz`. A failure makes the kubelet restart the container.
    pub fn add_liveness(
        &self,
        name: impl Into<String>,
        check: impl Fn() -> Result<(), String> + Send + Sync + 'static,
    ) {
        self.0.lock().liveness.push((name.into(), Arc::new(check)));
    }

    /// Adds a check to `/readyz`.
    pub fn add_readiness(
        &self,
        name: impl Into<String>,
        check: impl Fn() -> Result<(), String> + Send + Sync + 'static,
    ) {
        self.0.lock().readiness.push((name.into(), Arc::new(check)));
    }

    /// Runs every liveness check.
    ///
    /// # Errors
    /// A line `name: reason` per failed check.
    pub fn liveness(&self) -> Result<(), String> {
        let checks = self.0.lock().liveness.clone();
        run_checks(&checks)
    }

    /// Runs every readiness check. Without any check the process is not ready: it is still starting.
    ///
    /// # Errors
    /// A line `name: reason` per failed check.
    pub fn readiness(&self) -> Result<(), String> {
        let checks = self.0.lock().readiness.clone();
        if checks.is_empty() {
            return Err("starting\n".to_owned());
        }
        run_checks(&checks)
    }

    /// Returns all metrics as OpenMetrics text.
    ///
    /// # Errors
    /// A metric that cannot be encoded.
    pub fn encode(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.0.lock().registry)?;
        Ok(text)
    }
}

/// Runs the checks. The caller has released the lock, because a check may take other locks.
fn run_checks(checks: &[(String, Check)]) -> Result<(), String> {
    let failed = checks.iter().filter_map(|(name, check)| check().err().map(|why| format!("{name}: {why}\n")));
    let lines: String = failed.collect();
    if lines.is_empty() { Ok(()) } else { Err(lines) }
}

#[cfg(test)]
mod tests {
    use prometheus_client::metrics::counter::Counter;

    use super::*;

    #[derive(Clone, Default)]
    struct TestMetrics(Counter);

    impl Metrics for TestMetrics {
        fn register(&self, registry: &mut Registry) {
            registry.register("count", "A count", self.0.clone());
        }
    }

    #[test]
    fn metrics_of_one_type_are_registered_once() {
        let telemetry = Telemetry::default();
        telemetry.metrics::<TestMetrics>().0.inc();
        telemetry.metrics::<TestMetrics>().0.inc();
        let text = telemetry.encode().unwrap();
        assert_eq!(text.matches("count_total 2").count(), 1, "{text}");
    }

    #[test]
    fn process_without_checks_is_alive_but_not_ready() {
        let telemetry = Telemetry::default();
        assert_eq!(telemetry.liveness(), Ok(()));
        assert_eq!(telemetry.readiness(), Err("starting\n".to_owned()));
    }

    #[test]
    fn failing_checks_are_named_one_per_line() {
        let telemetry = Telemetry::default();
        telemetry.add_readiness("pods", || Err("not synced".to_owned()));
        telemetry.add_readiness("pkis", || Ok(()));
        telemetry.add_readiness("leader", || Err("no response".to_owned()));
        assert_eq!(telemetry.readiness(), Err("pods: not synced\nleader: no response\n".to_owned()));
    }
}
