//! The metrics of the certificate job.

use std::sync::atomic::AtomicU64;

use jiff::Timestamp;
use prometheus_client::{
    metrics::{family::Family, gauge::Gauge},
    registry::{Registry, Unit},
};

use crate::informer::Key;

/// When each certificate expires. Removed with the Pki.
#[derive(Clone, Default)]
pub struct CertificateMetrics(Family<[(&'static str, String); 2], Gauge<f64, AtomicU64>>);

impl daemon::Metrics for CertificateMetrics {
    fn register(&self, registry: &mut Registry) {
        let help = "When the certificate in the Pki's Secret expires, in seconds since 1970";
        registry.register_with_unit("pki_certificate_not_after_timestamp", help, Unit::Seconds, self.0.clone());
    }
}

impl CertificateMetrics {
    /// Sets when the Pki's certificate expires; None: it has none.
    pub fn set_not_after(&self, pki: &Key, not_after: Option<Timestamp>) {
        let labels = [("namespace", pki.namespace().to_owned()), ("name", pki.name().to_owned())];
        match not_after {
            Some(time) => drop(self.0.get_or_create(&labels).set(time.as_second() as f64)),
            None => drop(self.0.remove(&labels)),
        }
    }
}
