//! docs/dashboard.json and docs/alerts.yaml, held against what a controller really serves. Whether a rule fires when it
//! should is tried with promtool (docs/alerts_test.yaml), where there is one: on the PATH, or as target/promtool.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Write,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

use crate::{
    metrics::{page_of_run, page_of_watch},
    openmetrics::{Labels, Page},
    promql::asked,
};

const ALERTS: &str = include_str!("../../docs/alerts.yaml");
const ALERTS_TEST: &str = include_str!("../../docs/alerts_test.yaml");
const DASHBOARD: &str = include_str!("../../docs/dashboard.json");
const GUIDE: &str = include_str!("../../docs/monitoring.md");

/// What Prometheus adds to each sample.
const TARGET: [&str; 2] = ["job", "instance"];

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn rules() -> Vec<Value> {
    let file: Value = serde_saphyr::from_str(ALERTS).expect("YAML");
    list(&file["groups"]).iter().flat_map(|group| list(&group["rules"]).to_vec()).collect()
}

/// Every panel, those in rows too.
fn panels() -> Vec<Value> {
    let dashboard: Value = serde_json::from_str(DASHBOARD).expect("JSON");
    let all = list(&dashboard["panels"]).iter();
    all.flat_map(|panel| [vec![panel.clone()], list(&panel["panels"]).to_vec()].concat()).collect()
}

/// All samples by name, with their labels, of pages of both commands.
fn samples(pages: [Page; 2]) -> BTreeMap<String, Vec<Labels>> {
    let mut all: BTreeMap<String, Vec<Labels>> = BTreeMap::new();
    for sample in pages.into_iter().flat_map(Page::into_values).flat_map(|family| family.samples) {
        all.entry(sample.name).or_default().push(sample.labels);
    }
    all
}

/// What is wrong with an expression, in the light of what there is.
fn wrong(expression: &str, there: &BTreeMap<String, Vec<Labels>>) -> Vec<String> {
    let (asked, mut wrong, mut labels) = (asked(expression), Vec::new(), BTreeSet::from(TARGET.map(str::to_owned)));
    if asked.metrics.is_empty() {
        wrong.push("it asks for no metric".to_owned());
    }
    for (name, matchers) in &asked.metrics {
        let Some(series) = there.get(name) else {
            wrong.push(format!("nobody serves {name}"));
            continue;
        };
        labels.extend(series.iter().flat_map(|labels| labels.keys().cloned()));
        for (label, operator, value) in matchers.iter().filter(|(label, ..)| !TARGET.contains(&label.as_str())) {
            // Of a regular expression: each of its words.
            let words = if operator.contains('~') { value.split('|').collect() } else { vec![value.as_str()] };
            let served: BTreeSet<&str> =
                series.iter().filter_map(|labels| labels.get(label)).map(String::as_str).collect();
            let unknown = words.into_iter().find(|word| !served.contains(word));
            wrong.extend(
                unknown.map(|word| format!("{name} is never served with {label}={word:?}, but with {served:?}")),
            );
        }
    }
    let unknown = asked.labels.iter().filter(|label| !labels.contains(*label));
    wrong.extend(unknown.map(|label| format!("none of its metrics has the label {label}")));
    wrong
}

/// Labels that a template of Prometheus names: `$labels.name`.
fn templated(template: &str) -> impl Iterator<Item = &str> {
    let parts = template.split("$labels.").skip(1);
    parts.map(|part| part.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().unwrap_or_default())
}

#[tokio::test]
async fn everything_that_the_dashboard_and_the_rules_ask_for_is_served() {
    let there = samples([page_of_run().await, page_of_watch().await]);
    for rule in rules() {
        let expression = text(&rule["expr"]);
        assert_eq!(wrong(expression, &there), [""; 0], "{expression}");
        let of = |name: &String| there[name].iter().flat_map(|labels| labels.keys().map(String::as_str));
        let asked = asked(expression);
        let labels: BTreeSet<&str> = asked.metrics.iter().flat_map(|(name, _)| of(name)).chain(TARGET).collect();
        for annotation in rule["annotations"].as_object().expect("annotations").values() {
            let unknown = templated(text(annotation)).find(|label| !labels.contains(label));
            assert_eq!(unknown, None, "{}: {annotation}", rule["alert"]);
        }
    }
    let expressions: Vec<Value> = panels().iter().flat_map(|panel| list(&panel["targets"]).to_vec()).collect();
    assert!(expressions.len() >= 20, "{}", expressions.len());
    for target in &expressions {
        let expression = text(&target["expr"]);
        assert_eq!(wrong(expression, &there), [""; 0], "{expression}");
    }
    // The other way round: nothing is served that nobody looks at, but for what is there for those who search.
    let rules = rules();
    let expressions = expressions.iter().chain(&rules).map(|holder| text(&holder["expr"]));
    let seen: BTreeSet<String> = expressions.flat_map(|e| asked(e).metrics).map(|(name, _)| name).collect();
    let unseen =
        there.keys().filter(|name| !seen.contains(*name) && !name.ends_with("_count") && !name.ends_with("_sum"));
    assert_eq!(unseen.collect::<Vec<_>>(), ["workqueue_unfinished_work_seconds"]);
}

#[tokio::test(start_paused = true)]
async fn a_metric_a_label_and_a_value_that_are_not_served_are_found() {
    let there = samples([page_of_run().await, Page::new()]);
    for (expression, why) in [
        ("reflector_item > 0", "nobody serves reflector_item"),
        ("sum by (queue) (reflector_items)", "none of its metrics has the label queue"),
        ("reflector_items{resource=\"pod\"}", "reflector_items is never served with resource=\"pod\""),
        ("rate(events_total{result=~\"sent|lost\"}[5m])", "events_total is never served with result=\"lost\""),
        ("1 > 0", "it asks for no metric"),
    ] {
        let wrong = wrong(expression, &there);
        assert!(wrong.len() == 1 && wrong[0].starts_with(why), "{expression}: {wrong:?}");
    }
}

#[test]
fn each_rule_says_what_to_do_and_has_a_case_in_which_it_fires_and_one_in_which_it_does_not() {
    let cases: Value = serde_saphyr::from_str(ALERTS_TEST).expect("YAML");
    let cases: Vec<&Value> = list(&cases["tests"]).iter().flat_map(|test| list(&test["alert_rule_test"])).collect();
    let headings: Vec<String> = GUIDE.lines().filter_map(|line| line.strip_prefix("### ")).map(anchor).collect();
    assert_eq!(rules().len(), 5);
    for rule in rules() {
        let alert = text(&rule["alert"]);
        assert!(text(&rule["for"]).ends_with('m'), "{alert}");
        assert!(["critical", "warning"].contains(&text(&rule["labels"]["severity"])), "{alert}");
        for annotation in ["summary", "description"] {
            assert!(!text(&rule["annotations"][annotation]).is_empty(), "{alert}: {annotation}");
        }
        let runbook = text(&rule["annotations"]["runbook_url"]).split_once("docs/monitoring.md#").unwrap_or_default().1;
        assert!(headings.iter().any(|heading| heading == runbook), "{alert}: no heading {runbook:?} in {headings:?}");
        let fires = |case: &Value| !list(&case["exp_alerts"]).is_empty();
        let of_it: BTreeSet<bool> =
            cases.iter().filter(|case| case["alertname"] == alert).map(|case| fires(case)).collect();
        assert_eq!(of_it, BTreeSet::from([false, true]), "{alert}: the cases in docs/alerts_test.yaml");
    }
}

/// As it is linked to.
fn anchor(heading: &str) -> String {
    let words: String = heading.to_lowercase().chars().filter(|c| c.is_alphanumeric() || " -".contains(*c)).collect();
    words.trim().replace(' ', "-")
}

#[test]
fn the_dashboard_can_be_imported_anywhere() {
    let dashboard: Value = serde_json::from_str(DASHBOARD).expect("JSON");
    let variables = list(&dashboard["templating"]["list"]);
    assert!(
        variables.iter().any(|v| v["type"] == "datasource" && v["name"] == "datasource" && v["query"] == "prometheus")
    );
    assert!(dashboard["schemaVersion"].as_u64() >= Some(38), "Grafana 10 and later");
    assert!(dashboard["id"].is_null() && !text(&dashboard["uid"]).is_empty(), "an id is the importing Grafana's");
    let mut ids = BTreeSet::new();
    for panel in panels() {
        assert!(ids.insert(panel["id"].as_u64()) && panel["id"].is_u64(), "{}", panel["title"]);
        assert!(!text(&panel["title"]).is_empty() && panel["gridPos"]["w"].is_u64());
        if panel["type"] != "row" {
            assert!(!text(&panel["description"]).is_empty(), "{}: it says what to make of it", panel["title"]);
            let sources = list(&panel["targets"]).iter().chain([&panel]).map(|holder| &holder["datasource"]["uid"]);
            assert!(sources.into_iter().all(|uid| uid == "${datasource}"), "{}", panel["title"]);
        }
    }
}

/// Where the PATH says, or where `.ci/run` puts it.
fn promtool() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain([root.join("target")]);
    folders.map(|folder| folder.join("promtool")).find(|program| program.is_file())
}

#[test]
fn promtool_finds_that_each_rule_fires_when_it_should_and_never_else() {
    let Some(promtool) = promtool() else {
        // Not eprintln, which the test harness swallows.
        let line = "alert rules: skipped, there is no promtool on the PATH or in target/\n";
        std::io::stderr().write_all(line.as_bytes()).unwrap();
        return;
    };
    for arguments in [["check", "rules", "docs/alerts.yaml"], ["test", "rules", "docs/alerts_test.yaml"]] {
        let done =
            Command::new(&promtool).args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).output().expect("it runs");
        let said = String::from_utf8_lossy(&[done.stdout, done.stderr].concat()).into_owned();
        assert!(done.status.success(), "{arguments:?}: {said}");
    }
}
