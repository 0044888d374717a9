//! The metric of the certificate controller.

use std::sync::atomic::AtomicU64;

use jiff::Timestamp;
use prometheus_client::{
    metrics::{family::Family, gauge::Gauge},
    registry::{Registry, Unit},
};

use crate::informer::Key;

/// The expiry of each certificate. Removed with the Pki.
#[derive(Clone, Default)]
pub struct CertificateMetrics(Family<[(&'static str, String); 2], Gauge<f64, AtomicU64>>);

impl daemon::Metrics for CertificateMetrics {
    fn register(&self, registry: &mut Registry) {
        let help = "Expiry of the certificate in the Secret of the Pki, in seconds since 1970";
        registry.register_with_unit("pki_certificate_not_after_timestamp", help, Unit::Seconds, self.0.clone());
    }
}

impl CertificateMetrics {
    /// Sets the expiry of the certificate. None: the Pki has no certificate.
    pub fn set_not_after(&self, pki: &Key, not_after: Option<Timestamp>) {
        let labels = [("namespace", pki.namespace().to_owned()), ("name", pki.name().to_owned())];
        match not_after {
            Some(time) => drop(self.0.get_or_create(&labels).set(time.as_second() as f64)),
            None => drop(self.0.remove(&labels)),
        }
    }
}
