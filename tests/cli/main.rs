//! The built binary, given wrong input and signals. Nothing here needs an API server.

mod binary;
mod life;
mod printed;
mod wrong;
