//! Deletes objects, or marks them for deletion.
//!
//! An object with finalizers or a running pod is only marked with a `deletionTimestamp`. Each controller removes its
//! finalizer when it is done; an update that removes the last one removes the object ([`super::update`]). When the
//! containers of a pod have stopped, the kubelet deletes the pod again with a grace period of 0.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{
    ObjectId, WriteResult, Writer, meta,
    options::{DeleteOptions, Propagation},
};
use crate::{
    list,
    object::{Meta, Object, text, time},
    request::{Query, RequestInfo},
    resource::Resource,
    status::{Result, Status},
};

/// The garbage collector's finalizer: first removes the references of the dependents.
pub const ORPHAN: &str = "orphan";
/// The garbage collector's finalizer: first deletes the dependents.
pub const FOREGROUND: &str = "foregroundDeletion";

/// The result of a deletion.
pub(super) enum Deletion {
    /// Removed; the last version.
    Removed(Arc<Object>),
    /// Marked for deletion.
    Marked(Arc<Object>),
    /// An earlier graceful deletion is in progress; nothing changed.
    Pending(Arc<Object>),
}

impl Writer<'_> {
    /// Deletes one object. The options come from the body, or from the query if the body is null.
    pub fn delete(
        &mut self,
        resource: &Resource,
        info: &RequestInfo,
        query: &Query,
        body: Value,
    ) -> Result<WriteResult> {
        let options = DeleteOptions::parse(query, body)?;
        if !info.subresource.is_empty() {
            return Err(Status::method_not_allowed());
        }
        let outcome = self.delete_one(resource, &ObjectId::of(resource, info), &options)?;
        Ok(match outcome {
            Deletion::Marked(object) if options.orphan_dependents == Some(false) => WriteResult::Object(202, object),
            Deletion::Removed(object) | Deletion::Pending(object) if !returns_deleted_object(resource) => {
                WriteResult::Status(200, success_status(resource, object.value()))
            }
            Deletion::Marked(object) | Deletion::Removed(object) | Deletion::Pending(object) => {
                WriteResult::Object(200, object)
            }
        })
    }

    /// Deletes the objects of a collection that the selectors match.
    pub fn delete_collection(
        &mut self,
        resource: &Resource,
        info: &RequestInfo,
        query: &Query,
        body: Value,
    ) -> Result<WriteResult> {
        if ObjectId::new(resource, "", "").is_namespace() {
            return Err(Status::method_not_allowed());
        }
        // An invalid list request fails here, before any object is deleted.
        let page = list::list(self.state, resource, info, query, self.state.store.revision())?;
        let options = DeleteOptions::parse(query, body)?;
        for object in &page.items {
            let id = ObjectId::new(resource, object.value().namespace(), object.value().name());
            match self.delete_one(resource, &id, &options) {
                // The page may be of an old revision: ignore objects that were removed since.
                Err(status) if status.code == 404 => {}
                outcome => drop(outcome?),
            }
        }
        Ok(WriteResult::Page(page))
    }

    /// Removes an object or marks it for deletion.
    pub(super) fn delete_one(
        &mut self,
        resource: &Resource,
        id: &ObjectId,
        options: &DeleteOptions,
    ) -> Result<Deletion> {
        let Some(old) = self.get(id).cloned() else {
            return Err(Status::not_found(&resource.group, &resource.plural, &id.key.name));
        };
        check_preconditions(resource, old.value(), options)?;
        if id.is_namespace() {
            return self.delete_namespace(id, &old, options);
        }
        if id.is_definition()
            && let Some(outcome) = self.delete_definition(id, &old, options)
        {
            return Ok(outcome);
        }
        let grace = match compute_grace(resource, old.value(), options, self.now) {
            Grace::Pending => return Ok(Deletion::Pending(old)),
            grace => grace,
        };
        let mut object = old.value().clone();
        // As in the real server, garbage collection is off for events.
        let is_garbage_collected = resource.plural != "events" || resource.custom.is_some();
        let changed = is_garbage_collected && set_deletion_finalizers(&mut object, options);
        let waits_for_finalizers = !meta::finalizers(&object).is_empty();
        match grace {
            Grace::Until(at, seconds) => {
                if !old.value().is_terminating() {
                    meta::bump_generation(&mut object);
                }
                let metadata = meta::metadata_mut(&mut object);
                metadata.insert("deletionTimestamp".into(), time(at));
                metadata.insert("deletionGracePeriodSeconds".into(), seconds.into());
                let marked = self.put_unless_dry_run(id, object, options);
                if seconds > 0 || waits_for_finalizers {
                    return Ok(Deletion::Marked(marked));
                }
                Ok(Deletion::Removed(self.remove_unless_dry_run(id, marked, options)))
            }
            _ if waits_for_finalizers => {
                mark_deleted(&mut object, self.now);
                if !changed && object == *old.value() {
                    return Ok(Deletion::Marked(old));
                }
                Ok(Deletion::Marked(self.put_unless_dry_run(id, object, options)))
            }
            _ => Ok(Deletion::Removed(self.remove_unless_dry_run(id, old, options))),
        }
    }

    /// Marks a namespace for deletion. It is removed when it is empty.
    fn delete_namespace(&mut self, id: &ObjectId, old: &Arc<Object>, options: &DeleteOptions) -> Result<Deletion> {
        let name = id.key.name.as_str();
        if matches!(name, "default" | "kube-system" | "kube-public") {
            return Err(Status::forbidden("", "namespaces", name, "this namespace may not be deleted"));
        }
        if old.value().is_terminating() {
            return Ok(Deletion::Marked(old.clone()));
        }
        let mut object = old.value().clone();
        set_deletion_finalizers(&mut object, options);
        meta::metadata_mut(&mut object).insert("deletionTimestamp".into(), time(self.now));
        meta::ensure_object(&mut object, "status").insert("phase".into(), "Terminating".into());
        Ok(Deletion::Marked(self.put_unless_dry_run(id, object, options)))
    }

    pub(super) fn put_unless_dry_run(&mut self, id: &ObjectId, object: Value, options: &DeleteOptions) -> Arc<Object> {
        if options.is_dry_run() { Arc::new(Object::new(object)) } else { self.put(id, object) }
    }

    fn remove_unless_dry_run(&mut self, id: &ObjectId, last: Arc<Object>, options: &DeleteOptions) -> Arc<Object> {
        if options.is_dry_run() { last } else { self.remove(id).unwrap_or(last) }
    }
}

/// The grace period of a deletion.
enum Grace {
    /// Not a pod, or the grace period is over.
    None,
    /// An earlier deletion is in progress and not shortened.
    Pending,
    Until(Timestamp, i64),
}

fn compute_grace(resource: &Resource, object: &Value, options: &DeleteOptions, now: Timestamp) -> Grace {
    if resource.plural != "pods" || !resource.group.is_empty() {
        return Grace::None;
    }
    // As in the real server, a negative value means one second.
    let wanted = options.grace_period_seconds.map(|seconds| if seconds < 0 { 1 } else { seconds });
    if object.is_terminating() {
        let given = object["metadata"]["deletionGracePeriodSeconds"].as_i64().unwrap_or(0);
        if given == 0 {
            return Grace::None;
        }
        let Some(mut seconds) = wanted.filter(|seconds| *seconds < given) else { return Grace::Pending };
        let end: Timestamp = object.meta("deletionTimestamp").parse().unwrap_or(now);
        // The end moves earlier by the difference, and is at most `seconds` from now.
        let mut at = add_seconds(end, seconds.saturating_sub(given)).min(add_seconds(now, seconds));
        if at < now {
            at = now;
            // The kubelet still has to stop the containers: a grace period other than 0 is no forced deletion.
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
    Grace::Until(add_seconds(now, seconds), seconds)
}

/// Adds seconds to a timestamp, up to the maximum.
fn add_seconds(time: Timestamp, seconds: i64) -> Timestamp {
    time.checked_add(SignedDuration::from_secs(seconds)).unwrap_or(Timestamp::MAX)
}

/// Marks an object that waits only for finalizers.
fn mark_deleted(object: &mut Value, now: Timestamp) {
    let was = object.meta("deletionTimestamp").parse::<Timestamp>().ok();
    if was.is_none() {
        meta::bump_generation(object);
    }
    let metadata = meta::metadata_mut(object);
    if was.is_none_or(|at| at > now) {
        metadata.insert("deletionTimestamp".into(), time(now));
    }
    metadata.insert("deletionGracePeriodSeconds".into(), 0.into());
}

/// Sets the garbage collector's finalizer that the options require and removes the other one. Returns true for a change.
fn set_deletion_finalizers(object: &mut Value, options: &DeleteOptions) -> bool {
    let had = meta::finalizers(object);
    let (orphan, foreground) = match (options.orphan_dependents, options.propagation()) {
        (Some(orphan), _) => (orphan, false),
        (None, Some(policy)) => (policy == Propagation::Orphan, policy == Propagation::Foreground),
        // No option: keep the first of the two finalizers.
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
    // The real server uses the kind here, not the plural.
    let conflict = |why: String| Err(Status::conflict(&resource.group, &resource.kind, object.name(), &why));
    if let Some(uid) = wanted.uid.as_deref().filter(|uid| *uid != object.uid()) {
        return conflict(format!(
            "the UID in the precondition ({uid}) does not match the UID in record ({}). The object might have been \
             deleted and then recreated",
            object.uid()
        ));
    }
    if let Some(version) = wanted.resource_version.as_deref().filter(|v| *v != object.resource_version()) {
        return conflict(format!(
            "the ResourceVersion in the precondition ({version}) does not match the ResourceVersion in record ({}). \
             The object might have been modified",
            object.resource_version()
        ));
    }
    Ok(())
}

/// Whether the response to a deletion is always the object, never a Status.
fn returns_deleted_object(resource: &Resource) -> bool {
    resource.group.is_empty() && matches!(resource.plural.as_str(), "pods" | "namespaces" | "serviceaccounts")
}

/// The Status of a completed deletion.
fn success_status(resource: &Resource, object: &Value) -> Value {
    let mut details = json!({ "name": object.name(), "kind": resource.plural, "uid": object.uid() });
    if !resource.group.is_empty() {
        details["group"] = resource.group.clone().into();
    }
    json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details })
}
