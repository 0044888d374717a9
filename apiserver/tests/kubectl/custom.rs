//! A custom resource, from its definition to its end.

use crate::{Cluster, lines, words};

const DEFINITION: &str = r#"
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: things.ex.io}
spec:
  group: ex.io
  scope: Namespaced
  names: {kind: Thing, plural: things, shortNames: [th], categories: [all]}
  versions:
  - name: v1
    served: true
    storage: true
    subresources: {status: {}}
    additionalPrinterColumns:
    - {name: Size, type: integer, jsonPath: .spec.size}
    - {name: Ready, type: string, jsonPath: '.status.conditions[?(@.type=="Ready")].status'}
    - {name: Mode, type: string, jsonPath: .spec.mode, priority: 1}
    - {name: Age, type: date, jsonPath: .metadata.creationTimestamp}
    schema:
      openAPIV3Schema:
        type: object
        description: A Thing is made to be looked at.
        required: [spec]
        properties:
          spec:
            type: object
            description: What is wanted.
            required: [size]
            properties:
              size: {type: integer, minimum: 1, description: How large it is.}
              mode: {type: string, enum: [fast, slow], default: slow}
          status: {type: object, x-kubernetes-preserve-unknown-fields: true}
"#;

fn thing(spec: &str) -> String {
    format!("{{apiVersion: ex.io/v1, kind: Thing, metadata: {{name: t}}, spec: {spec}}}")
}

fn cluster() -> Option<Cluster> {
    let cluster = Cluster::start()?;
    assert_eq!(
        cluster.send("apply", DEFINITION),
        "customresourcedefinition.apiextensions.k8s.io/things.ex.io created\n"
    );
    cluster.ok("wait --for=condition=Established crd/things.ex.io --timeout=5s");
    Some(cluster)
}

#[test]
fn a_definition_serves_its_objects() {
    let Some(cluster) = cluster() else { return };
    let unchanged = "customresourcedefinition.apiextensions.k8s.io/things.ex.io unchanged\n";
    assert_eq!(cluster.send("apply", DEFINITION), unchanged);
    assert_eq!(cluster.send("apply", &thing("{size: 3}")), "thing.ex.io/t created\n");
    assert_eq!(cluster.send("apply", &thing("{size: 3}")), "thing.ex.io/t unchanged\n");
    assert_eq!(cluster.send("apply", &thing("{size: 5}")), "thing.ex.io/t configured\n");
    let status = r#"{"status":{"conditions":[{"type":"Ready","status":"True"}]}}"#;
    cluster.args(&["patch", "thing", "t", "--subresource=status", "--type=merge", "-p", status]);
    let table = lines(&cluster.ok("get th"));
    assert_eq!(table[0], "NAME SIZE READY AGE");
    assert!(table[1].starts_with("t 5 True "), "{table:?}");
    assert_eq!(lines(&cluster.ok("get things -o wide"))[0], "NAME SIZE READY MODE AGE");
    assert_eq!(cluster.ok("get thing t -o jsonpath={.spec.mode},{.metadata.generation}"), "slow,2");
    assert!(cluster.ok("get all").contains("thing.ex.io/t"));
    let described = words(&cluster.ok("describe thing t"));
    assert!(described.contains("Kind: Thing") && described.contains("Mode: slow Size: 5"), "{described}");
}

#[test]
fn what_the_schema_does_not_allow_is_refused() {
    let Some(cluster) = cluster() else { return };
    let unknown = cluster.fails("apply", &thing("{size: 3, sise: 4}"));
    assert!(unknown.contains(r#"strict decoding error: unknown field "spec.sise""#), "{unknown}");
    let absent = cluster.fails("apply", &thing("{}"));
    assert!(absent.contains(r#"The Thing "t" is invalid: spec.size: Required value"#), "{absent}");
    let wrong = cluster.fails("apply", &thing("{size: big, mode: x}"));
    for cause in [
        r#"spec.size: Invalid value: "string": spec.size in body must be of type integer: "string""#,
        r#"spec.mode: Unsupported value: "x": supported values: "fast", "slow""#,
    ] {
        assert!(wrong.contains(cause), "{wrong}");
    }
    assert_eq!(cluster.send("create --validate=warn", &thing("{size: 3, sise: 4}")), "thing.ex.io/t created\n");
}

/// The mistake that everybody makes once.
#[test]
fn an_object_whose_definition_is_not_installed_is_told_as_that() {
    let Some(cluster) = cluster() else { return };
    let stray = "{apiVersion: nobody.example/v1, kind: Stray, metadata: {name: s}}";
    let told = cluster.fails("apply", stray);
    assert!(told.contains(r#"no matches for kind "Stray" in version "nobody.example/v1""#), "{told}");
    assert!(told.contains("ensure CRDs are installed first"), "{told}");
}

#[test]
fn explain_tells_what_the_definition_says() {
    let Some(cluster) = cluster() else { return };
    let explained = words(&cluster.ok("explain things"));
    assert!(explained.starts_with("GROUP: ex.io KIND: Thing VERSION: v1"), "{explained}");
    assert!(explained.contains("A Thing is made to be looked at.") && explained.contains("spec <Object> -required-"));
    let field = words(&cluster.ok("explain thing.spec.size"));
    assert!(field.contains("FIELD: size <integer>") && field.contains("How large it is."), "{field}");
    assert!(cluster.fails("explain thing.spec.nope", "").contains("does not exist"));
}

#[test]
fn objects_go_with_their_definition() {
    let Some(cluster) = cluster() else { return };
    assert!(cluster.ok("api-resources --api-group=ex.io").contains("things"));
    cluster.send("create", &thing("{size: 1}"));
    cluster.ok("delete crd things.ex.io");
    cluster.send("create", DEFINITION);
    assert!(cluster.ok("get things").is_empty());
}
