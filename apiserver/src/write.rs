//! Every change: create, replace, patch, delete, and what follows from it.
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;

use crate::{
    auth::User,
    catalog::Resource,
    object::Object,
    request::{Query, Target},
    state::State,
    status::Result,
};

/// One write: who, when.
pub struct Writer<'a> {
    pub state: &'a mut State,
    pub user: &'a User,
    pub now: Timestamp,
}

/// What was written.
pub struct Written {
    /// The object, or the Status of a deletion that is done, as the client gets it.
    pub answer: Answer,
    pub warnings: Vec<String>,
}

/// See [`Written::answer`].
pub enum Answer {
    /// 201
    Created(Arc<Object>),
    /// 200
    Object(Arc<Object>),
    /// 200, a Status or a list
    Value(Value),
    /// 202: a deletion that waits (DeleteOptions with foreground, finalizers)
    Accepted(Arc<Object>),
}

impl Writer<'_> {
    pub fn create(&mut self, _resource: &Resource, _target: &Target, _query: &Query, _body: Value) -> Result<Written> {
        todo!("write")
    }
    pub fn replace(&mut self, _resource: &Resource, _target: &Target, _query: &Query, _body: Value) -> Result<Written> {
        todo!("write")
    }
    pub fn patch(
        &mut self,
        _resource: &Resource,
        _target: &Target,
        _query: &Query,
        _content_type: &str,
        _patch: &[u8],
    ) -> Result<Written> {
        todo!("write")
    }
    pub fn delete(
        &mut self,
        _resource: &Resource,
        _target: &Target,
        _query: &Query,
        _options: Value,
    ) -> Result<Written> {
        todo!("write")
    }
    pub fn delete_collection(
        &mut self,
        _resource: &Resource,
        _target: &Target,
        _query: &Query,
        _options: Value,
    ) -> Result<Written> {
        todo!("write")
    }
}
