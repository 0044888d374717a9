//! Custom resources: definition, schema, pruning, defaults.
use std::sync::Arc;

use serde_json::{Value, json};

use crate::{
    catalog::Resource,
    object::Meta,
    status::{Cause, Result, Status},
    table::PrinterColumn,
    types::{Decoded, FieldValidation},
};

/// What a CustomResourceDefinition says of one version.
#[derive(Debug)]
pub struct Definition {
    columns: Vec<PrinterColumn>,
}

impl Definition {
    /// What `kubectl get` shows of it, after the name.
    pub fn columns(&self) -> &[PrinterColumn] {
        &self.columns
    }
}

/// The resources that this CustomResourceDefinition adds: one for each served version.
///
/// # Errors
/// 422 for a definition that is not right.
pub fn resources(definition: &Value) -> Result<Vec<Arc<Resource>>> {
    let spec = &definition["spec"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let texts = |value: &Value| value.as_array().into_iter().flatten().map(text).collect::<Vec<_>>();
    let (group, names) = (text(&spec["group"]), &spec["names"]);
    let plural = text(&names["plural"]);
    if definition.name() != format!("{plural}.{group}") {
        let message = format!("Invalid value: \"{}\": must be spec.names.plural+\".\"+spec.group", definition.name());
        let causes = [Cause { reason: "FieldValueInvalid", field: "metadata.name".into(), message }];
        let kind = "CustomResourceDefinition";
        return Err(Status::invalid("apiextensions.k8s.io", kind, definition.name(), &causes));
    }
    let served = |version: &&Value| version["served"] == true;
    let versions = spec["versions"].as_array().into_iter().flatten().filter(served);
    let resource = |version: &Value| {
        let subresources = version["subresources"].as_object();
        let kind = text(&names["kind"]);
        let or = |given: String, default: String| if given.is_empty() { default } else { given };
        Arc::new(Resource {
            group: group.clone(),
            version: text(&version["name"]),
            plural: plural.clone(),
            singular: or(text(&names["singular"]), kind.to_ascii_lowercase()),
            list_kind: or(text(&names["listKind"]), format!("{kind}List")),
            kind,
            short_names: texts(&names["shortNames"]),
            categories: texts(&names["categories"]),
            namespaced: spec["scope"] == "Namespaced",
            subresources: subresources.into_iter().flatten().map(|(name, _)| name.clone()).collect(),
            custom: Some(Arc::new(Definition { columns: PrinterColumn::all(version) })),
        })
    };
    Ok(versions.map(resource).collect())
}

/// Sets the status of a definition that is served: Established, NamesAccepted, acceptedNames, storedVersions.
pub fn establish(definition: &mut Value, now: jiff::Timestamp) {
    let now = now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let condition = |kind: &str, reason: &str, message: &str| json!({ "type": kind, "status": "True", "reason": reason, "message": message, "lastTransitionTime": now });
    let conditions = json!([
        condition("NamesAccepted", "NoConflicts", "no conflicts found"),
        condition("Established", "InitialNamesAccepted", "the initial names have been accepted"),
    ]);
    let names = definition["spec"]["names"].clone();
    definition["status"] = json!({ "conditions": conditions, "acceptedNames": names, "storedVersions": ["v1"] });
}

/// [`crate::types::decode`] for a custom resource: prune, default.
pub fn decode(_definition: &Definition, body: Value, _validation: FieldValidation) -> Result<Decoded> {
    Ok(Decoded { value: body, warnings: Vec::new() })
}

/// [`crate::types::validate`] for a custom resource.
pub fn validate(_resource: &Resource, _definition: &Definition, _object: &Value, _old: Option<&Value>) -> Result<()> {
    Ok(())
}
