//! Watch: a cursor in the log.
