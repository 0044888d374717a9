//! A cluster to play with, in one process.

pub mod simulation;
