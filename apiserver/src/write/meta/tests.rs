use rand::{SeedableRng, rngs::StdRng};
use serde_json::json;

use super::*;

#[test]
fn a_base_is_cut_at_a_character() {
    let name = generated_name(&"ä".repeat(60), &mut StdRng::seed_from_u64(0));
    assert!(name.starts_with(&"ä".repeat(29)) && name.len() == 63, "{name}");
}

#[test]
fn a_uid_is_a_random_uuid() {
    let mut random = StdRng::seed_from_u64(1);
    for _ in 0..100 {
        let uid = uid(&mut random);
        let parts: Vec<usize> = uid.split('-').map(str::len).collect();
        assert_eq!((parts.as_slice(), &uid[14..15]), ([8, 4, 4, 4, 12].as_slice(), "4"), "{uid}");
        assert!(matches!(&uid[19..20], "8" | "9" | "a" | "b"), "{uid}");
    }
}

#[test]
fn an_object_has_a_largest_size() {
    assert!(check_size(&json!({ "a": "x".repeat(1_500_000) })).is_ok());
    assert_eq!(check_size(&json!({ "a": "x".repeat(1_600_000) })).unwrap_err().code, 500);
    assert_eq!(check_size(&json!({ "a": vec![""; 800_000] })).unwrap_err().code, 500);
}
