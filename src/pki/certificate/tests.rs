use std::{io::Write, process::Command};

use proptest::prelude::*;
use rcgen::{GeneralSubtree, NameConstraints, PKCS_ECDSA_P384_SHA384, PKCS_ED25519};
use serde_json::{Value, json};
use testkit::Folder;
use x509_parser::extensions::ParsedExtension;

use super::*;

const HOUR: i64 = 3600;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + seconds).unwrap()
}

fn parse_request(spec: &Value) -> CertificateRequest {
    CertificateRequest::new(spec, "ns", "cluster.local").unwrap()
}

fn app1() -> CertificateRequest {
    parse_request(&json!({ "serviceName": "app1", "commonName": "App1", "dnsNames": ["b.example.com", "a"] }))
}

fn new_ca() -> Authority {
    Authority::create(at(0), [9; 16]).unwrap()
}

fn text(data: &Data, field: &str) -> String {
    String::from_utf8(data[field].0.clone()).unwrap()
}

fn with(data: &Data, field: &str, text: &str) -> Data {
    let mut data = data.clone();
    data.insert(field.into(), ByteString(text.into()));
    data
}

/// Returns `valid` or the error.
fn describe(result: Result<Certificate>) -> String {
    result.map(|_| "valid".to_owned()).unwrap_or_else(|why| why.to_string())
}

fn ca_params(name: &str, change: impl FnOnce(&mut CertificateParams)) -> CertificateParams {
    let mut params = certificate_params(name, [7; 16], at(0), at(365 * 24 * HOUR).as_second()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    change(&mut params);
    params
}

/// The Secret of a CA of another origin, after `change`.
fn foreign_ca(key: &KeyPair, change: impl FnOnce(&mut CertificateParams)) -> Data {
    let pem = ca_params("another CA", change).self_signed(key).unwrap().pem();
    secret_content([(TLS_CRT, pem), (TLS_KEY, key.serialize_pem())])
}

/// The Secret of an intermediate CA, with the root behind it, after these changes of the intermediate and the root.
fn intermediate_ca(
    change: impl FnOnce(&mut CertificateParams),
    change_root: impl FnOnce(&mut CertificateParams),
) -> Data {
    let (key, root_key, root) =
        (KeyPair::generate().unwrap(), KeyPair::generate().unwrap(), ca_params("root", change_root));
    let root_pem = root.self_signed(&root_key).unwrap().pem();
    let pem = ca_params("intermediate", change).signed_by(&key, &Issuer::new(root, root_key)).unwrap().pem();
    secret_content([(TLS_CRT, pem + &root_pem), (TLS_KEY, key.serialize_pem())])
}

/// One certificate of `tls.crt`.
fn pem_of(data: &Data, index: usize) -> String {
    encode_pem(&read_certificates(data, TLS_CRT).unwrap()[index..=index])
}

fn date(seconds: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(at(seconds).as_second()).unwrap()
}

/// Returns whether openssl succeeded, and its output; `None` without openssl.
fn openssl(folder: &Folder, args: &str) -> Option<(bool, String)> {
    let Ok(output) = Command::new("openssl").args(args.split(' ')).current_dir(&**folder).output() else {
        let _ = writeln!(std::io::stderr(), "SKIPPED: openssl is not installed");
        return None;
    };
    Some((output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned()))
}

#[test]
fn new_ca_can_only_sign_leaves_for_ten_years() {
    let chain = new_ca().chain;
    let ca = parse_x509(&chain[0]).unwrap();
    let basic = ca.basic_constraints().unwrap().unwrap();
    assert!(basic.critical && basic.value.ca && basic.value.path_len_constraint == Some(0));
    let usage = ca.key_usage().unwrap().unwrap();
    assert!(usage.critical && usage.value.flags == 1 << 5, "keyCertSign alone");
    assert_eq!(validity_of(&ca), (at(-300).as_second(), at(CA_LIFETIME).as_second()));
    let extension = |wanted: fn(&ParsedExtension) -> bool| ca.iter_extensions().any(|e| wanted(e.parsed_extension()));
    assert!(extension(|e| matches!(e, ParsedExtension::SubjectKeyIdentifier(_))));
    assert!(extension(|e| matches!(e, ParsedExtension::AuthorityKeyIdentifier(id) if id.key_identifier.is_some())));
}

#[test]
fn leaf_has_the_names_and_dates_of_the_request() {
    let ca = new_ca();
    let (certificate, data) = ca.issue(&app1(), at(1000), [0xff; 16]).unwrap();
    assert_eq!(data.keys().collect::<Vec<_>>(), ["ca.crt", "tls.crt", "tls.key"]);
    assert!(text(&data, TLS_KEY).starts_with("-----BEGIN PRIVATE KEY-----\n"));
    assert_eq!(text(&data, CA_CRT), text(&ca.secret_data(), TLS_CRT));
    let chain = read_certificates(&data, TLS_CRT).unwrap();
    assert_eq!(chain[1..], ca.chain[1..]);
    let leaf = parse_x509(&chain[0]).unwrap();
    assert_eq!(leaf.subject().to_string(), "CN=App1");
    assert!(!leaf.basic_constraints().unwrap().unwrap().value.ca);
    assert_eq!(leaf.key_usage().unwrap().unwrap().value.flags, 1, "digitalSignature alone");
    let purpose = leaf.extended_key_usage().unwrap().unwrap().value;
    assert!(purpose.server_auth && purpose.client_auth && !purpose.any && !purpose.code_signing);
    let names = ["a", "app1", "app1.ns", "app1.ns.svc", "app1.ns.svc.cluster.local", "b.example.com"];
    assert_eq!(read_dns_names(&leaf), Some(names.into()));
    assert_eq!(certificate.not_before, at(700), "five minutes back");
    assert_eq!(certificate.not_after, at(1000 + 2160 * HOUR), "counted from the issue");
    assert_eq!(certificate.serial, format!("7f{}", "ff".repeat(15)), "positive");
    let (zero, other) = issue_app1(&[0; 16]);
    assert_eq!(zero.serial, format!("40{}", "00".repeat(15)), "sixteen bytes");
    assert_ne!(text(&other, TLS_KEY), text(&data, TLS_KEY), "each leaf has its own key");
}

fn issue_app1(random: &[u8; 16]) -> (Certificate, Data) {
    new_ca().issue(&app1(), at(0), *random).unwrap()
}

#[test]
fn strict_openssl_accepts_the_chain_for_every_name() {
    let permitted = ["app1", "ns", "svc", "local", "example.com", "a"].map(|name| GeneralSubtree::DnsName(name.into()));
    let constraints = NameConstraints { permitted_subtrees: permitted.into(), excluded_subtrees: Vec::new() };
    let constrained = intermediate_ca(|ca| ca.name_constraints = Some(constraints), |_| {});
    for ca in [new_ca().secret_data(), intermediate_ca(|_| {}, |_| {}), constrained] {
        let (_, data) = Authority::load(&ca, at(0)).unwrap().issue(&app1(), at(0), [1; 16]).unwrap();
        assert_eq!(read_certificates(&data, TLS_CRT).unwrap().len(), 2, "the leaf and the CA that signed it");
        let folder =
            Folder::new("strict").with(&[("tls.crt", &text(&data, TLS_CRT)), ("ca.crt", &text(&data, CA_CRT))]);
        for purpose in ["sslserver", "sslclient"] {
            for name in app1().names {
                let options = format!("-attime {} -purpose {purpose} -verify_hostname {name}", at(0).as_second());
                let args =
                    format!("verify -x509_strict -check_ss_sig {options} -CAfile ca.crt -untrusted tls.crt tls.crt");
                let Some((success, output)) = openssl(&folder, &args) else { return };
                assert!(success, "{purpose} {name}: {output}");
            }
        }
    }
}

#[test]
fn foreign_ca_is_used() {
    for algorithm in [&PKCS_ECDSA_P384_SHA384, &PKCS_ED25519] {
        let secret = foreign_ca(&KeyPair::generate_for(algorithm).unwrap(), |_| {});
        let secret = with(&secret, TLS_CRT, &format!("subject=CN = x\r\n\r\n{}", text(&secret, TLS_CRT)));
        assert!(Authority::load(&secret, at(0)).unwrap().issue(&app1(), at(0), [1; 16]).is_ok(), "{algorithm:?}");
    }
    let key = KeyPair::generate().unwrap();
    let endless = foreign_ca(&key, |ca| ca.not_after = OffsetDateTime::from_unix_timestamp(253_402_300_799).unwrap());
    assert!(Authority::load(&endless, at(0)).is_ok(), "a date after the last Timestamp");
    assert!(
        Authority::load(&foreign_ca(&key, |ca| ca.key_usages.clear()), at(0)).is_ok(),
        "no key usage means no restriction"
    );
}

#[test]
fn unusable_ca_is_refused_with_the_reason() {
    let (good, key) = (new_ca().secret_data(), KeyPair::generate().unwrap());
    let sec1 = text(&good, TLS_KEY).replace("PRIVATE", "EC PRIVATE");
    let chain = intermediate_ca(|_| {}, |_| {});
    for (secret, reason) in [
        (Data::new(), "tls.crt is missing"),
        (with(&good, TLS_CRT, "nonsense"), "tls.crt is missing or does not hold certificates"),
        (
            with(&good, TLS_CRT, "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n"),
            "not an X.509 certificate",
        ),
        (with(&good, TLS_KEY, ""), "tls.key is missing"),
        (with(&good, TLS_KEY, &sec1), "`openssl pkcs8 -topk8 -nodes` converts others"),
        (with(&good, TLS_KEY, &key.serialize_pem()), "tls.key is not the key of tls.crt"),
        (foreign_ca(&key, |ca| ca.is_ca = IsCa::ExplicitNoCa), "may not sign others (basicConstraints"),
        (foreign_ca(&key, |ca| ca.key_usages = vec![KeyUsagePurpose::CrlSign]), "may not sign others"),
        (foreign_ca(&key, |ca| ca.not_before = date(1)), r#"the CA "CN=another CA" is not valid yet"#),
        (foreign_ca(&key, |ca| ca.not_after = date(0)), r#"the CA "CN=another CA" has expired"#),
        (intermediate_ca(|_| {}, |root| root.not_after = date(0)), r#"the CA "CN=root" has expired"#),
        (
            intermediate_ca(|_| {}, |root| root.is_ca = IsCa::Ca(BasicConstraints::Constrained(0))),
            r#"the CA "CN=root" does not allow this many CAs below it"#,
        ),
        (
            with(&chain, TLS_CRT, &pem_of(&chain, 0)),
            r#"the CA "CN=intermediate" is not a root: append the CAs above it"#,
        ),
    ] {
        let why = Authority::load(&secret, at(0)).map(|_| ()).unwrap_err().to_string();
        assert!(why.contains(reason), "{reason}: {why}");
    }
}

#[test]
fn certificate_that_clients_reject_is_not_issued() {
    let excluded = |name: &str| {
        let subtrees = vec![GeneralSubtree::DnsName(name.into())];
        Some(NameConstraints { permitted_subtrees: Vec::new(), excluded_subtrees: subtrees })
    };
    let chain = intermediate_ca(|_| {}, |_| {});
    let other_root = pem_of(&intermediate_ca(|_| {}, |_| {}), 1);
    // rcgen keeps only one of two organizational units.
    let two_units = |ca: &mut CertificateParams| {
        ca.distinguished_name.push(DnType::OrganizationalUnitName, "one");
        ca.distinguished_name.push(DnType::CustomDnType(vec![2, 5, 4, 11]), "two");
    };
    for (ca, reason) in [
        (intermediate_ca(|ca| ca.name_constraints = excluded("example.com"), |_| {}), "b.example.com: "),
        (intermediate_ca(|_| {}, |root| root.name_constraints = excluded("app1.ns.svc")), "app1.ns.svc: "),
        (
            intermediate_ca(|ca| ca.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth], |_| {}),
            "app1: clients with ca.crt reject tls.crt: RequiredEkuNotFound",
        ),
        (with(&chain, TLS_CRT, &(pem_of(&chain, 0) + &other_root)), "app1: clients with ca.crt reject tls.crt: "),
        (
            foreign_ca(&KeyPair::generate().unwrap(), two_units),
            "app1: clients with ca.crt reject tls.crt: UnknownIssuer",
        ),
    ] {
        let issued = Authority::load(&ca, at(0)).unwrap().issue(&app1(), at(0), [1; 16]);
        let why = describe(issued.map(|(certificate, _)| certificate));
        assert!(why.starts_with(&format!("the CA cannot sign a certificate for {reason}")), "{reason}: {why}");
    }
}

#[test]
fn certificate_is_kept_until_its_renewal() {
    let ca = Authority::create(at(-1), [9; 16]).unwrap();
    let (certificate, data) = ca.issue(&app1(), at(0), [3; 16]).unwrap();
    let loaded = Authority::load(&ca.secret_data(), at(60)).unwrap();
    let inspect = |now| inspect(&data, &app1(), now);
    let last = certificate.renewal - jiff::SignedDuration::from_secs(1);
    for (now, due) in [(at(-300), None), (last, None), (certificate.renewal, Some("due for renewal"))] {
        assert_eq!(inspect(now).unwrap(), certificate, "a certificate that is due is still valid");
        assert_eq!(loaded.why_replace(&certificate, now), due);
    }
    assert_eq!(describe(inspect(at(-301))), "not valid yet");
    assert_eq!(describe(inspect(certificate.not_after)), "expired");
    let other = new_ca();
    assert_eq!(other.why_replace(&certificate, at(0)), Some("signed by another CA than the present one"));
}

#[test]
fn damaged_secret_is_not_valid() {
    let ca = new_ca();
    let good = ca.issue(&app1(), at(0), [3; 16]).unwrap().1;
    let other = new_ca().issue(&app1(), at(0), [4; 16]).unwrap().1;
    let (leaf, root) = (text(&good, TLS_CRT).replace(&text(&good, CA_CRT), ""), text(&good, CA_CRT));
    for (field, content, reason) in [
        (TLS_CRT, String::new(), "tls.crt is missing or does not hold certificates"),
        (TLS_CRT, leaf[..leaf.len() / 2].into(), "tls.crt is missing or does not hold certificates"),
        (TLS_CRT, text(&good, TLS_KEY), "tls.crt is missing or does not hold certificates"),
        (TLS_CRT, root.clone(), "tls.key is not the key of tls.crt"),
        (TLS_KEY, String::new(), "tls.key is missing"),
        (TLS_KEY, text(&other, TLS_KEY), "tls.key is not the key of tls.crt"),
        (CA_CRT, String::new(), "ca.crt is missing"),
        (CA_CRT, text(&other, CA_CRT), "clients with ca.crt reject tls.crt"),
    ] {
        let why = describe(inspect(&with(&good, field, &content), &app1(), at(0)));
        assert!(why.starts_with(reason), "{field}: {reason}: {why}");
    }
    let chain = format!("{leaf}{}", text(&other, CA_CRT));
    let forged = with(&with(&good, TLS_CRT, &chain), CA_CRT, &text(&other, CA_CRT));
    let why = describe(inspect(&forged, &app1(), at(0)));
    assert!(why.starts_with("clients with ca.crt reject tls.crt"), "a CA of the same name: {why}");
    // Clients accept these. A usable CA replaces them.
    for chain in [leaf.clone(), format!("{leaf}{root}{root}")] {
        let certificate = inspect(&with(&good, TLS_CRT, &chain), &app1(), at(0)).unwrap();
        assert_eq!(ca.why_replace(&certificate, at(0)), Some("signed by another CA than the present one"));
    }
}

#[test]
fn certificate_for_another_request_is_not_valid() {
    let spec = json!({ "serviceName": "app1", "dnsNames": ["b", "a"], "duration": "48h" });
    let data = new_ca().issue(&parse_request(&spec), at(0), [3; 16]).unwrap().1;
    for (field, value, wanted) in [
        ("serviceName", json!("app2"), "issued for another common name"),
        ("commonName", json!("App1"), "issued for another common name"),
        ("dnsNames", json!(["a"]), "issued for other names"),
        ("dnsNames", json!(["a", "b", "c"]), "issued for other names"),
        ("duration", json!("48h1s"), "issued for another duration"),
        ("duration", json!("47h"), "issued for another duration"),
        ("dnsNames", json!(["a", "b", "a", "app1.ns"]), "valid"),
        ("commonName", json!("app1"), "valid"),
        ("duration", json!("2880m"), "valid"),
        ("renewBefore", json!("5m"), "valid"),
    ] {
        let mut changed = spec.clone();
        changed[field] = value;
        assert_eq!(describe(inspect(&data, &parse_request(&changed), at(0))), wanted, "{changed}");
    }
    let other_domain = CertificateRequest::new(&spec, "ns", "example.org").unwrap();
    assert_eq!(describe(inspect(&data, &other_domain, at(0))), "issued for other names");
}

#[test]
fn leaf_never_outlives_its_ca() {
    let (ca, now) = (new_ca(), at(CA_LIFETIME - HOUR));
    let (cut, data) = ca.issue(&app1(), now, [1; 16]).unwrap();
    assert_eq!((cut.not_after, cut.renewal), (at(CA_LIFETIME), at(CA_LIFETIME)));
    assert_eq!(describe(inspect(&data, &app1(), now)), "valid");
    assert_eq!(ca.why_replace(&cut, at(CA_LIFETIME - 1)), None);
    assert!(ca.issue(&app1(), at(CA_LIFETIME), [1; 16]).is_err(), "the CA has expired");
    let short_chain = intermediate_ca(|ca| ca.not_after = date(HOUR), |_| {});
    let (cut, _) = Authority::load(&short_chain, at(0)).unwrap().issue(&app1(), at(0), [1; 16]).unwrap();
    assert_eq!(cut.not_after, at(HOUR), "nor another CA of the chain");
}

#[test]
fn renewal_is_spread_by_the_serial() {
    let ca = new_ca();
    let early: BTreeSet<_> = (0..20)
        .map(|i| {
            let (certificate, data) = ca.issue(&app1(), at(0), [i * 13; 16]).unwrap();
            assert_eq!(inspect(&data, &app1(), at(HOUR)).unwrap(), certificate, "the same after a restart");
            let early = at((2160 - 720) * HOUR).duration_since(certificate.renewal).as_secs();
            assert!((0..=144 * HOUR).contains(&early), "only earlier, by at most a tenth: {early}");
            early
        })
        .collect();
    assert!(early.len() == 20 && early.last().unwrap() - early.first().unwrap() > 72 * HOUR, "{early:?}");
}

#[test]
fn certificate_is_not_renewed_in_its_first_ten_seconds() {
    let request = parse_request(&json!({ "serviceName": "app1", "duration": "1h", "renewBefore": "59m59s" }));
    assert_eq!(new_ca().issue(&request, at(0), [3; 16]).unwrap().0.renewal, at(10));
}

#[test]
fn renew_before_of_less_than_5_minutes_counts_as_5() {
    for (before, is_renewed_early) in [("0s", true), ("4m59s", true), ("5m", false)] {
        let request = parse_request(&json!({ "serviceName": "app1", "duration": "1h", "renewBefore": before }));
        let certificate = new_ca().issue(&request, at(0), [0; 16]).unwrap().0;
        assert_eq!(certificate.is_renewed_early, is_renewed_early, "{before}");
        assert!(certificate.not_after.duration_since(certificate.renewal).as_secs() >= 300, "{before}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// A second reconcile of a new certificate writes nothing.
    #[test]
    fn issued_certificate_is_valid_and_not_due(
        now in 0..CA_LIFETIME - 1, nanos in 0..1_000_000_000_i32, random: [u8; 16], duration in 3600..31_536_000_i64, before: u32,
    ) {
        let before = 300 + i64::from(before) % (duration - 300);
        let request = parse_request(&json!({ "serviceName": "app1", "duration": format!("{duration}s"), "renewBefore": format!("{before}s") }));
        let (ca, now) = (new_ca(), Timestamp::new(at(now).as_second(), nanos).unwrap());
        let (certificate, data) = ca.issue(&request, now, random).unwrap();
        prop_assert_eq!(&inspect(&data, &request, now).unwrap(), &certificate);
        prop_assert_eq!(ca.why_replace(&certificate, now), None);
        prop_assert!(certificate.renewal > now && certificate.renewal <= certificate.not_after);
    }
}
