//! Compares `/metrics` with docs/metrics.md, docs/dashboard.json and docs/alerts.yaml.

use std::collections::BTreeSet;

use apiserver::{Fault, Rule, Verb};
use serde_json::Value;
use testkit::{MetricsPage, promtool};

use crate::{
    fleet,
    test_env::{TestEnv, config},
};

const DOCUMENTED: &str = include_str!("../../docs/metrics.md");
const ALERTS: &str = include_str!("../../docs/alerts.yaml");
const DASHBOARD: &str = include_str!("../../docs/dashboard.json");
const MONITORING: &str = include_str!("../../docs/monitoring.md");

/// The rows of the table in docs/metrics.md whose first column has this title.
fn table(title: &str) -> impl Iterator<Item = Vec<&'static str>> {
    let lines = DOCUMENTED.lines().skip_while(move |line| !line.starts_with(&format!("| {title} |"))).skip(2);
    let rows = lines.take_while(|line| line.starts_with('|'));
    rows.map(|row| row.trim_matches('|').split('|').map(str::trim).collect())
}

/// The words in backticks.
fn words(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

#[tokio::test(start_paused = true)]
async fn page_has_the_documented_metrics_labels_and_values() {
    let mut env = TestEnv::new().await;
    // Creates a sample of reflector_watch_errors_total.
    env.add_fault(Rule::new(Fault::InternalError).verb(Verb::List).times(1));
    env.run(config()).await;
    env.wait_ready().await;
    let first_page = MetricsPage(env.telemetry.encode().expect("text"));
    for row in table("label").filter(|row| words(row[0]) != ["reason"]) {
        let (label, metric) = (words(row[0])[0], words(row[1])[0]);
        for value in words(row[2]) {
            let wanted = format!("{label}=\"{value}\"");
            let found = first_page
                .samples()
                .any(|(name, labels, _)| name.starts_with(metric.trim_end_matches('*')) && labels.contains(&wanted));
            assert!(found, "{metric} has no {wanted} at the start");
        }
    }

    fleet::create(&env).await;
    env.wait_until(async || fleet::check(&env).await).await;
    let page = MetricsPage(env.telemetry.encode().expect("text"));
    let is_of_controller = |row: &Vec<&str>| {
        let is_of_process =
            ["process_", "leader_", "demo_controller_"].iter().any(|prefix| words(row[0])[0].starts_with(prefix));
        row[3].contains("demo-controller") && !is_of_process
    };
    let line = |row: Vec<&str>| format!("{} {} {}", words(row[0])[0], row[1], words(row[2]).join(", "));
    let documented: BTreeSet<String> =
        table("metric").filter(is_of_controller).map(|row| line(row).trim_end().to_owned()).collect();
    let served: BTreeSet<String> = page.metrics().into_iter().map(|(name, rest)| format!("{name} {rest}")).collect();
    assert_eq!(served, documented);
    promtool::check_page(&page.0);
    env.end().await;
}

/// Every word outside quotes and brackets is a metric, a label or a word of PromQL.
#[test]
fn dashboard_and_alerts_use_documented_metrics_and_labels() {
    const PROMQL: &str = "sum max min count bottomk by and or offset time rate increase min_over_time absent vector \
        histogram_quantile job instance le";
    let mut known: BTreeSet<String> = PROMQL.split_whitespace().map(str::to_owned).collect();
    for row in table("metric") {
        let metric = words(row[0])[0];
        known.extend(["", "_bucket", "_sum", "_count"].map(|suffix| format!("{metric}{suffix}")));
        known.extend(words(row[2]).into_iter().map(str::to_owned));
    }
    let alerts: Value = serde_saphyr::from_str(ALERTS).expect("YAML");
    let dashboard: Value = serde_json::from_str(DASHBOARD).expect("JSON");
    let mut expressions = Vec::new();
    collect_expressions(&alerts, &mut expressions);
    collect_expressions(&dashboard, &mut expressions);
    assert!(expressions.len() > 20, "{}", expressions.len());
    for expression in expressions {
        let outside: String = expression.split('"').step_by(2).collect::<Vec<_>>().join("\"\"");
        let outside: String =
            outside.split('[').map(|part| part.split_once(']').map_or(part, |(_, rest)| rest)).collect();
        let words = outside.split(|c: char| !c.is_ascii_alphanumeric() && !"_$".contains(c));
        for word in words.filter(|word| !word.is_empty() && !word.starts_with(|c: char| c.is_ascii_digit() || c == '$'))
        {
            assert!(known.contains(word), "{word} is not documented: {expression}");
        }
    }
}

fn collect_expressions(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Array(all) => all.iter().for_each(|value| collect_expressions(value, found)),
        Value::Object(all) => {
            found.extend(all.get("expr").and_then(Value::as_str).map(str::to_owned));
            all.values().for_each(|value| collect_expressions(value, found));
        }
        _ => {}
    }
}

#[test]
fn each_alert_has_a_runbook_and_passes_its_rule_tests() {
    let alerts = ALERTS.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect::<Vec<_>>();
    assert!(!alerts.is_empty());
    for alert in alerts {
        assert!(MONITORING.contains(&format!("\n### {alert}\n")), "docs/monitoring.md has no section {alert}");
        assert!(ALERTS.contains(&format!("docs/monitoring.md#{}", alert.to_lowercase())), "{alert} has no runbook_url");
    }
    promtool::run(&["check", "rules", "docs/alerts.yaml"]);
    promtool::run(&["test", "rules", "docs/alerts_test.yaml"]);
}
