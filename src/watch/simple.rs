//! The plugin `simple`: says what happened.
//!
//! `Kind: Pod; Name: web-1; Event Type: ADDED`, as loud as `message_log_level` in `[plugin_simple]` says, INFO unless
//! it does. The smallest plugin there can be, and the one to copy.

use super::{Config, Event, Level, Plugin};
use crate::{
    text::{nearest, quoted},
    worker::Error,
};

/// The one setting.
const LEVEL: &str = "message_log_level";

/// See the module.
#[derive(Clone, Copy, Debug)]
pub struct Simple;

impl Simple {
    /// Whether [`handle_event`](Plugin::handle_event) can work with these settings.
    ///
    /// # Errors
    /// A key that it does not know, a level that there is not.
    pub fn check(config: &Config) -> Result<(), String> {
        if let Some(unknown) = config.keys().find(|key| *key != LEVEL) {
            let hint = nearest(unknown, [LEVEL].into_iter())
                .map_or(format!("expected {LEVEL} or nothing"), |key| format!("did you mean {key}?"));
            return Err(format!("unknown key {} in [plugin_simple]: {hint}", quoted(unknown)));
        }
        level(config).map(drop)
    }
}

fn level(config: &Config) -> Result<Level, String> {
    match config.get(LEVEL).map(|text| text.trim()).filter(|text| !text.is_empty()) {
        None => Ok(Level::Info),
        Some(text) => text
            .parse()
            .map_err(|_| format!("[plugin_simple] {LEVEL} = {}: expected {}", quoted(text), Level::ACCEPTED)),
    }
}

impl Plugin for Simple {
    async fn handle_event(&self, event: &Event, config: &Config) -> Result<(String, Level), Error> {
        let message = format!("Kind: {}; Name: {}; Event Type: {}", event.kind(), event.name(), event.r#type);
        // Absorb: no event can mend a setting. The command line has checked it, so this does not happen.
        let level = level(config).map_err(|why| Error::Permanent { why, requeue_after: None })?;
        Ok((message, level))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watch::{EventType, fixture};

    fn config(pairs: &[(&str, &str)]) -> Config {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[tokio::test]
    async fn it_says_kind_name_and_type_as_loud_as_it_is_told() {
        let event = fixture::event(EventType::Deleted, "web-1");
        let said = Simple.handle_event(&event, &config(&[])).await.unwrap();
        assert_eq!(said, ("Kind: Pod; Name: web-1; Event Type: DELETED".to_owned(), Level::Info));
        let loud = config(&[(LEVEL, "warning")]);
        assert_eq!(Simple.handle_event(&event, &loud).await.unwrap().1, Level::Warn);
    }

    #[test]
    fn what_it_cannot_work_with_is_told_with_what_is_accepted() {
        assert_eq!(Simple::check(&config(&[])), Ok(()));
        assert_eq!(Simple::check(&config(&[(LEVEL, " ")])), Ok(()), "empty means not set");
        assert_eq!(Simple::check(&config(&[(LEVEL, "Critical")])), Ok(()));
        assert_eq!(
            Simple::check(&config(&[(LEVEL, "loud")])).unwrap_err(),
            "[plugin_simple] message_log_level = loud: expected TRACE, DEBUG, INFO, WARN, WARNING, ERROR or CRITICAL, \
             in any case"
        );
        assert_eq!(
            Simple::check(&config(&[("mesage_log_level", "INFO")])).unwrap_err(),
            "unknown key mesage_log_level in [plugin_simple]: did you mean message_log_level?"
        );
        assert_eq!(
            Simple::check(&config(&[("colour", "red")])).unwrap_err(),
            "unknown key colour in [plugin_simple]: expected message_log_level or nothing"
        );
    }
}
