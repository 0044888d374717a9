//! What is accepted and refused here is what kube-apiserver 1.36 answered to each.

use super::*;

fn is_labels(text: &str) -> bool {
    labels(text).is_ok()
}

#[test]
fn labels_that_the_api_server_accepts_are_accepted() {
    for text in [
        "a",
        "!a",
        "! a",
        "a=b",
        "a==b",
        "a!=b",
        "a=",
        "a!=",
        "a=,b",
        "a  =  b , c",
        "a in (x,y)",
        "a in(x)",
        "a notin (x, y)",
        "a in ()",
        "a notin ()",
        "a in (x,)",
        "a in (,)",
        "a>1",
        "a<1",
        "a/b",
        "x.y/z=1",
        "in",
        "notin",
        "in in (in)",
        "a in (in)",
        "a=in",
        "in=a",
        "exists",
        "!a,b in (c,d),e!=f",
        "a in (b),c",
    ] {
        assert!(is_labels(text), "{text}");
    }
}

#[test]
fn labels_that_the_api_server_refuses_are_refused() {
    let long = "v".repeat(64);
    for text in [
        "a in x",
        "a,",
        "a,,b",
        ",a",
        "a b",
        "a=b c",
        "=b",
        "a!",
        "!",
        "!a=b",
        "a=b=c",
        "a==b==c",
        "a === b",
        "a=!b",
        "a in (x",
        "a)",
        "a=b)",
        "(a)",
        "-a",
        "a-",
        "a/",
        "/a",
        "A/b",
        "a/b/c",
        "a=-b",
        "a=b-",
        "a=é",
        "a\nb",
        "a=b;c=d",
        "a:b",
        "a=>1",
        "a>",
        "a>x",
        "a>-1",
        "a<+3",
        "a in (b=c)",
        "a in ((b))",
        "a IN (b)",
        "a exists",
        "a!b",
        "a in (b) c",
        "a in=b",
        &long,
        &format!("a={long}"),
    ] {
        assert!(!is_labels(text), "{text}");
    }
}

#[test]
fn fields_are_judged_as_the_api_server_judges_them_without_knowing_which_there_are() {
    let is_fields = |text| fields(text).is_ok();
    for text in [
        "metadata.name=x",
        "metadata.name==x",
        "metadata.name!=x",
        "metadata.name=x,",
        "metadata.name=x,,status.phase=y",
        "spec.nodeName=",
        "metadata.name=x\\,y",
        "metadata.name=\\=",
        ",",
        "a=b",
    ] {
        assert!(is_fields(text), "{text}");
    }
    for text in [
        "metadata.name",
        "=x",
        "metadata.name=x=y",
        "metadata.name=x\\y",
        "metadata.name=\\",
        "!metadata.name",
        "metadata.name in (x)",
        "metadata.name>x",
        "metadata.name!x",
        "!=x",
    ] {
        assert!(!is_fields(text), "{text}");
    }
}

proptest::proptest! {
    #[test]
    fn no_text_is_too_odd_to_be_judged(text in "[a-z=!<>(),/\\\\ é-]{0,24}") {
        let _ = is_labels(&text);
        let _ = fields(&text);
    }
}
