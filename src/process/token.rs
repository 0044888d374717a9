//! A bearer token in a file, read again as it rotates.
//!
//! A pod's token lives for about an hour, and the kubelet writes a new one into the same file well before. So the file
//! is looked at again every [`REREAD`], before a request that needs the token. If it cannot be read then, or is empty,
//! the last token stays: some tools hand a token over and remove the file, and a file is empty for a moment while it is
//! replaced.
//!
//! `kube` can do this too, but sends the file as it is, and a line end at its end (`oc whoami -t > token`) is no
//! character of a header: every request would fail. Here, as in client-go, white space around a token is no part of it.

use std::{
    path::PathBuf,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use http::HeaderValue;

/// How old a token may be before the file is looked at again.
pub const REREAD: Duration = Duration::from_secs(10);

/// The file and the token last read from it.
pub struct TokenFile {
    path: PathBuf,
    last: Mutex<(HeaderValue, Instant)>,
}

impl TokenFile {
    /// Reads the file for the first time.
    ///
    /// # Errors
    /// In words for the user: the file cannot be read or holds no token.
    pub fn open(path: PathBuf, now: Instant) -> Result<Self, String> {
        let header = read(&path)?;
        Ok(TokenFile { path, last: Mutex::new((header, now)) })
    }

    /// The `Authorization` header, read again if the last reading is old. Reads a small local file in place, as the
    /// time that takes is less than handing it to another thread.
    pub fn header(&self, now: Instant) -> HeaderValue {
        // A poisoned lock holds a whole token still: it is assigned in one go.
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if now.saturating_duration_since(last.1) >= REREAD {
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
    let text = std::fs::read_to_string(path).map_err(|e| format!("cannot be read: {e}"))?;
    let token = text.trim();
    if token.is_empty() || !token.chars().all(|c| c.is_ascii_graphic()) {
        return Err("expected a token, one word of ASCII characters".to_owned());
    }
    bearer(token).ok_or_else(|| "expected a token".to_owned())
}

/// The header for a token; None if no header can hold it. Marked so that nothing prints or indexes it.
pub fn bearer(token: &str) -> Option<HeaderValue> {
    let mut header = HeaderValue::try_from(format!("Bearer {token}")).ok()?;
    header.set_sensitive(true);
    Some(header)
}

#[cfg(test)]
mod tests {
    use super::*;
    use testkit::Folder;

    #[test]
    fn a_token_is_read_again_as_it_rotates_and_stays_when_the_file_goes() {
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
        assert_eq!(token.header(start + REREAD / 2), "Bearer first", "it is too early to look again");
        assert_eq!(token.header(start + REREAD), "Bearer second");

        std::fs::write(&path, "").unwrap();
        assert_eq!(token.header(start + REREAD * 2), "Bearer second", "an empty file is no token");
        std::fs::remove_file(&path).unwrap();
        assert_eq!(token.header(start + REREAD * 3), "Bearer second");
    }
}
