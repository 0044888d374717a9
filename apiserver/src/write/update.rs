//! Replace and patch: another version of an object that is there.
//!
//! Both end in the same rules. A patch is applied to the present version first; then it is a replacement that bears the
//! present resourceVersion, unless the patch sets one: so a patch without is never a conflict. A Scale is read in place of
//! the object that it is of ([`scale`]), and from there on it is a replacement of that, too.

use std::{borrow::Cow, sync::Arc};

use serde_json::Value;

use super::{
    Place, Writer, Written, meta,
    namespaces::spec_finalizers,
    options::WriteOptions,
    strategy::{prepare_update, same},
};
use crate::{
    catalog::SCALE,
    causes::Causes,
    object::{Meta, Object},
    patch, rbac,
    request::{Query, Target, Verb},
    resource::Resource,
    scale,
    status::{Result, Status},
    types,
};

const STALE: &str = "the object has been modified; please apply your changes to the latest version and try again";

impl Writer<'_> {
    pub fn replace(&mut self, resource: &Resource, target: &Target, query: &Query, body: Value) -> Result<Written> {
        if !matches!(target.subresource.as_str(), "" | "status" | "finalize" | "scale") {
            return Err(Status::method_not_allowed());
        }
        let options = WriteOptions::parse("UpdateOptions", query)?;
        let decoded = types::decode(form(resource, target), body, options.validation)?;
        self.warnings = decoded.warnings;
        let mut object = decoded.value;
        meta::check_name(&object, &target.name)?;
        meta::ensure_namespace(&mut object, resource, &target.namespace)?;
        let Some(old) = self.get(&Place::of(resource, target)).cloned() else {
            if target.subresource.is_empty() && creates_on_update(resource) {
                if !object.uid().is_empty() {
                    return Err(other_uid(resource, target, &object, &Value::Null));
                }
                // Whoever has seen an earlier one may well make another, as after somebody has deleted a leader's lease.
                meta::metadata(&mut object).remove("resourceVersion");
                // It was let in as an update. Without this, that right alone would be enough to create.
                let wanted = Target { verb: Verb::Create, ..target.clone() };
                rbac::require(&self.state.store, self.user, &rbac::of(&wanted, query))?;
                let object = self.insert(resource, &target.namespace, object, options.dry_run)?;
                return Ok(Written::Object(201, object));
            }
            return Err(Status::not_found(&resource.group, &resource.plural, &target.name));
        };
        if !object.uid().is_empty() && object.uid() != old.value().uid() {
            return Err(other_uid(resource, target, &object, old.value()));
        }
        let object = self.update(resource, target, object, &old, options.dry_run)?;
        Ok(Written::Object(200, object))
    }

    pub fn patch(
        &mut self,
        resource: &Resource,
        target: &Target,
        query: &Query,
        content_type: &str,
        patch: &[u8],
    ) -> Result<Written> {
        if !matches!(target.subresource.as_str(), "" | "status" | "scale") {
            return Err(Status::method_not_allowed());
        }
        patch::check_type(resource, content_type)?;
        let options = WriteOptions::parse("PatchOptions", query)?;
        let Some(old) = self.get(&Place::of(resource, target)).cloned() else {
            return Err(Status::not_found(&resource.group, &resource.plural, &target.name));
        };
        let before = if is_scale(target) { Cow::Owned(scale::of(old.value())) } else { Cow::Borrowed(old.value()) };
        let decoded = patch::apply(form(resource, target), content_type, &before, patch, options.validation)?;
        self.warnings = decoded.warnings;
        let mut object = decoded.value;
        meta::check_name(&object, &target.name)?;
        meta::ensure_namespace(&mut object, resource, &target.namespace)?;
        let object = self.update(resource, target, object, &old, options.dry_run)?;
        Ok(Written::Object(200, object))
    }

    /// Puts a decoded object in the place of `old`, if the versions fit.
    fn update(
        &mut self,
        resource: &Resource,
        target: &Target,
        mut object: Value,
        old: &Arc<Object>,
        dry_run: bool,
    ) -> Result<Arc<Object>> {
        let before = old.value();
        if is_scale(target) {
            object = scale::apply(resource, &object, before)?;
        }
        check_version(resource, target, &object, before)?;
        meta::keep(&mut object, before);
        prepare_update(resource, &target.subresource, &mut object, before);
        meta::immutable(&object, before).refuse(&resource.group, &resource.kind, &target.name)?;
        types::validate(resource, &object, Some(before))?;
        meta::metadata(&mut object).insert("resourceVersion".into(), before.resource_version().into());
        let place = Place::of(resource, target);
        if is_released(&place, &object, before) {
            // The answer is the object as it was sent last, not a Status: a client that replaces expects one.
            if !dry_run {
                self.remove(&place);
            }
            return Ok(Arc::new(Object::new(object)));
        }
        let unchanged = if resource.custom.is_some() { object == *before } else { same(&object, before) };
        if unchanged {
            return Ok(old.clone());
        }
        meta::check_size(&object)?;
        if dry_run {
            return Ok(Arc::new(Object::new(object)));
        }
        Ok(self.put(&place, object))
    }
}

/// A Scale is written, and thereby the object.
fn is_scale(target: &Target) -> bool {
    target.subresource == "scale"
}

/// What is sent: the object, or its Scale.
fn form<'a>(resource: &'a Resource, target: &Target) -> &'a Resource {
    if is_scale(target) { &SCALE } else { resource }
}

/// Kinds that a client may create by replacing what is not there.
fn creates_on_update(resource: &Resource) -> bool {
    resource.custom.is_none()
        && matches!(
            resource.plural.as_str(),
            "events" | "leases" | "roles" | "rolebindings" | "clusterroles" | "clusterrolebindings"
        )
}

/// Kinds that may be replaced without saying which version is meant.
fn replaces_any_version(resource: &Resource) -> bool {
    resource.custom.is_none()
        && !matches!(
            resource.plural.as_str(),
            "leases"
                | "poddisruptionbudgets"
                | "customresourcedefinitions"
                | "validatingadmissionpolicies"
                | "validatingadmissionpolicybindings"
        )
}

/// Optimistic concurrency: who writes says which version they saw.
fn check_version(resource: &Resource, target: &Target, object: &Value, old: &Value) -> Result<()> {
    let (version, present) = (object.resource_version(), old.resource_version());
    if version == present {
        return Ok(());
    }
    if matches!(version, "" | "0") {
        if replaces_any_version(resource) {
            return Ok(());
        }
        let mut wrong = Causes::default();
        wrong.invalid("metadata.resourceVersion", 0, "must be specified for an update");
        // Not the kind: the real server has none at hand here, and puts the resource in its place.
        return wrong.refuse(&resource.group, &resource.plural, &target.name);
    }
    if version.parse::<u64>().is_err() {
        let message = format!("strconv.ParseUint: parsing {version:?}: invalid syntax");
        return Err(Status::new(500, "", message));
    }
    Err(Status::conflict(&resource.group, &resource.plural, &target.name, STALE))
}

pub(super) fn other_uid(resource: &Resource, target: &Target, object: &Value, old: &Value) -> Status {
    let mut path = vec!["/registry", &resource.plural, &target.namespace, &target.name];
    path.retain(|part| !part.is_empty());
    let why = format!(
        "StorageError: invalid object, Code: 4, Key: {}, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: \
         UID in precondition: {}, UID in object meta: {}",
        path.join("/"),
        object.uid(),
        old.uid()
    );
    Status::conflict(&resource.group, &resource.plural, &target.name, &why)
}

/// The last finalizer went from an object whose end was decided, and nobody else is waited for.
pub(super) fn is_released(place: &Place, object: &Value, old: &Value) -> bool {
    old.is_ending()
        && meta::finalizers(object).is_empty()
        && old["metadata"]["deletionGracePeriodSeconds"].as_i64().unwrap_or(0) == 0
        && (!place.is_namespace() || spec_finalizers(object).is_empty())
}
