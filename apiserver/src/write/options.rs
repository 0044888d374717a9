//! Options of a write: in the query, for a deletion also in the body.

use serde::Deserialize;
use serde_json::Value;

use crate::{
    causes::Causes,
    decoded::FieldValidation,
    request::Query,
    status::{Result, Status},
};

/// CreateOptions, UpdateOptions, PatchOptions.
#[derive(Clone, Copy, Debug)]
pub struct WriteOptions {
    /// Validate, but store nothing.
    pub dry_run: bool,
    pub validation: FieldValidation,
}

impl WriteOptions {
    /// Parses the options; `kind` is for the error message.
    ///
    /// # Errors
    /// 422 for an unknown value.
    pub fn parse(kind: &str, query: &Query) -> Result<WriteOptions> {
        let mut causes = Causes::default();
        let dry_run = query.text("dryRun").is_some_and(|value| parse_dry_run(&[value], &mut causes));
        let validation = match query.get("fieldValidation") {
            None | Some("Warn") => FieldValidation::Warn,
            Some("Ignore") => FieldValidation::Ignore,
            Some("Strict") => FieldValidation::Strict,
            Some(other) => {
                causes.one_of("fieldValidation", other, &["", "Ignore", "Strict", "Warn"]);
                FieldValidation::Warn
            }
        };
        causes.into_result("meta.k8s.io", kind, "")?;
        Ok(WriteOptions { dry_run, validation })
    }
}

/// The treatment of the dependents of a deleted owner.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
pub enum Propagation {
    /// Their references are removed.
    Orphan,
    /// They are deleted after the owner.
    Background,
    /// They are deleted before the owner.
    Foreground,
}

/// Conditions for a deletion.
#[derive(Clone, Default, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Preconditions {
    pub uid: Option<String>,
    pub resource_version: Option<String>,
}

/// DeleteOptions.
#[derive(Clone, Default, Debug, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DeleteOptions {
    pub grace_period_seconds: Option<i64>,
    pub preconditions: Option<Preconditions>,
    pub orphan_dependents: Option<bool>,
    /// A string, because it is validated with the other options.
    propagation_policy: Option<String>,
    dry_run: Option<Vec<String>>,
}

impl DeleteOptions {
    /// Parses the body, or the query if the body is null. As in the real server, the two are never merged.
    ///
    /// # Errors
    /// 400 if the body is not DeleteOptions, 422 for invalid values.
    pub fn parse(query: &Query, body: Value) -> Result<DeleteOptions> {
        let options = if body.is_null() { Self::from_query(query)? } else { Self::from_body(body)? };
        let mut causes = Causes::default();
        if let Some(text) = options.propagation_policy.as_deref() {
            if options.orphan_dependents.is_some() {
                causes.invalid(
                    "propagationPolicy",
                    text,
                    "orphanDependents and deletionPropagation cannot be both set",
                );
            }
            if options.propagation().is_none() {
                causes.one_of("propagationPolicy", text, &["Foreground", "Background", "Orphan", "nil"]);
            }
        }
        if let Some(values) = &options.dry_run {
            parse_dry_run(&values.iter().map(String::as_str).collect::<Vec<_>>(), &mut causes);
        }
        causes.into_result("meta.k8s.io", "DeleteOptions", "")?;
        Ok(options)
    }

    /// The options of the garbage collector.
    pub fn propagating(policy: Propagation) -> DeleteOptions {
        DeleteOptions { propagation_policy: Some(format!("{policy:?}")), ..DeleteOptions::default() }
    }

    fn from_body(body: Value) -> Result<DeleteOptions> {
        // Serde would accept a list of the fields in order.
        if !body.is_object() {
            return Err(Status::bad_request("couldn't get version/kind; json parse error: the body is not an object"));
        }
        if let Some(kind) = body["kind"].as_str().filter(|kind| !kind.is_empty() && *kind != "DeleteOptions") {
            let version = body["apiVersion"].as_str().filter(|text| !text.is_empty()).unwrap_or("meta.k8s.io/v1");
            let scheme = "pkg/runtime/scheme.go:111";
            let message = format!("no kind {kind:?} is registered for version {version:?} in scheme {scheme:?}");
            return Err(Status::bad_request(message));
        }
        serde_json::from_value(body).map_err(|e| Status::bad_request(format!("json: cannot unmarshal: {e}")))
    }

    fn from_query(query: &Query) -> Result<DeleteOptions> {
        let text = |name: &str| query.get(name).map(str::to_owned);
        Ok(DeleteOptions {
            grace_period_seconds: query.integer("gracePeriodSeconds")?,
            preconditions: Some(Preconditions { uid: text("uid"), resource_version: text("resourceVersion") }),
            orphan_dependents: query.has("orphanDependents").then(|| query.flag("orphanDependents")),
            propagation_policy: query.text("propagationPolicy").map(str::to_owned),
            dry_run: query.text("dryRun").map(|value| vec![value.to_owned()]),
        })
    }

    pub fn is_dry_run(&self) -> bool {
        self.dry_run.as_ref().is_some_and(|values| !values.is_empty())
    }

    pub fn propagation(&self) -> Option<Propagation> {
        serde_json::from_value(self.propagation_policy.as_deref()?.into()).ok()
    }
}

/// Parses `dryRun`, whose only valid value is `All`.
fn parse_dry_run(values: &[&str], causes: &mut Causes) -> bool {
    if values.iter().any(|value| *value != "All") {
        causes.one_of("dryRun", values, &["All"]);
    }
    !values.is_empty()
}
