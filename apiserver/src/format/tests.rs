use serde_json::json;

use super::*;

const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io";

fn form(accept: &str, answer: Answer) -> Result<Form> {
    let mut headers = HeaderMap::new();
    headers.insert(header::ACCEPT, accept.parse().unwrap());
    Form::accepted(&headers, &Query::default(), answer)
}

#[test]
fn the_first_acceptable_form_is_taken() {
    for (accept, wanted) in [
        ("*/*", Form::Whole),
        ("application/vnd.kubernetes.protobuf,application/json", Form::Whole),
        ("application/json;as=Foo;v=v1;g=meta.k8s.io,application/json", Form::Whole),
        ("application/json;as=Table;v=v2;g=meta.k8s.io,application/json", Form::Whole),
        (TABLE, Form::Table(Include::Metadata)),
        ("application/json;q=0.5,application/json;as=Table;v=v1;g=meta.k8s.io;q=0.9", Form::Table(Include::Metadata)),
    ] {
        assert_eq!(form(accept, Answer::List).unwrap(), wanted, "{accept}");
    }
    assert_eq!(Form::accepted(&HeaderMap::new(), &Query::default(), Answer::List).unwrap(), Form::Whole);
}

#[test]
fn text_that_is_sent_as_it_is_stored_is_made_once() {
    let catalog = crate::catalog::Catalog::built_in();
    let pods = catalog.find("", "v1", "pods").unwrap();
    let object = Object::new(json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "a" } }));
    let format = Format { form: Form::Whole, now: Timestamp::UNIX_EPOCH };
    let once = format.one(&pods, &object);
    assert_eq!(once.as_ptr(), format.event(&pods, &object, true).as_ptr(), "the same bytes, not equal ones");
}
