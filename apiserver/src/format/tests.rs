use serde_json::json;

use super::*;
use crate::testing::{CONFIG_MAPS, api};

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
fn what_is_not_spoken_here_is_not_acceptable() {
    let metadata = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io";
    let list = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io";
    assert_eq!(form(metadata, Answer::Watch).unwrap(), Form::Metadata);
    assert_eq!(form(list, Answer::List).unwrap(), Form::Metadata);
    for (accept, answer) in [
        ("text/html", Answer::One),
        ("application/vnd.kubernetes.protobuf", Answer::List),
        ("application/json;as=Foo;v=v1;g=meta.k8s.io", Answer::One),
        (metadata, Answer::List),
        (list, Answer::One),
    ] {
        assert_eq!(form(accept, answer).unwrap_err().code, 406, "{accept}");
    }
}

#[tokio::test]
async fn a_row_brings_along_as_much_of_its_object_as_was_asked_for() {
    let api = api();
    api.create("a", json!({})).await;
    for (include, kind) in
        [("None", json!(null)), ("Metadata", json!("PartialObjectMetadata")), ("Object", json!("ConfigMap"))]
    {
        for uri in [CONFIG_MAPS.to_owned(), format!("{CONFIG_MAPS}/a")] {
            let table = api.accepting(TABLE, &format!("{uri}?includeObject={include}")).await;
            assert_eq!(table.body["kind"], "Table");
            assert_eq!(table.body["rows"][0]["object"]["kind"], kind, "{uri} {include}");
            assert_eq!(table.body["rows"][0]["cells"][0], "a");
        }
    }
    assert_eq!(api.accepting(TABLE, &format!("{CONFIG_MAPS}?includeObject=Foo")).await.code, 400);
    assert_eq!(api.accepting(TABLE, &format!("{CONFIG_MAPS}/b")).await.body["kind"], "Status", "a refusal is no table");
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
