//! Values that are read from files again, because the files are replaced while the process runs.
//!
//! A pod's token expires after about an hour, a client certificate after a day or a year. kube reads token files again, too,
//! but does not trim the line end that `oc whoami -t > token` writes and that no header may contain.

use std::time::Duration;

use http::HeaderValue;
use parking_lot::Mutex;
use tokio::time::Instant;

/// Age of a value at which its files are read again.
const MAX_AGE: Duration = Duration::from_secs(10);

/// A value, and how to read it again.
pub(super) struct Reloaded<T> {
    read: Box<dyn Fn() -> Result<T, String> + Send + Sync>,
    last: Mutex<(T, Instant)>,
}

impl<T: Clone + PartialEq> Reloaded<T> {
    /// Reads the value. The error of `read` names the file.
    pub fn new(read: impl Fn() -> Result<T, String> + Send + Sync + 'static, now: Instant) -> Result<Self, String> {
        let last = Mutex::new((read()?, now));
        Ok(Reloaded { read: Box::new(read), last })
    }

    /// Returns the value. If it cannot be read again, the last one stays in use: a file may be empty for a moment, or removed
    /// after the start.
    pub fn current(&self, now: Instant) -> T {
        let mut last = self.last.lock();
        if now.saturating_duration_since(last.1) >= MAX_AGE {
            last.1 = now;
            match (self.read)() {
                // An equal value is not replaced, so that an Arc stays the same.
                Ok(value) if value == last.0 => {}
                Ok(value) => last.0 = value,
                Err(why) => tracing::warn!("{why}: the last one stays in use"),
            }
        }
        last.0.clone()
    }
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
    use std::sync::Arc;

    use super::*;

    #[test]
    fn value_is_read_every_10_s_and_survives_an_error() {
        let (start, at) = (Instant::now(), |seconds| Duration::from_secs(seconds));
        let file = Arc::new(Mutex::new((0, Err("no such file".to_owned()))));
        let read = |file: &Arc<Mutex<(u32, Result<&'static str, String>)>>| {
            let mut file = file.lock();
            file.0 += 1;
            file.1.clone()
        };
        let open = |file: Arc<_>| Reloaded::new(move || read(&file), start);
        assert!(open(file.clone()).is_err_and(|why| why == "no such file"));
        file.lock().1 = Ok("first");
        let value = open(file.clone()).unwrap();
        for (seconds, content, current, reads) in [
            (9, Ok("second"), "first", 2),
            (10, Ok("second"), "second", 3),
            (19, Ok("third"), "second", 3),
            (20, Err("empty".to_owned()), "second", 4),
            (29, Ok("third"), "second", 4),
            (30, Ok("third"), "third", 5),
        ] {
            file.lock().1 = content;
            assert_eq!(value.current(start + at(seconds)), current, "after {seconds} s");
            assert_eq!(file.lock().0, reads, "after {seconds} s");
        }
    }

    #[test]
    fn token_is_one_word_and_its_header_is_sensitive() {
        let header = bearer_header(" word\n").unwrap();
        assert!(header == "Bearer word" && header.is_sensitive());
        for text in ["", " \n", "two words", "w\u{f6}rd"] {
            assert!(bearer_header(text).is_err_and(|why| why.contains("expected a token")), "{text:?}");
        }
    }
}
