//! The CustomResourceDefinition of Pki: a real API server evaluates its schema and CEL rules.

use serde_json::{Value, json};
use testkit::objects::pki;

use crate::test_env::TestEnv;

pub fn wrong_spec_is_refused_by_the_api_server(env: &mut TestEnv) {
    env.create_namespace("typed");
    let with = |field: &str, value: Value| {
        let mut spec = json!({ "serviceName": "app1" });
        spec[field] = value;
        spec
    };
    let megabyte: Vec<String> = (0..60_000).map(|n| format!("name-{n}.example")).collect();
    let renew = |before: &str| json!({ "serviceName": "app1", "duration": "1h", "renewBefore": before });
    for (name, spec, field) in [
        ("no-name", json!({}), "serviceName"),
        ("number", with("serviceName", json!(5)), "serviceName"),
        ("upper-case", with("serviceName", json!("App1")), "serviceName"),
        ("huge", with("serviceName", json!("x".repeat(1_000_000))), "serviceName"),
        ("common", with("commonName", json!("not a name!")), "commonName"),
        ("dns", with("dnsNames", json!(["fine", "not fine"])), "dnsNames"),
        ("dns-type", with("dnsNames", json!("app1")), "dnsNames"),
        ("dns-huge", with("dnsNames", json!(megabyte)), "dnsNames"),
        ("short", with("duration", json!("59m")), "duration"),
        ("long", with("duration", json!("8761h")), "duration"),
        ("no-duration", with("duration", json!("soon")), "duration"),
        ("renew-late", renew("4m"), "renewBefore"),
        ("renew-always", renew("1h"), "renewBefore"),
    ] {
        let response = env.api.post("/apis/box.com/v1/namespaces/typed/pkis", &pki("typed", name, spec));
        let error = response.expect_err(name);
        assert!(error.code == 422 && error.message.contains(field), "{name}: {error}");
    }
    for (name, duration) in [("shortest", "1h"), ("longest", "8760h")] {
        env.create_pki("typed", name, json!({ "serviceName": "app1", "duration": duration }));
    }
}
