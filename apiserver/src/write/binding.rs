//! The binding subresource of pods, which a scheduler creates.

use serde_json::{Value, json};

use super::{ObjectId, WriteResult, Writer, meta, options::WriteOptions, update::uid_conflict};
use crate::{
    object::{Meta, text, time},
    request::RequestInfo,
    resource::Resource,
    status::{Result, Status},
};

impl Writer<'_> {
    /// Assigns a pod to a node, once.
    pub(super) fn bind(
        &mut self,
        resource: &Resource,
        info: &RequestInfo,
        options: WriteOptions,
        body: &Value,
    ) -> Result<WriteResult> {
        let name = &info.name;
        if body.name() != name {
            return Err(Status::bad_request("name in URL does not match name in Binding object"));
        }
        let fail = |why: String| Err(Status::new(500, "", why));
        let text = |field: &str| text(&body["target"][field]);
        if !matches!(text("kind"), "" | "Node") {
            let kind = text("kind");
            return fail(format!("target.kind: Unsupported value: {kind:?}: supported values: \"Node\", \"<empty>\""));
        }
        if text("name").is_empty() {
            return fail("target.name: Required value".into());
        }
        let id = ObjectId::of(resource, info);
        let Some(old) = self.get(&id).cloned() else {
            return Err(Status::not_found("", "pods", name));
        };
        let old = old.value();
        if !body.uid().is_empty() && body.uid() != old.uid() {
            return Err(uid_conflict(resource, info, body, old));
        }
        let conflict = |why: String| Err(Status::conflict("", "pods/binding", name, &why));
        if old.is_terminating() {
            return conflict(format!("pod {name} is being deleted, cannot be assigned to a host"));
        }
        if let Some(node) = old["spec"]["nodeName"].as_str().filter(|node| !node.is_empty()) {
            return conflict(format!("pod {name} is already assigned to node {node:?}"));
        }
        // As in the real server, the rules for updates do not apply: a binding does not change the generation.
        let mut pod = old.clone();
        meta::ensure_object(&mut pod, "spec").insert("nodeName".into(), text("name").into());
        if let Some(annotations) = body["metadata"]["annotations"].as_object() {
            meta::ensure_object(&mut pod["metadata"], "annotations").extend(annotations.clone());
        }
        let scheduled = json!({
            "type": "PodScheduled", "status": "True", "lastProbeTime": null, "lastTransitionTime": time(self.now),
        });
        let conditions = meta::ensure_object(&mut pod, "status").entry("conditions").or_insert_with(|| json!([]));
        if let Some(list) = conditions.as_array_mut() {
            list.retain(|condition| condition["type"] != "PodScheduled");
            list.push(scheduled);
        }
        if !options.dry_run {
            self.put(&id, pod);
        }
        let done = json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201 });
        Ok(WriteResult::Status(201, done))
    }
}
