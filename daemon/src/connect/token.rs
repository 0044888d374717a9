//! A bearer token in a file that may be replaced while the process runs.
//!
//! A pod's token expires after about an hour. kube reads token files again, too, but does not trim the line end that
//! `oc whoami -t > token` writes and that no header may contain.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use http::HeaderValue;
use parking_lot::Mutex;

/// Age of a token at which the file is read again.
const MAX_AGE: Duration = Duration::from_secs(10);

/// The file and the token last read from it.
pub(super) struct TokenFile {
    path: PathBuf,
    last: Mutex<(HeaderValue, Instant)>,
}

impl TokenFile {
    pub fn open(path: PathBuf, now: Instant) -> Result<Self, String> {
        let header = read(&path)?;
        Ok(TokenFile { path, last: Mutex::new((header, now)) })
    }

    /// Returns the `Authorization` header. If the file cannot be read again, the last token stays in use: the file may be
    /// empty for a moment, or removed after the start.
    pub fn header(&self, now: Instant) -> HeaderValue {
        let mut last = self.last.lock();
        if now.saturating_duration_since(last.1) >= MAX_AGE {
            last.1 = now;
            match read(&self.path) {
                Ok(header) => last.0 = header,
                Err(why) => tracing::warn!(file = %self.path.display(), why, "the last token stays in use"),
            }
        }
        last.0.clone()
    }
}

fn read(path: &std::path::Path) -> Result<HeaderValue, String> {
    bearer_header(&std::fs::read_to_string(path).map_err(|e| format!("cannot be read: {e}"))?)
}

/// Returns the header for a token, marked as sensitive so that it is never printed.
pub(super) fn bearer_header(text: &str) -> Result<HeaderValue, String> {
    let token = text.trim();
    let is_word = !token.is_empty() && token.chars().all(|c| c.is_ascii_graphic());
    let header = HeaderValue::try_from(format!("Bearer {token}")).ok().filter(|_| is_word);
    let mut header = header.ok_or_else(|| "expected a token, one word of ASCII characters".to_owned())?;
    header.set_sensitive(true);
    Ok(header)
}

#[cfg(test)]
mod tests {
    use super::*;
    use testkit::Folder;

    #[test]
    fn token_is_read_again_and_survives_a_missing_file() {
        let folder = Folder::new("token");
        let path = folder.join("token");
        let start = Instant::now();
        assert!(TokenFile::open(path.clone(), start).is_err_and(|why| why.contains("cannot be read")));
        std::fs::write(&path, " \n").unwrap();
        assert!(TokenFile::open(path.clone(), start).is_err_and(|why| why.contains("expected a token")));

        std::fs::write(&path, "first\n").unwrap();
        let token = TokenFile::open(path.clone(), start).unwrap();
        assert_eq!(token.header(start), "Bearer first");
        assert!(token.header(start).is_sensitive());

        std::fs::write(&path, "second\n").unwrap();
        assert_eq!(token.header(start + MAX_AGE / 2), "Bearer first");
        assert_eq!(token.header(start + MAX_AGE), "Bearer second");

        std::fs::write(&path, "").unwrap();
        assert_eq!(token.header(start + MAX_AGE * 2), "Bearer second");
        std::fs::remove_file(&path).unwrap();
        assert_eq!(token.header(start + MAX_AGE * 3), "Bearer second");
    }
}
