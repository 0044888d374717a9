//! What the certificate job tells `/metrics`: when certificates end.

use std::sync::atomic::AtomicU64;

use jiff::Timestamp;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{family::Family, gauge::Gauge},
    registry::{Registry, Unit},
};

use crate::informer::Key;

/// A time, in seconds since 1970.
type Time = Gauge<f64, AtomicU64>;

/// When each certificate ends and falls due, and when the CA ends. A certificate's goes with its Pki, so there are as
/// many as there are Pkis; the CA's is there as soon as the CA was needed.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    not_after: Family<Label, Time>,
    renewal: Family<Label, Time>,
    /// A family without labels rather than a gauge: a gauge would say 1970 until something is known.
    ca: Family<[(&'static str, &'static str); 0], Time>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Label {
    namespace: String,
    name: String,
}

impl Metrics {
    /// Makes it part of what is scraped.
    pub fn register(&self, registry: &mut Registry) {
        let help = "When the certificate in the Pki's Secret ends to be valid, in seconds since 1970";
        let not_after = self.not_after.clone();
        registry.register_with_unit("pki_certificate_not_after_timestamp", help, Unit::Seconds, not_after);
        let help = "When the certificate in the Pki's Secret falls due for renewal, in seconds since 1970";
        let renewal = self.renewal.clone();
        registry.register_with_unit("pki_certificate_renewal_timestamp", help, Unit::Seconds, renewal);
        let help = "When the CA's own certificate ends to be valid, in seconds since 1970";
        registry.register_with_unit("ca_certificate_not_after_timestamp", help, Unit::Seconds, self.ca.clone());
    }

    pub(super) fn expires(&self, pki: &Key, not_after: Timestamp, renewal: Timestamp) {
        self.not_after.get_or_create(&label(pki)).set(not_after.as_second() as f64);
        self.renewal.get_or_create(&label(pki)).set(renewal.as_second() as f64);
    }

    pub(super) fn forget(&self, pki: &Key) {
        self.not_after.remove(&label(pki));
        self.renewal.remove(&label(pki));
    }

    /// In seconds since 1970.
    pub(super) fn ca_expires(&self, not_after: i64) {
        self.ca.get_or_create(&[]).set(not_after as f64);
    }
}

fn label(pki: &Key) -> Label {
    Label { namespace: pki.namespace().into(), name: pki.name().into() }
}
