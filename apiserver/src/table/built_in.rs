//! The columns of the built-in resources.

use jiff::Timestamp;
use serde_json::Value;

use super::{age, pods};
use crate::{
    object::{Meta, items, text},
    resource::Resource,
    selector,
};

/// One column, with the function that computes a cell.
pub struct Column {
    pub name: &'static str,
    /// `string`, `integer` or `date`.
    pub column_type: &'static str,
    /// Above 0: shown only with `-o wide`.
    pub priority: i64,
    pub cell: fn(&Value, Timestamp) -> Value,
}

const fn column(name: &'static str, cell: fn(&Value, Timestamp) -> Value) -> Column {
    Column { name, column_type: "string", priority: 0, cell }
}

const fn number(name: &'static str, cell: fn(&Value, Timestamp) -> Value) -> Column {
    Column { name, column_type: "integer", priority: 0, cell }
}

const fn wide(name: &'static str, cell: fn(&Value, Timestamp) -> Value) -> Column {
    Column { name, column_type: "string", priority: 1, cell }
}

const NAME: Column = column("Name", |o, _| o.name().into());
const AGE: Column = column("Age", |o, now| age::since(o.meta("creationTimestamp"), now).into());

/// The default columns, for example of CustomResourceDefinitions and roles.
const DEFAULT: &[Column] = &[
    NAME,
    Column { name: "Created At", column_type: "date", priority: 0, cell: |o, _| o.meta("creationTimestamp").into() },
];

const NAMESPACES: &[Column] = &[NAME, column("Status", |o, _| text(&o["status"]["phase"]).into()), AGE];

const PODS: &[Column] = &[
    NAME,
    column("Ready", |o, _| pods::PodSummary::new(o).ready().into()),
    column("Status", |o, _| pods::PodSummary::new(o).reason.into()),
    column("Restarts", |o, now| pods::PodSummary::new(o).restarts(now).into()),
    AGE,
    wide("IP", |o, _| or_none(&o["status"]["podIPs"][0]["ip"])),
    wide("Node", |o, _| or_none(&o["spec"]["nodeName"])),
    wide("Nominated Node", |o, _| or_none(&o["status"]["nominatedNodeName"])),
    wide("Readiness Gates", |o, _| pods::readiness_gates(o).into()),
];

const SECRETS: &[Column] =
    &[NAME, column("Type", |o, _| text(&o["type"]).into()), column("Data", |o, _| entries(&o["data"]).into()), AGE];

const CONFIG_MAPS: &[Column] =
    &[NAME, column("Data", |o, _| (entries(&o["data"]) + entries(&o["binaryData"])).into()), AGE];

const SERVICE_ACCOUNTS: &[Column] = &[NAME, AGE];

const EVENTS: &[Column] = &[
    column("Last Seen", |o, now| last_seen(o, now).into()),
    column("Type", |o, _| text(&o["type"]).into()),
    column("Reason", |o, _| text(&o["reason"]).into()),
    column("Object", |o, _| involved(o).into()),
    wide("Subobject", |o, _| text(&o["involvedObject"]["fieldPath"]).into()),
    wide("Source", |o, _| source(o).into()),
    column("Message", |o, _| text(&o["message"]).trim().into()),
    wide("First Seen", |o, now| first_seen(o, now).into()),
    wide("Count", |o, _| count(o).into()),
    wide("Name", |o, _| o.name().into()),
];

const DEPLOYMENTS: &[Column] = &[
    NAME,
    column("Ready", |o, _| format!("{}/{}", int(&o["status"]["readyReplicas"]), int(&o["spec"]["replicas"])).into()),
    column("Up-to-date", |o, _| int(&o["status"]["updatedReplicas"]).into()),
    column("Available", |o, _| int(&o["status"]["availableReplicas"]).into()),
    AGE,
    wide("Containers", |o, _| containers(o, "name").into()),
    wide("Images", |o, _| containers(o, "image").into()),
    wide("Selector", |o, _| selector::format_label_selector(&o["spec"]["selector"]).into()),
];

const REPLICA_SETS: &[Column] = &[
    NAME,
    number("Desired", |o, _| int(&o["spec"]["replicas"]).into()),
    number("Current", |o, _| int(&o["status"]["replicas"]).into()),
    number("Ready", |o, _| int(&o["status"]["readyReplicas"]).into()),
    AGE,
    wide("Containers", |o, _| containers(o, "name").into()),
    wide("Images", |o, _| containers(o, "image").into()),
    wide("Selector", |o, _| or_none(&selector::format_label_selector(&o["spec"]["selector"]).into())),
];

const SCALES: &[Column] = &[
    NAME,
    number("Desired", |o, _| int(&o["spec"]["replicas"]).into()),
    number("Available", |o, _| int(&o["status"]["replicas"]).into()),
    AGE,
];

const LEASES: &[Column] = &[NAME, column("Holder", |o, _| text(&o["spec"]["holderIdentity"]).into()), AGE];

const BINDINGS: &[Column] = &[
    NAME,
    column("Role", |o, _| format!("{}/{}", text(&o["roleRef"]["kind"]), text(&o["roleRef"]["name"])).into()),
    AGE,
    wide("Users", |o, _| subjects(o, "User").into()),
    wide("Groups", |o, _| subjects(o, "Group").into()),
    wide("ServiceAccounts", |o, _| subjects(o, "ServiceAccount").into()),
];

const POLICIES: &[Column] = &[
    NAME,
    number("Validations", |o, _| o["spec"]["validations"].as_array().map_or(0, Vec::len).into()),
    column("ParamKind", |o, _| match &o["spec"]["paramKind"] {
        Value::Null => "<unset>".into(),
        kind => format!("{}/{}", text(&kind["apiVersion"]), text(&kind["kind"])).into(),
    }),
    AGE,
];

const POLICY_BINDINGS: &[Column] = &[
    NAME,
    column("PolicyName", |o, _| text(&o["spec"]["policyName"]).into()),
    column("ParamRef", |o, _| match &o["spec"]["paramRef"] {
        // A selector is not supported here.
        reference if text(&reference["name"]).is_empty() => "<unset>".into(),
        reference => match text(&reference["namespace"]) {
            "" => format!("*/{}", text(&reference["name"])).into(),
            namespace => format!("{namespace}/{}", text(&reference["name"])).into(),
        },
    }),
    AGE,
];

const DISRUPTION_BUDGETS: &[Column] = &[
    NAME,
    column("Min Available", |o, _| int_or_string(&o["spec"]["minAvailable"]).into()),
    column("Max Unavailable", |o, _| int_or_string(&o["spec"]["maxUnavailable"]).into()),
    number("Allowed Disruptions", |o, _| int(&o["status"]["disruptionsAllowed"]).into()),
    AGE,
];

const NETWORK_POLICIES: &[Column] = &[
    NAME,
    column("Pod-Selector", |o, _| or_none(&selector::format_label_selector(&o["spec"]["podSelector"]).into())),
    AGE,
];

/// The columns of a built-in resource.
pub fn columns(resource: &Resource) -> &'static [Column] {
    match (&*resource.group, &*resource.plural) {
        ("", "namespaces") => NAMESPACES,
        ("", "pods") => PODS,
        ("", "secrets") => SECRETS,
        ("", "configmaps") => CONFIG_MAPS,
        ("", "events") => EVENTS,
        ("", "serviceaccounts") => SERVICE_ACCOUNTS,
        ("apps", "deployments") => DEPLOYMENTS,
        ("apps", "replicasets") => REPLICA_SETS,
        ("autoscaling", "scales") => SCALES,
        ("coordination.k8s.io", "leases") => LEASES,
        ("rbac.authorization.k8s.io", "rolebindings" | "clusterrolebindings") => BINDINGS,
        ("admissionregistration.k8s.io", "validatingadmissionpolicies") => POLICIES,
        ("admissionregistration.k8s.io", "validatingadmissionpolicybindings") => POLICY_BINDINGS,
        ("networking.k8s.io", "networkpolicies") => NETWORK_POLICIES,
        ("policy", "poddisruptionbudgets") => DISRUPTION_BUDGETS,
        _ => DEFAULT,
    }
}

fn int(value: &Value) -> i64 {
    value.as_i64().unwrap_or_default()
}

fn or_none(value: &Value) -> Value {
    match text(value) {
        "" => "<none>".into(),
        text => text.into(),
    }
}

/// The number of entries of a map.
fn entries(value: &Value) -> usize {
    value.as_object().map_or(0, serde_json::Map::len)
}

/// `minAvailable`: a number, or a percentage.
fn int_or_string(value: &Value) -> String {
    match value {
        Value::Null => "N/A".into(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// One field of each container of the template.
fn containers(object: &Value, field: &str) -> String {
    let list = object["spec"]["template"]["spec"]["containers"].as_array();
    list.into_iter().flatten().map(|c| text(&c[field])).collect::<Vec<_>>().join(",")
}

/// The names of a binding's subjects of one kind.
fn subjects(binding: &Value, kind: &str) -> String {
    let name = |subject: &Value| match kind {
        "ServiceAccount" => format!("{}/{}", text(&subject["namespace"]), text(&subject["name"])),
        _ => text(&subject["name"]).to_owned(),
    };
    let all = items(&binding["subjects"]).iter();
    all.filter(|s| s["kind"] == kind).map(name).collect::<Vec<_>>().join(", ")
}

/// `firstTimestamp` of the old events API, `eventTime` of the new one.
fn first_seen(event: &Value, now: Timestamp) -> String {
    let old = text(&event["firstTimestamp"]);
    age::since(if old.is_empty() { text(&event["eventTime"]) } else { old }, now)
}

fn last_seen(event: &Value, now: Timestamp) -> String {
    if event["series"].is_object() {
        return age::since(text(&event["series"]["lastObservedTime"]), now);
    }
    match text(&event["lastTimestamp"]) {
        "" => first_seen(event, now),
        last => age::since(last, now),
    }
}

fn count(event: &Value) -> i64 {
    if event["series"].is_object() { int(&event["series"]["count"]) } else { int(&event["count"]).max(1) }
}

fn involved(event: &Value) -> String {
    let kind = text(&event["involvedObject"]["kind"]).to_lowercase();
    match text(&event["involvedObject"]["name"]) {
        "" => kind,
        name => format!("{kind}/{name}"),
    }
}

/// Component and host of the old events API, or controller and instance of the new one.
fn source(event: &Value) -> String {
    let first = |a: &'static str, b: &'static str| match text(&event["source"][a]) {
        "" => text(&event[b]),
        text => text,
    };
    match (first("component", "reportingComponent"), first("host", "reportingInstance")) {
        (component, "") => component.to_owned(),
        (component, instance) => format!("{component}, {instance}"),
    }
}
