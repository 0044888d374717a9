//! Metrics of the process, with the names that all Prometheus client libraries use.
//!
//! Each scrape reads `/proc`. Without `/proc` (macOS) only the version and the start time are exported.

use std::{
    fmt, fs,
    sync::atomic::AtomicU64,
    time::{SystemTime, UNIX_EPOCH},
};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{
        counter::ConstCounter,
        gauge::{ConstGauge, Gauge},
        info::Info,
    },
    registry::{Registry, Unit},
};

use crate::Metrics;

/// Linux's unit of CPU time.
const TICKS_PER_SECOND: f64 = 100.0;

/// Metrics of the process. The time of their registration counts as its start.
#[derive(Clone, Debug, Default)]
pub struct ProcessMetrics;

impl Metrics for ProcessMetrics {
    fn register(&self, registry: &mut Registry) {
        let version = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("demo_controller_build", "Version of the program", version);
        let start = Gauge::<f64, AtomicU64>::default();
        start.set(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64());
        let help = "Start of the process, in seconds since 1970";
        registry.register_with_unit("process_start_time", help, Unit::Seconds, start);
        registry.register_collector(Box::new(Proc));
    }
}

#[derive(Debug)]
struct Proc;

impl Collector for Proc {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        let mut add = |name, help, unit: Option<&Unit>, metric: &dyn EncodeMetric| {
            metric.encode(encoder.encode_descriptor(name, help, unit, metric.metric_type())?)
        };
        let read = |path| fs::read_to_string(path).ok();
        if let Some(seconds) = read("/proc/self/stat").as_deref().and_then(parse_cpu_seconds) {
            add("process_cpu", "CPU time of the process", Some(&Unit::Seconds), &ConstCounter::new(seconds))?;
        }
        if let Some(bytes) = read("/proc/self/status").as_deref().and_then(parse_resident_bytes) {
            add("process_resident_memory", "Resident memory", Some(&Unit::Bytes), &ConstGauge::new(bytes))?;
        }
        if let Ok(open) = fs::read_dir("/proc/self/fd") {
            let open = i64::try_from(open.count()).unwrap_or(i64::MAX);
            add("process_open_fds", "Open file descriptors", None, &ConstGauge::new(open))?;
        }
        Ok(())
    }
}

/// Adds `utime` and `stime`, the 14th and 15th field. The second one, the program's name in parentheses, may contain
/// spaces and parentheses.
fn parse_cpu_seconds(stat: &str) -> Option<f64> {
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<u32>().ok();
    Some((f64::from(ticks()?) + f64::from(ticks()?)) / TICKS_PER_SECOND)
}

/// Reads `VmRSS:     1234 kB`.
fn parse_resident_bytes(status: &str) -> Option<i64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<i64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Telemetry;

    #[test]
    fn process_metrics_are_read_from_proc() {
        assert_eq!(parse_cpu_seconds("7 (a) b (c) S 1 7 7 0 -1 4194560 1 2 3 4 150 50 8 9 20 0 4 0 100"), Some(2.0));
        assert_eq!(parse_cpu_seconds("7 (short) S 1"), None);
        assert_eq!(parse_resident_bytes("Name:\tx\nVmRSS:\t    1234 kB\nThreads:\t1\n"), Some(1234 * 1024));
        let telemetry = Telemetry::default();
        telemetry.metrics::<ProcessMetrics>();
        let text = telemetry.encode().unwrap();
        for name in ["process_start_time_seconds", "process_cpu_seconds_total", "process_resident_memory_bytes"] {
            assert!(text.contains(&format!("\n{name} ")), "{text}");
        }
    }
}
