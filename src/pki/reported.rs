//! Selects the events about an error that are due.
//!
//! A reconcile is repeated for many reasons (a resync, a new pod, a retry), but an event must not be recorded each time.

use std::{collections::HashMap, time::Duration};

use tokio::time::Instant;

use k8s_openapi::api::core::v1::ObjectReference;

/// The error of a Pki, and the objects that have an event about it.
pub struct ReportedError {
    message: String,
    since: Instant,
    /// The time of the event, by the UID of its object. Entries older than `remind` are removed.
    recorded: HashMap<Option<String>, Instant>,
}

/// Keeps the objects that need an event now, and returns the time until the next event.
///
/// None: the error has not lasted for `report_after` yet.
pub fn select_due(
    reported: &mut Option<ReportedError>,
    message: &str,
    (report_after, remind): (Duration, Duration),
    objects: &mut Vec<ObjectReference>,
) -> Option<Duration> {
    let now = Instant::now();
    reported.take_if(|reported| reported.message != message);
    let new = || ReportedError { message: message.to_owned(), since: now, recorded: HashMap::new() };
    let ReportedError { since, recorded, .. } = reported.get_or_insert_with(new);
    if now - *since < report_after {
        return None;
    }
    recorded.retain(|_, when| now - *when < remind);
    objects.retain(|object| !recorded.contains_key(&object.uid));
    recorded.extend(objects.iter().map(|object| (object.uid.clone(), now)));
    let oldest = recorded.values().min().copied().unwrap_or(now);
    Some(remind - (now - oldest))
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const REMIND: Duration = Duration::from_secs(1800);

    /// Returns the UIDs of the objects with an event now, and the seconds until the next.
    fn uids(reported: &mut Option<ReportedError>, message: &str, uids: &[&str]) -> (Vec<String>, u64) {
        let mut objects =
            uids.iter().map(|uid| ObjectReference { uid: Some((*uid).into()), ..ObjectReference::default() }).collect();
        let next = select_due(reported, message, (Duration::ZERO, REMIND), &mut objects).unwrap();
        (objects.into_iter().map(|object| object.uid.unwrap()).collect(), next.as_secs())
    }

    #[tokio::test(start_paused = true)]
    async fn object_gets_one_event_per_error_and_remind_interval() {
        let reported = &mut None;
        assert_eq!(uids(reported, "no", &["pki", "pod-1"]), (vec!["pki".into(), "pod-1".into()], 1800));
        advance(Duration::from_secs(60)).await;
        assert_eq!(uids(reported, "no", &["pki", "pod-1", "pod-2"]), (vec!["pod-2".into()], 1740), "a new pod");
        advance(Duration::from_secs(1739)).await;
        assert_eq!(uids(reported, "no", &["pki", "pod-2"]), (vec![], 1));
        advance(Duration::from_secs(1)).await;
        assert_eq!(uids(reported, "no", &["pki", "pod-2"]), (vec!["pki".into()], 60), "a reminder");
        assert_eq!(reported.as_ref().unwrap().recorded.len(), 2, "the deleted pod is forgotten");
        assert_eq!(uids(reported, "still no", &["pki", "pod-2"]).0, ["pki", "pod-2"], "another error");
    }

    #[tokio::test(start_paused = true)]
    async fn temporary_error_is_due_only_after_the_delay() {
        let (reported, mut objects) = (&mut None, vec![ObjectReference::default()]);
        let mut due = || select_due(reported, "wait", (Duration::from_secs(5), REMIND), &mut objects);
        assert_eq!(due(), None);
        advance(Duration::from_secs(5)).await;
        assert_eq!(due(), Some(REMIND));
    }
}
