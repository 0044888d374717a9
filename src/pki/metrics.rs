//! What the certificate job tells `/metrics`: when certificates end.

use std::sync::atomic::AtomicU64;

use jiff::Timestamp;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{family::Family, gauge::Gauge},
    registry::Registry,
};

use crate::informer::Key;

/// One gauge for each certificate; it goes with its Pki.
#[derive(Clone, Debug, Default)]
pub struct Metrics(Family<Label, Gauge<f64, AtomicU64>>);

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Label {
    namespace: String,
    name: String,
}

impl Metrics {
    /// Makes it part of what is scraped.
    pub fn register(&self, registry: &mut Registry) {
        let help = "When the certificate in the Pki's Secret ends to be valid, in seconds since 1970";
        registry.register("pki_certificate_not_after_timestamp_seconds", help, self.0.clone());
    }

    pub(super) fn expires(&self, pki: &Key, not_after: Timestamp) {
        self.0.get_or_create(&label(pki)).set(not_after.as_second() as f64);
    }

    pub(super) fn forget(&self, pki: &Key) {
        self.0.remove(&label(pki));
    }
}

fn label(pki: &Key) -> Label {
    Label { namespace: pki.namespace().into(), name: pki.name().into() }
}
