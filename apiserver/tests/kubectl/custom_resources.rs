//! Custom resources.

use crate::{TestEnv, lines, single_spaced};

const DEFINITION: &str = r#"
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.ex.io}
spec:
  group: ex.io
  scope: Namespaced
  names: {kind: Widget, plural: widgets, shortNames: [wd], categories: [all]}
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
        description: A Widget is an example.
        required: [spec]
        properties:
          spec:
            type: object
            description: The wanted state.
            required: [size]
            properties:
              size: {type: integer, minimum: 1, description: The size.}
              mode: {type: string, enum: [fast, slow], default: slow}
          status: {type: object, x-kubernetes-preserve-unknown-fields: true}
"#;

fn widget(spec: &str) -> String {
    format!("{{apiVersion: ex.io/v1, kind: Widget, metadata: {{name: t}}, spec: {spec}}}")
}

fn install_definition() -> Option<TestEnv> {
    let env = TestEnv::start()?;
    assert_eq!(
        env.kubectl_with_input("apply", DEFINITION),
        "customresourcedefinition.apiextensions.k8s.io/widgets.ex.io created\n"
    );
    env.kubectl("wait --for=condition=Established crd/widgets.ex.io --timeout=5s");
    Some(env)
}

#[test]
fn custom_resource_is_applied_listed_and_described() {
    let Some(env) = install_definition() else { return };
    let unchanged = "customresourcedefinition.apiextensions.k8s.io/widgets.ex.io unchanged\n";
    assert_eq!(env.kubectl_with_input("apply", DEFINITION), unchanged);
    assert_eq!(env.kubectl_with_input("apply", &widget("{size: 3}")), "widget.ex.io/t created\n");
    assert_eq!(env.kubectl_with_input("apply", &widget("{size: 3}")), "widget.ex.io/t unchanged\n");
    assert_eq!(env.kubectl_with_input("apply", &widget("{size: 5}")), "widget.ex.io/t configured\n");
    let status = r#"{"status":{"conditions":[{"type":"Ready","status":"True"}]}}"#;
    env.kubectl_args(&["patch", "widget", "t", "--subresource=status", "--type=merge", "-p", status]);
    let table = lines(&env.kubectl("get wd"));
    assert_eq!(table[0], "NAME SIZE READY AGE");
    assert!(table[1].starts_with("t 5 True "), "{table:?}");
    assert_eq!(lines(&env.kubectl("get widgets -o wide"))[0], "NAME SIZE READY MODE AGE");
    assert_eq!(env.kubectl("get widget t -o jsonpath={.spec.mode},{.metadata.generation}"), "slow,2");
    assert!(env.kubectl("get all").contains("widget.ex.io/t"));
    let described = single_spaced(&env.kubectl("describe widget t"));
    assert!(described.contains("Kind: Widget") && described.contains("Mode: slow Size: 5"), "{described}");
}

#[test]
fn apply_prints_the_schema_violations() {
    let Some(env) = install_definition() else { return };
    let unknown = env.kubectl_error("apply", &widget("{size: 3, sise: 4}"));
    assert!(unknown.contains(r#"strict decoding error: unknown field "spec.sise""#), "{unknown}");
    let absent = env.kubectl_error("apply", &widget("{}"));
    assert!(absent.contains(r#"The Widget "t" is invalid: spec.size: Required value"#), "{absent}");
    let wrong = env.kubectl_error("apply", &widget("{size: big, mode: x}"));
    for cause in [
        r#"spec.size: Invalid value: "string": spec.size in body must be of type integer: "string""#,
        r#"spec.mode: Unsupported value: "x": supported values: "fast", "slow""#,
    ] {
        assert!(wrong.contains(cause), "{wrong}");
    }
    assert_eq!(
        env.kubectl_with_input("create --validate=warn", &widget("{size: 3, sise: 4}")),
        "widget.ex.io/t created\n"
    );
}

#[test]
fn apply_without_a_definition_names_the_missing_crd() {
    let Some(env) = TestEnv::start() else { return };
    let object = "{apiVersion: absent.example/v1, kind: Unknown, metadata: {name: s}}";
    let error = env.kubectl_error("apply", object);
    assert!(error.contains(r#"no matches for kind "Unknown" in version "absent.example/v1""#), "{error}");
    assert!(error.contains("ensure CRDs are installed first"), "{error}");
}

#[test]
fn explain_prints_the_descriptions_of_the_schema() {
    let Some(env) = install_definition() else { return };
    let explained = single_spaced(&env.kubectl("explain widgets"));
    assert!(explained.starts_with("GROUP: ex.io KIND: Widget VERSION: v1"), "{explained}");
    assert!(explained.contains("A Widget is an example.") && explained.contains("spec <Object> -required-"));
    let field = single_spaced(&env.kubectl("explain widget.spec.size"));
    assert!(field.contains("FIELD: size <integer>") && field.contains("The size."), "{field}");
    assert!(env.kubectl_error("explain widget.spec.nope", "").contains("does not exist"));
}
