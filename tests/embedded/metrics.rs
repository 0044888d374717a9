//! What `/metrics` really serves is what docs/metrics.md says: every name, type, label and value of a label.

use std::collections::BTreeSet;

use demo_controller::{
    cli::{PluginChoice, Run, Watch},
    watch::exec,
};

use crate::{
    fleet,
    openmetrics::{self, Page, label_names, parse},
    pages,
    resources::simple,
    world::{World, soon},
};

const DOCUMENTED: &str = include_str!("../../docs/metrics.md");

/// The rows of the table whose first column has this title, cell by cell.
fn table(title: &str) -> impl Iterator<Item = Vec<&'static str>> {
    let lines = DOCUMENTED.lines().skip_while(move |line| !line.starts_with(&format!("| {title} |"))).skip(2);
    let rows = lines.take_while(|line| line.starts_with('|'));
    rows.map(|row| row.trim_matches('|').split('|').map(str::trim).collect())
}

/// Words in backticks, sorted.
fn words(cell: &str) -> BTreeSet<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// `name type labels`, as the table has it for this command.
fn documented(command: &str) -> BTreeSet<String> {
    let rows = table("metric").filter(|row| row[3].split(", ").any(|served| served == command));
    rows.map(|row| format!("{} {} {:?}", row[0].trim_matches('`'), row[1], words(row[2]))).collect()
}

/// The same, as it is served.
fn served(page: &Page) -> BTreeSet<String> {
    let line = |(name, family): (&String, &crate::openmetrics::Family)| {
        let suffix = match family.kind.as_str() {
            "counter" => "_total",
            "info" => "_info",
            _ => "",
        };
        format!("{name}{suffix} {} {:?}", family.kind, label_names(family))
    };
    page.iter().map(line).collect()
}

/// A page that a collector takes.
pub async fn scrape(address: std::net::SocketAddr) -> Page {
    let (code, text) = pages::get(address, "/metrics").await;
    assert_eq!(code, 200);
    parse(&text).unwrap_or_else(|why| panic!("{why}\n{text}"))
}

/// The sum of a counter or gauge over all samples with these labels.
pub async fn count(address: std::net::SocketAddr, name: &str, labels: &[(&str, &str)]) -> f64 {
    let page = scrape(address).await;
    let samples = page.values().flat_map(|family| &family.samples).filter(|sample| sample.name == name);
    let wanted = |labels_of_it: &openmetrics::Labels| labels.iter().all(|(key, value)| labels_of_it[*key] == *value);
    samples.filter(|sample| wanted(&sample.labels)).map(|sample| sample.value).sum()
}

/// A page of `run` in the middle of its work, on the embedded server. On any clock.
pub async fn page_of_run() -> Page {
    let mut world = World::new(1).await;
    let address = world.serve(Run::default()).await;
    fleet::create(&world).await;
    soon(async || fleet::check(&world).await).await;
    let page = scrape(address).await;
    world.end().await;
    page
}

/// A page of `watch` with a plugin that answers. On a clock that runs: a child process knows no other.
pub async fn page_of_watch() -> Page {
    let mut world = World::new(1).await;
    let answers = r#"sh -c "while read -r event; do echo '{\"message\":\"seen\",\"level\":\"DEBUG\"}'; done""#;
    let config = [("command".to_owned(), answers.to_owned())].into();
    let child = exec::Settings::read(&config).unwrap();
    let plugin = PluginChoice::Exec { child, environment: exec::Environment::new() };
    let settings = Watch { plugin, config, ..simple("pods") };
    let address = world.watch(settings).await;
    fleet::create(&world).await;
    let page = soon(async || {
        let page = scrape(address).await;
        let calls = page.get("plugin_call_duration_seconds").and_then(|family| {
            family.samples.iter().find(|sample| sample.name.ends_with("_count")).map(|sample| sample.value)
        });
        if calls >= Some(fleet::POD_COUNT as f64) { Ok(page) } else { Err(calls) }
    })
    .await;
    world.end().await;
    page
}

#[tokio::test(start_paused = true)]
async fn run_serves_what_the_table_says() {
    assert_eq!(served(&page_of_run().await), documented("run"));
}

#[tokio::test]
async fn watch_serves_what_the_table_says() {
    assert_eq!(served(&page_of_watch().await), documented("watch"));
}

#[tokio::test(start_paused = true)]
async fn the_values_of_labels_are_closed_lists_and_there_from_the_start() {
    let mut world = World::new(1).await;
    let address = world.serve(Run::default()).await;
    world.until(async || if pages::get(address, "/readyz").await.0 == 200 { Ok(()) } else { Err(()) }).await;
    let page = scrape(address).await;
    for row in table("label") {
        let (label, metric) = (row[0].trim_matches('`'), row[1].trim_matches('`'));
        let family = metric.trim_end_matches("_total").trim_end_matches('*');
        let families = page.iter().filter(|(name, _)| match metric.ends_with('*') {
            true => name.starts_with(family),
            false => *name == family,
        });
        let mut count = 0;
        for (name, family) in families {
            let values: BTreeSet<String> = family.samples.iter().map(|sample| sample.labels[label].clone()).collect();
            assert_eq!(values, words(row[2]), "{name}: {label}");
            count += 1;
        }
        assert!(count > 0, "there is no {metric}");
    }
    world.end().await;
}

/// The value of a family's only sample, or of that of this Pki.
fn value(page: &Page, family: &str, pki: Option<&str>) -> Option<f64> {
    let samples = &page.get(family)?.samples;
    let of = |sample: &&crate::openmetrics::Sample| pki.is_none_or(|pki| sample.labels["name"] == pki);
    samples.iter().find(of).map(|sample| sample.value)
}

#[tokio::test(start_paused = true)]
async fn a_certificate_s_times_go_with_its_pki() {
    const DAY: f64 = 86_400.0;
    let mut world = World::new(1).await;
    let address = world.serve(Run::default()).await;
    assert_eq!(value(&scrape(address).await, "ca_certificate_not_after_timestamp_seconds", None), None, "not 1970");
    fleet::create(&world).await;
    world.until(async || fleet::check(&world).await).await;
    let page = scrape(address).await;
    let time = |family: &str, pki| {
        value(&page, family, pki).unwrap() - value(&page, "process_start_time_seconds", None).unwrap()
    };
    let ends = time("pki_certificate_not_after_timestamp_seconds", Some("pki0"));
    let due = time("pki_certificate_renewal_timestamp_seconds", Some("pki0"));
    assert!((ends / DAY - 90.0).abs() < 1.0 && due > 50.0 * DAY && due < ends, "{ends} {due}");
    let ca = time("ca_certificate_not_after_timestamp_seconds", None);
    assert!((ca / DAY - 3652.0).abs() < 1.0, "{ca}");

    world.delete(&fleet::pki(0)).await;
    for family in ["pki_certificate_not_after_timestamp_seconds", "pki_certificate_renewal_timestamp_seconds"] {
        world
            .until(async || {
                let page = scrape(address).await;
                assert!(value(&page, family, Some("pki1")).is_some());
                value(&page, family, Some("pki0")).map_or(Ok(()), Err)
            })
            .await;
    }
    world.end().await;
}
