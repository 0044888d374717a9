//! A bearer token in a file that is replaced while the process runs.
//!
//! A pod's token lives for about an hour. kube reads token files again, too, but sends the line end of
//! `oc whoami -t > token`, which no header may contain.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use http::HeaderValue;
use parking_lot::Mutex;

/// Age of a token at which the file is read again.
const REREAD: Duration = Duration::from_secs(10);

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

    /// Returns the `Authorization` header. If the file cannot be read again, the last token stays: the file may be empty
    /// for a moment, or removed after the start.
    pub fn header(&self, now: Instant) -> HeaderValue {
        let mut last = self.last.lock();
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
    bearer(&std::fs::read_to_string(path).map_err(|e| format!("cannot be read: {e}"))?)
}

/// Returns the header for a token, marked so that nothing prints it.
pub(super) fn bearer(text: &str) -> Result<HeaderValue, String> {
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
    fn token_is_read_again_and_stays_when_the_file_goes() {
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
        assert_eq!(token.header(start + REREAD / 2), "Bearer first");
        assert_eq!(token.header(start + REREAD), "Bearer second");

        std::fs::write(&path, "").unwrap();
        assert_eq!(token.header(start + REREAD * 2), "Bearer second");
        std::fs::remove_file(&path).unwrap();
        assert_eq!(token.header(start + REREAD * 3), "Bearer second");
    }
}
