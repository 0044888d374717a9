//! `pods/NAME/binding`: what a scheduler writes once it has found a node.

use serde_json::{Value, json};

use super::{Place, Writer, Written, meta, options::WriteOptions, update::other_uid};
use crate::{
    object::{Meta, text, time},
    request::Target,
    resource::Resource,
    status::{Result, Status},
};

impl Writer<'_> {
    /// Gives a pod its node, once.
    pub(super) fn bind(
        &mut self,
        resource: &Resource,
        target: &Target,
        options: WriteOptions,
        body: &Value,
    ) -> Result<Written> {
        let name = &target.name;
        if body.name() != name {
            return Err(Status::bad_request("name in URL does not match name in Binding object"));
        }
        let wrong = |why: String| Err(Status::new(500, "", why));
        let text = |field: &str| text(&body["target"][field]);
        if !matches!(text("kind"), "" | "Node") {
            let kind = text("kind");
            return wrong(format!("target.kind: Unsupported value: {kind:?}: supported values: \"Node\", \"<empty>\""));
        }
        if text("name").is_empty() {
            return wrong("target.name: Required value".into());
        }
        let place = Place::of(resource, target);
        let Some(old) = self.get(&place).cloned() else {
            return Err(Status::not_found("", "pods", name));
        };
        let old = old.value();
        if !body.uid().is_empty() && body.uid() != old.uid() {
            return Err(other_uid(resource, target, body, old));
        }
        let refuse = |why: String| Err(Status::conflict("", "pods/binding", name, &why));
        if old.is_ending() {
            return refuse(format!("pod {name} is being deleted, cannot be assigned to a host"));
        }
        if let Some(node) = old["spec"]["nodeName"].as_str().filter(|node| !node.is_empty()) {
            return refuse(format!("pod {name} is already assigned to node {node:?}"));
        }
        // The real server writes around the rules for updates, too: a binding is no new generation.
        let mut pod = old.clone();
        meta::object_in(&mut pod, "spec").insert("nodeName".into(), text("name").into());
        if let Some(annotations) = body["metadata"]["annotations"].as_object() {
            meta::object_in(&mut pod["metadata"], "annotations").extend(annotations.clone());
        }
        let scheduled = json!({
            "type": "PodScheduled", "status": "True", "lastProbeTime": null, "lastTransitionTime": time(self.now),
        });
        let conditions = meta::object_in(&mut pod, "status").entry("conditions").or_insert_with(|| json!([]));
        if let Some(list) = conditions.as_array_mut() {
            list.retain(|condition| condition["type"] != "PodScheduled");
            list.push(scheduled);
        }
        if !options.dry_run {
            self.put(&place, pod);
        }
        let done = json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201 });
        Ok(Written::Status(201, done))
    }
}
