//! Creates objects.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};

use super::{ObjectId, WriteResult, Writer, meta, options::WriteOptions, strategy::prepare_create};
use crate::{
    object::{Meta, Object},
    request::{Query, RequestInfo},
    resource::Resource,
    status::{Result, Status},
    types,
};

/// The real server's number of attempts to generate a free name.
const NAME_ATTEMPTS: usize = 8;

impl Writer<'_> {
    pub fn create(
        &mut self,
        resource: &Resource,
        info: &RequestInfo,
        query: &Query,
        body: Value,
    ) -> Result<WriteResult> {
        let options = WriteOptions::parse("CreateOptions", query)?;
        match info.subresource.as_str() {
            "" => (),
            "binding" => return self.bind(resource, info, options, &body),
            _ => return Err(Status::method_not_allowed()),
        }
        let decoded = types::decode(resource, body, options.validation)?;
        self.warnings = decoded.warnings;
        let object = self.insert(resource, &info.namespace, decoded.value, options.dry_run)?;
        Ok(WriteResult::Object(201, object))
    }

    /// Admits, completes, validates and stores a decoded object.
    pub(super) fn insert(
        &mut self,
        resource: &Resource,
        namespace: &str,
        mut object: Value,
        dry_run: bool,
    ) -> Result<Arc<Object>> {
        meta::ensure_namespace(&mut object, resource, namespace)?;
        self.check_namespace(resource, &object)?;
        self.check_definition(resource, object.name())?;
        meta::fill_system_fields(&mut object, self.now, &mut self.state.random);
        self.generate_name(resource, &mut object);
        prepare_create(resource, &mut object);
        types::validate(resource, &object, None)?;
        let id = ObjectId::new(resource, object.namespace(), object.name());
        if let Some(existing) = self.get(&id) {
            let mut error = Status::already_exists(&resource.group, &resource.plural, object.name());
            if !object.meta("generateName").is_empty() {
                error.message += ", the server was not able to generate a unique name for the object";
                error.retry_after = Some(Duration::from_secs(1));
            }
            if existing.value().is_terminating() {
                error.message = format!("object is being deleted: {}", error.message);
            }
            return Err(error);
        }
        if !matches!(object.resource_version(), "" | "0") {
            return Err(Status::new(500, "", "resourceVersion should not be set on objects to be created"));
        }
        meta::check_size(&object)?;
        if dry_run {
            meta::metadata_mut(&mut object).remove("resourceVersion");
            return Ok(Arc::new(Object::new(object)));
        }
        Ok(self.put(&id, object))
    }

    /// Checks that the namespace exists and is not terminating.
    fn check_namespace(&self, resource: &Resource, object: &Value) -> Result<()> {
        if !resource.namespaced {
            return Ok(());
        }
        let namespace = object.namespace();
        let Some(found) = self.get(&ObjectId::namespace(namespace)) else {
            return Err(Status::not_found("", "namespaces", namespace));
        };
        if found.value()["status"]["phase"] != "Terminating" {
            return Ok(());
        }
        let why = format!("unable to create new content in namespace {namespace} because it is being terminated");
        let mut error = Status::forbidden(&resource.group, &resource.plural, object.name(), &why);
        error.details["causes"] = json!([{
            "reason": "NamespaceTerminating",
            "message": format!("namespace {namespace} is being terminated"),
            "field": "metadata.namespace",
        }]);
        Err(error)
    }

    /// Sets a name from `generateName` if the name is absent.
    fn generate_name(&mut self, resource: &Resource, object: &mut Value) {
        if !object.name().is_empty() {
            return;
        }
        let base = object.meta("generateName").to_owned();
        if base.is_empty() {
            // Validation reports it, with all other causes.
            return;
        }
        let mut name = String::new();
        for _ in 0..NAME_ATTEMPTS {
            name = meta::generate_name(&base, &mut self.state.random);
            if self.get(&ObjectId::new(resource, object.namespace(), &name)).is_none() {
                break;
            }
        }
        meta::metadata_mut(object).insert("name".into(), name.into());
    }
}

impl ObjectId {
    /// The Namespace of this name.
    pub(super) fn namespace(name: &str) -> Self {
        use crate::object::{GroupResource, Key};
        ObjectId { resource: GroupResource::new("", "namespaces"), key: Key::new("", name) }
    }
}
