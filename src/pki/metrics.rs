//! The metrics of the certificate controller.

use std::sync::atomic::AtomicU64;

use jiff::Timestamp;
use prometheus_client::{
    metrics::{family::Family, gauge::Gauge},
    registry::{Registry, Unit},
};

use crate::informer::Key;

type Times = Family<[(&'static str, String); 2], Gauge<f64, AtomicU64>>;

/// The dates of each certificate. Removed with the Pki.
#[derive(Clone, Default)]
pub struct CertificateMetrics {
    not_after: Times,
    renewal: Times,
}

impl daemon::Metrics for CertificateMetrics {
    fn register(&self, registry: &mut Registry) {
        let help = "Expiry of the certificate in the Secret of the Pki, in seconds since 1970";
        registry.register_with_unit("pki_certificate_not_after_timestamp", help, Unit::Seconds, self.not_after.clone());
        let help = "Time at which the certificate in the Secret of the Pki is due for renewal, in seconds since 1970";
        registry.register_with_unit("pki_certificate_renewal_timestamp", help, Unit::Seconds, self.renewal.clone());
    }
}

impl CertificateMetrics {
    /// Sets the end of the certificate and the time of its renewal. None: the Pki has no certificate.
    pub fn set(&self, pki: &Key, not_after: Option<Timestamp>, renewal: Option<Timestamp>) {
        let labels = [("namespace", pki.namespace().to_owned()), ("name", pki.name().to_owned())];
        for (times, time) in [(&self.not_after, not_after), (&self.renewal, renewal)] {
            match time {
                Some(time) => drop(times.get_or_create(&labels).set(time.as_second() as f64)),
                None => drop(times.remove(&labels)),
            }
        }
    }
}
