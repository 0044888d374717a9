//! Replace and patch: updates of an existing object.
//!
//! A patch is applied to the latest version, then follows the rules of a replace. Without a resourceVersion in the patch,
//! there is never a conflict. A write of a Scale becomes an update of its object ([`scale`]).

use std::{borrow::Cow, sync::Arc};

use serde_json::Value;

use super::{
    ObjectId, WriteResult, Writer, meta,
    namespaces::spec_finalizers,
    options::WriteOptions,
    strategy::{prepare_update, semantic_equal},
};
use crate::{
    catalog::SCALE,
    causes::Causes,
    object::{Meta, Object},
    patch, rbac,
    request::{Query, RequestInfo, Verb},
    resource::Resource,
    scale,
    status::{Result, Status},
    types,
};

const STALE: &str = "the object has been modified; please apply your changes to the latest version and try again";

impl Writer<'_> {
    pub fn replace(
        &mut self,
        resource: &Resource,
        info: &RequestInfo,
        query: &Query,
        body: Value,
    ) -> Result<WriteResult> {
        if !matches!(info.subresource.as_str(), "" | "status" | "finalize" | "scale") {
            return Err(Status::method_not_allowed());
        }
        let options = WriteOptions::parse("UpdateOptions", query)?;
        let decoded = types::decode(sent_resource(resource, info), body, options.validation)?;
        self.warnings = decoded.warnings;
        let mut object = decoded.value;
        meta::check_name(&object, &info.name)?;
        meta::ensure_namespace(&mut object, resource, &info.namespace)?;
        let Some(old) = self.get(&ObjectId::of(resource, info)).cloned() else {
            if info.subresource.is_empty() && allows_create_on_update(resource) {
                if !object.uid().is_empty() {
                    return Err(uid_conflict(resource, info, &object, &Value::Null));
                }
                // The client may have seen an earlier object, for example a leader whose Lease was deleted.
                meta::metadata_mut(&mut object).remove("resourceVersion");
                // The request was authorized as an update; creating needs the right to create.
                let wanted = RequestInfo { verb: Verb::Create, ..info.clone() };
                rbac::require(&self.state.store, self.user, &rbac::Attributes::from_request(&wanted, query))?;
                let object = self.insert(resource, &info.namespace, object, options.dry_run)?;
                return Ok(WriteResult::Object(201, object));
            }
            return Err(Status::not_found(&resource.group, &resource.plural, &info.name));
        };
        if !object.uid().is_empty() && object.uid() != old.value().uid() {
            return Err(uid_conflict(resource, info, &object, old.value()));
        }
        let object = self.update(resource, info, object, &old, options.dry_run)?;
        Ok(WriteResult::Object(200, object))
    }

    pub fn patch(
        &mut self,
        resource: &Resource,
        info: &RequestInfo,
        query: &Query,
        content_type: &str,
        patch: &[u8],
    ) -> Result<WriteResult> {
        if !matches!(info.subresource.as_str(), "" | "status" | "scale") {
            return Err(Status::method_not_allowed());
        }
        patch::check_type(resource, content_type)?;
        let options = WriteOptions::parse("PatchOptions", query)?;
        let Some(old) = self.get(&ObjectId::of(resource, info)).cloned() else {
            return Err(Status::not_found(&resource.group, &resource.plural, &info.name));
        };
        let before =
            if is_scale(info) { Cow::Owned(scale::from_object(old.value())) } else { Cow::Borrowed(old.value()) };
        let decoded = patch::apply(sent_resource(resource, info), content_type, &before, patch, options.validation)?;
        self.warnings = decoded.warnings;
        let mut object = decoded.value;
        meta::check_name(&object, &info.name)?;
        meta::ensure_namespace(&mut object, resource, &info.namespace)?;
        let object = self.update(resource, info, object, &old, options.dry_run)?;
        Ok(WriteResult::Object(200, object))
    }

    /// Replaces `old` by a decoded object, if the resourceVersion matches.
    fn update(
        &mut self,
        resource: &Resource,
        info: &RequestInfo,
        mut object: Value,
        old: &Arc<Object>,
        dry_run: bool,
    ) -> Result<Arc<Object>> {
        let before = old.value();
        if is_scale(info) {
            object = scale::apply(resource, &object, before)?;
        }
        check_version(resource, info, &object, before)?;
        meta::keep_system_fields(&mut object, before);
        prepare_update(resource, &info.subresource, &mut object, before);
        meta::check_immutable(&object, before).into_result(&resource.group, &resource.kind, &info.name)?;
        types::validate(resource, &object, Some(before))?;
        meta::metadata_mut(&mut object).insert("resourceVersion".into(), before.resource_version().into());
        let id = ObjectId::of(resource, info);
        if should_delete_during_update(&id, &object, before) {
            // The client of an update expects an object, not a Status.
            if !dry_run {
                self.remove(&id);
            }
            return Ok(Arc::new(Object::new(object)));
        }
        let unchanged = if resource.custom.is_some() { object == *before } else { semantic_equal(&object, before) };
        if unchanged {
            return Ok(old.clone());
        }
        meta::check_size(&object)?;
        if dry_run {
            return Ok(Arc::new(Object::new(object)));
        }
        Ok(self.put(&id, object))
    }
}

fn is_scale(info: &RequestInfo) -> bool {
    info.subresource == "scale"
}

/// The resource of the body: that of the object, or Scale.
fn sent_resource<'a>(resource: &'a Resource, info: &RequestInfo) -> &'a Resource {
    if is_scale(info) { &SCALE } else { resource }
}

/// Whether an update of a missing object creates it.
fn allows_create_on_update(resource: &Resource) -> bool {
    resource.custom.is_none()
        && matches!(
            resource.plural.as_str(),
            "events" | "leases" | "roles" | "rolebindings" | "clusterroles" | "clusterrolebindings"
        )
}

/// Whether an update without a resourceVersion is allowed.
fn allows_unconditional_update(resource: &Resource) -> bool {
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

/// Optimistic concurrency: an update must be based on the latest version.
fn check_version(resource: &Resource, info: &RequestInfo, object: &Value, old: &Value) -> Result<()> {
    let (version, latest) = (object.resource_version(), old.resource_version());
    if version == latest {
        return Ok(());
    }
    if matches!(version, "" | "0") {
        if allows_unconditional_update(resource) {
            return Ok(());
        }
        let mut causes = Causes::default();
        causes.invalid("metadata.resourceVersion", 0, "must be specified for an update");
        // The real server uses the plural here, not the kind.
        return causes.into_result(&resource.group, &resource.plural, &info.name);
    }
    if version.parse::<u64>().is_err() {
        let message = format!("strconv.ParseUint: parsing {version:?}: invalid syntax");
        return Err(Status::new(500, "", message));
    }
    Err(Status::conflict(&resource.group, &resource.plural, &info.name, STALE))
}

pub(super) fn uid_conflict(resource: &Resource, info: &RequestInfo, object: &Value, old: &Value) -> Status {
    let mut path = vec!["/registry", &resource.plural, &info.namespace, &info.name];
    path.retain(|part| !part.is_empty());
    let why = format!(
        "StorageError: invalid object, Code: 4, Key: {}, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: \
         UID in precondition: {}, UID in object meta: {}",
        path.join("/"),
        object.uid(),
        old.uid()
    );
    Status::conflict(&resource.group, &resource.plural, &info.name, &why)
}

/// Whether an update removes the last reason to keep an object that is being deleted.
pub(super) fn should_delete_during_update(id: &ObjectId, object: &Value, old: &Value) -> bool {
    old.is_terminating()
        && meta::finalizers(object).is_empty()
        && old["metadata"]["deletionGracePeriodSeconds"].as_i64().unwrap_or(0) == 0
        && (!id.is_namespace() || spec_finalizers(object).is_empty())
}
