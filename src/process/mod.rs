//! What every daemon needs, and nothing about controllers.
//!
//! * [`settings`]: where a setting comes from (flag, environment, file), and errors that say so.
//! * [`file`](mod@file): the file with settings.
//! * [`flags`]: the command line, made from the same table of settings.
//! * [`target`] and [`connect`]: which API server, and a client for it, from a kubeconfig or a [`service_account`];
//!   [`token`]: a bearer token that rotates.
//! * [`log`]: lines on stderr, text or JSON.
//! * [`serve`]: health and metrics over HTTP; [`vitals`]: what a process says of itself.
//! * [`leader`]: one of several replicas works, the others stand by.
//! * [`shutdown`]: from the first signal to the exit code.
//!
//! One promise binds them: wrong input ends the process before its first log line, with one line on stderr and the
//! exit code 2. So nothing here prints or exits (a second signal is the one exception); everything returns a
//! [`Refusal`], and `main` prints it.

use std::fmt;

use crate::text::one_line;

pub mod connect;
pub mod file;
pub mod flags;
mod kubeconfig;
pub mod leader;
pub mod log;
pub mod serve;
pub mod service_account;
pub mod settings;
pub mod shutdown;
pub mod target;
pub mod token;
pub mod vitals;

/// Why the process ends before it has begun: the line for stderr and the exit code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// 2 for wrong input, 1 for input that is right in a world that is not (a port that is taken).
    pub code: u8,
    line: String,
}

impl Refusal {
    /// The user has to change something: exit code 2.
    pub fn input(line: impl Into<String>) -> Self {
        Refusal { code: 2, line: line.into() }
    }

    /// The same input may work another time: exit code 1.
    pub fn failure(line: impl Into<String>) -> Self {
        Refusal { code: 1, line: line.into() }
    }
}

/// Always one line, whatever a value or a library's error text holds.
impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&one_line(&self.line))
    }
}

impl std::error::Error for Refusal {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_one_line_whatever_it_holds() {
        let refusal = Refusal::input("first\r\n\n  second\u{1b}[31m\u{7}");
        assert_eq!(refusal.to_string(), "first; second\\u{1b}[31m\\u{7}");
    }
}
