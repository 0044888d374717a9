//! What can go wrong, on demand.
//!
//! A [`Rule`] says for which requests, when, and how. All rules that hit a request take part in what becomes of it
//! ([`Plan`]). The decision is a pure function of the rules, the request and the dice: the same seed and the same
//! requests give the same faults.
//!
//! Lines of a watch are counted as they are sent: events, bookmarks too. What becomes of a watch is decided when it is
//! opened: removing a rule mends those that are opened afterwards.

mod parse;
mod plan;
mod spoil;

use std::{borrow::Cow, time::Duration};

use rand::{RngExt, rngs::StdRng};
use serde::{Deserialize, Serialize};

use crate::{
    journal,
    object::GroupResource,
    request::{Request, RequestInfo, Verb},
    selector,
    user::User,
};

pub use parse::parse;
pub use plan::{Plan, WatchPlan};

/// One way to fail, and what the client sees of it. In JSON each is written as in the README's table.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all_fields = "camelCase")]
pub enum Fault {
    /// Nothing for so long, then the answer.
    Delay {
        #[serde(with = "parse::duration")]
        duration: Duration,
    },
    /// 429 with `Retry-After`; nothing was done.
    TooManyRequests {
        /// Sent in whole seconds.
        #[serde(with = "parse::duration")]
        retry_after: Duration,
    },
    /// 500; nothing was done.
    InternalError,
    /// 503; nothing was done.
    ServiceUnavailable,
    /// A closed connection; nothing was done.
    ResetBefore,
    /// A closed connection; it *was* done.
    ResetAfter,
    /// Every older version is forgotten, then the answer: whoever is behind gets 410.
    Compact,
    /// Get, list: the answer of a replica that is so many revisions behind.
    StaleRead { lag: u64 },
    /// Get, list, watch: objects whose `spec` and labels are a text.
    Undecodable {
        /// Only the object of this name.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
    },
    /// Watch: 422 for `sendInitialEvents`, as by a server that does not know it.
    StreamingListRefused,
    /// Watch: 410 as the status of the opening request.
    GoneOnOpen,
    /// Watch: the end, properly, without a line.
    EmptyWatch,
    /// Watch: the end, properly, after so many lines.
    WatchEnd { after: u64 },
    /// Watch: a closed connection after so many lines.
    WatchCut { after: u64 },
    /// Watch: a closed connection in the middle of the line that follows so many.
    WatchCutInLine { after: u64 },
    /// Watch: nothing more after so many lines, and no end either.
    WatchSilent { after: u64 },
}

impl Fault {
    /// The requests that it can happen to. None: any, even one that is for no resource.
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

    /// Whether it can happen to this request at all.
    fn can_hit(&self, request: &Request, target: Option<&RequestInfo>) -> bool {
        self.verbs().is_none_or(|verbs| target.is_some_and(|target| verbs.contains(&target.verb)))
            && (*self != Fault::StreamingListRefused || request.query.get("sendInitialEvents").is_some())
    }
}

/// When to fail, and how. Whatever is not given matches everything.
///
/// ```
/// use apiserver::{Fault, Rule, Verb};
/// let second_patch = Rule::new(Fault::ResetAfter).verb(Verb::Patch).resource("pkis.box.com").nth(2);
/// let storm = Rule::new(Fault::InternalError).probability(0.3).times(100);
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
    /// `status`. Empty: none of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subresource: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// In the path; of a create in the body; of a collection in the field selector `metadata.name=…`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The first request to hit, of those that match; counted from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nth: Option<u64>,
    /// So many hits, then no more. Not given: one if there is an `nth`, else without an end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u64>,
    /// Of a hit, from 0 to 1. Not given: 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probability: Option<f64>,
}

impl Rule {
    /// Always, for everything that the fault can happen to.
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

    fn matches(&self, user: &User, request: &Request, target: Option<&RequestInfo>) -> bool {
        let is = |wanted: &Option<String>, found: &str| wanted.as_ref().is_none_or(|wanted| wanted == found);
        if !is(&self.user, &user.name) || !self.fault.can_hit(request, target) {
            return false;
        }
        let Some(target) = target else {
            // What is no resource has none of these.
            return self.verb.is_none()
                && [&self.resource, &self.subresource, &self.namespace, &self.name].iter().all(|part| part.is_none());
        };
        let resource = |wanted: &String| *wanted == GroupResource::new(&target.group, &target.plural).to_string();
        self.verb.is_none_or(|verb| verb == target.verb)
            && self.resource.as_ref().is_none_or(resource)
            && is(&self.subresource, &target.subresource)
            && is(&self.namespace, &target.namespace)
            && self.name.as_ref().is_none_or(|name| *name == *object_name(request, target))
    }
}

/// The one object that a request is about; empty if there may be more. Pitfall: the path alone names none for a create or
/// a watch, and a rule for `create` or `watch` with a name would never match.
fn object_name<'a>(request: &'a Request, target: &'a RequestInfo) -> Cow<'a, str> {
    match target.verb {
        _ if !target.name.is_empty() => Cow::Borrowed(&target.name),
        Verb::Create => Cow::Owned(journal::wanted_name(&request.body)),
        _ => Cow::Borrowed(selector::selected_name(&request.query)),
    }
}

/// A rule in force.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Active {
    #[serde(flatten)]
    pub rule: Rule,
    /// So many requests were like that.
    pub matched: u64,
    /// So many of them it happened to.
    pub hit: u64,
}

/// The rules in force.
#[derive(Default)]
pub struct Faults(Vec<Active>);

impl Faults {
    /// More are not taken.
    pub const CAPACITY: usize = 1_000;

    /// Adds a rule. False if there are too many.
    pub fn add(&mut self, rule: Rule) -> bool {
        let room = self.0.len() < Self::CAPACITY;
        if room {
            self.0.push(Active { rule, matched: 0, hit: 0 });
        }
        room
    }

    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// In the order in which they were added.
    pub fn active(&self) -> &[Active] {
        &self.0
    }

    /// Which rules this request meets, and what follows. Counts. The dice are thrown only for rules that leave it to
    /// them.
    pub fn plan(&mut self, user: &User, request: &Request, target: Option<&RequestInfo>, random: &mut StdRng) -> Plan {
        let mut plan = Plan::default();
        for active in &mut self.0 {
            if !active.rule.matches(user, request, target) {
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
mod fixture;
#[cfg(test)]
mod tests;
