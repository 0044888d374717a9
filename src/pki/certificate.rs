//! Issues certificates, and inspects the certificates in Secrets.
//!
//! The certificate itself is the only state: its request is read from it, and its renewal time follows from its dates and its
//! serial number. So a restart or a lost status changes nothing.
//!
//! All functions are pure, except that the library draws the keys. Times are in whole seconds since 1970, as in a certificate.

use std::{
    collections::{BTreeMap, BTreeSet},
    error::Error,
};

use jiff::Timestamp;
use k8s_openapi::ByteString;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType, SerialNumber,
};
use time::OffsetDateTime;
use x509_parser::{certificate::X509Certificate, extensions::GeneralName, prelude::FromDer};

use super::validate::CertificateRequest;

/// The content of a Secret.
pub type Data = BTreeMap<String, ByteString>;
type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// The leaf, then its CA. In the CA's own Secret: the CA.
const TLS_CRT: &str = "tls.crt";
/// The private key of the first certificate in `tls.crt`, PKCS#8.
const TLS_KEY: &str = "tls.key";
/// The CA that a client must trust.
const CA_CRT: &str = "ca.crt";

/// A certificate is valid from this long before its issue, for clients with a slow clock.
const BACKDATED: i64 = 300;
/// No certificate is renewed before this age.
const MIN_AGE: i64 = 10;
/// Ten years, two leap days included.
const CA_LIFETIME: i64 = 3652 * 24 * 3600;

/// A certificate that is valid for a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Certificate {
    /// Hexadecimal.
    pub serial: String,
    pub not_before: Timestamp,
    pub not_after: Timestamp,
    /// The time of its renewal.
    pub renewal: Timestamp,
    /// The CA that signed it, as DER.
    pub ca: Vec<u8>,
}

/// A CA that can sign. It has no `Debug`, so that its key is never printed.
pub struct Authority {
    der: Vec<u8>,
    issuer: Issuer<'static, KeyPair>,
    not_after: i64,
}

impl Authority {
    /// Creates a CA: P-256, ten years, may sign leaves and nothing else.
    pub fn create(now: Timestamp, random: [u8; 16]) -> Result<Self> {
        let not_after = now.as_second() + CA_LIFETIME;
        let mut params = certificate_params("demo-controller CA", random, now, not_after)?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate()?;
        let der = params.self_signed(&key)?.der().to_vec();
        Ok(Authority { der, issuer: Issuer::new(params, key), not_after })
    }

    /// Reads the CA of a Secret. Its key is PKCS#8: ECDSA P-256 or P-384, Ed25519 or RSA.
    ///
    /// # Errors
    /// The reason why it cannot be used.
    pub fn load(secret: &Data, now: Timestamp) -> Result<Self> {
        let (der, key) = (read_certificates(secret, TLS_CRT)?.remove(0), read_private_key(secret)?);
        let x509 = parse_x509(&der)?;
        let usage = x509.key_usage()?.is_none_or(|usage| usage.value.key_cert_sign());
        let (not_before, not_after) = validity_of(&x509);
        check_all([
            (matches_key(&key, &x509), "tls.key is not the key of the certificate in tls.crt"),
            (x509.is_ca() && usage, "the certificate in tls.crt may not sign others (basicConstraints, keyUsage)"),
            (not_before <= now.as_second(), "the certificate in tls.crt is not valid yet"),
            (now.as_second() < not_after, "the certificate in tls.crt has expired"),
        ])?;
        let issuer = Issuer::from_ca_cert_der(&der.as_slice().into(), key)?;
        Ok(Authority { der, issuer, not_after })
    }

    /// Returns the content of the CA's Secret.
    pub fn secret_data(&self) -> Data {
        secret_content([(TLS_CRT, encode_pem(&self.der)), (TLS_KEY, self.issuer.key().serialize_pem())])
    }

    /// Issues a certificate with a new key, and returns it with the content of its Secret. It never outlives the CA.
    ///
    /// # Errors
    /// This CA cannot issue a valid certificate.
    pub fn issue(&self, request: &CertificateRequest, now: Timestamp, random: [u8; 16]) -> Result<(Certificate, Data)> {
        let not_after = (now.as_second() + request.duration).min(self.not_after);
        let mut params = certificate_params(&request.common_name, random, now, not_after)?;
        for name in &request.names {
            params.subject_alt_names.push(SanType::DnsName(name.as_str().try_into()?));
        }
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate()?;
        let (leaf, ca) = (params.signed_by(&key, &self.issuer)?.pem(), encode_pem(&self.der));
        let secret = secret_content([(TLS_CRT, leaf + &ca), (TLS_KEY, key.serialize_pem()), (CA_CRT, ca)]);
        // The library cannot copy every subject that a CA may have. Without this check, a certificate with a wrong issuer would
        // be issued again and again.
        let certificate = inspect(&secret, request, now).map_err(|why| format!("the CA cannot be used: {why}"))?;
        Ok((certificate, secret))
    }

    /// Returns why a valid certificate must be replaced. None: it stays.
    pub fn why_replace(&self, certificate: &Certificate, now: Timestamp) -> Option<&'static str> {
        if certificate.ca != self.der {
            return Some("signed by another CA than the present one");
        }
        (now >= certificate.renewal).then_some("due for renewal")
    }
}

/// Returns the certificate in a Secret, if it is valid for the request. Verified as a client does: with `ca.crt`.
///
/// # Errors
/// The reason why it is not: missing, damaged or expired, or the request has changed.
pub fn inspect(secret: &Data, request: &CertificateRequest, now: Timestamp) -> Result<Certificate> {
    let (chain, ca, key) =
        (read_certificates(secret, TLS_CRT)?, read_certificates(secret, CA_CRT)?, read_private_key(secret)?);
    let (leaf, ca_x509) = (parse_x509(&chain[0])?, parse_x509(&ca[0])?);
    let signed = leaf.issuer().as_raw() == ca_x509.subject().as_raw()
        && leaf.verify_signature(Some(ca_x509.public_key())).is_ok();
    let (not_before, not_after) = validity_of(&leaf);
    let ca_not_after = validity_of(&ca_x509).1;
    let issued = not_before + BACKDATED;
    // A certificate that expires with the CA is shorter than requested.
    let is_cut = not_after == ca_not_after && not_after - issued < request.duration;
    check_all([
        (matches_key(&key, &leaf), "tls.key is not the key of tls.crt"),
        (ca.len() == 1 && chain[1..] == ca[..], "tls.crt is not a certificate followed by the CA in ca.crt"),
        (signed, "ca.crt has not signed tls.crt"),
        (leaf.subject().to_string() == format!("CN={}", request.common_name), "issued for another common name"),
        (read_dns_names(&leaf) == Some(request.names.iter().map(String::as_str).collect()), "issued for other names"),
        (not_after - issued == request.duration || is_cut, "issued for another duration"),
        (not_before <= now.as_second(), "not valid yet"),
        (now.as_second() < not_after, "expired"),
    ])?;
    // The renewal: `renewBefore` before the end, minus a jitter of up to a tenth of the time until then, so that certificates
    // that were issued together are not renewed together. The jitter follows from the serial number, so it is the same after
    // a restart. A certificate that expires with the CA is not renewed earlier: the next one would not be valid for longer.
    let latest = not_after - request.renew_before;
    let random = leaf.raw_serial().iter().rev().take(4).fold(0, |sum, byte| sum << 8 | i64::from(*byte));
    let jitter = ((latest - issued).max(0) / 10 * random) >> 32;
    let renewal = if not_after == ca_not_after { not_after } else { (latest - jitter).max(issued + MIN_AGE) };
    let timestamp = |seconds| Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX);
    Ok(Certificate {
        serial: leaf.raw_serial().iter().map(|byte| format!("{byte:02x}")).collect(),
        not_before: timestamp(not_before),
        not_after: timestamp(not_after),
        renewal: timestamp(renewal),
        ca: ca[0].clone(),
    })
}

/// Returns the reason of the first failed check.
fn check_all<const N: usize>(checks: [(bool, &'static str); N]) -> Result<()> {
    checks.into_iter().find(|(holds, _)| !holds).map_or(Ok(()), |(_, why)| Err(why.into()))
}

/// Returns the parameters of every certificate. `openssl verify -x509_strict` requires the key identifiers.
fn certificate_params(name: &str, mut random: [u8; 16], now: Timestamp, not_after: i64) -> Result<CertificateParams> {
    // A serial number is positive. The second bit is set, so that it always has sixteen bytes.
    random[0] = random[0] & 0x7f | 0x40;
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.serial_number = Some(SerialNumber::from_slice(&random));
    params.not_before = OffsetDateTime::from_unix_timestamp(now.as_second() - BACKDATED)?;
    params.not_after = OffsetDateTime::from_unix_timestamp(not_after)?;
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

fn secret_content<const N: usize>(fields: [(&str, String); N]) -> Data {
    fields.into_iter().map(|(name, text)| (name.to_owned(), ByteString(text.into_bytes()))).collect()
}

fn encode_pem(der: &[u8]) -> String {
    pem::encode(&pem::Pem::new("CERTIFICATE", der)).replace("\r\n", "\n")
}

/// Returns the certificates of a field, at least one.
fn read_certificates(secret: &Data, field: &str) -> Result<Vec<Vec<u8>>> {
    let blocks = secret.get(field).and_then(|text| pem::parse_many(&text.0).ok()).unwrap_or_default();
    let der = blocks.into_iter().map(|block| (block.tag() == "CERTIFICATE").then(|| block.into_contents()));
    let all: Option<Vec<_>> = der.collect();
    Ok(all.filter(|all| !all.is_empty()).ok_or_else(|| format!("{field} is missing or does not hold certificates"))?)
}

fn read_private_key(secret: &Data) -> Result<KeyPair> {
    let block = secret.get(TLS_KEY).and_then(|text| pem::parse(&text.0).ok()).filter(|b| b.tag() == "PRIVATE KEY");
    Ok(block.and_then(|block| KeyPair::try_from(block.contents()).ok()).ok_or(
        "tls.key is missing or not a private key that can be used: expected PKCS#8 (BEGIN PRIVATE KEY) of type ECDSA P-256 \
         or P-384, Ed25519, or RSA of at least 2048 bits; `openssl pkcs8 -topk8 -nodes` converts others",
    )?)
}

fn parse_x509(der: &[u8]) -> Result<X509Certificate<'_>> {
    Ok(X509Certificate::from_der(der).map_err(|_| "not an X.509 certificate")?.1)
}

fn matches_key(key: &KeyPair, x509: &X509Certificate) -> bool {
    key.public_key_raw() == &*x509.public_key().subject_public_key.data
}

/// Returns notBefore and notAfter.
fn validity_of(x509: &X509Certificate) -> (i64, i64) {
    (x509.validity().not_before.timestamp(), x509.validity().not_after.timestamp())
}

/// Returns the subject alternative names, if all of them are DNS names.
fn read_dns_names<'a>(x509: &'a X509Certificate) -> Option<BTreeSet<&'a str>> {
    let dns_name = |name: &GeneralName<'a>| if let GeneralName::DNSName(name) = name { Some(*name) } else { None };
    x509.subject_alternative_name().ok()??.value.general_names.iter().map(dns_name).collect()
}

#[cfg(test)]
mod tests;
