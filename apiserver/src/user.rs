//! The sender of a request, as authentication and RBAC know it.

use serde_json::{Value, json};

/// The sender of a request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct User {
    /// `system:serviceaccount:NS:NAME`, or `system:admin`.
    pub name: String,
    /// Of the ServiceAccount; empty for everybody else.
    pub uid: String,
    pub groups: Vec<String>,
}

impl User {
    /// The administrator.
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
    pub fn is_master(&self) -> bool {
        self.groups.iter().any(|group| group == "system:masters")
    }

    /// As reviews show it.
    pub fn info(&self) -> Value {
        let mut info = json!({ "username": self.name, "groups": self.groups });
        if !self.uid.is_empty() {
            info["uid"] = self.uid.as_str().into();
        }
        info
    }
}
