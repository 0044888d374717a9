//! Custom resources: definition, schema, pruning, defaults.
use std::sync::Arc;

use serde_json::Value;

use crate::{
    catalog::Resource,
    status::Result,
    types::{Decoded, FieldValidation},
};

/// What a CustomResourceDefinition says of one version.
#[derive(Debug)]
pub struct Definition {}

/// The resources that this CustomResourceDefinition adds: one for each served version.
///
/// # Errors
/// 422 for a definition that is not right.
pub fn resources(_definition: &Value) -> Result<Vec<Arc<Resource>>> {
    todo!("custom")
}

/// Sets the status of a definition that is served: Established, NamesAccepted, acceptedNames, storedVersions.
pub fn establish(_definition: &mut Value, _now: jiff::Timestamp) {
    todo!("custom")
}

/// [`crate::types::decode`] for a custom resource: prune, default.
pub fn decode(_definition: &Definition, _body: Value, _validation: FieldValidation) -> Result<Decoded> {
    todo!("custom")
}

/// [`crate::types::validate`] for a custom resource.
pub fn validate(_resource: &Resource, _definition: &Definition, _object: &Value, _old: Option<&Value>) -> Result<()> {
    todo!("custom")
}
