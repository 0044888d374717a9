//! The cells READY, STATUS and RESTARTS of a pod.
//!
//! STATUS is the most specific information, not only the phase: why a container waits or how it ended, the progress of the
//! init containers, or that the pod is terminating.

use jiff::Timestamp;
use serde_json::Value;

use super::age;
use crate::object::{Meta, items, text};

/// The three cells.
pub struct PodSummary<'a> {
    ready: usize,
    total: usize,
    /// STATUS.
    pub reason: String,
    restarts: i64,
    /// The time of the last restart of a container.
    last_restart: &'a str,
}

impl<'a> PodSummary<'a> {
    pub fn new(pod: &'a Value) -> Self {
        let status = &pod["status"];
        let mut summary = PodSummary {
            ready: 0,
            total: items(&pod["spec"]["containers"]).len()
                + items(&pod["spec"]["initContainers"]).iter().filter(is_sidecar).count(),
            reason: text(&status["phase"]).to_owned(),
            restarts: 0,
            last_restart: "",
        };
        if !text(&status["reason"]).is_empty() {
            summary.reason = text(&status["reason"]).to_owned();
        }
        let gated = |c: &Value| c["type"] == "PodScheduled" && c["reason"] == "SchedulingGated";
        if items(&status["conditions"]).iter().any(gated) {
            summary.reason = "SchedulingGated".into();
        }
        let initializing = summary.add_init_containers(pod);
        if !initializing || has_condition(pod, "Initialized") {
            summary.add_containers(pod);
        }
        let ended = matches!(text(&status["phase"]), "Succeeded" | "Failed");
        if pod.is_terminating() && status["reason"] == "NodeLost" {
            summary.reason = "Unknown".into();
        } else if pod.is_terminating() && !ended {
            summary.reason = "Terminating".into();
        }
        summary
    }

    /// Returns whether init containers are still running; the reason then shows their progress.
    fn add_init_containers(&mut self, pod: &'a Value) -> bool {
        let specs = items(&pod["spec"]["initContainers"]);
        let mut sidecars = (0, "");
        let mut initializing = false;
        for (i, container) in items(&pod["status"]["initContainerStatuses"]).iter().enumerate() {
            let sidecar = specs.iter().any(|spec| spec["name"] == container["name"] && is_sidecar(&spec));
            self.add_restarts(container);
            if sidecar {
                sidecars = (sidecars.0 + restarts(container), sidecars.1.max(last_end(container)));
            }
            let (terminated, waiting) =
                (&container["state"]["terminated"], text(&container["state"]["waiting"]["reason"]));
            if terminated.is_object() && exit_code(terminated) == 0 {
                continue;
            }
            if sidecar && container["started"] == true {
                self.ready += usize::from(container["ready"] == true);
                continue;
            }
            self.reason = if terminated.is_object() {
                format!("Init:{}", end(terminated))
            } else if !waiting.is_empty() && waiting != "PodInitializing" {
                format!("Init:{waiting}")
            } else {
                format!("Init:{i}/{}", specs.len())
            };
            initializing = true;
            break;
        }
        // When the pod is initialized, only restarts of sidecars count.
        if !initializing || has_condition(pod, "Initialized") {
            (self.restarts, self.last_restart) = sidecars;
        }
        initializing
    }

    fn add_containers(&mut self, pod: &'a Value) {
        let mut running = false;
        let mut error = None;
        // The reason of the first container counts, so iterate from the last to the first.
        for container in items(&pod["status"]["containerStatuses"]).iter().rev() {
            self.add_restarts(container);
            let (terminated, waiting) =
                (&container["state"]["terminated"], text(&container["state"]["waiting"]["reason"]));
            if !waiting.is_empty() {
                self.reason = waiting.to_owned();
            } else if terminated.is_object() {
                self.reason = end(terminated);
                if exit_code(terminated) != 0 {
                    error = Some(self.reason.clone());
                }
            } else if container["ready"] == true && container["state"]["running"].is_object() {
                running = true;
                self.ready += 1;
            }
        }
        // One completed container does not complete the pod.
        if self.reason == "Completed" {
            if running && has_condition(pod, "Ready") {
                self.reason = "Running".into();
            } else if let Some(error) = error {
                self.reason = error;
            } else if running {
                self.reason = "NotReady".into();
            }
        }
    }

    fn add_restarts(&mut self, container: &'a Value) {
        self.restarts = self.restarts.saturating_add(restarts(container));
        self.last_restart = self.last_restart.max(last_end(container));
    }

    /// READY: `1/2`.
    pub fn ready(&self) -> String {
        format!("{}/{}", self.ready, self.total)
    }

    /// RESTARTS: `3 (2m ago)`.
    pub fn restarts(&self, now: Timestamp) -> String {
        if self.restarts == 0 || self.last_restart.is_empty() {
            self.restarts.to_string()
        } else {
            format!("{} ({} ago)", self.restarts, age::since(self.last_restart, now))
        }
    }
}

/// How many readiness gates are true.
pub fn readiness_gates(pod: &Value) -> String {
    let gates = items(&pod["spec"]["readinessGates"]);
    if gates.is_empty() {
        return "<none>".into();
    }
    let passed = gates.iter().filter(|gate| has_condition(pod, text(&gate["conditionType"])));
    format!("{}/{}", passed.count(), gates.len())
}

/// An init container that keeps running beside the others.
fn is_sidecar(container: &&Value) -> bool {
    container["restartPolicy"] == "Always"
}

fn has_condition(pod: &Value, kind: &str) -> bool {
    items(&pod["status"]["conditions"]).iter().any(|c| c["type"] == kind && c["status"] == "True")
}

fn restarts(container: &Value) -> i64 {
    container["restartCount"].as_i64().unwrap_or_default()
}

/// Timestamps sort as strings.
fn last_end(container: &Value) -> &str {
    text(&container["lastState"]["terminated"]["finishedAt"])
}

fn exit_code(terminated: &Value) -> i64 {
    terminated["exitCode"].as_i64().unwrap_or_default()
}

/// How a container ended: the reason, else the signal, else the exit code.
fn end(terminated: &Value) -> String {
    match (text(&terminated["reason"]), terminated["signal"].as_i64().unwrap_or_default()) {
        ("", 0) => format!("ExitCode:{}", exit_code(terminated)),
        ("", signal) => format!("Signal:{signal}"),
        (reason, _) => reason.to_owned(),
    }
}
