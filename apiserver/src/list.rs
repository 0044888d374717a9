//! List and get: one page, at one revision.
