use std::collections::HashSet;

use futures::{FutureExt, StreamExt, stream};
use http::{HeaderMap, Method};
use http_body_util::BodyExt;
use rand::SeedableRng;
use serde_json::{Value, json};

use super::*;
use crate::body::{Body, Reset};

fn request(method: Method, uri: &str) -> (Request, Option<Target>) {
    let request = Request::new(method, uri, HeaderMap::new(), Default::default());
    let target = Target::parse(&request).expect("a path");
    (request, target)
}

fn plan(faults: &mut Faults, method: Method, uri: &str) -> Plan {
    let (request, target) = request(method, uri);
    faults.plan(&User::admin(), &request, target.as_ref(), &mut StdRng::seed_from_u64(1))
}

fn hits(rule: Rule, method: Method, uri: &str) -> bool {
    let mut faults = Faults::default();
    faults.add(rule);
    plan(&mut faults, method, uri) != Plan::default()
}

const PODS: &str = "/api/v1/namespaces/x/pods";

mod rules {
    use super::*;

    #[test]
    fn what_is_not_given_matches_everything() {
        for (method, uri) in [(Method::GET, PODS), (Method::POST, PODS), (Method::GET, "/version")] {
            assert!(hits(Rule::new(Fault::InternalError), method, uri));
        }
    }

    #[test]
    fn what_is_given_has_to_match() {
        let rule = || Rule::new(Fault::InternalError);
        for (rule, method, uri, wanted) in [
            (rule().verb(Verb::List), Method::GET, PODS, true),
            (rule().verb(Verb::List), Method::GET, "/api/v1/namespaces/x/pods/a", false),
            (rule().verb(Verb::List), Method::GET, "/version", false),
            (rule().resource("pods"), Method::GET, PODS, true),
            (rule().resource("pods"), Method::PATCH, "/api/v1/namespaces/x/pods/a/status", true),
            (rule().resource("pods"), Method::GET, "/apis/metrics.k8s.io/v1/pods", false),
            (rule().resource("pods"), Method::GET, "/version", false),
            (rule().resource("pkis.box.com"), Method::GET, "/apis/box.com/v1/pkis", true),
            (rule().resource("pkis"), Method::GET, "/apis/box.com/v1/pkis", false),
            (rule().subresource("status"), Method::PATCH, "/api/v1/namespaces/x/pods/a/status", true),
            (rule().subresource(""), Method::PATCH, "/api/v1/namespaces/x/pods/a/status", false),
            (rule().namespace("x"), Method::GET, PODS, true),
            (rule().namespace("y"), Method::GET, PODS, false),
            (rule().namespace("x"), Method::GET, "/api/v1/pods", false),
            (rule().name("a"), Method::GET, "/api/v1/namespaces/x/pods/a", true),
            (rule().name("a"), Method::GET, "/api/v1/namespaces/x/pods/b", false),
            (rule().user("system:admin"), Method::GET, "/version", true),
            (rule().user("bob"), Method::GET, "/version", false),
        ] {
            assert_eq!(hits(rule.clone(), method, uri), wanted, "{rule:?} {uri}");
        }
    }

    #[test]
    fn a_fault_hits_only_what_it_can_happen_to() {
        let (watch, streaming) = ("/api/v1/pods?watch=1", "/api/v1/pods?watch=1&sendInitialEvents=true");
        for (fault, list_too, watch_too, streaming_too) in [
            (Fault::EmptyWatch, false, true, true),
            (Fault::GoneOnOpen, false, true, true),
            (Fault::StreamingListRefused, false, false, true),
            (Fault::StaleRead { lag: 1 }, true, false, false),
            (Fault::Undecodable { name: None }, true, true, true),
            (Fault::Compact, true, true, true),
        ] {
            let hits = |uri| hits(Rule::new(fault.clone()), Method::GET, uri);
            assert_eq!((hits(PODS), hits(watch), hits(streaming)), (list_too, watch_too, streaming_too), "{fault:?}");
        }
    }

    fn which_of(rule: Rule, requests: usize) -> Vec<usize> {
        let mut faults = Faults::default();
        faults.add(rule);
        let mut random = StdRng::seed_from_u64(7);
        let (request, target) = request(Method::GET, PODS);
        let mut hit =
            |_: &usize| faults.plan(&User::admin(), &request, target.as_ref(), &mut random) != Plan::default();
        (1..=requests).filter(|n| hit(n)).collect()
    }

    #[test]
    fn nth_and_times_say_which_of_them() {
        let rule = || Rule::new(Fault::ResetBefore);
        assert_eq!(which_of(rule(), 4), [1, 2, 3, 4]);
        assert_eq!(which_of(rule().nth(2), 4), [2]);
        assert_eq!(which_of(rule().times(2), 4), [1, 2]);
        assert_eq!(which_of(rule().nth(2).times(2), 4), [2, 3]);
        assert_eq!(which_of(rule().probability(0.0), 4), [0; 0]);
        assert_eq!(which_of(rule().probability(1.0), 4), [1, 2, 3, 4]);
    }

    #[test]
    fn the_same_seed_gives_the_same_faults() {
        let rule = || Rule::new(Fault::ResetBefore).probability(0.3);
        let some = which_of(rule(), 1000);
        assert_eq!(some, which_of(rule(), 1000));
        assert!((250..350).contains(&some.len()), "{}", some.len());
        let few = which_of(rule().times(3), 1000);
        assert_eq!(few, some[..3], "times counts hits, not throws");
    }

    #[test]
    fn what_matched_and_what_hit_is_counted() {
        let mut faults = Faults::default();
        faults.add(Rule::new(Fault::ResetBefore).nth(3).resource("pods"));
        for _ in 0..4 {
            plan(&mut faults, Method::GET, PODS);
            plan(&mut faults, Method::GET, "/version");
        }
        assert_eq!((faults.active()[0].matched, faults.active()[0].hit), (4, 1));
    }

    #[test]
    fn several_faults_come_together() {
        let mut faults = Faults::default();
        let delay = |seconds| Fault::Delay { duration: Duration::from_secs(seconds) };
        let watch = [Fault::WatchCut { after: 2 }, Fault::WatchCut { after: 9 }, Fault::WatchSilent { after: 1 }];
        for fault in [delay(1), delay(2), Fault::Compact, Fault::ServiceUnavailable, Fault::InternalError] {
            faults.add(Rule::new(fault));
        }
        for fault in watch {
            faults.add(Rule::new(fault));
        }
        let plan = plan(&mut faults, Method::GET, "/api/v1/pods?watch=1");
        assert_eq!(plan.delay, Some(Duration::from_secs(3)));
        assert!(plan.compact);
        assert_eq!(plan.refuse.map(|status| status.code), Some(503), "the first counts");
        assert_eq!(plan.watch, WatchPlan { cut_after: Some(2), silent_after: Some(1), ..WatchPlan::default() });
    }

    #[test]
    fn a_refusal_is_worded_as_a_real_server_does_it() {
        for (fault, code, reason, message) in [
            (
                Fault::TooManyRequests { retry_after: Duration::from_secs(2) },
                429,
                "TooManyRequests",
                "Too many requests, please try again later.",
            ),
            (Fault::InternalError, 500, "InternalError", "Internal error occurred: etcdserver: request timed out"),
            (
                Fault::ServiceUnavailable,
                503,
                "ServiceUnavailable",
                "the server is currently unable to handle the request",
            ),
            (Fault::GoneOnOpen, 410, "Expired", "The resourceVersion for the provided watch is too old."),
            (
                Fault::StreamingListRefused,
                422,
                "Invalid",
                "ListOptions.meta.k8s.io \"\" is invalid: sendInitialEvents: Forbidden: sendInitialEvents is forbidden \
                 for watch unless the WatchList feature gate is enabled",
            ),
        ] {
            let mut faults = Faults::default();
            faults.add(Rule::new(fault));
            let status = plan(&mut faults, Method::GET, "/api/v1/pods?watch=1&sendInitialEvents=true").refuse.unwrap();
            assert_eq!((status.code, status.reason, &*status.message), (code, reason, message));
        }
    }
}

mod json {
    use super::*;

    fn refused(body: &str) -> String {
        let status = parse(body.as_bytes()).unwrap_err();
        assert_eq!(status.code, 400);
        status.message
    }

    /// The first column of the table in the module's documentation.
    fn documented() -> Vec<&'static str> {
        let rows = include_str!("mod.rs").lines().filter_map(|line| line.strip_prefix("//! | `"));
        rows.filter_map(|row| row.split('`').next()).collect()
    }

    #[test]
    fn every_fault_of_the_table_is_understood_and_every_fault_is_in_the_table() {
        let mut kinds = HashSet::new();
        for fault in documented() {
            let rules = parse(format!("{{\"fault\":{fault}}}").as_bytes()).expect(fault);
            assert_eq!(serde_json::to_string(&rules[0].fault).unwrap(), fault);
            kinds.insert(std::mem::discriminant(&rules[0].fault));
        }
        assert_eq!(kinds.len(), 16);
        let unknown = refused(r#"{"fault":"Nonsense"}"#);
        for fault in documented() {
            assert!(unknown.contains(fault), "{fault}");
        }
    }

    #[test]
    fn a_rule_reads_as_it_was_written() {
        let rule = Rule::new(Fault::Undecodable { name: Some("a".into()) })
            .user("bob")
            .verb(Verb::DeleteCollection)
            .resource("pods")
            .subresource("status")
            .namespace("x")
            .name("a")
            .nth(2)
            .times(3)
            .probability(0.25);
        let text = serde_json::to_string(&rule).unwrap();
        assert_eq!(parse(text.as_bytes()), Ok(vec![rule]));
    }

    #[test]
    fn what_is_wrong_is_named_with_what_is_accepted() {
        for (body, words) in [
            (
                r#"{"fault":"ResetAfter","verbs":"get"}"#,
                r#"unknown field "verbs", did you mean "verb"?; expected fault, "#,
            ),
            (r#"{"fault":"ResetAfter","xyzxyz":1}"#, r#"unknown field "xyzxyz"; expected fault, user, verb"#),
            (r#"{"fault":"resetAftr"}"#, r#"unknown fault "resetAftr", did you mean "ResetAfter"?; expected one of"#),
            (r#"{"fault":"Nonsense"}"#, r#"unknown fault "Nonsense"; expected one of"#),
            (r#"{"fault":{"WatchEnd":{"afer":1}}}"#, r#"fault WatchEnd: unknown field `afer`"#),
            (r#"{"fault":{"WatchEnd":{"afer":1}}}"#, r#"expected {"WatchEnd":{"after":3}}"#),
            (r#"{"fault":"WatchEnd"}"#, r#"expected {"WatchEnd":{"after":3}}"#),
            (r#"{"fault":{"WatchEnd":{"after":-1}}}"#, "fault WatchEnd: invalid value"),
            (r#"{"fault":{"Delay":{"duration":"soon"}}}"#, r#""soon" is no duration such as 2s, 500ms or 1m 30s"#),
            (r#"{"fault":{"Delay":{"duration":"-1s"}}}"#, r#""-1s" is no duration"#),
            (r#"{"fault":7}"#, "fault: expected one of"),
            (r#"{"verb":"get"}"#, "a rule needs a fault; expected one of"),
            (r#"{"fault":"ResetAfter","verb":"head"}"#, "unknown variant `head`, expected one of `get`"),
            (r#"{"fault":"ResetAfter","nth":0}"#, "nth: expected 1 or more, found 0"),
            (r#"{"fault":"ResetAfter","probability":1.5}"#, "probability: expected 0 to 1, found 1.5"),
            ("nonsense", "expected a rule as JSON, such as"),
            ("", "expected a rule as JSON, such as"),
            ("7", "expected a rule, such as"),
            ("[[]]", "expected a rule, such as"),
        ] {
            let message = refused(body);
            assert!(message.contains(words), "{body}: {message}");
        }
        refused(&format!("{{\"fault\":\"{}\"}}", "ResetAfter".repeat(10_000)));
        refused(&"[".repeat(100_000));
    }
}

mod bodies {
    use super::*;

    /// What a client gets of three events and a bookmark that came in two chunks, and then nothing for ever.
    fn watch(fault: Fault) -> (Vec<String>, Option<Result<(), Reset>>) {
        let event = |kind: &str, name: &str| {
            format!("{}\n", json!({ "type": kind, "object": { "metadata": { "name": name }, "spec": { "a": 1 } } }))
        };
        let first = event("ADDED", "a") + &event("ADDED", "b");
        let second = event("BOOKMARK", "") + &event("DELETED", "c");
        let chunks = stream::iter([Ok(first.into()), Ok(second.into())]).chain(stream::pending());
        let mut faults = Faults::default();
        faults.add(Rule::new(fault));
        let plan = plan(&mut faults, Method::GET, "/api/v1/pods?watch=1");
        let mut body = plan.spoil(Body::Stream(chunks.boxed())).now_or_never().expect("no waiting");
        let mut text = Vec::new();
        let end = loop {
            match body.frame().now_or_never() {
                Some(Some(Ok(frame))) => text.extend_from_slice(&frame.into_data().expect("data")),
                Some(Some(Err(reset))) => break Some(Err(reset)),
                Some(None) => break Some(Ok(())),
                None => break None,
            }
        };
        (String::from_utf8(text).unwrap().split_inclusive('\n').map(str::to_owned).collect(), end)
    }

    fn names(lines: &[String]) -> Vec<String> {
        let value = |line: &String| serde_json::from_str::<Value>(line).expect("a whole line");
        lines.iter().map(|line| value(line)["object"]["metadata"]["name"].as_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn a_watch_ends_after_so_many_lines() {
        let (lines, end) = watch(Fault::WatchEnd { after: 3 });
        assert_eq!((names(&lines), end), (vec!["a".into(), "b".into(), String::new()], Some(Ok(()))));
        assert_eq!(watch(Fault::EmptyWatch), (vec![], Some(Ok(()))));
        let (lines, end) = watch(Fault::WatchEnd { after: 5 });
        assert_eq!((lines.len(), end), (4, None), "that many have not come yet");
    }

    #[test]
    fn a_watch_is_cut_between_lines() {
        let (lines, end) = watch(Fault::WatchCut { after: 1 });
        assert_eq!((names(&lines), end), (vec!["a".into()], Some(Err(Reset))));
        assert_eq!(watch(Fault::WatchCut { after: 0 }), (vec![], Some(Err(Reset))));
        let (lines, end) = watch(Fault::WatchCut { after: 4 });
        assert_eq!((lines.len(), end), (4, Some(Err(Reset))), "at once, not when the next one comes");
    }

    #[test]
    fn a_watch_is_cut_in_the_middle_of_a_line() {
        let (lines, end) = watch(Fault::WatchCutInLine { after: 1 });
        assert_eq!((lines.len(), end), (2, Some(Err(Reset))));
        assert_eq!(names(&lines[..1]), ["a"]);
        assert!(lines[1].starts_with("{\"") && !lines[1].ends_with('\n'), "{}", lines[1]);
    }

    #[test]
    fn a_watch_falls_silent() {
        let (lines, end) = watch(Fault::WatchSilent { after: 2 });
        assert_eq!((lines.len(), end), (2, None));
    }

    #[test]
    fn objects_of_a_watch_cannot_be_decoded() {
        let undecodable = |name: Option<&str>| {
            let (lines, _) = watch(Fault::Undecodable { name: name.map(Into::into) });
            let spoilt =
                lines.iter().filter(|line| line.contains("\"spec\":\"undecodable\"")).cloned().collect::<Vec<_>>();
            names(&spoilt)
        };
        assert_eq!(undecodable(None), ["a", "b", "c"], "bookmarks are no objects");
        assert_eq!(undecodable(Some("b")), ["b"]);
    }

    #[test]
    fn objects_of_a_list_cannot_be_decoded() {
        let spoilt = |answer: &Value, name: Option<&str>| -> Value {
            let mut faults = Faults::default();
            faults.add(Rule::new(Fault::Undecodable { name: name.map(Into::into) }));
            let body = Body::from(bytes::Bytes::from(answer.to_string()));
            let body = plan(&mut faults, Method::GET, PODS).spoil(body).now_or_never().unwrap();
            let bytes = body.collect().now_or_never().unwrap().unwrap().to_bytes();
            serde_json::from_slice(&bytes).unwrap()
        };
        let object = |name: &str| json!({ "metadata": { "name": name }, "spec": {} });
        let list = json!({ "kind": "PodList", "items": [object("a"), object("b")] });
        let all = spoilt(&list, None);
        assert!(all["items"].as_array().unwrap().iter().all(|item| item["spec"].is_string()));
        let one = spoilt(&list, Some("b"));
        assert!(one["items"][0]["spec"].is_object() && one["items"][1]["spec"].is_string());
        assert_eq!(spoilt(&object("a"), None)["metadata"]["labels"], "undecodable");
        let status = json!({ "kind": "Status", "metadata": {} });
        assert_eq!(spoilt(&status, None), status);
    }
}
