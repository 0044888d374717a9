//! Why a process ends, and errors as text.

use std::{
    error::Error as StdError,
    fmt::{self, Write},
    process::ExitCode,
};

use kube::client::AuthError;

/// Why a process ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// The user has to change the input. Exit code 2.
    Usage(String),
    /// The same input may work at another time. Exit code 1.
    Failed(String),
    /// As `Failed`, but the log has the reason already.
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
            Error::Usage(why) | Error::Failed(why) => one_line(f, format_args!("{why}")),
            Error::Logged => f.write_str("the reason is in the log"),
        }
    }
}

impl StdError for Error {}

/// Returns an error with all its causes, `outer: inner: innermost`.
///
/// A cause that its parent repeats is left out, as are the names of kube's types. The text never contains what an exec
/// plugin printed, its arguments or its environment.
pub fn error_chain(error: &(dyn StdError + 'static)) -> String {
    let (mut text, mut next) = (String::new(), Some(error));
    while let Some(cause) = next {
        // Instead of everything: the outer errors repeat its own text.
        if let Some(words) = cause.downcast_ref().and_then(plugin_error) {
            return words;
        }
        let words = plain(cause);
        if !text.contains(&words) {
            let separator = if text.is_empty() { "" } else { ": " };
            text.extend([separator, &words]);
        }
        next = cause.source();
    }
    text
}

/// Returns the text for an error of an exec plugin, without what it printed: that may be the token.
fn plugin_error(error: &AuthError) -> Option<String> {
    match error {
        AuthError::AuthExecRun { out, .. } => Some(format!("the exec plugin of the kubeconfig failed: {}", out.status)),
        AuthError::AuthExecStart(e) => Some(format!("the exec plugin of the kubeconfig cannot be started: {e}")),
        AuthError::AuthExecParse(_) => Some("the exec plugin of the kubeconfig printed no ExecCredential".to_owned()),
        _ => None,
    }
}

/// Removes a link into a library's documentation and the name of a library's type.
fn plain(error: &dyn StdError) -> String {
    let text = error.to_string();
    let text = text.strip_prefix("ServiceError: ").unwrap_or(&text);
    text.split(": https://docs.rs/").next().unwrap_or_default().to_owned()
}

/// Writes text with its control characters escaped: text from outside cannot begin a line or move a terminal's cursor.
pub(crate) fn one_line(to: &mut impl Write, text: fmt::Arguments<'_>) -> fmt::Result {
    text.to_string().chars().try_for_each(|c| {
        if c.is_control() && c != '\t' { write!(to, "{}", c.escape_default()) } else { to.write_char(c) }
    })
}

#[cfg(test)]
mod tests {
    use std::{os::unix::process::ExitStatusExt, process};

    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{0}")]
    struct Layer(&'static str, #[source] Option<Box<dyn StdError + Send + Sync>>);

    #[test]
    fn error_chain_names_every_cause_once() {
        let inner = Layer("connection refused", None);
        let middle = Layer("tcp connect error: connection refused", Some(Box::new(inner)));
        let outer = Layer("error trying to connect", Some(Box::new(middle)));
        assert_eq!(error_chain(&outer), "error trying to connect: tcp connect error: connection refused");
        let kube = Layer("ServiceError: connection refused: https://docs.rs/x", None);
        assert_eq!(error_chain(&kube), "connection refused");
    }

    #[test]
    fn error_chain_omits_output_and_environment_of_plugins() {
        let status = process::ExitStatus::from_raw(256);
        let out = Box::new(process::Output { status, stdout: b"planted".into(), stderr: b"planted".into() });
        let failed = || AuthError::AuthExecRun { cmd: r#"SECRET="planted" "aws""#.into(), out: out.clone() };
        let expected = "the exec plugin of the kubeconfig failed: exit status: 1";
        assert_eq!(error_chain(&kube::Error::Auth(failed())), expected);
        // As a refresh before a request fails: the layers of the client repeat its text.
        let refresh = kube::Error::Service(Box::new(failed()));
        assert!(refresh.to_string().contains("planted"));
        assert_eq!(error_chain(&refresh), expected);
    }

    #[test]
    fn error_is_one_line_whatever_it_contains() {
        let error = Error::Usage("first\r\nsecond\u{1b}[31m\u{9b}".to_owned());
        assert_eq!(error.to_string(), r"first\r\nsecond\u{1b}[31m\u{9b}");
    }
}
