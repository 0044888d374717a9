//! The scenarios.

use std::time::Duration;

use apiserver::{Fault, Rule, Verb};
use testkit::wait::{eventually, expect};

use crate::env::{Env, Goal};

/// Every change is seen, with one list at the start.
pub fn unchanged_cluster_costs_no_list(env: &Env) -> Goal {
    env.create("shop", &["web"]);
    for phase in ["Running", "Failed", "Running"] {
        env.set_phase("shop", "web", phase);
        env.wait_entry("shop", "web", phase);
    }
    let lists = env.count(|request| request.verb == "list" && request.resource == "pods");
    Goal::Seen(expect(lists <= 1, format!("{lists} lists")))
}

/// A pod is deleted while the watch is disconnected, and the server forgets the version.
pub fn deletion_in_a_gap_is_noticed(env: &Env) -> Goal {
    env.create("shop", &["deleted", "stays"]);
    let server = env.api_server();
    server.fault(Rule::new(Fault::ResetBefore).verb(Verb::Watch).resource("pods"));
    server.cut_watches();
    env.delete_pod("shop", "deleted");
    server.compact();
    server.clear_faults();
    Goal::Eventually {
        holds: |env| {
            let entries = env.entries("shop");
            expect(!entries.contains_key("deleted"), format!("{entries:?}"))
        },
        settled: |env| {
            eventually("three watches are refused", || {
                let log = env.process.lock().log();
                expect(log.matches("410").count() >= 3, log)
            });
        },
    }
}

/// A write takes four seconds. Another namespace changes during that time.
pub fn slow_write_delays_one_namespace(env: &Env) -> Goal {
    env.create("fast", &["web"]);
    env.create("slow", &["web"]);
    env.fail_write(Verb::Update, "slow", Fault::Delay { duration: Duration::from_secs(4) });
    env.set_phase("slow", "web", "Running");
    env.wait_hit();
    env.set_phase("fast", "web", "Running");
    env.wait_entry("fast", "web", "Running");
    let slow = env.entries("slow");
    Goal::Seen(expect(slow["web"] == "Pending", "the slow write came first"))
}

/// Ten pods change while a write is in progress.
pub fn ten_changes_cost_few_requests(env: &Env) -> Goal {
    let pods = ["p0", "p1", "p2", "p3", "p4", "p5", "p6", "p7", "p8", "p9"];
    env.create("shop", &pods);
    let requests = || env.count(|request| request.resource == "configmaps" && request.namespace == "shop");
    let updates = || env.count(|request| request.verb == "update" && request.namespace == "shop") as u64;
    let (before, earlier) = (requests(), updates());
    env.fail_write(Verb::Update, "shop", Fault::Delay { duration: Duration::from_secs(2) });
    env.set_phase("shop", pods[0], "Running");
    env.wait_hit();
    pods.iter().for_each(|pod| env.set_phase("shop", pod, "Running"));
    pods.iter().for_each(|pod| env.wait_entry("shop", pod, "Running"));
    // A later key: now the earlier ones are processed, too, except by the worker whose write is slow.
    env.create("later", &["web"]);
    eventually("every write has its response", || {
        let sent = env.api_server().faults()[0].matched;
        expect(updates() - earlier == sent, format!("{sent} sent"))
    });
    // A reconcile is a read, and a write if there is a difference. Step 1 also reads once per second.
    let requests = requests() - before;
    Goal::Seen(expect(requests < 10, format!("{requests} requests")))
}

/// The API server answers the first write with 500.
pub fn failed_write_is_repeated(env: &Env) -> Goal {
    env.fail_write(Verb::Create, "shop", Fault::InternalError);
    env.create_unseen("shop", &["web"]);
    env.wait_hit();
    Goal::Eventually { holds: |env| has_entry(env), settled: Env::settle }
}

/// The ConfigMap is deleted. No pod of its namespace changes.
pub fn deleted_config_map_is_written_again(env: &Env) -> Goal {
    env.create("shop", &["web"]);
    env.delete_config_map("shop");
    Goal::Eventually { holds: |env| has_entry(env), settled: Env::settle }
}

/// SIGINT arrives during a write.
pub fn interrupted_write_is_finished(env: &Env) -> Goal {
    env.create("shop", &["web"]);
    env.fail_write(Verb::Update, "shop", Fault::Delay { duration: Duration::from_secs(1) });
    env.set_phase("shop", "web", "Running");
    env.wait_hit();
    let mut process = env.process.lock();
    process.signal("INT");
    process.wait_end();
    let entries = env.entries("shop");
    Goal::Seen(expect(entries["web"] == "Running", "the write is lost"))
}

fn has_entry(env: &Env) -> Result<(), String> {
    expect(env.entries("shop").contains_key("web"), "no entry")
}
