//! Bodies in protobuf: what kubectl sends for the kinds that it knows by heart.
//!
//! `kubectl create deployment`, `create token`, `auth can-i` and their like take no JSON for an answer: they send the
//! binary form, whatever the server says. So the messages that they send can be read here, into the JSON that everything
//! else works on. Nothing is ever written in protobuf: every client accepts JSON answers.
//!
//! The tables hold the fields that kubectl sets, by their numbers in Kubernetes' `generated.proto` files. Whatever else
//! is in a message is refused, not dropped: an object must not lose a part on its way in.

use k8s_openapi::ByteString;
use serde_json::{Map, Value, json};

/// Every protobuf body begins with it; an envelope with kind and bytes follows.
const MAGIC: &[u8] = b"k8s\0";

/// One field of a message: its number, its name in JSON, its type.
type Field = (u64, &'static str, Type);

/// How a field's bytes become JSON.
#[derive(Clone, Copy)]
enum Type {
    Text,
    Bytes,
    Int,
    Bool,
    /// A number or a flag that is sent only if it was set: zero and false mean something.
    Set(&'static Type),
    IntOrString,
    Message(&'static [Field]),
    List(&'static Type),
    Map(&'static Type),
    /// Not the sender's to say: status, timestamps.
    Skip,
}

use Type::{Bool, Bytes, Int, List, Message, Set, Skip, Text};

const LABELS: Type = Type::Map(&Text);
const TEXTS: Type = List(&Text);
const METADATA: Type = Message(&[
    (1, "name", Text),
    (2, "generateName", Text),
    (3, "namespace", Text),
    (4, "selfLink", Skip),
    (5, "uid", Text),
    (6, "resourceVersion", Text),
    (7, "generation", Int),
    (8, "creationTimestamp", Skip),
    (9, "deletionTimestamp", Skip),
    (11, "labels", LABELS),
    (12, "annotations", LABELS),
    (14, "finalizers", TEXTS),
    (17, "managedFields", Skip),
]);
const SELECTOR: Type = Message(&[
    (1, "matchLabels", LABELS),
    (2, "matchExpressions", List(&Message(&[(1, "key", Text), (2, "operator", Text), (3, "values", TEXTS)]))),
]);
const CONTAINER: Type = Message(&[
    (1, "name", Text),
    (2, "image", Text),
    (3, "command", TEXTS),
    (4, "args", TEXTS),
    (5, "workingDir", Text),
    (
        6,
        "ports",
        List(&Message(&[
            (1, "name", Text),
            (2, "hostPort", Int),
            (3, "containerPort", Int),
            (4, "protocol", Text),
            (5, "hostIP", Text),
        ])),
    ),
    (8, "resources", Message(&[])),
    (13, "terminationMessagePath", Text),
    (14, "imagePullPolicy", Text),
    (16, "stdin", Bool),
    (17, "stdinOnce", Bool),
    (18, "tty", Bool),
    (20, "terminationMessagePolicy", Text),
]);
const POD_SPEC: Type = Message(&[
    (2, "containers", List(&CONTAINER)),
    (3, "restartPolicy", Text),
    (4, "terminationGracePeriodSeconds", Set(&Int)),
    (6, "dnsPolicy", Text),
    (7, "nodeSelector", LABELS),
    (8, "serviceAccountName", Text),
    (9, "serviceAccount", Text),
    (10, "nodeName", Text),
    (11, "hostNetwork", Bool),
    (12, "hostPID", Bool),
    (13, "hostIPC", Bool),
    (16, "hostname", Text),
    (17, "subdomain", Text),
    (19, "schedulerName", Text),
    (20, "initContainers", List(&CONTAINER)),
    (24, "priorityClassName", Text),
]);
const DEPLOYMENT: Type = Message(&[
    (1, "replicas", Set(&Int)),
    (2, "selector", SELECTOR),
    (3, "template", Message(&[(1, "metadata", METADATA), (2, "spec", POD_SPEC)])),
    (4, "strategy", Message(&[(1, "type", Text)])),
    (5, "minReadySeconds", Int),
    (6, "revisionHistoryLimit", Set(&Int)),
    (7, "paused", Bool),
    (9, "progressDeadlineSeconds", Set(&Int)),
]);
const RULES: Type = List(&Message(&[
    (1, "verbs", TEXTS),
    (2, "apiGroups", TEXTS),
    (3, "resources", TEXTS),
    (4, "resourceNames", TEXTS),
    (5, "nonResourceURLs", TEXTS),
]));
const SUBJECTS: Type =
    List(&Message(&[(1, "kind", Text), (2, "apiGroup", Text), (3, "name", Text), (4, "namespace", Text)]));
const ROLE_REF: Type = Message(&[(1, "apiGroup", Text), (2, "kind", Text), (3, "name", Text)]);
const DELETE: &[Field] = &[
    (1, "gracePeriodSeconds", Set(&Int)),
    (2, "preconditions", Message(&[(1, "uid", Text), (2, "resourceVersion", Text)])),
    (3, "orphanDependents", Set(&Bool)),
    (4, "propagationPolicy", Text),
    (5, "dryRun", TEXTS),
];

/// The fields of a kind; None for those that are not read in this form.
fn message(kind: &str) -> Option<&'static [Field]> {
    Some(match kind {
        "Namespace" => &[(1, "metadata", METADATA), (2, "spec", Message(&[(1, "finalizers", TEXTS)])), (3, "", Skip)],
        "Secret" => &[
            (1, "metadata", METADATA),
            (2, "data", Type::Map(&Bytes)),
            (3, "type", Text),
            (4, "stringData", LABELS),
            (5, "immutable", Set(&Bool)),
        ],
        "ConfigMap" => &[
            (1, "metadata", METADATA),
            (2, "data", LABELS),
            (3, "binaryData", Type::Map(&Bytes)),
            (4, "immutable", Set(&Bool)),
        ],
        "ServiceAccount" => &[(1, "metadata", METADATA), (4, "automountServiceAccountToken", Set(&Bool))],
        "Deployment" => &[(1, "metadata", METADATA), (2, "spec", DEPLOYMENT), (3, "", Skip)],
        "Role" | "ClusterRole" => &[(1, "metadata", METADATA), (2, "rules", RULES)],
        "RoleBinding" | "ClusterRoleBinding" => {
            &[(1, "metadata", METADATA), (2, "subjects", SUBJECTS), (3, "roleRef", ROLE_REF)]
        }
        "PodDisruptionBudget" => &[
            (1, "metadata", METADATA),
            (
                2,
                "spec",
                Message(&[
                    (1, "minAvailable", Type::IntOrString),
                    (2, "selector", SELECTOR),
                    (3, "maxUnavailable", Type::IntOrString),
                ]),
            ),
            (3, "", Skip),
        ],
        "TokenRequest" => &[
            (1, "metadata", METADATA),
            (
                2,
                "spec",
                Message(&[
                    (1, "audiences", TEXTS),
                    (
                        3,
                        "boundObjectRef",
                        Message(&[(1, "kind", Text), (2, "apiVersion", Text), (3, "name", Text), (4, "uid", Text)]),
                    ),
                    (4, "expirationSeconds", Set(&Int)),
                ]),
            ),
            (3, "", Skip),
        ],
        "SelfSubjectReview" => &[(1, "metadata", METADATA), (2, "", Skip)],
        "SelfSubjectRulesReview" => {
            &[(1, "metadata", METADATA), (2, "spec", Message(&[(1, "namespace", Text)])), (3, "", Skip)]
        }
        "SelfSubjectAccessReview" => &[
            (1, "metadata", METADATA),
            (
                2,
                "spec",
                Message(&[
                    (
                        1,
                        "resourceAttributes",
                        Message(&[
                            (1, "namespace", Text),
                            (2, "verb", Text),
                            (3, "group", Text),
                            (4, "version", Text),
                            (5, "resource", Text),
                            (6, "subresource", Text),
                            (7, "name", Text),
                        ]),
                    ),
                    (2, "nonResourceAttributes", Message(&[(1, "path", Text), (2, "verb", Text)])),
                ]),
            ),
            (3, "", Skip),
        ],
        "Eviction" => &[(1, "metadata", METADATA), (2, "deleteOptions", Message(DELETE))],
        "DeleteOptions" => DELETE,
        _ => return None,
    })
}

/// The object in a protobuf body.
///
/// # Errors
/// What is wrong with it, or not understood.
pub fn read(body: &[u8]) -> Result<Value, String> {
    const ENVELOPE: &[Field] = &[
        (1, "type", Message(&[(1, "apiVersion", Text), (2, "kind", Text)])),
        (2, "raw", Skip),
        (3, "contentEncoding", Text),
        (4, "contentType", Text),
    ];
    let envelope = body.strip_prefix(MAGIC).ok_or("it does not begin as Kubernetes' protobuf does")?;
    let about = object(ENVELOPE, envelope)?;
    let kind = about["type"]["kind"].as_str().unwrap_or_default();
    let fields = message(kind).ok_or_else(|| format!("kind {kind:?} is not read in protobuf"))?;
    let mut raw: &[u8] = &[];
    let mut reader = Reader(envelope);
    while let Some((number, item)) = reader.field()? {
        if let (2, Item::Bytes(bytes)) = (number, item) {
            raw = bytes;
        }
    }
    let mut value = object(fields, raw)?;
    value["apiVersion"] = about["type"]["apiVersion"].clone();
    value["kind"] = kind.into();
    Ok(value)
}

/// One message. It goes no deeper than its table.
fn object(fields: &[Field], bytes: &[u8]) -> Result<Value, String> {
    let mut map = Map::new();
    let mut reader = Reader(bytes);
    while let Some((number, item)) = reader.field()? {
        let Some((_, name, kind)) = fields.iter().find(|field| field.0 == number) else {
            if item.is_zero() {
                continue;
            }
            return Err(format!("field {number} is not read in protobuf"));
        };
        match (kind, item) {
            (Skip, _) => {}
            (List(of), item) => {
                let list = map.entry(*name).or_insert_with(|| json!([]));
                if let Value::Array(list) = list {
                    list.push(value(of, item)?);
                }
            }
            (Type::Map(of), Item::Bytes(entry)) => {
                let (key, item) = pair(entry)?;
                map.entry(*name).or_insert_with(|| json!({}))[key] = value(of, item)?;
            }
            // Go writes what is zero, too; in JSON it is left out.
            (Text | Int | Bool, item) if item.is_zero() => {}
            (kind, item) => {
                map.insert((*name).into(), value(kind, item)?);
            }
        }
    }
    Ok(Value::Object(map))
}

fn value(kind: &Type, item: Item) -> Result<Value, String> {
    Ok(match (kind, item) {
        (Set(kind), item) => value(kind, item)?,
        (Text, Item::Bytes(bytes)) => text(bytes)?.into(),
        (Bytes, Item::Bytes(bytes)) => {
            serde_json::to_value(ByteString(bytes.to_vec())).map_err(|error| error.to_string())?
        }
        // Negative numbers are sent as very large ones.
        (Int, Item::Number(number)) => number.cast_signed().into(),
        (Bool, Item::Number(number)) => (number != 0).into(),
        (Message(fields), Item::Bytes(bytes)) => object(fields, bytes)?,
        (Type::IntOrString, Item::Bytes(bytes)) => {
            let parts = object(&[(1, "type", Int), (2, "int", Int), (3, "text", Text)], bytes)?;
            if parts["type"] == 1 { parts["text"].clone() } else { parts["int"].as_i64().unwrap_or_default().into() }
        }
        _ => return Err("a field has the wrong type".into()),
    })
}

/// The key and the value of one entry of a map.
fn pair(bytes: &[u8]) -> Result<(&str, Item<'_>), String> {
    let (mut key, mut value) = ("", Item::Bytes(&[]));
    let mut reader = Reader(bytes);
    while let Some((number, item)) = reader.field()? {
        match (number, item) {
            (1, Item::Bytes(bytes)) => key = text(bytes)?,
            (2, item) => value = item,
            _ => {}
        }
    }
    Ok((key, value))
}

fn text(bytes: &[u8]) -> Result<&str, String> {
    std::str::from_utf8(bytes).map_err(|error| error.to_string())
}

/// One field as it is on the wire.
#[derive(Clone, Copy)]
enum Item<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

impl Item<'_> {
    fn is_zero(&self) -> bool {
        matches!(self, Item::Number(0) | Item::Bytes([]))
    }
}

/// What is still to be read of a message.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn field(&mut self) -> Result<Option<(u64, Item<'a>)>, String> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let tag = self.number()?;
        let item = match tag & 7 {
            0 => Item::Number(self.number()?),
            2 => {
                let length = usize::try_from(self.number()?).unwrap_or(usize::MAX);
                let (bytes, rest) = self.0.split_at_checked(length).ok_or("unexpected end")?;
                self.0 = rest;
                Item::Bytes(bytes)
            }
            wire => return Err(format!("wire type {wire} is not read")),
        };
        Ok(Some((tag >> 3, item)))
    }

    /// Seven bits a byte, the lowest first; the eighth says whether there is more.
    fn number(&mut self) -> Result<u64, String> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.0.split_first().ok_or("unexpected end")?;
            self.0 = rest;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err("a number is too long".into())
    }
}

#[cfg(test)]
#[path = "protobuf_tests.rs"]
mod tests;
