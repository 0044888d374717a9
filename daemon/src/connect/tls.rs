//! The CA certificates of the API server, and the client certificate.

use std::path::{Path, PathBuf};

use base64::{Engine, prelude::BASE64_STANDARD};
use kube::Config;
use pem::Pem;

/// PEM text, or the file that has it.
#[derive(Clone, Debug)]
pub(super) enum PemSource {
    Inline(Vec<u8>),
    File(PathBuf),
}

/// Where the certificates and the key are read from. None: the system's CA certificates, no client certificate.
#[derive(Clone, Debug, Default)]
pub(super) struct TlsSources {
    pub ca: Option<PemSource>,
    /// The client certificate and its key.
    pub identity: Option<(PemSource, PemSource)>,
}

/// The certificates and the key, as read.
#[derive(Clone, PartialEq)]
pub(super) struct Tls {
    /// In DER.
    ca: Option<Vec<Vec<u8>>>,
    identity: Option<Identity>,
}

/// A client certificate with its key, both in PEM.
#[derive(Clone, PartialEq)]
pub(super) struct Identity {
    certificate: String,
    key: String,
}

impl TlsSources {
    /// Reads the files.
    pub fn read(&self) -> Result<Tls, String> {
        let ca = self.ca.as_ref().map(|source| {
            let (pem, name) = source.read("CA file", "certificate-authority-data")?;
            match parse(&pem, "CERTIFICATE") {
                // Each connection would fail.
                certificates if certificates.is_empty() => Err(format!("{name}: expected CA certificates in PEM")),
                certificates => Ok(certificates.into_iter().map(Pem::into_contents).collect()),
            }
        });
        let identity = self.identity.as_ref().map(|(certificate, key)| {
            let (certificate, name) = certificate.read("client certificate", "client-certificate-data")?;
            let (key, key_name) = key.read("client key", "client-key-data")?;
            Identity::new(&certificate, &key).map_err(|why| format!("{name}, {key_name}: {why}"))
        });
        Ok(Tls { ca: ca.transpose()?, identity: identity.transpose()? })
    }
}

impl PemSource {
    /// Decodes PEM text in base64.
    pub fn decode(base64: &str) -> Result<Self, String> {
        let decoded = BASE64_STANDARD.decode(base64.replace(['\r', '\n'], ""));
        Ok(PemSource::Inline(decoded.map_err(|_| "expected base64")?))
    }

    /// The file, if it is one.
    pub fn file(&self) -> Option<&Path> {
        match self {
            PemSource::Inline(_) => None,
            PemSource::File(path) => Some(path),
        }
    }

    /// Returns the PEM text and its name for an error.
    fn read(&self, file: &str, field: &str) -> Result<(Vec<u8>, String), String> {
        match self {
            PemSource::Inline(pem) => Ok((pem.clone(), field.to_owned())),
            PemSource::File(path) => {
                let name = format!("{file} {}", path.display());
                Ok((std::fs::read(path).map_err(|e| format!("{name}: {e}"))?, name))
            }
        }
    }
}

impl Identity {
    /// Checks the form: rustls's errors do not say that a key is encrypted.
    pub fn new(certificate: &[u8], key: &[u8]) -> Result<Self, String> {
        // Of other blocks, such as EC PARAMETERS, rustls would refuse the whole text.
        let certificates = parse(certificate, "CERTIFICATE");
        let key = parse(key, "PRIVATE KEY").into_iter().next();
        let key = key.ok_or("expected a private key in PEM")?;
        if certificates.is_empty() {
            return Err("expected a client certificate in PEM".to_owned());
        }
        if key.tag().starts_with("ENCRYPTED") || key.headers().get("DEK-Info").is_some() {
            return Err("the private key is encrypted: expected a key without a passphrase".to_owned());
        }
        Ok(Identity { certificate: pem::encode_many(&certificates), key: pem::encode(&key) })
    }
}

impl Tls {
    /// Sets the CA and the client certificate, `identity` rather than that of the files.
    pub fn apply(&self, config: &mut Config, identity: Option<&Identity>) {
        config.root_cert = self.ca.clone();
        if let Some(Identity { certificate, key }) = identity.or(self.identity.as_ref()) {
            config.auth_info.client_certificate_data = Some(BASE64_STANDARD.encode(certificate));
            config.auth_info.client_key_data = Some(BASE64_STANDARD.encode(key).into());
        }
    }
}

/// Returns the blocks of a PEM text whose tag ends in this.
fn parse(pem: &[u8], tag: &str) -> Vec<Pem> {
    pem::parse_many(pem).unwrap_or_default().into_iter().filter(|block| block.tag().ends_with(tag)).collect()
}
