//! The names that the API server accepts.

/// Returns whether `text` is a DNS-1123 label: 1 to 63 of `a-z`, `0-9` and `-`, with no `-` at either end.
pub fn is_label(text: &str) -> bool {
    text.len() <= 63 && is_label_of_any_length(text)
}

/// Returns whether `text` is a DNS-1123 subdomain: labels separated by dots, at most 253 bytes. As in Kubernetes, a
/// label in it may be longer than 63 bytes.
pub fn is_subdomain(text: &str) -> bool {
    text.len() <= 253 && text.split('.').all(is_label_of_any_length)
}

fn is_label_of_any_length(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    !text.is_empty() && text.bytes().all(inner) && !text.starts_with('-') && !text.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn label_is_lower_case_and_at_most_63_bytes() {
        assert!(["a", "app1", "a-b", "0"].into_iter().all(is_label) && is_label(&"a".repeat(63)));
        assert!(!["", "A", "-a", "a-", "a.b", "a_b", "é"].into_iter().any(is_label) && !is_label(&"a".repeat(64)));
    }

    #[test]
    fn subdomain_is_labels_and_dots() {
        assert!(["a", "a.b", "pkis.box.com"].into_iter().all(is_subdomain));
        assert!(!["", ".a", "a.", "a..b", "A.b"].into_iter().any(is_subdomain));
        assert!(is_subdomain(&"a".repeat(253)) && !is_subdomain(&"a".repeat(254)));
    }
}
