use http::{HeaderMap, Method};
use rand::SeedableRng;

use super::*;

pub const PODS: &str = "/api/v1/namespaces/x/pods";

fn request(method: Method, uri: &str) -> (Request, Option<RequestInfo>) {
    let request = Request::new(method, uri, HeaderMap::new(), Default::default());
    let info = RequestInfo::parse(&request).expect("a path");
    (request, info)
}

/// The plan for a request of the administrator.
pub fn plan_for(faults: &mut Faults, method: Method, uri: &str) -> Plan {
    let (request, info) = request(method, uri);
    faults.plan(&User::admin(), &request, info.as_ref(), &mut StdRng::seed_from_u64(1))
}

fn hits(rule: Rule, method: Method, uri: &str) -> bool {
    let mut faults = Faults::default();
    faults.add(rule);
    plan_for(&mut faults, method, uri) != Plan::default()
}

#[test]
fn rule_hits_only_requests_that_match_its_fields() {
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
fn name_matches_in_path_body_or_field_selector() {
    let hits = |name: &str, method, uri: &str, body: &'static str| {
        let request = Request::new(method, uri, Default::default(), body.into());
        let info = RequestInfo::parse(&request).expect("a path");
        Rule::new(Fault::InternalError).name(name).matches(&User::admin(), &request, info.as_ref())
    };
    let one = format!("{PODS}?fieldSelector=metadata.name%3Da");
    let named = r#"{"metadata":{"name":"a"}}"#;
    for (method, uri, body) in [
        (Method::GET, &*one, ""),
        (Method::GET, &*format!("{one}&watch=true"), ""),
        (Method::DELETE, &*one, ""),
        (Method::POST, PODS, named),
        (Method::POST, &*format!("{PODS}/a/binding"), r#"{"metadata":{"name":"b"}}"#),
    ] {
        assert!(hits("a", method.clone(), uri, body), "{method} {uri}");
        assert!(!hits("b", method.clone(), uri, body), "{method} {uri}");
    }
    for (method, uri, body) in [
        (Method::GET, PODS, ""),
        (Method::GET, &*format!("{PODS}?fieldSelector=metadata.name!%3Da"), ""),
        (Method::POST, PODS, r#"{"metadata":{"generateName":"a"}}"#),
        (Method::POST, PODS, "a"),
        (Method::PUT, &*format!("{PODS}/b?fieldSelector=metadata.name%3Da"), named),
    ] {
        assert!(!hits("a", method.clone(), uri, body), "{method} {uri}");
    }
}

#[test]
fn fault_hits_only_the_verbs_that_it_applies_to() {
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

fn hit_requests(rule: Rule, requests: usize) -> Vec<usize> {
    let mut faults = Faults::default();
    faults.add(rule);
    let mut random = StdRng::seed_from_u64(7);
    let (request, info) = request(Method::GET, PODS);
    let mut hit = |_: &usize| faults.plan(&User::admin(), &request, info.as_ref(), &mut random) != Plan::default();
    (1..=requests).filter(|n| hit(n)).collect()
}

#[test]
fn nth_and_times_select_the_matching_requests() {
    let rule = || Rule::new(Fault::ResetBefore);
    assert_eq!(hit_requests(rule(), 4), [1, 2, 3, 4]);
    assert_eq!(hit_requests(rule().nth(2), 4), [2]);
    assert_eq!(hit_requests(rule().times(2), 4), [1, 2]);
    assert_eq!(hit_requests(rule().nth(2).times(2), 4), [2, 3]);
    assert_eq!(hit_requests(rule().probability(0.0), 4), [0; 0]);
    assert_eq!(hit_requests(rule().probability(1.0), 4), [1, 2, 3, 4]);
}

#[test]
fn same_seed_gives_the_same_faults() {
    let rule = || Rule::new(Fault::ResetBefore).probability(0.3);
    let some = hit_requests(rule(), 1000);
    assert_eq!(some, hit_requests(rule(), 1000));
    assert!((250..350).contains(&some.len()), "{}", some.len());
    let few = hit_requests(rule().times(3), 1000);
    assert_eq!(few, some[..3], "times counts hits, not random draws");
}

#[test]
fn plan_combines_all_faults_of_a_request() {
    let mut faults = Faults::default();
    let delay = |seconds| Fault::Delay { duration: Duration::from_secs(seconds) };
    let watch = [Fault::WatchCut { after: 2 }, Fault::WatchCut { after: 9 }, Fault::WatchSilent { after: 1 }];
    for fault in [delay(1), delay(2), Fault::Compact, Fault::ServiceUnavailable, Fault::InternalError] {
        faults.add(Rule::new(fault));
    }
    for fault in watch {
        faults.add(Rule::new(fault));
    }
    let plan = plan_for(&mut faults, Method::GET, "/api/v1/pods?watch=1");
    assert_eq!(plan.delay, Some(Duration::from_secs(3)));
    assert!(plan.compact);
    assert_eq!(plan.error.map(|status| status.code), Some(503), "the first counts");
    assert_eq!(plan.watch, WatchPlan { cut_after: Some(2), silent_after: Some(1), ..WatchPlan::default() });
}
