//! Create: an object that was not there.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};

use super::{Place, Writer, Written, meta, options::WriteOptions, strategy::prepare_create};
use crate::{
    object::{Meta, Object},
    request::{Query, Target},
    resource::Resource,
    status::{Result, Status},
    types,
};

/// How many generated names are tried before giving up: the real server's number.
const NAME_ATTEMPTS: usize = 8;

impl Writer<'_> {
    pub fn create(&mut self, resource: &Resource, target: &Target, query: &Query, body: Value) -> Result<Written> {
        let options = WriteOptions::parse("CreateOptions", query)?;
        match target.subresource.as_str() {
            "" => (),
            "binding" => return self.bind(resource, target, options, &body),
            _ => return Err(Status::method_not_allowed()),
        }
        let decoded = types::decode(resource, body, options.validation)?;
        self.warnings = decoded.warnings;
        let object = self.insert(resource, &target.namespace, decoded.value, options.dry_run)?;
        Ok(Written::Object(201, object))
    }

    /// Admits, fills in, validates and stores a decoded object.
    pub(super) fn insert(
        &mut self,
        resource: &Resource,
        namespace: &str,
        mut object: Value,
        dry_run: bool,
    ) -> Result<Arc<Object>> {
        meta::ensure_namespace(&mut object, resource, namespace)?;
        self.admit(resource, &object)?;
        self.admit_custom(resource, object.name())?;
        meta::fill_in(&mut object, self.now, &mut self.state.random);
        self.name(resource, &mut object);
        prepare_create(resource, &mut object);
        types::validate(resource, &object, None)?;
        let place = Place::new(resource, object.namespace(), object.name());
        if let Some(existing) = self.get(&place) {
            let mut refusal = Status::already_exists(&resource.group, &resource.plural, object.name());
            if !object.meta("generateName").is_empty() {
                refusal.message += ", the server was not able to generate a unique name for the object";
                refusal.retry_after = Some(Duration::from_secs(1));
            }
            if existing.value().is_ending() {
                refusal.message = format!("object is being deleted: {}", refusal.message);
            }
            return Err(refusal);
        }
        if !matches!(object.resource_version(), "" | "0") {
            return Err(Status::new(500, "", "resourceVersion should not be set on objects to be created"));
        }
        meta::check_size(&object)?;
        if dry_run {
            meta::metadata(&mut object).remove("resourceVersion");
            return Ok(Arc::new(Object::new(object)));
        }
        Ok(self.put(&place, object))
    }

    /// Something new needs a namespace that is there, and is there to stay.
    fn admit(&self, resource: &Resource, object: &Value) -> Result<()> {
        if !resource.namespaced {
            return Ok(());
        }
        let namespace = object.namespace();
        let Some(found) = self.get(&Place::namespace(namespace)) else {
            return Err(Status::not_found("", "namespaces", namespace));
        };
        if found.value()["status"]["phase"] != "Terminating" {
            return Ok(());
        }
        let why = format!("unable to create new content in namespace {namespace} because it is being terminated");
        let mut refusal = Status::forbidden(&resource.group, &resource.plural, object.name(), &why);
        refusal.details["causes"] = json!([{
            "reason": "NamespaceTerminating",
            "message": format!("namespace {namespace} is being terminated"),
            "field": "metadata.namespace",
        }]);
        Err(refusal)
    }

    /// Makes a name from `generateName` if there is none.
    fn name(&mut self, resource: &Resource, object: &mut Value) {
        if !object.name().is_empty() {
            return;
        }
        let base = object.meta("generateName").to_owned();
        if base.is_empty() {
            // Said by the validation, with all else that is wrong.
            return;
        }
        let mut name = String::new();
        for _ in 0..NAME_ATTEMPTS {
            name = meta::generated_name(&base, &mut self.state.random);
            if self.get(&Place::new(resource, object.namespace(), &name)).is_none() {
                break;
            }
        }
        meta::metadata(object).insert("name".into(), name.into());
    }
}

impl Place {
    /// Where the Namespace itself is.
    pub(super) fn namespace(name: &str) -> Self {
        use crate::object::{GroupResource, Key};
        Place { id: GroupResource::new("", "namespaces"), key: Key::new("", name) }
    }
}
