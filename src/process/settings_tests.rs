use super::*;

static WORKERS: Setting = Setting { flag: "workers", value: "N", env: "APP_WORKERS", ..ROW };
static TOKEN: Setting = Setting { flag: "token", value: "TOKEN", env: "APP_TOKEN", secret: true, ..ROW };
static DRY: Setting = Setting { flag: "dry", env: "APP_DRY", ..ROW };
static RESOURCE: Setting = Setting { flag: "resource", env: "K8S_RESOURCE", ..ROW };
static CONFIG: Setting = Setting { flag: "config", value: "FILE", env: "APP_CONFIG", ..ROW };
static TABLE: Table = &[("All", &[&WORKERS, &TOKEN, &DRY, &CONFIG])];

/// Settings from variables and a file named a.ini; the flags are set by their variables' names too.
fn collect(flags: &[(&'static str, &str)], env: &[(&str, &str)], ini: Option<&str>) -> Result<Settings, Refusal> {
    let flags = flags.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    let env = |name: &str| match name {
        "APP_CONFIG" => ini.map(|_| "a.ini".into()),
        _ => env.iter().find(|(n, _)| *n == name).map(|(_, value)| OsString::from(value)),
    };
    let read = |_: &Path| ini.map(str::to_owned).ok_or_else(|| std::io::ErrorKind::NotFound.into());
    Settings::collect(TABLE, flags, &env, &CONFIG, &[&RESOURCE], &read)
}

fn workers(flags: &[(&'static str, &str)], env: &[(&str, &str)], ini: &str) -> String {
    collect(flags, env, Some(ini)).unwrap().get(&WORKERS).map_or("none".to_owned(), |given| given.to_string())
}

#[test]
fn a_flag_beats_a_variable_and_a_variable_beats_the_file() {
    let (flag, env, ini) = ([("APP_WORKERS", "1")], [("APP_WORKERS", "2")], "[global]\napp_workers = 3\n");
    assert_eq!(workers(&flag, &env, ini), "--workers 1");
    assert_eq!(workers(&[], &env, ini), "APP_WORKERS=2");
    assert_eq!(workers(&[], &[], ini), "app_workers = 3 in a.ini");
    assert_eq!(workers(&[], &[], ""), "none");
}

#[test]
fn empty_means_not_set_except_for_a_flag() {
    assert_eq!(workers(&[], &[("APP_WORKERS", " ")], "[global]\napp_workers=\n"), "none");
    assert_eq!(workers(&[], &[("APP_WORKERS", "")], "[global]\napp_workers=3\n"), "app_workers = 3 in a.ini");
    let refused = collect(&[("APP_WORKERS", "")], &[], None).unwrap_err();
    assert_eq!(refused.to_string(), "--workers <N> needs a value");
}

#[test]
fn the_originals_file_is_read_as_python_reads_it() {
    let ini = "\u{feff}# a comment\r\n[global]\r\nk8s_resource=routes\r\nAPP_Token : \"C:\\Temp\" ; kept\r\napp_workers=\r\n\r\n\
               [plugin_simple]\r\n\r\n\r\n[plugin_dns]\r\nresolv_conf=     # Optional\r\n";
    let settings = collect(&[], &[], Some(ini)).unwrap();
    assert_eq!(
        settings.get(&TOKEN).unwrap().text,
        "\"C:\\Temp\" ; kept",
        "no quotes, escapes or comments behind values"
    );
    assert!(settings.get(&WORKERS).is_none());
}

#[test]
fn a_plugins_section_is_read_as_data_and_only_when_it_is_asked_for() {
    let ini = "[plugin_a]\nKey = Some words # kept\nempty =\n[plugin_b]\nx = 1\nX = 2\n[plugin_a]\nother = 1\n";
    let settings = collect(&[], &[], Some(ini)).unwrap();
    let section = settings.section("plugin_a").unwrap();
    let pairs: Vec<(&str, &str)> = section.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    assert_eq!(pairs, [("key", "Some words # kept"), ("other", "1")]);
    let twice = settings.section("plugin_b").unwrap_err();
    assert_eq!(twice.to_string(), "a.ini: x is given twice in [plugin_b]");
    let cut = collect(&[], &[], Some("[plugin_a]\ndns_password s3cret\nzone = x\n")).unwrap();
    let cut = cut.section("plugin_a").unwrap_err();
    assert_eq!(
        cut.to_string(),
        "a.ini: a line before zone in [plugin_a] has no =: expected key = value, each on one line"
    );
    assert!(settings.section("plugin_c").unwrap().is_empty());
    assert!(collect(&[], &[], None).unwrap().section("plugin_a").unwrap().is_empty());
}

#[test]
fn what_the_file_should_not_hold_is_refused() {
    for (ini, line) in [
        ("[global]\napp_wrokers = 3\n", "a.ini: unknown key app_wrokers in [global]: did you mean app_workers?"),
        ("[global]\nk8s_resorce = x\n", "a.ini: unknown key k8s_resorce in [global]: did you mean k8s_resource?"),
        (
            "[global]\nzzzzzzzz = 3\n",
            "a.ini: unknown key zzzzzzzz in [global]: see --help for what is known, in lower case",
        ),
        ("[global]\napp_config = b.ini\n", "a.ini: unknown key app_config in [global]: "),
        ("[globl]\napp_workers = 3\n", "a.ini: unknown section [globl]: expected [global] or [plugin_NAME]"),
        ("app_workers = 3\n", "a.ini: expected the section [global] before the first key"),
        ("[global]\napp_workers = 3\nAPP_WORKERS = 4\n", "a.ini: app_workers is given twice in [global]"),
        (
            "[plugin_a]\nlist = 1\n  s3cret\n[plugin_b]\nx = 1\n",
            "a.ini: the last line of [plugin_a] has no =: expected key = value, each on one line",
        ),
        (
            "[global]\napp_token = 1\n  s3cret\napp_workers = 1\n",
            "a.ini: a line before app_workers in [global] has no =: expected key = value, each on one line",
        ),
        ("[global]\napp_workers\n", "a.ini: expected an ini file, [section] and key = value, but not near line "),
    ] {
        let refused = collect(&[], &[], Some(ini)).unwrap_err();
        assert!(refused.to_string().starts_with(line), "{ini:?}: {refused}");
        assert_eq!(refused.code, 2);
    }
}

#[test]
fn a_secret_is_never_shown() {
    let settings =
        collect(&[("APP_TOKEN", "s3cret")], &[("APP_TOKEN", "s3cret")], Some("[global]\napp_token = s3cret\n"));
    let settings = settings.unwrap();
    for source in Source::ALL {
        let wrong = settings.at(source, &TOKEN).unwrap().wrong("expected another").to_string();
        assert!(wrong.contains("***") && !wrong.contains("s3cret"), "{wrong}");
    }
    for broken in ["s3cret\n[", "app_token s3cret\napp_workers = 1\n", "app_token s3cret = 1", "app_token s3cret"] {
        let refused = collect(&[], &[], Some(&format!("[global]\n{broken}"))).unwrap_err().to_string();
        assert!(!refused.contains("s3cret"), "{refused}");
    }
}

#[test]
fn a_value_that_is_wrong_is_told_with_what_is_accepted() {
    let given = |text: &str| collect(&[], &[("APP_WORKERS", text)], None).unwrap().get(&WORKERS).unwrap();
    assert_eq!(given("1024").number(1..=1024).unwrap(), 1024);
    let refused = given("0").number(1..=1024).unwrap_err().to_string();
    assert_eq!(refused, "APP_WORKERS=0: expected a whole number from 1 to 1024");
    for text in ["1025", "-1", "4.5", "four", "99999999999"] {
        assert!(given(text).number(1..=1024).is_err(), "{text}");
    }
    assert_eq!(given("YES").switch(), Ok(true));
    assert_eq!(given("off").switch(), Ok(false));
    assert!(given("maybe").switch().unwrap_err().to_string().ends_with("expected true or false"));
    assert_eq!(given("0").duration(Some("off")).unwrap(), Duration::ZERO);
    assert!(given("0s").duration(None).unwrap_err().to_string().contains("more than 0"));
    assert!(given("8761h").duration(None).is_err());
    assert_eq!(
        given("10 min").duration(Some("off")).unwrap_err().to_string(),
        "APP_WORKERS=\"10 min\": expected a duration such as 3s, 10m or 1h30m, 0 for off, at most 8760h"
    );
}
