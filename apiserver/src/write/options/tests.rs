use serde_json::json;

use super::*;

fn refused(query: &str) -> String {
    WriteOptions::parse("CreateOptions", &Query::parse(query)).unwrap_err().message
}

#[test]
fn unknown_values_are_refused_as_the_real_server_says_it() {
    assert_eq!(
        refused("dryRun=Some"),
        "CreateOptions.meta.k8s.io \"\" is invalid: dryRun: Unsupported value: [\"Some\"]: supported values: \"All\""
    );
    assert_eq!(
        refused("fieldValidation=Some"),
        "CreateOptions.meta.k8s.io \"\" is invalid: fieldValidation: Unsupported value: \"Some\": supported values: \
         \"\", \"Ignore\", \"Strict\", \"Warn\""
    );
}

#[test]
fn the_query_counts_where_there_is_no_body_and_not_beside_one() {
    let query = Query::parse("propagationPolicy=Orphan&gracePeriodSeconds=7");
    let options = DeleteOptions::parse(&query, Value::Null).unwrap();
    assert_eq!((options.propagation(), options.grace_period_seconds), (Some(Propagation::Orphan), Some(7)));
    let options = DeleteOptions::parse(&query, json!({})).unwrap();
    assert_eq!((options.propagation(), options.grace_period_seconds), (None, None));
}

#[test]
fn what_is_no_delete_options_is_a_bad_request() {
    for body in [json!([]), json!({ "kind": "Pod" }), json!({ "gracePeriodSeconds": "x" })] {
        assert_eq!(DeleteOptions::parse(&Query::default(), body.clone()).unwrap_err().code, 400, "{body}");
    }
    let both = json!({ "orphanDependents": true, "propagationPolicy": "Orphan" });
    assert_eq!(DeleteOptions::parse(&Query::default(), both).unwrap_err().code, 422);
}
