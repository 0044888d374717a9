//! The plugin `simple`: says what happened.
/// See the module.
#[derive(Clone, Copy, Debug)]
pub struct Simple;
