//! Looks at what is in a Secret: will it do?
//!
//! The certificate itself is all the memory there is. What was asked for when it was issued (names, duration) is read
//! from it; when it falls due follows from its dates and its serial number. So a restart, a second copy of this
//! program or a lost status change nothing, and a Secret that someone has tampered with does not pass.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use jiff::Timestamp;
use k8s_openapi::ByteString;
use x509_parser::{certificate::X509Certificate, extensions::GeneralName};

use super::{
    Certificate,
    authority::{Authority, BACKDATED, CA_CRT, TLS_CRT, TLS_KEY, belongs, certificates, parse, private_key, seconds},
    validate::{Request, validate},
};
use crate::informer::Key;

/// No certificate is replaced before it is so old (in seconds). A renewBefore just short of the duration is the
/// owner's right, and must not become a loop of writes.
const MIN_AGE: i64 = 10;

/// What a Secret's content is worth. All but the first mean: issue again. They are told apart for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It will do.
    Valid(Certificate),
    /// Something is missing, broken, or does not belong together.
    Damaged(&'static str),
    /// Another CA has signed it: ours was replaced.
    OtherAuthority,
    /// It is a good certificate for something else: the Pki was changed.
    OtherRequest(&'static str),
    /// Its time has come.
    Due,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Verdict::Valid(_) => f.write_str("valid"),
            Verdict::Damaged(what) => f.write_str(what),
            Verdict::OtherAuthority => f.write_str("signed by another CA than the present one"),
            Verdict::OtherRequest(what) => write!(f, "issued for another {what}"),
            Verdict::Due => f.write_str("due for renewal"),
        }
    }
}

impl Authority {
    /// Issues once, for nobody, and looks at the result. Certificates of others hold what the library cannot repeat
    /// (two organizational units in the subject, say), and then what it signs names an issuer that does not exist.
    /// Found out here, it is an error that the operator can read; found out later, a certificate that is reissued for
    /// ever.
    ///
    /// # Errors
    /// With the reason, for a person.
    pub fn try_out(&self, now: Timestamp) -> Result<(), String> {
        let request = validate(&serde_json::json!({ "serviceName": "test" })).map_err(|e| e.to_string())?;
        let pki = Key::new("test", "test");
        let issued = self.issue(&request, &pki, now, [1; 16])?;
        match self.inspect(&issued.secret_data(), &request, &pki, now) {
            Verdict::Valid(_) => Ok(()),
            other => Err(format!("it signs certificates that are no good: {other}")),
        }
    }

    /// Judges the data of a Secret: is this what [`issue`](Authority::issue) would make of the request, and is there
    /// time left?
    pub fn inspect(
        &self,
        secret: &BTreeMap<String, ByteString>,
        request: &Request,
        pki: &Key,
        now: Timestamp,
    ) -> Verdict {
        self.judge(secret, request, pki, now).map_or_else(|verdict| verdict, Verdict::Valid)
    }

    fn judge(
        &self,
        secret: &BTreeMap<String, ByteString>,
        request: &Request,
        pki: &Key,
        now: Timestamp,
    ) -> Result<Certificate, Verdict> {
        use Verdict::{Damaged, Due, OtherAuthority, OtherRequest};
        // 1. All three are there, and the key is the leaf's.
        let chain = secret.get(TLS_CRT).ok_or(Damaged("tls.crt is missing"))?;
        let key = secret.get(TLS_KEY).ok_or(Damaged("tls.key is missing"))?;
        let ca = secret.get(CA_CRT).ok_or(Damaged("ca.crt is missing"))?;
        let chain = certificates(&chain.0).ok_or(Damaged("tls.crt is broken"))?;
        let (leaf, rest) = chain.split_first().ok_or(Damaged("tls.crt holds no certificate"))?;
        let leaf = parse(leaf).ok_or(Damaged("tls.crt is broken"))?;
        let key = private_key(&key.0).ok_or(Damaged("tls.key is broken"))?;
        if !belongs(&key, &leaf) {
            return Err(Damaged("tls.key is not the key of tls.crt"));
        }
        // 2. It is ours. The signature is verified, not only the name compared: every CA that this program makes has
        //    the same name, and whoever may write Secrets could write any name.
        let own = parse(&self.der).ok_or(OtherAuthority)?;
        let signed = leaf.verify_signature(Some(own.public_key())).is_ok();
        if !signed || leaf.issuer().as_raw() != own.subject().as_raw() {
            return Err(OtherAuthority);
        }
        if rest != [self.der.clone()] {
            return Err(Damaged("tls.crt is not the certificate followed by its CA"));
        }
        if certificates(&ca.0).is_none_or(|ca| ca != [self.der.clone()]) {
            return Err(Damaged("ca.crt is not the CA"));
        }
        // 3. It is what was asked for.
        if common_name(&leaf) != Some(request.common_name.as_str()) {
            return Err(OtherRequest("common name"));
        }
        let wanted = request.names(pki.namespace());
        if names(&leaf) != Some(wanted.iter().map(String::as_str).collect()) {
            return Err(OtherRequest("set of names"));
        }
        let (issued, not_after) = dates(&leaf);
        let lifetime = not_after - issued;
        // A leaf that was cut short, because the CA ends before it, is what was asked for as far as that is possible.
        let cut = not_after == self.not_after && lifetime < seconds(request.duration);
        if lifetime != seconds(request.duration) && !cut {
            return Err(OtherRequest("duration"));
        }
        // 4. There is time left. (One from the future is from a clock that was wrong; a new one is valid at once.)
        let now = now.as_second();
        if now < issued - BACKDATED || now >= self.renewal(&leaf, request) {
            return Err(Due);
        }
        Ok(self.describe(&leaf, request))
    }

    /// For the status and the log.
    pub(super) fn describe(&self, leaf: &X509Certificate, request: &Request) -> Certificate {
        let (issued, not_after) = dates(leaf);
        Certificate {
            serial: leaf.raw_serial().iter().map(|byte| format!("{byte:02x}")).collect(),
            not_before: timestamp(issued - BACKDATED),
            not_after: timestamp(not_after),
            renewal: timestamp(self.renewal(leaf, request)),
        }
    }

    /// When a certificate is replaced: `renewBefore` before its end, and up to a tenth of its life until then
    /// earlier, so that what was issued together (a cluster that was just set up) is not renewed together. How much
    /// earlier follows from the serial number: random, but the same after a restart.
    ///
    /// One that ends with the CA is not replaced before: the next could not last any longer, and so on for months,
    /// every ten seconds. Once the CA is replaced, it is a leaf of another CA.
    fn renewal(&self, leaf: &X509Certificate, request: &Request) -> i64 {
        let (issued, not_after) = dates(leaf);
        if not_after >= self.not_after {
            return not_after;
        }
        let latest = not_after - seconds(request.renew_before);
        let spread = (latest - issued).max(0) / 10;
        let drawn = leaf.raw_serial().iter().rev().take(4).fold(0, |sum, byte| sum << 8 | i64::from(*byte));
        let early = spread.saturating_mul(drawn) >> 32;
        (latest - early).max(issued + MIN_AGE)
    }
}

/// When it was issued, and when it ends, in seconds since 1970.
fn dates(x509: &X509Certificate) -> (i64, i64) {
    let validity = x509.validity();
    (validity.not_before.timestamp() + BACKDATED, validity.not_after.timestamp())
}

/// The last seconds of the year 9999 do not fit, and do not matter.
fn timestamp(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX)
}

/// The common name, if there is exactly one and nothing else in the subject.
fn common_name<'a>(x509: &'a X509Certificate) -> Option<&'a str> {
    let mut all = x509.subject().iter_attributes();
    let first = all.next().filter(|_| all.next().is_none())?;
    x509.subject().iter_common_name().next().filter(|name| *name == first)?.as_str().ok()
}

/// The names, if all of them are DNS names.
fn names<'a>(x509: &'a X509Certificate) -> Option<BTreeSet<&'a str>> {
    let dns_name = |name: &GeneralName<'a>| match name {
        GeneralName::DNSName(name) => Some(*name),
        _ => None,
    };
    x509.subject_alternative_name().ok()??.value.general_names.iter().map(dns_name).collect()
}

#[cfg(test)]
#[path = "inspect_tests.rs"]
mod tests;
