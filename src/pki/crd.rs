//! The definition of `Pki` for the API server.

/// What `demo-controller crd` prints, and what demo-controller.yaml holds.
pub const CRD: &str = include_str!("crd.yaml");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pki::{API_VERSION, GROUP_PATH, KIND, PLURAL, validate::MAX_DNS_NAMES};

    const MANIFEST: &str = include_str!("../../demo-controller.yaml");

    #[test]
    fn the_manifest_holds_the_crd_to_the_letter() {
        assert!(
            format!("\n{MANIFEST}").contains(&format!("\n---\n{CRD}---\n")),
            "copy src/pki/crd.yaml into demo-controller.yaml"
        );
    }

    #[test]
    fn the_crd_is_about_what_the_code_is_about() {
        let (group, version) = API_VERSION.split_once('/').unwrap();
        for line in [
            format!("name: {PLURAL}.{group}"),
            format!("group: {group}"),
            format!("- name: {version}"),
            format!("names: {{kind: {KIND}, listKind: {KIND}List, plural: {PLURAL}, singular: pki}}"),
            format!("maxItems: {MAX_DNS_NAMES}"),
        ] {
            assert!(CRD.lines().any(|l| l.trim() == line), "{line}");
        }
        assert_eq!(GROUP_PATH, format!("/apis/{API_VERSION}"));
        assert!(!CRD.contains("preserve-unknown-fields"));
    }

    #[test]
    fn the_sample_list_is_the_same_in_the_code_and_in_the_manifest() {
        let (_, rest) = MANIFEST.split_once("  allowed-names: |\n").unwrap();
        let (list, _) = rest.split_once("\n---\n").unwrap();
        let (names, warnings) = crate::pki::allowed::AllowedNames::parse(list);
        assert_eq!((names, warnings), (crate::pki::allowed::AllowedNames::sample(), vec![]));
    }
}
