use super::*;

/// A field of bytes, with its length before it.
fn bytes(number: u8, inner: &[u8]) -> Vec<u8> {
    let mut out = vec![number << 3 | 2, u8::try_from(inner.len()).unwrap()];
    out.extend(inner);
    out
}

fn body(kind: &str, message: &[u8]) -> Vec<u8> {
    let about = [bytes(1, b"v1"), bytes(2, kind.as_bytes())].concat();
    [MAGIC.to_vec(), bytes(1, &about), bytes(2, message), bytes(3, b""), bytes(4, b"")].concat()
}

#[test]
fn a_message_becomes_the_json_that_it_stands_for() {
    let metadata = [bytes(1, b"s"), bytes(2, b""), vec![7 << 3, 0], bytes(8, b""), bytes(11, &pair_of("app", "web"))];
    let data = [bytes(1, b"key"), bytes(2, b"hi")].concat();
    let secret = [bytes(1, &metadata.concat()), bytes(2, &data), bytes(3, b"Opaque"), vec![5 << 3, 0]].concat();
    assert_eq!(
        read(&body("Secret", &secret)).unwrap(),
        json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "s", "labels": { "app": "web" } },
            "data": { "key": "aGk=" }, "type": "Opaque", "immutable": false,
        })
    );
}

fn pair_of(key: &str, value: &str) -> Vec<u8> {
    [bytes(1, key.as_bytes()), bytes(2, value.as_bytes())].concat()
}

#[test]
fn zero_counts_only_where_it_was_set() {
    // replicas: 0, minReadySeconds: 0, paused: false
    let spec = vec![1 << 3, 0, 5 << 3, 0, 7 << 3, 0];
    let deployment = [bytes(1, &bytes(1, b"d")), bytes(2, &spec)].concat();
    assert_eq!(read(&body("Deployment", &deployment)).unwrap()["spec"], json!({ "replicas": 0 }));
    let budget = [
        bytes(1, &[]),
        bytes(2, &[bytes(1, &[8, 0, 16, 2]), bytes(3, &[&[8, 1][..], &bytes(3, b"20%")].concat())].concat()),
    ];
    let spec = &read(&body("PodDisruptionBudget", &budget.concat())).unwrap()["spec"];
    assert_eq!(*spec, json!({ "minAvailable": 2, "maxUnavailable": "20%" }));
}

#[test]
fn what_is_not_in_the_tables_is_refused_and_not_dropped() {
    assert!(read(&body("Job", &[])).unwrap_err().contains("\"Job\" is not read"));
    let volume = bytes(1, b"volume");
    let template = bytes(2, &volume);
    let deployment = bytes(2, &bytes(3, &template));
    assert!(read(&body("Deployment", &deployment)).unwrap_err().contains("field 1 is not read"));
}

#[test]
fn what_is_no_protobuf_is_an_error() {
    let whole = body("ConfigMap", &bytes(1, &bytes(1, b"c")));
    assert!(read(&whole).is_ok());
    for end in 0..whole.len() {
        drop(read(&whole[..end]));
    }
    for bad in [
        &b"{}"[..],
        b"k8s\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        b"k8s\0\x0a\xff\xff\xff\xff\x0f",
        b"k8s\0\x0d1234",
    ] {
        assert!(read(bad).is_err(), "{bad:?}");
    }
}
