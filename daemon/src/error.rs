//! The error that ends a process, and errors as text.

use std::{
    error::Error as StdError,
    fmt::{self, Write},
    process::ExitCode,
};

/// The error that ends a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// The input is wrong. Exit code 2.
    Usage(String),
    /// The same input may work later. Exit code 1.
    Failed(String),
    /// As `Failed`, but the reason was already logged.
    Logged,
}

impl Error {
    /// The exit code of the process.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Error::Usage(_) => ExitCode::from(2),
            Error::Failed(_) | Error::Logged => ExitCode::FAILURE,
        }
    }
}

/// Always one line.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Usage(why) | Error::Failed(why) => write_one_line(f, format_args!("{why}")),
            Error::Logged => f.write_str("the reason is in the log"),
        }
    }
}

impl StdError for Error {}

/// Formats an error with all its causes: `outer: inner: innermost`.
///
/// Omits a cause that the text already contains.
pub fn error_chain(error: &(dyn StdError + 'static)) -> String {
    let (mut text, mut next) = (String::new(), Some(error));
    while let Some(cause) = next {
        let message = strip_library_text(cause);
        if !text.contains(&message) {
            let separator = if text.is_empty() { "" } else { ": " };
            text.extend([separator, &message]);
        }
        next = cause.source();
    }
    text
}

/// Removes the names of library types and a link to a library's documentation. hyper-util's "client error (Connect)" only
/// says that there is a cause.
fn strip_library_text(error: &dyn StdError) -> String {
    let text = error.to_string();
    if text.starts_with("client error (") && error.source().is_some() {
        return String::new();
    }
    let text = text.strip_prefix("ServiceError: ").unwrap_or(&text);
    text.split(": https://docs.rs/").next().unwrap_or_default().to_owned()
}

/// Writes text with escaped control characters, so that it stays on one line and cannot control a terminal.
pub(crate) fn write_one_line(to: &mut impl Write, text: fmt::Arguments<'_>) -> fmt::Result {
    text.to_string().chars().try_for_each(|c| {
        if c.is_control() && c != '\t' { write!(to, "{}", c.escape_default()) } else { to.write_char(c) }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{0}")]
    struct Layer(&'static str, #[source] Option<Box<dyn StdError + Send + Sync>>);

    #[test]
    fn error_chain_contains_every_cause_once() {
        let inner = Layer("connection refused", None);
        let middle = Layer("tcp connect error: connection refused", Some(Box::new(inner)));
        let outer = Layer("error trying to connect", Some(Box::new(middle)));
        assert_eq!(error_chain(&outer), "error trying to connect: tcp connect error: connection refused");
        let kube = Layer("ServiceError: connection refused: https://docs.rs/x", None);
        assert_eq!(error_chain(&kube), "connection refused");
        let refused = Some(Box::new(Layer("connection refused", None)) as _);
        assert_eq!(error_chain(&Layer("client error (Connect)", refused)), "connection refused");
        assert_eq!(error_chain(&Layer("client error (Connect)", None)), "client error (Connect)");
    }

    #[test]
    fn error_with_control_characters_is_one_line() {
        let error = Error::Usage("first\r\nsecond\u{1b}[31m\u{9b}".to_owned());
        assert_eq!(error.to_string(), r"first\r\nsecond\u{1b}[31m\u{9b}");
    }
}
