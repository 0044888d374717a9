//! The CA: it makes certificates. (What it thinks of existing ones is in `inspect.rs`.)
//!
//! Everything here is a function of its arguments, `now` and the serial number included. The one exception are the
//! keys, which are drawn from the system's random numbers inside the library: no caller should ever be able to choose
//! a key.
//!
//! Times are handled in whole seconds, because that is what a certificate can hold. A time with a fraction would
//! differ from itself once it had been written and read back.
//!
//! Promises:
//! * what was issued is found valid by [`inspect`](Authority::inspect); a CA that cannot keep this promise is found out
//!   by [`try_out`](Authority::try_out) before it issues anything;
//! * a leaf never outlives its CA;
//! * `openssl verify -x509_strict` accepts the chain, if the CA was made here;
//! * no key is ever printed: neither type here has a `Debug`.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;
use k8s_openapi::ByteString;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    SanType, SerialNumber,
};
use time::OffsetDateTime;
use x509_parser::{certificate::X509Certificate, pem::Pem, prelude::FromDer};

use super::{Certificate, validate::Request};
use crate::informer::Key;

/// The certificates: the leaf, then its CA. In the CA's own Secret: the CA.
pub const TLS_CRT: &str = "tls.crt";
/// The private key of the first of them, PKCS#8.
pub const TLS_KEY: &str = "tls.key";
/// Whom a client has to trust.
pub const CA_CRT: &str = "ca.crt";

/// Certificates begin to be valid a little before they are issued, for those whose clocks are a little behind.
pub(super) const BACKDATED: i64 = 300;
const CA_NAME: &str = "demo-controller CA";
/// Ten years, two leap days included.
const CA_LIFETIME: i64 = 3652 * 24 * 3600;

/// A CA that can be used: its certificate, and the key that belongs to it.
pub struct Authority {
    /// The certificate, as text. One block, whatever else its file held.
    pem: String,
    /// The same, as it is compared.
    pub(super) der: Vec<u8>,
    issuer: Issuer<'static, KeyPair>,
    /// In seconds since 1970. Not a `Timestamp`: the end of time in certificates, 9999-12-31T23:59:59Z, does not fit
    /// into one.
    pub(super) not_after: i64,
}

/// A new certificate with its key.
pub struct Issued {
    /// For the status.
    pub certificate: Certificate,
    chain: String,
    key: String,
    ca: String,
}

impl Issued {
    /// What goes into the Secret.
    pub fn secret_data(&self) -> BTreeMap<String, ByteString> {
        data(&[(TLS_CRT, &self.chain), (TLS_KEY, &self.key), (CA_CRT, &self.ca)])
    }
}

fn data(fields: &[(&str, &str)]) -> BTreeMap<String, ByteString> {
    fields.iter().map(|(name, text)| ((*name).to_owned(), ByteString(text.as_bytes().to_vec()))).collect()
}

impl Authority {
    /// A new CA: P-256, ten years, may sign leaves and nothing else. `random` should be.
    ///
    /// # Errors
    /// Only when the system has no random numbers.
    pub fn create(now: Timestamp, random: [u8; 16]) -> Result<Self, String> {
        let key = KeyPair::generate().map_err(|e| format!("no key can be made: {e}"))?;
        let issued = now.as_second();
        let mut params = parameters(CA_NAME, random, issued, issued + CA_LIFETIME)?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let pem = params.self_signed(&key).map_err(|e| format!("no CA can be made: {e}"))?.pem();
        Self::from_secret(&data(&[(TLS_CRT, &pem), (TLS_KEY, &key.serialize_pem())]), now)
    }

    /// The CA in a Secret: one of ours, or one that someone brought along (PKCS#8 keys of type ECDSA P-256 or P-384,
    /// Ed25519 or RSA). Of several certificates the first is the CA. Whether what it signs is any good is for
    /// [`try_out`](Self::try_out) to find out.
    ///
    /// # Errors
    /// With the reason, for a person, when it cannot be used.
    pub fn from_secret(secret: &BTreeMap<String, ByteString>, now: Timestamp) -> Result<Self, String> {
        let pem = first_certificate(field(secret, TLS_CRT)?).ok_or("tls.crt holds no certificate in PEM")?;
        let der =
            certificates(pem.as_bytes()).and_then(|mut all| all.pop()).ok_or("tls.crt holds a broken PEM block")?;
        let key = private_key(field(secret, TLS_KEY)?).ok_or(
            "tls.key is no private key that can be used: expected PKCS#8 (BEGIN PRIVATE KEY) of type ECDSA P-256 or \
             P-384, Ed25519, or RSA of 2048 bits and more; `openssl pkcs8 -topk8 -nodes` converts others",
        )?;
        let not_after = {
            let x509 = parse(&der).ok_or("tls.crt holds something that is no X.509 certificate")?;
            if !belongs(&key, &x509) {
                return Err("tls.key is not the key of the certificate in tls.crt".into());
            }
            may_sign(&x509)?;
            let validity = x509.validity();
            if now.as_second() < validity.not_before.timestamp() {
                return Err(format!("it is not valid before {}", text(validity.not_before.timestamp())));
            }
            if now.as_second() >= validity.not_after.timestamp() {
                return Err(format!("it has expired: it was valid until {}", text(validity.not_after.timestamp())));
            }
            validity.not_after.timestamp()
        };
        let issuer = Issuer::from_ca_cert_der(&der.as_slice().into(), key)
            .map_err(|e| format!("tls.crt holds a certificate of a kind that cannot be used: {e}"))?;
        Ok(Authority { pem, der, issuer, not_after })
    }

    /// What goes into the CA's Secret, which has no `ca.crt`: in there `tls.crt` is the CA.
    pub fn secret_data(&self) -> BTreeMap<String, ByteString> {
        data(&[(TLS_CRT, &self.pem), (TLS_KEY, &self.issuer.key().serialize_pem())])
    }

    /// A new key, and a certificate for it: for TLS servers and clients, for all [names](Request::names) of the
    /// request, from five minutes ago until `duration` from now, but not longer than the CA itself. `random` should
    /// be: a serial number is never used twice.
    ///
    /// # Errors
    /// When the CA has expired since it was read, or the system has no random numbers.
    pub fn issue(&self, request: &Request, pki: &Key, now: Timestamp, random: [u8; 16]) -> Result<Issued, String> {
        let issued = now.as_second();
        let not_after = (issued + seconds(request.duration)).min(self.not_after);
        if not_after <= issued {
            return Err("the CA has expired".into());
        }
        let key = KeyPair::generate().map_err(|e| format!("no key can be made: {e}"))?;
        let mut params = parameters(&request.common_name, random, issued, not_after)?;
        for name in request.names(pki.namespace()) {
            let name = name.as_str().try_into().map_err(|e| format!("{name:?} fits into no certificate: {e}"))?;
            params.subject_alt_names.push(SanType::DnsName(name));
        }
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let leaf = params.signed_by(&key, &self.issuer).map_err(|e| format!("the CA cannot sign: {e}"))?;
        let x509 = parse(leaf.der()).ok_or("the CA has made something that is no certificate")?;
        Ok(Issued {
            certificate: self.describe(&x509, request),
            chain: leaf.pem() + &self.pem,
            key: key.serialize_pem(),
            ca: self.pem.clone(),
        })
    }
}

/// What all certificates have in common. The key identifiers are what `-x509_strict` asks for: the authority's is
/// asked for here, the subject's comes with `is_ca`.
fn parameters(name: &str, random: [u8; 16], issued: i64, not_after: i64) -> Result<CertificateParams, String> {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.serial_number = Some(serial(random));
    params.not_before = date(issued - BACKDATED)?;
    params.not_after = date(not_after)?;
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

/// Sixteen bytes, whatever was drawn: the highest bit is off, as a serial number must be positive, and the next is
/// on, as leading zeros would be dropped.
fn serial(mut random: [u8; 16]) -> SerialNumber {
    random[0] = random[0] & 0x7f | 0x40;
    SerialNumber::from_slice(&random)
}

fn date(seconds: i64) -> Result<OffsetDateTime, String> {
    OffsetDateTime::from_unix_timestamp(seconds).map_err(|e| e.to_string())
}

/// RFC 3339, as all dates that people read here.
fn text(seconds: i64) -> String {
    Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX).to_string()
}

pub(super) fn seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}

fn field<'a>(secret: &'a BTreeMap<String, ByteString>, name: &str) -> Result<&'a [u8], String> {
    match secret.get(name) {
        Some(bytes) if !bytes.0.is_empty() => Ok(&bytes.0),
        _ => Err(format!("{name} is missing")),
    }
}

/// The first certificate in a PEM file, as text, with nothing around it and with plain line ends.
fn first_certificate(pem: &[u8]) -> Option<String> {
    const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
    const END: &str = "-----END CERTIFICATE-----";
    let text = String::from_utf8_lossy(pem);
    let (_, rest) = text.split_once(BEGIN)?;
    let (body, _) = rest.split_once(END)?;
    let lines: String = body.lines().map(str::trim).filter(|l| !l.is_empty()).flat_map(|line| [line, "\n"]).collect();
    Some(format!("{BEGIN}\n{lines}{END}\n"))
}

/// All certificates in a PEM file, or None if a block is broken or is something else.
pub(super) fn certificates(pem: &[u8]) -> Option<Vec<Vec<u8>>> {
    let block = |block: Result<Pem, _>| block.ok().filter(|b| b.label == "CERTIFICATE").map(|b| b.contents);
    Pem::iter_from_buffer(pem).map(block).collect()
}

/// The private key in a PEM file. (Ring reads PKCS#8 alone, so nothing else is looked for.)
pub(super) fn private_key(pem: &[u8]) -> Option<KeyPair> {
    let block = Pem::iter_from_buffer(pem).find_map(|block| block.ok().filter(|b| b.label == "PRIVATE KEY"))?;
    KeyPair::try_from(block.contents).ok()
}

/// A certificate and nothing behind it.
pub(super) fn parse(der: &[u8]) -> Option<X509Certificate<'_>> {
    X509Certificate::from_der(der).ok().filter(|(rest, _)| rest.is_empty()).map(|(_, x509)| x509)
}

/// Whether a key is that of a certificate.
pub(super) fn belongs(key: &KeyPair, x509: &X509Certificate) -> bool {
    key.public_key_raw() == &*x509.public_key().subject_public_key.data
}

/// Whether a certificate may sign others. A CA that says nothing about the use of its key may.
fn may_sign(x509: &X509Certificate) -> Result<(), String> {
    if !x509.is_ca() {
        return Err("the certificate in tls.crt is not a CA (basicConstraints)".into());
    }
    match x509.key_usage() {
        Ok(usage) if usage.as_ref().is_none_or(|usage| usage.value.key_cert_sign()) => Ok(()),
        _ => Err("the CA in tls.crt may not sign certificates (keyUsage)".into()),
    }
}

#[cfg(test)]
#[path = "authority_tests.rs"]
mod tests;
