//! Issues certificates, and inspects the certificates in Secrets.
//!
//! The certificate itself is the only state: its request is read from it, and its renewal time follows from its dates and its
//! serial number. So a restart or a lost status changes nothing.
//!
//! All functions are pure, except that the library generates the keys. Times are in whole seconds since 1970, as in a certificate.

use std::{
    collections::{BTreeMap, BTreeSet},
    error::Error,
    time::Duration,
};

use jiff::Timestamp;
use k8s_openapi::ByteString;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType, SerialNumber,
};
use rustls_pki_types::{CertificateDer, UnixTime};
use time::OffsetDateTime;
use webpki::{ALL_VERIFICATION_ALGS, EndEntityCert, KeyUsage, anchor_from_trusted_cert};
use x509_parser::{certificate::X509Certificate, extensions::GeneralName, prelude::FromDer};

use super::validate::CertificateRequest;

/// The content of a Secret.
pub type Data = BTreeMap<String, ByteString>;
pub type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// The leaf, then the CA that signed it, then other intermediate CAs. In the CA's own Secret: the CA, then all above it.
const TLS_CRT: &str = "tls.crt";
/// The private key of the first certificate in `tls.crt`, PKCS#8.
const TLS_KEY: &str = "tls.key";
/// The root, which a client must trust.
const CA_CRT: &str = "ca.crt";

/// A certificate is valid from this long before its issue, for clients with a slow clock.
const BACKDATED: i64 = 300;
/// A certificate is renewed at least this long before its end: a kubelet updates mounted files after up to two minutes.
const MIN_RENEW_BEFORE: i64 = 300;
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
    /// Whether it is renewed earlier than the spec says, because that would be too late.
    pub is_renewed_early: bool,
    /// What follows the leaf in `tls.crt`, then the root in `ca.crt`.
    pub chain: Vec<CertificateDer<'static>>,
}

/// A CA that can sign. It has no `Debug`, so that its key is never printed.
pub struct Authority {
    /// As in its certificates: the CA, other intermediate CAs, the root. A root that signs leaves is in it twice.
    chain: Vec<CertificateDer<'static>>,
    issuer: Issuer<'static, KeyPair>,
    /// The earliest end in the chain.
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
        let chain = vec![params.self_signed(&key)?.der().clone(); 2];
        Ok(Authority { chain, issuer: Issuer::new(params, key), not_after })
    }

    /// Reads the CA of a Secret. Its key is PKCS#8: ECDSA P-256 or P-384, Ed25519 or RSA.
    ///
    /// # Errors
    /// The reason why it cannot be used.
    pub fn load(secret: &Data, now: Timestamp) -> Result<Self> {
        let (mut chain, key) = (read_certificates(secret, TLS_CRT)?, read_private_key(secret)?);
        check_all([(matches_key(&key, &parse_x509(&chain[0])?), "tls.key is not the key of tls.crt")])?;
        let not_after = check_chain(&chain, now)?;
        if chain.len() == 1 {
            chain.push(chain[0].clone());
        }
        let issuer = Issuer::from_ca_cert_der(&chain[0], key)?;
        Ok(Authority { chain, issuer, not_after })
    }

    /// Returns the content of a new CA's Secret.
    pub fn secret_data(&self) -> Data {
        secret_content([(TLS_CRT, encode_pem(&self.chain[..1])), (TLS_KEY, self.issuer.key().serialize_pem())])
    }

    /// Issues a certificate with a new key, and returns it with the content of its Secret. It never outlives the CA.
    ///
    /// # Errors
    /// The certificate would not be valid: why, and the first name for which it would not.
    pub fn issue(&self, request: &CertificateRequest, now: Timestamp, random: [u8; 16]) -> Result<(Certificate, Data)> {
        self.sign(request, now, random).map_err(|why| {
            // Name constraints of the CA may exclude only some of the names.
            let alone = |name: &String| CertificateRequest { names: vec![name.clone()], ..request.clone() };
            let excluded = request.names.iter().find(|name| self.sign(&alone(name), now, random).is_err());
            format!("the CA cannot sign a certificate for {}: {why}", excluded.unwrap_or(&request.common_name)).into()
        })
    }

    fn sign(&self, request: &CertificateRequest, now: Timestamp, random: [u8; 16]) -> Result<(Certificate, Data)> {
        let not_after = (now.as_second() + request.duration).min(self.not_after);
        let mut params = certificate_params(&request.common_name, random, now, not_after)?;
        for name in &request.names {
            params.subject_alt_names.push(SanType::DnsName(name.as_str().try_into()?));
        }
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate()?;
        let (intermediates, root) = self.chain.split_at(self.chain.len() - 1);
        let chain = params.signed_by(&key, &self.issuer)?.pem() + &encode_pem(intermediates);
        let secret = secret_content([(TLS_CRT, chain), (TLS_KEY, key.serialize_pem()), (CA_CRT, encode_pem(root))]);
        // Without this check, a certificate that no client accepts would be issued again and again.
        Ok((inspect(&secret, request, now)?, secret))
    }

    /// Returns why a valid certificate must be replaced. None: it stays.
    pub fn why_replace(&self, certificate: &Certificate, now: Timestamp) -> Option<&'static str> {
        if certificate.chain != self.chain {
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
    let (mut chain, key) = (read_certificates(secret, TLS_CRT)?, read_private_key(secret)?);
    let der = chain.remove(0);
    chain.extend(read_certificates(secret, CA_CRT)?);
    let (leaf, ca_not_after) = (parse_x509(&der)?, check_chain(&chain, now)?);
    let (not_before, not_after) = validity_of(&leaf);
    let issued = not_before + BACKDATED;
    // A certificate that expires with the CA is shorter than requested.
    let is_cut = not_after == ca_not_after && not_after - issued < request.duration;
    check_all([
        (matches_key(&key, &leaf), "tls.key is not the key of tls.crt"),
        (leaf.subject().to_string() == format!("CN={}", request.common_name), "issued for another common name"),
        (read_dns_names(&leaf) == Some(request.names.iter().map(String::as_str).collect()), "issued for other names"),
        (not_after - issued == request.duration || is_cut, "issued for another duration"),
        (not_before <= now.as_second(), "not valid yet"),
        (now.as_second() < not_after, "expired"),
    ])?;
    verify_as_client(&der, &chain, now).map_err(|why| format!("clients with ca.crt reject tls.crt: {why}"))?;
    // The renewal: `renewBefore` before the end, minus a jitter of up to a tenth of the time until then, so that certificates
    // that were issued together are not renewed together. The jitter follows from the serial number, so it is the same after
    // a restart. A certificate that expires with the CA is not renewed earlier: the next one would not be valid for longer.
    let latest = not_after - request.renew_before.max(MIN_RENEW_BEFORE);
    let random = leaf.raw_serial().iter().rev().take(4).fold(0, |sum, byte| sum << 8 | i64::from(*byte));
    let jitter = ((latest - issued).max(0) / 10 * random) >> 32;
    let renewal = if not_after == ca_not_after { not_after } else { (latest - jitter).max(issued + MIN_AGE) };
    let timestamp = |seconds| Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX);
    Ok(Certificate {
        serial: leaf.raw_serial().iter().map(|byte| format!("{byte:02x}")).collect(),
        not_before: timestamp(not_before),
        not_after: timestamp(not_after),
        renewal: timestamp(renewal),
        is_renewed_early: request.renew_before < MIN_RENEW_BEFORE,
        chain,
    })
}

/// Verifies a leaf as TLS clients and servers that trust the root do.
fn verify_as_client(leaf: &CertificateDer, chain: &[CertificateDer], now: Timestamp) -> Result<()> {
    let (intermediates, root) = chain.split_at(chain.len() - 1);
    let (leaf, roots) = (EndEntityCert::try_from(leaf)?, [anchor_from_trusted_cert(&root[0])?]);
    let time = UnixTime::since_unix_epoch(Duration::from_secs(now.as_second().unsigned_abs()));
    for usage in [KeyUsage::server_auth(), KeyUsage::client_auth()] {
        leaf.verify_for_usage(ALL_VERIFICATION_ALGS, &roots, intermediates, time, usage, None, None)?;
    }
    Ok(())
}

/// Checks CAs, the root last, and returns their earliest end. [`verify_as_client`] does not check the root.
fn check_chain(chain: &[CertificateDer], now: Timestamp) -> Result<i64> {
    let (mut end, mut intermediates) = (i64::MAX, 0);
    for (i, der) in chain.iter().enumerate() {
        let ca = parse_x509(der)?;
        let limit = ca.basic_constraints()?.and_then(|basic| basic.value.path_len_constraint);
        let usage = ca.key_usage()?.is_none_or(|usage| usage.value.key_cert_sign());
        let (is_root, (not_before, not_after)) = (ca.issuer().as_raw() == ca.subject().as_raw(), validity_of(&ca));
        check_all([
            (ca.is_ca() && usage, "may not sign others (basicConstraints, keyUsage)"),
            (limit.is_none_or(|limit| intermediates <= limit), "does not allow this many CAs below it (pathlen)"),
            (not_before <= now.as_second(), "is not valid yet"),
            (now.as_second() < not_after, "has expired"),
            (is_root || i + 1 < chain.len(), "is not a root: append the CAs above it to tls.crt, the root last"),
        ])
        .map_err(|why| format!("the CA {:?} {why}", ca.subject().to_string()))?;
        (end, intermediates) = (end.min(not_after), intermediates + u32::from(!is_root));
    }
    Ok(end)
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

fn encode_pem(certificates: &[CertificateDer]) -> String {
    let blocks: Vec<_> = certificates.iter().map(|der| pem::Pem::new("CERTIFICATE", der.as_ref())).collect();
    pem::encode_many_config(&blocks, pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF))
}

/// Returns the certificates of a field, at least one.
fn read_certificates(secret: &Data, field: &str) -> Result<Vec<CertificateDer<'static>>> {
    let blocks = secret.get(field).and_then(|text| pem::parse_many(&text.0).ok()).unwrap_or_default();
    let der = blocks.into_iter().map(|block| (block.tag() == "CERTIFICATE").then(|| block.into_contents().into()));
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
