//! The built binary, given wrong input and signals. Nothing here needs an API server.

mod binary;
#[path = "../shared/folder.rs"]
mod folder;
mod life;
mod printed;
mod wrong;
