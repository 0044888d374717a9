//! Delete: at once, or as a decision that others carry out.
//!
//! An object that has finalizers, or a pod that runs, is only marked: `deletionTimestamp` says when it is to be gone.
//! Whoever has a finalizer on it removes that when they are done; the last one's removal is the end ([`super::update`]).
//! A pod's kubelet deletes it again, with a grace of 0, when its containers have stopped.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{
    Place, Writer, Written, meta,
    options::{DeleteOptions, Propagation},
};
use crate::{
    list,
    object::{Meta, Object, text, time},
    request::{Query, Target},
    resource::Resource,
    status::{Result, Status},
};

/// The garbage collector's: dependents lose their owner first.
pub const ORPHAN: &str = "orphan";
/// The garbage collector's: dependents go first.
pub const FOREGROUND: &str = "foregroundDeletion";

/// How far a deletion came.
pub(super) enum Outcome {
    /// Gone; the last version.
    Gone(Arc<Object>),
    /// Marked.
    Waits(Arc<Object>),
    /// It was marked before, and nothing changed.
    Waited(Arc<Object>),
}

impl Writer<'_> {
    /// The body is null if there is none: then the query counts.
    pub fn delete(&mut self, resource: &Resource, target: &Target, query: &Query, body: Value) -> Result<Written> {
        let options = DeleteOptions::parse(query, body)?;
        if !target.subresource.is_empty() {
            return Err(Status::method_not_allowed());
        }
        let outcome = self.delete_one(resource, &Place::of(resource, target), &options)?;
        Ok(match outcome {
            Outcome::Waits(object) if options.orphan_dependents == Some(false) => Written::Object(202, object),
            Outcome::Waits(object) => Written::Object(200, object),
            Outcome::Gone(object) | Outcome::Waited(object) if answers_object(resource) => Written::Object(200, object),
            Outcome::Gone(object) | Outcome::Waited(object) => Written::Status(200, done(resource, object.value())),
        })
    }

    /// The query holds the selectors, too.
    pub fn delete_collection(
        &mut self,
        resource: &Resource,
        target: &Target,
        query: &Query,
        body: Value,
    ) -> Result<Written> {
        if Place::new(resource, "", "").is_namespace() {
            return Err(Status::method_not_allowed());
        }
        // A list like any other: whatever makes no sense there is refused before anything is deleted.
        let page = list::list(self.state, resource, target, query, self.state.store.revision())?;
        let options = DeleteOptions::parse(query, body)?;
        for object in &page.items {
            let place = Place::new(resource, object.value().namespace(), object.value().name());
            match self.delete_one(resource, &place, &options) {
                // The page may be an old one: what has gone since then is gone, and the rest is still to go.
                Err(status) if status.code == 404 => {}
                outcome => drop(outcome?),
            }
        }
        Ok(Written::Page(page))
    }

    /// Deletes an object, or marks it.
    pub(super) fn delete_one(
        &mut self,
        resource: &Resource,
        place: &Place,
        options: &DeleteOptions,
    ) -> Result<Outcome> {
        let Some(old) = self.get(place).cloned() else {
            return Err(Status::not_found(&resource.group, &resource.plural, &place.key.name));
        };
        check_preconditions(resource, old.value(), options)?;
        if place.is_namespace() {
            return self.delete_namespace(place, &old, options);
        }
        if place.is_definition()
            && let Some(outcome) = self.delete_definition(place, &old, options)
        {
            return Ok(outcome);
        }
        let grace = match grace(resource, old.value(), options, self.now) {
            Grace::Pending => return Ok(Outcome::Waited(old)),
            grace => grace,
        };
        let mut object = old.value().clone();
        // Events own nothing, and the real server knows.
        let collects = resource.plural != "events" || resource.custom.is_some();
        let changed = collects && set_collector_finalizers(&mut object, options);
        let waits_for_finalizers = !meta::finalizers(&object).is_empty();
        match grace {
            Grace::Until(at, seconds) => {
                if !old.value().is_ending() {
                    meta::bump_generation(&mut object);
                }
                let metadata = meta::metadata(&mut object);
                metadata.insert("deletionTimestamp".into(), time(at));
                metadata.insert("deletionGracePeriodSeconds".into(), seconds.into());
                let marked = self.mark(place, object, options);
                if seconds > 0 || waits_for_finalizers {
                    return Ok(Outcome::Waits(marked));
                }
                Ok(Outcome::Gone(self.end(place, marked, options)))
            }
            _ if waits_for_finalizers => {
                mark_ending(&mut object, self.now);
                if !changed && object == *old.value() {
                    return Ok(Outcome::Waits(old));
                }
                Ok(Outcome::Waits(self.mark(place, object, options)))
            }
            _ => Ok(Outcome::Gone(self.end(place, old, options))),
        }
    }

    /// A namespace goes when it is empty: that follows from the mark.
    fn delete_namespace(&mut self, place: &Place, old: &Arc<Object>, options: &DeleteOptions) -> Result<Outcome> {
        let name = place.key.name.as_str();
        if matches!(name, "default" | "kube-system" | "kube-public") {
            return Err(Status::forbidden("", "namespaces", name, "this namespace may not be deleted"));
        }
        if old.value().is_ending() {
            return Ok(Outcome::Waits(old.clone()));
        }
        let mut object = old.value().clone();
        set_collector_finalizers(&mut object, options);
        meta::metadata(&mut object).insert("deletionTimestamp".into(), time(self.now));
        meta::object_in(&mut object, "status").insert("phase".into(), "Terminating".into());
        Ok(Outcome::Waits(self.mark(place, object, options)))
    }

    pub(super) fn mark(&mut self, place: &Place, object: Value, options: &DeleteOptions) -> Arc<Object> {
        if options.dry_run() { Arc::new(Object::new(object)) } else { self.put(place, object) }
    }

    fn end(&mut self, place: &Place, last: Arc<Object>, options: &DeleteOptions) -> Arc<Object> {
        if options.dry_run() { last } else { self.remove(place).unwrap_or(last) }
    }
}

/// How long an object may still take.
enum Grace {
    /// It is no pod, or its time is up.
    None,
    /// It is being deleted already, and not to be hurried.
    Pending,
    Until(Timestamp, i64),
}

fn grace(resource: &Resource, object: &Value, options: &DeleteOptions, now: Timestamp) -> Grace {
    if resource.plural != "pods" || !resource.group.is_empty() {
        return Grace::None;
    }
    // Less than nothing means: hardly any, as in the real server.
    let wanted = options.grace_period_seconds.map(|seconds| if seconds < 0 { 1 } else { seconds });
    if object.is_ending() {
        let given = object["metadata"]["deletionGracePeriodSeconds"].as_i64().unwrap_or(0);
        if given == 0 {
            return Grace::None;
        }
        let Some(mut seconds) = wanted.filter(|seconds| *seconds < given) else { return Grace::Pending };
        let end: Timestamp = object.meta("deletionTimestamp").parse().unwrap_or(now);
        // So long from the first request on, which is not later than so long from now.
        let mut at = later(end, seconds.saturating_sub(given)).min(later(now, seconds));
        if at < now {
            at = now;
            // Still for the kubelet to end: a client that asked for grace did not ask for force.
            seconds = seconds.min(1);
        }
        return Grace::Until(at, seconds);
    }
    let spec = &object["spec"];
    let is_idle = text(&spec["nodeName"]).is_empty()
        || matches!(object["status"]["phase"].as_str(), Some("Failed" | "Succeeded"));
    let default = spec["terminationGracePeriodSeconds"].as_i64().unwrap_or(0);
    let seconds = if is_idle { 0 } else { wanted.unwrap_or(default) };
    let seconds = if seconds < 0 { 1 } else { seconds };
    Grace::Until(later(now, seconds), seconds)
}

/// So many seconds from then, or the end of time.
fn later(then: Timestamp, seconds: i64) -> Timestamp {
    then.checked_add(SignedDuration::from_secs(seconds)).unwrap_or(Timestamp::MAX)
}

/// The mark of an object that only waits for finalizers.
fn mark_ending(object: &mut Value, now: Timestamp) {
    let was = object.meta("deletionTimestamp").parse::<Timestamp>().ok();
    if was.is_none() {
        meta::bump_generation(object);
    }
    let metadata = meta::metadata(object);
    if was.is_none_or(|at| at > now) {
        metadata.insert("deletionTimestamp".into(), time(now));
    }
    metadata.insert("deletionGracePeriodSeconds".into(), 0.into());
}

/// Gives the object the garbage collector's finalizer that the options ask for, and takes the other. True if that is
/// a change.
fn set_collector_finalizers(object: &mut Value, options: &DeleteOptions) -> bool {
    let had = meta::finalizers(object);
    let (orphan, foreground) = match (options.orphan_dependents, options.propagation()) {
        (Some(orphan), _) => (orphan, false),
        (None, Some(policy)) => (policy == Propagation::Orphan, policy == Propagation::Foreground),
        // Neither is asked for: the first that it has counts.
        (None, None) => match had.iter().find(|f| matches!(**f, ORPHAN | FOREGROUND)) {
            Some(finalizer) => (*finalizer == ORPHAN, *finalizer == FOREGROUND),
            None => (false, false),
        },
    };
    if (had.contains(&ORPHAN), had.contains(&FOREGROUND)) == (orphan, foreground) {
        return false;
    }
    let others = had.iter().filter(|f| !matches!(**f, ORPHAN | FOREGROUND)).map(|f| (*f).to_owned());
    let added = [(orphan, ORPHAN), (foreground, FOREGROUND)].into_iter().filter(|(wanted, _)| *wanted);
    let now = others.chain(added.map(|(_, finalizer)| finalizer.to_owned())).collect();
    meta::set_finalizers(object, now);
    true
}

fn check_preconditions(resource: &Resource, object: &Value, options: &DeleteOptions) -> Result<()> {
    let Some(wanted) = &options.preconditions else { return Ok(()) };
    // Not the plural: the real server has only the kind at hand here.
    let refuse = |why: String| Err(Status::conflict(&resource.group, &resource.kind, object.name(), &why));
    if let Some(uid) = wanted.uid.as_deref().filter(|uid| *uid != object.uid()) {
        return refuse(format!(
            "the UID in the precondition ({uid}) does not match the UID in record ({}). The object might have been \
             deleted and then recreated",
            object.uid()
        ));
    }
    if let Some(version) = wanted.resource_version.as_deref().filter(|v| *v != object.resource_version()) {
        return refuse(format!(
            "the ResourceVersion in the precondition ({version}) does not match the ResourceVersion in record ({}). \
             The object might have been modified",
            object.resource_version()
        ));
    }
    Ok(())
}

/// Kinds whose deletion is answered with the object even when it is gone.
fn answers_object(resource: &Resource) -> bool {
    resource.group.is_empty() && matches!(resource.plural.as_str(), "pods" | "namespaces" | "serviceaccounts")
}

/// That it is gone, and which it was.
fn done(resource: &Resource, object: &Value) -> Value {
    let mut details = json!({ "name": object.name(), "kind": resource.plural, "uid": object.uid() });
    if !resource.group.is_empty() {
        details["group"] = resource.group.clone().into();
    }
    json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details })
}
