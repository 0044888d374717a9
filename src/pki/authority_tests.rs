use std::{
    io::Write,
    path::Path,
    process::{Command, Output},
};

use rcgen::{DistinguishedName, PKCS_ECDSA_P384_SHA384, PKCS_ED25519};
use serde_json::json;
use x509_parser::extensions::ParsedExtension;

use super::*;
use crate::{
    pki::{inspect::Verdict, validate::validate},
    testing::Folder,
};

const YEAR: i64 = 365 * 24 * 3600;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + seconds).unwrap()
}

fn pki() -> Key {
    Key::new("ns", "app1-pki")
}

fn request(spec: serde_json::Value) -> Request {
    validate(&spec).unwrap()
}

fn app1() -> Request {
    request(json!({ "serviceName": "app1", "commonName": "App1", "dnsNames": ["app1.example.com"] }))
}

fn text(secret: &BTreeMap<String, ByteString>, field: &str) -> String {
    String::from_utf8(secret[field].0.clone()).unwrap()
}

/// Someone else's CA: like ours, but for what `change` makes of it.
fn foreign(key: KeyPair, change: impl FnOnce(&mut CertificateParams)) -> BTreeMap<String, ByteString> {
    let mut params = parameters("their CA", [7; 16], at(0).as_second(), at(YEAR).as_second()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    change(&mut params);
    data(&[(TLS_CRT, &params.self_signed(&key).unwrap().pem()), (TLS_KEY, &key.serialize_pem())])
}

fn p256() -> KeyPair {
    KeyPair::generate().unwrap()
}

fn why(secret: &BTreeMap<String, ByteString>) -> String {
    let tried = Authority::from_secret(secret, at(0)).and_then(|ca| ca.try_out(at(0)));
    tried.expect_err("a CA that cannot be used")
}

/// Run in this folder. None where there is no openssl; said where it is seen, which a passing test's own output is not.
fn openssl(folder: &Path, args: &[&str]) -> Option<Output> {
    let output = Command::new("openssl").args(args).current_dir(folder).output();
    if output.is_err() {
        let _ = writeln!(std::io::stderr(), "SKIPPED: there is no openssl here to try the certificates with");
    }
    output.ok()
}

#[test]
fn a_new_ca_may_sign_leaves_and_nothing_else_for_ten_years() {
    let authority = Authority::create(at(0), [9; 16]).unwrap();
    let ca = parse(&authority.der).unwrap();
    let basic = ca.basic_constraints().unwrap().unwrap();
    assert!(basic.critical && basic.value.ca);
    assert_eq!(basic.value.path_len_constraint, Some(0));
    let usage = ca.key_usage().unwrap().unwrap();
    assert!(usage.critical);
    assert_eq!(usage.value.flags, 1 << 5, "keyCertSign alone");
    assert_eq!(ca.validity().not_before.timestamp(), at(-300).as_second());
    assert_eq!(ca.validity().not_after.timestamp(), at(CA_LIFETIME).as_second());
    let extension = |wanted: fn(&ParsedExtension) -> bool| ca.iter_extensions().any(|e| wanted(e.parsed_extension()));
    assert!(extension(|e| matches!(e, ParsedExtension::SubjectKeyIdentifier(_))));
    assert!(extension(|e| matches!(e, ParsedExtension::AuthorityKeyIdentifier(id) if id.key_identifier.is_some())));
    assert_eq!(ca.subject().to_string(), "CN=demo-controller CA");
}

#[test]
fn a_leaf_holds_what_was_asked_for() {
    let authority = Authority::create(at(0), [9; 16]).unwrap();
    let issued = authority.issue(&app1(), &pki(), at(1000), [0xff; 16]).unwrap();
    let chain = certificates(issued.chain.as_bytes()).unwrap();
    assert_eq!(chain.len(), 2);
    assert_eq!(chain[1], authority.der);
    let leaf = parse(&chain[0]).unwrap();
    assert_eq!(leaf.subject().to_string(), "CN=App1");
    let basic = leaf.basic_constraints().unwrap().unwrap();
    assert!(basic.critical && !basic.value.ca);
    let usage = leaf.key_usage().unwrap().unwrap();
    assert!(usage.critical);
    assert_eq!(usage.value.flags, 1, "digitalSignature alone");
    let purpose = leaf.extended_key_usage().unwrap().unwrap().value;
    assert!(purpose.server_auth && purpose.client_auth && !purpose.any && !purpose.code_signing);
    let names: Vec<_> =
        leaf.subject_alternative_name().unwrap().unwrap().value.general_names.iter().map(ToString::to_string).collect();
    let wanted = ["app1", "app1.ns", "app1.ns.svc", "app1.ns.svc.cluster.local", "app1.example.com"];
    assert_eq!(names, wanted.map(|name| format!("DNSName({name})")));
    assert_eq!(leaf.validity().not_before.timestamp(), at(700).as_second(), "five minutes back");
    assert_eq!(
        leaf.validity().not_after.timestamp(),
        at(1000 + 2160 * 3600).as_second(),
        "counted from the moment of issue"
    );
    assert_eq!(issued.certificate.not_before, at(700));
    assert_eq!(issued.certificate.not_after, at(1000 + 2160 * 3600));
    assert_eq!(issued.certificate.serial, format!("7f{}", "ff".repeat(15)));
    let secret = issued.secret_data();
    assert_eq!(secret.keys().collect::<Vec<_>>(), ["ca.crt", "tls.crt", "tls.key"]);
    assert!(text(&secret, TLS_KEY).starts_with("-----BEGIN PRIVATE KEY-----\n"));
    assert_eq!(text(&secret, CA_CRT), text(&authority.secret_data(), TLS_CRT));
}

#[test]
fn a_serial_number_is_positive_and_sixteen_bytes_whatever_was_drawn() {
    for random in [[0; 16], [0xff; 16], [0x80; 16]] {
        let serial = serial(random).to_bytes();
        assert_eq!(serial.len(), 16);
        assert!((0x40..0x80).contains(&serial[0]));
    }
}

#[test]
fn no_two_leaves_share_a_key() {
    let authority = Authority::create(at(0), [9; 16]).unwrap();
    let mut keys = (0..2).map(|_| authority.issue(&app1(), &pki(), at(0), [1; 16]).unwrap().key);
    assert_ne!(keys.next(), keys.next());
}

#[test]
fn a_ca_that_was_stored_is_the_same_ca() {
    let authority = Authority::create(at(0), [9; 16]).unwrap();
    let again = Authority::from_secret(&authority.secret_data(), at(60)).unwrap();
    assert_eq!(again.secret_data(), authority.secret_data());
    let issued = authority.issue(&app1(), &pki(), at(0), [1; 16]).unwrap();
    assert_eq!(again.inspect(&issued.secret_data(), &app1(), &pki(), at(60)), Verdict::Valid(issued.certificate));
}

#[test]
fn openssl_accepts_the_chain_when_it_is_strict() {
    let authority = Authority::create(at(0), [9; 16]).unwrap();
    let issued = authority.issue(&app1(), &pki(), at(0), [1; 16]).unwrap();
    let folder = Folder::new("strict").with(&[("tls.crt", &issued.chain), ("ca.crt", &issued.ca)]);
    for purpose in ["sslserver", "sslclient"] {
        for name in app1().names("ns") {
            let time = at(0).as_second().to_string();
            let args = [
                "verify",
                "-x509_strict",
                "-check_ss_sig",
                "-attime",
                &time,
                "-purpose",
                purpose,
                "-verify_hostname",
                &name,
                "-CAfile",
                "ca.crt",
                "tls.crt",
            ];
            let Some(output) = openssl(&folder, &args) else { return };
            assert!(output.status.success(), "{purpose} {name}: {}", String::from_utf8_lossy(&output.stderr));
        }
    }
}

#[test]
fn a_ca_that_someone_brought_along_is_used() {
    for algorithm in [&PKCS_ECDSA_P384_SHA384, &PKCS_ED25519] {
        let secret = foreign(KeyPair::generate_for(algorithm).unwrap(), |_| {});
        assert!(Authority::from_secret(&secret, at(0)).unwrap().try_out(at(0)).is_ok(), "{algorithm:?}");
    }
    // No keyUsage: no restriction.
    assert!(Authority::from_secret(&foreign(p256(), |ca| ca.key_usages.clear()), at(0)).is_ok());
    // Valid until the end of time, which is a second that no Timestamp holds.
    let endless = foreign(p256(), |ca| ca.not_after = date(253_402_300_799).unwrap());
    assert!(Authority::from_secret(&endless, at(0)).is_ok());
}

#[test]
fn an_rsa_ca_that_openssl_made_is_used() {
    let folder = Folder::new("rsa");
    let args = [
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "30",
        "-subj",
        "/C=DE/O=Example/CN=their CA",
        "-addext",
        "keyUsage=critical,keyCertSign",
        "-keyout",
        "tls.key",
        "-out",
        "tls.crt",
    ];
    let Some(output) = openssl(&folder, &args) else { return };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    let now = Timestamp::now();
    let authority =
        Authority::from_secret(&data(&[(TLS_CRT, &read("tls.crt")), (TLS_KEY, &read("tls.key"))]), now).unwrap();
    let issued = authority.issue(&app1(), &pki(), now, [1; 16]).unwrap();
    folder.file("leaf.crt", &issued.chain);
    let output = openssl(&folder, &["verify", "-x509_strict", "-CAfile", "tls.crt", "leaf.crt"]).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn of_several_certificates_the_first_is_the_ca_and_what_stands_around_it_does_not_matter() {
    let (one, other) = (Authority::create(at(0), [1; 16]).unwrap(), Authority::create(at(0), [2; 16]).unwrap());
    let mut secret = one.secret_data();
    let messy = format!("subject=CN = x\r\n\r\n{}{}", one.pem.replace('\n', " \r\n"), other.pem);
    secret.insert(TLS_CRT.into(), ByteString(messy.into_bytes()));
    let read = Authority::from_secret(&secret, at(0)).unwrap();
    assert_eq!(read.secret_data(), one.secret_data());
}

#[test]
fn a_ca_that_cannot_be_used_is_refused_with_the_reason() {
    let good = Authority::create(at(0), [9; 16]).unwrap().secret_data();
    let with = |field: &str, content: &str| {
        let mut secret = good.clone();
        secret.insert(field.into(), ByteString(content.as_bytes().to_vec()));
        secret
    };
    let other = text(&Authority::create(at(0), [9; 16]).unwrap().secret_data(), TLS_KEY);
    let sec1 = "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIA==\n-----END EC PRIVATE KEY-----\n";
    let cut = text(&good, TLS_CRT).replace("MII", "MI");
    for (secret, reason) in [
        (BTreeMap::new(), "tls.crt is missing"),
        (with(TLS_KEY, ""), "tls.key is missing"),
        (with(TLS_CRT, "nonsense"), "tls.crt holds no certificate in PEM"),
        (with(TLS_CRT, &cut), "tls.crt holds a broken PEM block"),
        (with(TLS_CRT, "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n"), "no X.509 certificate"),
        (with(TLS_KEY, "nonsense"), "tls.key is no private key that can be used"),
        (with(TLS_KEY, sec1), "`openssl pkcs8 -topk8 -nodes` converts others"),
        (with(TLS_KEY, &other), "tls.key is not the key of the certificate"),
        (foreign(p256(), |ca| ca.is_ca = IsCa::ExplicitNoCa), "not a CA (basicConstraints)"),
        (foreign(p256(), |ca| ca.is_ca = IsCa::NoCa), "not a CA (basicConstraints)"),
        (foreign(p256(), |ca| ca.key_usages = vec![KeyUsagePurpose::CrlSign]), "may not sign certificates (keyUsage)"),
        (foreign(p256(), |ca| ca.not_after = date(at(0).as_second()).unwrap()), "it has expired"),
        (foreign(p256(), |ca| ca.not_before = date(at(1).as_second()).unwrap()), "it is not valid before"),
    ] {
        assert!(why(&secret).contains(reason), "{reason:?}, but: {}", why(&secret));
    }
}

#[test]
fn a_ca_whose_leaves_would_never_be_found_valid_is_refused() {
    // Two organizational units: the library that signs keeps only one of them.
    let secret = foreign(p256(), |ca| {
        ca.distinguished_name = DistinguishedName::new();
        ca.distinguished_name.push(DnType::OrganizationalUnitName, "one");
        ca.distinguished_name.push(DnType::CustomDnType(vec![2, 5, 4, 11]), "two");
    });
    assert_eq!(why(&secret), "it signs certificates that are no good: signed by another CA than the present one");
}

#[test]
fn a_leaf_never_outlives_its_ca() {
    let authority = Authority::create(at(0), [9; 16]).unwrap();
    let issued = authority.issue(&app1(), &pki(), at(CA_LIFETIME - 60), [1; 16]).unwrap();
    assert_eq!(issued.certificate.not_after, at(CA_LIFETIME));
    let expired = authority.issue(&app1(), &pki(), at(CA_LIFETIME), [1; 16]).err();
    assert_eq!(expired.as_deref(), Some("the CA has expired"));
}
