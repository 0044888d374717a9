//! The built binary against real servers: every promise that can be seen from outside.
//!
//! ```text
//! KUBEBUILDER_ASSETS=… cargo test --test e2e [PART OF A NAME…]
//! ```
//!
//! Start with [`story`]. Each scenario is a sentence and stands in one of the files below; what they stand on: a
//! [control plane](control_plane) that is started for them, the [controller] as a child process with its ServiceAccount's own
//! token, a simulated [kubelet], a [proxy] that is the network, and [waiting](wait) without sleeping. `E2E_KEEP=1` keeps the
//! logs and data of the control planes in target/tmp.

#![forbid(unsafe_code)]

mod api;
mod audit;
mod control_plane;
mod controller;
mod http;
mod kubectl;
mod kubelet;
mod metrics;
mod objects;
mod proxy;
mod runner;
mod server;
mod stage;
mod wait;

mod harness;

use std::process::ExitCode;

use runner::Group;
use stage::Stage;

/// The long ones first, so that no core is idle at the end.
const GROUPS: &[Group] = &[
    Group {
        on: Stage::bare,
        scenarios: scenarios![
            harness::the_control_plane_serves_audits_and_keeps_its_data,
            harness::the_kubelet_runs_a_pod_once_its_secret_exists,
            harness::the_proxy_passes_cuts_and_freezes,
        ],
    },
    Group { on: Stage::without_cache_bare, scenarios: scenarios![harness::a_compacted_version_is_gone] },
];

fn main() -> ExitCode {
    if let Some(why) = control_plane::missing() {
        eprintln!("{why}");
        return ExitCode::FAILURE;
    }
    runner::run(GROUPS)
}
