//! Where the API server serves a resource.
