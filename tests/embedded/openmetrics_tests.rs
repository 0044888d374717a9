//! The reader of a page takes nothing that a collector would not.

use crate::openmetrics::parse;

const GOOD: &str = r#"# HELP lists Lists begun.
# TYPE lists counter
lists_total{resource="pods"} 3
lists_total{resource="a\"b\\c\nd"} 0
# HELP age_seconds How old.
# TYPE age_seconds gauge
# UNIT age_seconds seconds
age_seconds{} 1.5e-3
# HELP work Work.
# TYPE work histogram
work_sum 3.5
work_count 2
work_bucket{le="1.0"} 1
work_bucket{le="+Inf"} 2
# HELP build Version.
# TYPE build info
build_info{version="1"} 1
# EOF
"#;

#[test]
fn a_good_page_is_read() {
    let page = parse(GOOD).unwrap();
    assert_eq!(page.keys().collect::<Vec<_>>(), ["age_seconds", "build", "lists", "work"]);
    assert_eq!(page["lists"].samples[1].labels["resource"], "a\"b\\c\nd");
    assert_eq!((page["age_seconds"].unit.as_str(), page["age_seconds"].samples[0].value), ("seconds", 0.0015));
}

#[test]
fn whatever_a_collector_would_stumble_over_is_found() {
    for (good, bad) in [
        ("# EOF\n", ""),
        ("# EOF\n", "# EOF"),
        ("# EOF\n", "# EOF\nlate 1\n"),
        ("# TYPE lists counter\n", ""),
        ("# HELP lists Lists begun.\n", ""),
        ("# TYPE lists counter", "# TYPE lists summary"),
        ("lists_total{resource=\"pods\"} 3", "lists{resource=\"pods\"} 3"),
        ("lists_total{resource=\"pods\"} 3", "lists_total{resource=\"pods\"} -3"),
        ("lists_total{resource=\"pods\"} 3", "lists_total{resource=\"pods\"} three"),
        ("lists_total{resource=\"pods\"} 3", "lists_total{resource=\"pods} 3"),
        ("lists_total{resource=\"pods\"} 3", "lists_total{resource=\"pods\",} 3"),
        ("lists_total{resource=\"pods\"} 3", "lists_total{re-source=\"pods\"} 3"),
        ("lists_total{resource=\"pods\"} 3", "lists_total{resource=\"pods\"} 3\nlists_total{resource=\"pods\"} 3"),
        ("lists_total{resource=\"pods\"} 3", "lists_total{resource=\"pods\",resource=\"x\"} 3"),
        ("lists_total{resource=\"pods\"} 3", "lists_total{resource=\"pods\",le=\"1\"} 3"),
        ("# UNIT age_seconds seconds", "# UNIT age_seconds bytes"),
        ("age_seconds{} 1.5e-3", "age_seconds{} 1.5e-3\n# HELP age_seconds Again."),
        ("# HELP work Work.", "# HELP lists Again."),
        ("work_bucket{le=\"1.0\"} 1", "work_bucket{le=\"1.0\"} 3"),
        ("work_bucket{le=\"1.0\"} 1", "work_bucket{le=\"2.0\"} 1\nwork_bucket{le=\"1.0\"} 1"),
        ("work_bucket{le=\"+Inf\"} 2\n", ""),
        ("work_count 2", "work_count 5"),
        ("work_sum 3.5\n", ""),
        ("build_info{version=\"1\"} 1", "build_info{version=\"1\"} 2"),
    ] {
        assert!(GOOD.contains(good), "{good}");
        let page = GOOD.replacen(good, bad, 1);
        assert!(parse(&page).is_err(), "{bad:?} was taken");
    }
}
