use std::process::{Command, Stdio};

use rand::{RngExt, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use testkit::process::find_program;

use super::*;

#[test]
fn file_is_parsed_as_python_parses_it() {
    let text = "\u{feff}# a comment\r\n[global]\r\nK8S_Resource=routes\r\nk8s_token : \"C:\\\" ; kept\r\nk8s_ca=\r\n\r\n\
                [plugin_simple]\r\n\r\n[plugin_dns]\r\n  # a comment\r\n  ; and another\r\nresolv_conf=     # Optional\r\n\
                key = 100%%\r\n  two\r\ncommand = sh\r\n  p.sh";
    let sections = Sections::parse(text).unwrap();
    let section = |name: &str| sections.get(name).into_iter().collect::<Vec<_>>();
    let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    assert_eq!(section("global"), [pair("k8s_resource", "routes"), pair("k8s_token", "\"C:\\\" ; kept")]);
    let dns = [pair("command", "sh\np.sh"), pair("key", "100%\ntwo"), pair("resolv_conf", "# Optional")];
    assert_eq!(section("plugin_dns"), dns);
    assert!(section("plugin_simple").is_empty() && section("plugin_none").is_empty());
}

#[test]
fn error_about_the_file_names_the_line_but_no_value() {
    for (text, why) in [
        ("# x\n[globl]\na = s3cret\n", "line 2: section [globl]: expected [global] or [plugin_NAME]"),
        ("a = s3cret\n", "line 1: expected [global] before the first key"),
        ("[global]\n\n\ns3cret\n", "line 4: expected key = value"),
        ("[global]\na = 1\n= s3cret\n", "line 3: expected key = value"),
        ("[global s3cret\n", "line 1: expected [global] before the first key"),
        ("[global]\n  a = 1\n\n b\n  c = s3cret", "line 4: expected key = value"),
        ("[global]\na = s3cret\nA = b\n", "line 3: the key a is there twice in its section"),
        ("[global]\n[global]\n", "line 2: section [global] is there twice"),
        ("[global]\na = s3cret%\n", "a in [global]: a % in a value is written as %%"),
    ] {
        let error = Sections::parse(text).unwrap_err();
        assert!(error == why && !error.contains("s3cret"), "{text:?}: {error}");
    }
    assert!(Sections::read(Path::new("/dev/zero")).unwrap_err().contains("larger than"));
    assert!(Sections::read(Path::new("/nowhere")).unwrap_err().contains("No such file"));
}

/// Reads a JSON list of texts from stdin, and prints for each the sections, or null if the text is refused.
const PYTHON: &str = "
import configparser, json, sys
def read(text):
    try:
        parser = configparser.ConfigParser()
        parser.read_string(text)
        return {s: {k: v for k, v in parser.items(s) if v} for s in parser.sections()}
    except configparser.Error:
        return None
print(json.dumps([read(text) for text in json.load(sys.stdin)]))
";

#[test]
fn generated_files_are_parsed_as_by_python() {
    let Some(python) = find_program("python3") else {
        eprintln!("skipped: python3 is not installed");
        return;
    };
    let random = &mut StdRng::seed_from_u64(7);
    let texts: Vec<String> = (0..3000).map(|_| random_file(random)).collect();
    let mut child =
        Command::new(python).args(["-c", PYTHON]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    serde_json::to_writer(child.stdin.take().unwrap(), &texts).unwrap();
    let expected: Vec<Option<BTreeMap<String, Config>>> =
        serde_json::from_slice(&child.wait_with_output().unwrap().stdout).unwrap();
    for (text, expected) in texts.iter().zip(&expected) {
        assert_eq!(Sections::parse(text).ok().map(|sections| sections.0), *expected, "{text:?}");
    }
    let refused = expected.iter().filter(|sections| sections.is_none()).count();
    assert!((300..2700).contains(&refused), "both kinds are generated: {refused} of 3000 are refused");
}

/// Returns some lines, most of them right.
fn random_file(random: &mut StdRng) -> String {
    const START: &[&str] = &["[global]\n", "[global]\r\n", "# x\n[plugin_a]\n", "\n [global]\n", ""];
    const INDENT: &[&str] = &["", "", "", "", "", " ", "  ", "\t", "    "];
    const LINES: &[&str] = &[
        "a = 1",
        "b=2",
        "C: 3",
        "d =",
        "e : = x",
        "f = 100%%",
        "g = a # b",
        "h = a ; b",
        "# x",
        "; x",
        "# k = v",
        "word",
        "",
        "",
        "[plugin_b]",
        "[plugin_c] x",
        "[x",
        "i = [x]",
        "= x",
        "j = x%",
        "k k = v v",
        "l == x",
        "[plugin_d]]",
        "\u{e4} = \u{f6}",
    ];
    const END: &[&str] = &["\n", "\n", "\n", "\n", "\r\n", " \n"];
    let mut text = (*START.choose(random).unwrap()).to_owned();
    for _ in 0..random.random_range(0..7) {
        for part in [INDENT, LINES, END] {
            text += part.choose(random).unwrap();
        }
    }
    if random.random_bool(0.5) { text.trim_end().to_owned() } else { text }
}
