use proptest::prelude::*;
use serde_json::{Value, json};

use super::{
    super::{authority::Issued, specs, validate::validate},
    *,
};

const HOUR: i64 = 3600;
const TEN_YEARS: i64 = 3652 * 24 * HOUR;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + seconds).unwrap()
}

fn pki() -> Key {
    Key::new("ns", "app1-pki")
}

fn request(spec: Value) -> Request {
    validate(&spec).unwrap()
}

fn app1() -> Request {
    request(json!({ "serviceName": "app1", "dnsNames": ["b", "a"] }))
}

fn authority() -> Authority {
    Authority::create(at(0), [9; 16]).unwrap()
}

fn issue(authority: &Authority, request: &Request, now: i64, random: [u8; 16]) -> Issued {
    authority.issue(request, &pki(), at(now), random).unwrap()
}

#[test]
fn what_was_issued_is_valid_until_it_is_due() {
    let (authority, request) = (authority(), app1());
    let issued = issue(&authority, &request, 0, [3; 16]);
    let inspect = |now| authority.inspect(&issued.secret_data(), &request, &pki(), now);
    let renewal = issued.certificate.renewal;
    assert_eq!(inspect(at(0)), Verdict::Valid(issued.certificate.clone()));
    assert_eq!(inspect(renewal - jiff::SignedDuration::from_secs(1)), Verdict::Valid(issued.certificate.clone()));
    assert_eq!(inspect(renewal), Verdict::Due);
    assert_eq!(inspect(issued.certificate.not_after), Verdict::Due);
    assert_eq!(inspect(at(-300)), Verdict::Valid(issued.certificate.clone()), "a clock that is a little behind");
    assert_eq!(inspect(at(-301)), Verdict::Due, "issued by a clock that was wrong");
}

#[test]
fn every_spec_that_is_right_gives_a_certificate_that_is_valid() {
    let authority = authority();
    for spec in specs::right() {
        let request = request(spec.clone());
        let issued = issue(&authority, &request, 0, [3; 16]);
        let verdict = authority.inspect(&issued.secret_data(), &request, &pki(), at(0));
        assert_eq!(verdict, Verdict::Valid(issued.certificate), "{spec}");
    }
}

#[test]
fn whatever_is_damaged_is_noticed() {
    let (authority, request) = (authority(), app1());
    let good = issue(&authority, &request, 0, [3; 16]).secret_data();
    let other = issue(&authority, &request, 0, [4; 16]).secret_data();
    let text = |field: &str| String::from_utf8(good[field].0.clone()).unwrap();
    let (leaf, ca) = (text(TLS_CRT).replace(&text(CA_CRT), ""), text(CA_CRT));
    let table: &[(&str, Option<String>, &str)] = &[
        (TLS_CRT, None, "tls.crt is missing"),
        (TLS_KEY, None, "tls.key is missing"),
        (CA_CRT, None, "ca.crt is missing"),
        (TLS_CRT, Some(String::new()), "tls.crt holds no certificate"),
        (TLS_CRT, Some("nonsense".into()), "tls.crt holds no certificate"),
        (TLS_CRT, Some(leaf.replace("MII", "MI")), "tls.crt is broken"),
        (TLS_CRT, Some(leaf[..leaf.len() / 2].into()), "tls.crt is broken"),
        (TLS_CRT, Some(text(TLS_KEY)), "tls.crt is broken"),
        (TLS_CRT, Some(leaf.clone()), "tls.crt is not the certificate followed by its CA"),
        (TLS_CRT, Some(format!("{leaf}{ca}{ca}")), "tls.crt is not the certificate followed by its CA"),
        (TLS_CRT, Some(format!("{ca}{leaf}")), "tls.key is not the key of tls.crt"),
        (TLS_KEY, Some(String::new()), "tls.key is broken"),
        (TLS_KEY, Some(text(TLS_KEY).replace("PRIVATE", "SECRET")), "tls.key is broken"),
        (TLS_KEY, Some(String::from_utf8(other[TLS_KEY].0.clone()).unwrap()), "tls.key is not the key of tls.crt"),
        (CA_CRT, Some(String::new()), "ca.crt is not the CA"),
        (CA_CRT, Some(leaf.clone()), "ca.crt is not the CA"),
        (CA_CRT, Some(format!("{ca}{leaf}")), "ca.crt is not the CA"),
    ];
    for (field, content, what) in table {
        let mut secret = good.clone();
        match content {
            Some(text) => drop(secret.insert((*field).into(), ByteString(text.clone().into_bytes()))),
            None => drop(secret.remove(*field)),
        }
        assert_eq!(authority.inspect(&secret, &request, &pki(), at(0)), Verdict::Damaged(what), "{content:?}");
    }
}

#[test]
fn a_leaf_of_a_ca_of_the_same_name_is_not_ours() {
    let (ours, theirs) = (authority(), authority());
    let secret = issue(&theirs, &app1(), 0, [3; 16]).secret_data();
    assert_eq!(ours.inspect(&secret, &app1(), &pki(), at(0)), Verdict::OtherAuthority);
}

#[test]
fn a_change_of_the_request_is_noticed_and_a_change_of_words_is_not() {
    let authority = authority();
    let spec = json!({ "serviceName": "app1", "dnsNames": ["b", "a"], "duration": "48h" });
    let secret = issue(&authority, &request(spec.clone()), 0, [3; 16]).secret_data();
    let verdict = |field: &str, value: Value| {
        let mut spec = spec.clone();
        spec[field] = value;
        authority.inspect(&secret, &request(spec), &pki(), at(0)).to_string()
    };
    assert_eq!(verdict("serviceName", json!("app2")), "issued for another common name");
    assert_eq!(verdict("commonName", json!("App1")), "issued for another common name");
    assert_eq!(verdict("dnsNames", json!(["a"])), "issued for another set of names");
    assert_eq!(verdict("dnsNames", json!(["a", "b", "c"])), "issued for another set of names");
    assert_eq!(verdict("duration", json!("48h1s")), "issued for another duration");
    assert_eq!(verdict("duration", json!("47h")), "issued for another duration");
    assert_eq!(verdict("dnsNames", json!(["a", "b", "a", "app1.ns"])), "valid");
    assert_eq!(verdict("commonName", json!("app1")), "valid");
    assert_eq!(verdict("duration", json!("2880m")), "valid");
    let elsewhere = authority.inspect(&secret, &request(spec), &Key::new("other", "app1-pki"), at(0));
    assert_eq!(elsewhere, Verdict::OtherRequest("set of names"));
}

#[test]
fn another_renew_before_is_the_same_certificate_and_another_day() {
    let authority = authority();
    let (late, early) = ("1h", "1000h");
    let request = |before: &str| request(json!({ "serviceName": "app1", "renewBefore": before }));
    let issued = issue(&authority, &request(late), 0, [3; 16]);
    let Verdict::Valid(other) = authority.inspect(&issued.secret_data(), &request(early), &pki(), at(0)) else {
        panic!()
    };
    assert!(other.renewal < issued.certificate.renewal);
    assert_eq!(other.serial, issued.certificate.serial);
}

#[test]
fn a_leaf_that_was_cut_short_is_what_was_asked_for_and_is_not_replaced_before_its_end() {
    let authority = authority();
    let issued = issue(&authority, &app1(), TEN_YEARS - HOUR, [3; 16]);
    assert_eq!(issued.certificate.renewal, at(TEN_YEARS));
    let inspect = |now| authority.inspect(&issued.secret_data(), &app1(), &pki(), at(now));
    assert_eq!(inspect(TEN_YEARS - 1), Verdict::Valid(issued.certificate.clone()));
    assert_eq!(inspect(TEN_YEARS), Verdict::Due);
    let shorter = request(json!({ "serviceName": "app1", "dnsNames": ["b", "a"], "duration": "1h" }));
    let verdict = authority.inspect(&issued.secret_data(), &shorter, &pki(), at(TEN_YEARS - HOUR));
    assert_eq!(verdict, Verdict::Valid(issued.certificate.clone()), "this is one hour as well");

    let longer = issue(&authority, &app1(), TEN_YEARS - 2 * HOUR, [3; 16]).secret_data();
    let verdict = authority.inspect(&longer, &shorter, &pki(), at(TEN_YEARS - HOUR));
    assert_eq!(verdict, Verdict::OtherRequest("duration"), "two hours are more than was asked for");
}

#[test]
fn renewals_are_spread_but_a_restart_finds_the_same_time() {
    let authority = authority();
    let all: BTreeSet<_> = (0..20)
        .map(|i| {
            let issued = issue(&authority, &app1(), 0, [i * 13; 16]);
            let again = authority.inspect(&issued.secret_data(), &app1(), &pki(), at(HOUR));
            assert_eq!(again, Verdict::Valid(issued.certificate.clone()));
            let latest = at((2160 - 720) * HOUR);
            let early = latest.duration_since(issued.certificate.renewal).as_secs();
            assert!((0..=144 * HOUR).contains(&early), "only earlier, and not by more than a tenth: {early}");
            early
        })
        .collect();
    assert!(all.len() == 20 && all.last().unwrap() - all.first().unwrap() > 72 * HOUR, "{all:?}");
}

#[test]
fn no_certificate_is_replaced_before_it_is_ten_seconds_old() {
    let authority = authority();
    let hasty = request(json!({ "serviceName": "app1", "duration": "1h", "renewBefore": "59m59s" }));
    let issued = issue(&authority, &hasty, 0, [3; 16]);
    assert_eq!(issued.certificate.renewal, at(10));
    assert!(matches!(authority.inspect(&issued.secret_data(), &hasty, &pki(), at(9)), Verdict::Valid(_)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// The room's promise: looking twice writes once.
    #[test]
    fn whatever_is_issued_whenever_is_found_valid_at_once(
        now in 0..TEN_YEARS - 1, nanos in 0..1_000_000_000_i32, random: [u8; 16], duration in 3600..31_536_000_u64, before in 1..31_536_000_u64,
    ) {
        let before = before % duration;
        prop_assume!(before > 0);
        let authority = authority();
        let request = request(json!({ "serviceName": "app1", "duration": format!("{duration}s"), "renewBefore": format!("{before}s") }));
        let now = Timestamp::new(at(now).as_second(), nanos).unwrap();
        let issued = authority.issue(&request, &pki(), now, random).unwrap();
        let verdict = authority.inspect(&issued.secret_data(), &request, &pki(), now);
        prop_assert_eq!(verdict, Verdict::Valid(issued.certificate.clone()));
        prop_assert!(issued.certificate.renewal > now && issued.certificate.renewal <= issued.certificate.not_after);
    }

    #[test]
    fn one_changed_byte_is_noticed_or_changes_nothing(field in 0..3_usize, place in any::<prop::sample::Index>(), byte: u8) {
        let (authority, request) = (authority(), app1());
        let good = issue(&authority, &request, 0, [3; 16]).secret_data();
        let field = [TLS_CRT, TLS_KEY, CA_CRT][field];
        let mut bad = good.clone();
        let bytes = &mut bad.get_mut(field).unwrap().0;
        let place = place.index(bytes.len());
        bytes[place] = byte;
        if let Verdict::Valid(_) = authority.inspect(&bad, &request, &pki(), at(0)) {
            // A line end, say, or a letter outside the blocks.
            let key = |pem: &[u8]| private_key(pem).map(|key| key.serialize_der());
            let same = certificates(&bad[field].0) == certificates(&good[field].0) && key(&bad[field].0) == key(&good[field].0);
            prop_assert!(same, "{field}: byte {place} is now {byte}");
        }
    }
}
