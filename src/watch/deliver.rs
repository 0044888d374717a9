//! What the plugin is told.
/// See the module.
pub struct Deliver;
