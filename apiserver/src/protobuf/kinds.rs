//! The supported messages, field by field.
//!
//! The numbers come from Kubernetes' `generated.proto` files. Only the fields that kubectl sets are listed.

use super::{
    Field,
    Type::{self, Bool, Bytes, Int, List, Message, Optional, Skip, Text},
};

const LABELS: Type = Type::Map(&Text);
const TEXTS: Type = List(&Text);
#[rustfmt::skip]
const METADATA: Type = Message(&[
    (1, "name", Text), (2, "generateName", Text), (3, "namespace", Text), (4, "selfLink", Skip), (5, "uid", Text),
    (6, "resourceVersion", Text), (7, "generation", Int), (8, "creationTimestamp", Skip), (9, "deletionTimestamp", Skip),
    (11, "labels", LABELS), (12, "annotations", LABELS), (14, "finalizers", TEXTS), (17, "managedFields", Skip),
]);
const SELECTOR: Type = Message(&[
    (1, "matchLabels", LABELS),
    (2, "matchExpressions", List(&Message(&[(1, "key", Text), (2, "operator", Text), (3, "values", TEXTS)]))),
]);
#[rustfmt::skip]
const PORT: Type = Message(&[
    (1, "name", Text), (2, "hostPort", Int), (3, "containerPort", Int), (4, "protocol", Text), (5, "hostIP", Text),
]);
#[rustfmt::skip]
const CONTAINER: Type = Message(&[
    (1, "name", Text), (2, "image", Text), (3, "command", TEXTS), (4, "args", TEXTS), (5, "workingDir", Text),
    (6, "ports", List(&PORT)), (8, "resources", Message(&[])), (13, "terminationMessagePath", Text),
    (14, "imagePullPolicy", Text), (16, "stdin", Bool), (17, "stdinOnce", Bool), (18, "tty", Bool),
    (20, "terminationMessagePolicy", Text),
]);
#[rustfmt::skip]
const POD_SPEC: Type = Message(&[
    (2, "containers", List(&CONTAINER)), (3, "restartPolicy", Text), (4, "terminationGracePeriodSeconds", Optional(&Int)),
    (6, "dnsPolicy", Text), (7, "nodeSelector", LABELS), (8, "serviceAccountName", Text), (9, "serviceAccount", Text),
    (10, "nodeName", Text), (11, "hostNetwork", Bool), (12, "hostPID", Bool), (13, "hostIPC", Bool),
    (16, "hostname", Text), (17, "subdomain", Text), (19, "schedulerName", Text), (20, "initContainers", List(&CONTAINER)),
    (24, "priorityClassName", Text),
]);
#[rustfmt::skip]
const DEPLOYMENT: Type = Message(&[
    (1, "replicas", Optional(&Int)), (2, "selector", SELECTOR),
    (3, "template", Message(&[(1, "metadata", METADATA), (2, "spec", POD_SPEC)])),
    (4, "strategy", Message(&[(1, "type", Text)])), (5, "minReadySeconds", Int), (6, "revisionHistoryLimit", Optional(&Int)),
    (7, "paused", Bool), (9, "progressDeadlineSeconds", Optional(&Int)),
]);
#[rustfmt::skip]
const RULES: Type = List(&Message(&[
    (1, "verbs", TEXTS), (2, "apiGroups", TEXTS), (3, "resources", TEXTS), (4, "resourceNames", TEXTS),
    (5, "nonResourceURLs", TEXTS),
]));
const SUBJECTS: Type =
    List(&Message(&[(1, "kind", Text), (2, "apiGroup", Text), (3, "name", Text), (4, "namespace", Text)]));
const ROLE_REF: Type = Message(&[(1, "apiGroup", Text), (2, "kind", Text), (3, "name", Text)]);
const BUDGET: Type = Message(&[
    (1, "minAvailable", Type::IntOrString),
    (2, "selector", SELECTOR),
    (3, "maxUnavailable", Type::IntOrString),
]);
const BOUND_OBJECT: Type = Message(&[(1, "kind", Text), (2, "apiVersion", Text), (3, "name", Text), (4, "uid", Text)]);
const TOKEN: Type =
    Message(&[(1, "audiences", TEXTS), (3, "boundObjectRef", BOUND_OBJECT), (4, "expirationSeconds", Optional(&Int))]);
#[rustfmt::skip]
const RESOURCE: Type = Message(&[
    (1, "namespace", Text), (2, "verb", Text), (3, "group", Text), (4, "version", Text), (5, "resource", Text),
    (6, "subresource", Text), (7, "name", Text),
]);
const PATH: Type = Message(&[(1, "path", Text), (2, "verb", Text)]);
const ACCESS: Type = Message(&[(1, "resourceAttributes", RESOURCE), (2, "nonResourceAttributes", PATH)]);
const DELETE: &[Field] = &[
    (1, "gracePeriodSeconds", Optional(&Int)),
    (2, "preconditions", Message(&[(1, "uid", Text), (2, "resourceVersion", Text)])),
    (3, "orphanDependents", Optional(&Bool)),
    (4, "propagationPolicy", Text),
    (5, "dryRun", TEXTS),
];

/// The fields of an object with metadata, this spec and a status.
macro_rules! with_spec {
    ($spec:expr) => {
        &[(1, "metadata", METADATA), (2, "spec", $spec), (3, "", Skip)]
    };
}

/// The fields of a kind; None if the kind is not supported in protobuf.
#[rustfmt::skip]
pub fn message_fields(kind: &str) -> Option<&'static [Field]> {
    Some(match kind {
        "Namespace" => with_spec!(Message(&[(1, "finalizers", TEXTS)])),
        "Secret" => &[
            (1, "metadata", METADATA), (2, "data", Type::Map(&Bytes)), (3, "type", Text), (4, "stringData", LABELS),
            (5, "immutable", Optional(&Bool)),
        ],
        "ConfigMap" => &[
            (1, "metadata", METADATA), (2, "data", LABELS), (3, "binaryData", Type::Map(&Bytes)), (4, "immutable", Optional(&Bool)),
        ],
        "ServiceAccount" => &[(1, "metadata", METADATA), (4, "automountServiceAccountToken", Optional(&Bool))],
        "Deployment" => with_spec!(DEPLOYMENT),
        "Role" | "ClusterRole" => &[(1, "metadata", METADATA), (2, "rules", RULES)],
        "RoleBinding" | "ClusterRoleBinding" => &[(1, "metadata", METADATA), (2, "subjects", SUBJECTS), (3, "roleRef", ROLE_REF)],
        "PodDisruptionBudget" => with_spec!(BUDGET),
        "TokenRequest" => with_spec!(TOKEN),
        "SelfSubjectReview" => &[(1, "metadata", METADATA), (2, "", Skip)],
        "SelfSubjectRulesReview" => with_spec!(Message(&[(1, "namespace", Text)])),
        "SelfSubjectAccessReview" => with_spec!(ACCESS),
        "DeleteOptions" => DELETE,
        _ => return None,
    })
}
