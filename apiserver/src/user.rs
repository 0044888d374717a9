//! The user of a request, for authentication and RBAC.

use serde_json::{Value, json};

/// An authenticated user.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct User {
    /// `system:serviceaccount:NS:NAME`, or `system:admin`.
    pub name: String,
    /// The UID of a ServiceAccount; empty for other users.
    pub uid: String,
    pub groups: Vec<String>,
}

impl User {
    /// The administrator: the user of a request without credentials.
    pub fn admin() -> Self {
        let groups = vec!["system:masters".into(), "system:authenticated".into()];
        User { name: "system:admin".into(), uid: String::new(), groups }
    }

    pub fn service_account(namespace: &str, name: &str, uid: &str) -> Self {
        let groups = vec![
            "system:serviceaccounts".into(),
            format!("system:serviceaccounts:{namespace}"),
            "system:authenticated".into(),
        ];
        User { name: format!("system:serviceaccount:{namespace}:{name}"), uid: uid.into(), groups }
    }

    /// RBAC rules do not apply to members of this group.
    pub fn is_superuser(&self) -> bool {
        self.groups.iter().any(|group| group == "system:masters")
    }

    /// The `userInfo` of a review.
    pub fn info(&self) -> Value {
        let mut info = json!({ "username": self.name, "groups": self.groups });
        if !self.uid.is_empty() {
            info["uid"] = self.uid.as_str().into();
        }
        info
    }
}
