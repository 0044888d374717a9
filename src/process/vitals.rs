//! What a process says of itself, under the names that every Prometheus client library uses.
//!
//! Read from `/proc` when it is scraped. Where there is no such thing (macOS), only the version and the start are told.

use std::{
    fmt, fs,
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

/// The unit in which Linux tells programs how long they have computed, on every architecture that it runs on.
const TICKS_PER_SECOND: f64 = 100.0;

/// Makes them part of what is scraped. The process starts now, as far as a scrape can tell.
pub fn register(registry: &mut Registry) {
    let version = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
    registry.register("demo_controller_build", "Which version of the program this is", version);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let start = Gauge::<f64, std::sync::atomic::AtomicU64>::default();
    start.set(now.as_secs_f64());
    let help = "When the process started, in seconds since 1970";
    registry.register_with_unit("process_start_time", help, Unit::Seconds, start);
    registry.register_collector(Box::new(Proc));
}

/// What the kernel knows.
#[derive(Debug)]
struct Proc;

impl Collector for Proc {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        let mut tell = |name, help, unit: Option<&Unit>, metric: &dyn EncodeMetric| {
            metric.encode(encoder.encode_descriptor(name, help, unit, metric.metric_type())?)
        };
        if let Some(seconds) = read("/proc/self/stat").as_deref().and_then(cpu_seconds) {
            let help = "Time that the processors spent on this process.";
            tell("process_cpu", help, Some(&Unit::Seconds), &ConstCounter::new(seconds))?;
        }
        if let Some(bytes) = read("/proc/self/status").as_deref().and_then(resident_bytes) {
            let help = "Memory that the process occupies.";
            tell("process_resident_memory", help, Some(&Unit::Bytes), &ConstGauge::new(bytes))?;
        }
        if let Ok(open) = fs::read_dir("/proc/self/fd") {
            // Without the one that lists them.
            let open = i64::try_from(open.count().saturating_sub(1)).unwrap_or(i64::MAX);
            tell("process_open_fds", "Open file descriptors: files, sockets, pipes.", None, &ConstGauge::new(open))?;
        }
        Ok(())
    }
}

fn read(path: &str) -> Option<String> {
    fs::read_to_string(path).ok()
}

/// `utime` and `stime`, the 14th and 15th field. The second one, the program's name, is in parentheses and may hold
/// blanks and parentheses of its own.
fn cpu_seconds(stat: &str) -> Option<f64> {
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<u32>().ok();
    Some((f64::from(ticks()?) + f64::from(ticks()?)) / TICKS_PER_SECOND)
}

/// `VmRSS:     1234 kB`.
fn resident_bytes(status: &str) -> Option<i64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<i64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_s_name_may_hold_anything() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194560 1 2 3 4 150 50 8 9 20 0 4 0 100";
        assert_eq!(cpu_seconds(stat), Some(2.0));
        assert_eq!(cpu_seconds("7 (short) S 1"), None);
    }

    #[test]
    fn memory_is_told_in_bytes() {
        assert_eq!(resident_bytes("Name:\tx\nVmRSS:\t    1234 kB\nThreads:\t1\n"), Some(1234 * 1024));
        assert_eq!(resident_bytes("Name:\tx\n"), None);
    }
}
