//! Fault injection.
//!
//! A [`Rule`] selects requests and the [`Fault`] that hits them. The [`Plan`] of a request combines all faults that hit it.
//! The same seed, rules and requests give the same faults.
//!
//! Watch faults count the lines that are sent: events and bookmarks. A watch keeps the plan of its opening request; adding
//! or removing rules affects later watches only.

mod corrupt;
mod parse;
mod plan;

use std::{borrow::Cow, time::Duration};

use rand::{RngExt, rngs::StdRng};
use serde::{Deserialize, Serialize};

use crate::{
    object::GroupResource,
    request::{Request, RequestInfo, Verb},
    request_log, selector,
    user::User,
};

pub use parse::parse;
pub use plan::{Plan, WatchPlan};

/// A fault, as the client observes it. The README's table lists the JSON forms.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all_fields = "camelCase")]
pub enum Fault {
    /// The response is delayed by this duration.
    Delay {
        #[serde(with = "parse::duration")]
        duration: Duration,
    },
    /// 429 with `Retry-After`; the request has no effect.
    TooManyRequests {
        /// Sent in whole seconds.
        #[serde(with = "parse::duration")]
        retry_after: Duration,
    },
    /// 500; the request has no effect.
    InternalError,
    /// 503; the request has no effect.
    ServiceUnavailable,
    /// The connection is closed; the request has no effect.
    ResetBefore,
    /// The connection is closed; the request *has* taken effect.
    ResetAfter,
    /// The log is compacted before the request is handled: older versions get 410.
    Compact,
    /// Get, list: the response of a replica that is this many revisions behind.
    StaleRead { lag: u64 },
    /// Get, list, watch: objects whose `spec` and labels are strings.
    Undecodable {
        /// Only the object of this name.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
    },
    /// Watch: 422 for `sendInitialEvents`, as from a server without the WatchList feature.
    StreamingListRefused,
    /// Watch: 410 as the status of the opening request.
    GoneOnOpen,
    /// Watch: ends normally without a line.
    EmptyWatch,
    /// Watch: ends normally after this many lines.
    WatchEnd { after: u64 },
    /// Watch: the connection is closed after this many lines.
    WatchCut { after: u64 },
    /// Watch: the connection is closed in the middle of the line after this many lines.
    WatchCutInLine { after: u64 },
    /// Watch: stays open but sends nothing after this many lines.
    WatchSilent { after: u64 },
}

impl Fault {
    /// The verbs that it can hit. None: every request, including those for non-resource paths.
    fn verbs(&self) -> Option<&'static [Verb]> {
        match self {
            Fault::Delay { .. }
            | Fault::TooManyRequests { .. }
            | Fault::InternalError
            | Fault::ServiceUnavailable
            | Fault::ResetBefore
            | Fault::ResetAfter
            | Fault::Compact => None,
            Fault::StaleRead { .. } => Some(&[Verb::Get, Verb::List]),
            Fault::Undecodable { .. } => Some(&[Verb::Get, Verb::List, Verb::Watch]),
            Fault::StreamingListRefused
            | Fault::GoneOnOpen
            | Fault::EmptyWatch
            | Fault::WatchEnd { .. }
            | Fault::WatchCut { .. }
            | Fault::WatchCutInLine { .. }
            | Fault::WatchSilent { .. } => Some(&[Verb::Watch]),
        }
    }

    fn can_hit(&self, request: &Request, info: Option<&RequestInfo>) -> bool {
        self.verbs().is_none_or(|verbs| info.is_some_and(|info| verbs.contains(&info.verb)))
            && (*self != Fault::StreamingListRefused || request.query.get("sendInitialEvents").is_some())
    }
}

/// A fault, and the requests that it hits. A field that is not set matches every request.
///
/// ```
/// use apiserver::{Fault, Rule, Verb};
/// let second_patch = Rule::new(Fault::ResetAfter).verb(Verb::Patch).resource("pkis.box.com").nth(2);
/// let outage = Rule::new(Fault::InternalError).probability(0.3).times(100);
/// ```
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    pub fault: Fault,
    /// `system:serviceaccount:NS:NAME`, `system:admin`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verb: Option<Verb>,
    /// `pods`, `pkis.box.com`, with all their subresources.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<String>,
    /// `status`. Empty: only requests without a subresource.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subresource: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// From the path, from the body of a create, or from a field selector `metadata.name=…`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The first matching request to hit, counted from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nth: Option<u64>,
    /// At most this many hits. Default: 1 with `nth`, else unlimited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u64>,
    /// Probability of a hit, from 0 to 1. Default: 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probability: Option<f64>,
}

impl Rule {
    /// A rule that hits every request that the fault can hit.
    pub fn new(fault: Fault) -> Self {
        Rule {
            fault,
            user: None,
            verb: None,
            resource: None,
            subresource: None,
            namespace: None,
            name: None,
            nth: None,
            times: None,
            probability: None,
        }
    }

    pub fn user(self, user: impl Into<String>) -> Self {
        Rule { user: Some(user.into()), ..self }
    }

    pub fn verb(self, verb: Verb) -> Self {
        Rule { verb: Some(verb), ..self }
    }

    pub fn resource(self, resource: impl Into<String>) -> Self {
        Rule { resource: Some(resource.into()), ..self }
    }

    pub fn subresource(self, subresource: impl Into<String>) -> Self {
        Rule { subresource: Some(subresource.into()), ..self }
    }

    pub fn namespace(self, namespace: impl Into<String>) -> Self {
        Rule { namespace: Some(namespace.into()), ..self }
    }

    pub fn name(self, name: impl Into<String>) -> Self {
        Rule { name: Some(name.into()), ..self }
    }

    pub fn nth(self, nth: u64) -> Self {
        Rule { nth: Some(nth), ..self }
    }

    pub fn times(self, times: u64) -> Self {
        Rule { times: Some(times), ..self }
    }

    pub fn probability(self, probability: f64) -> Self {
        Rule { probability: Some(probability), ..self }
    }

    fn matches(&self, user: &User, request: &Request, info: Option<&RequestInfo>) -> bool {
        let is = |wanted: &Option<String>, found: &str| wanted.as_ref().is_none_or(|wanted| wanted == found);
        if !is(&self.user, &user.name) || !self.fault.can_hit(request, info) {
            return false;
        }
        let Some(info) = info else {
            // A non-resource path has none of these fields.
            return self.verb.is_none()
                && [&self.resource, &self.subresource, &self.namespace, &self.name].iter().all(|part| part.is_none());
        };
        let resource = |wanted: &String| *wanted == GroupResource::new(&info.group, &info.plural).to_string();
        self.verb.is_none_or(|verb| verb == info.verb)
            && self.resource.as_ref().is_none_or(resource)
            && is(&self.subresource, &info.subresource)
            && is(&self.namespace, &info.namespace)
            && self.name.as_ref().is_none_or(|name| *name == *object_name(request, info))
    }
}

/// The name of the request's object; empty if the request may concern more than one.
///
/// Pitfall: for a create or a watch the name is not in the path.
fn object_name<'a>(request: &'a Request, info: &'a RequestInfo) -> Cow<'a, str> {
    match info.verb {
        _ if !info.name.is_empty() => Cow::Borrowed(&info.name),
        Verb::Create => Cow::Owned(request_log::requested_name(&request.body)),
        _ => Cow::Borrowed(selector::selected_name(&request.query)),
    }
}

/// A rule with its counters.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct ActiveRule {
    #[serde(flatten)]
    pub rule: Rule,
    /// Matching requests.
    pub matched: u64,
    /// Matching requests that the fault has hit.
    pub hit: u64,
}

/// The active rules.
#[derive(Default)]
pub struct Faults(Vec<ActiveRule>);

impl Faults {
    /// At most this many rules: each request is compared with all of them.
    pub const CAPACITY: usize = 1_000;

    /// Adds a rule. Returns false if the limit is reached.
    pub fn add(&mut self, rule: Rule) -> bool {
        let is_below_limit = self.0.len() < Self::CAPACITY;
        if is_below_limit {
            self.0.push(ActiveRule { rule, matched: 0, hit: 0 });
        }
        is_below_limit
    }

    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// In the order in which they were added.
    pub fn active(&self) -> &[ActiveRule] {
        &self.0
    }

    /// Counts the request and combines the faults that hit it. Only rules with a probability draw a random number.
    pub fn plan(&mut self, user: &User, request: &Request, info: Option<&RequestInfo>, random: &mut StdRng) -> Plan {
        let mut plan = Plan::default();
        for active in &mut self.0 {
            if !active.rule.matches(user, request, info) {
                continue;
            }
            active.matched += 1;
            let rule = &active.rule;
            let times = rule.times.unwrap_or(if rule.nth.is_some() { 1 } else { u64::MAX });
            let due = active.matched >= rule.nth.unwrap_or(1) && active.hit < times;
            if due && rule.probability.is_none_or(|probability| random.random::<f64>() < probability) {
                active.hit += 1;
                plan.add(&rule.fault);
            }
        }
        plan
    }
}

#[cfg(test)]
mod tests;
