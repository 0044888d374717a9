//! The plugin `simple`: logs `Kind: Pod; Name: web-1; Event Type: ADDED`. Copy it to write a plugin in Rust.

use demo_controller::worker::ReconcileError;

use super::{Config, Event, Level, Plugin};

/// Logs each event at the level `message_log_level` of `[plugin_simple]`, by default INFO.
#[derive(Clone, Copy, Debug)]
pub struct Simple;

impl Simple {
    /// Checks the settings.
    ///
    /// # Errors
    /// The key, its value and the accepted form.
    pub fn check(config: &Config) -> Result<Level, String> {
        config.get("message_log_level").map_or(Ok(Level::Info), |text| {
            text.parse().map_err(|why| format!("[plugin_simple] message_log_level: {why}"))
        })
    }
}

impl Plugin for Simple {
    async fn handle_event(&self, event: &Event, config: &Config) -> Result<(String, Level), ReconcileError> {
        let (kind, name, r#type) = (&event.resource.kind, event.name(), event.r#type.as_str());
        // Permanent: a retry does not change the settings.
        let level = Simple::check(config).map_err(|why| ReconcileError::Permanent { why, requeue_after: None })?;
        Ok((format!("Kind: {kind}; Name: {name}; Event Type: {type}"), level))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::{EventType, tests::event};

    #[tokio::test]
    async fn simple_logs_kind_name_and_type_at_its_level() {
        for (config, level) in
            [(&[][..], Level::Info), (&[("message_log_level".into(), "warning".into())][..], Level::Warn)]
        {
            let config: Config = config.iter().cloned().collect();
            let response = Simple.handle_event(&event(EventType::Deleted, "web-1"), &config).await.unwrap();
            assert_eq!(response, ("Kind: Pod; Name: web-1; Event Type: DELETED".to_owned(), level));
        }
        let why = Simple::check(&[("message_log_level".to_owned(), "loud".to_owned())].into()).unwrap_err();
        assert!(why.starts_with(r#"[plugin_simple] message_log_level: level "loud": expected TRACE"#), "{why}");
    }
}
