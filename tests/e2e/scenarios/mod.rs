//! The scenarios. What is promised, in sentences.

pub mod allowed_list;
pub mod authority;
pub mod certificate;
pub mod crash;
pub mod deletion;
pub mod image;
pub mod leader;
pub mod leaks;
pub mod lifecycle;
pub mod manifest;
pub mod namespaced;
pub mod outage;
pub mod pages;
pub mod plugins;
pub mod quiet;
pub mod refusals;
pub mod retries;
pub mod rights;
pub mod secrets;
pub mod story;
pub mod tenants;
pub mod waiting;
pub mod watching;
