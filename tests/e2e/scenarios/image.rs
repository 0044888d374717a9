//! The image without a container engine: the release binary alone in an empty root, started as demo-controller.yaml says.
//! `make image-check` starts these.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, process::Command};

use serde_json::Value;
use testkit::{Process, objects::documents, server::free_port};

use crate::stage::{Stage, repo_file};

/// Names the binary. Without it, these scenarios are ignored: a release build takes minutes.
const BINARY: &str = "IMAGE_BINARY";

/// 10 MB.
const BUDGET: usize = 10_000_000;

/// Turns the process into the binary in its root, which is read-only where this machine allows a mount, and without
/// rights.
const CONTAIN: &str = r#"
    set -e
    root=$1 user=$2; shift 2
    if [ "$READ_ONLY" = yes ]; then
        mount --bind "$root" "$root"
        mount -o remount,bind,ro "$root"
    fi
    exec setpriv --no-new-privs --inh-caps=-all --bounding-set=-all,+sys_chroot,+setuid,+setgid \
        "$(command -v chroot)" --groups= --userspec="$user" "$root" "$@"
"#;

pub fn binary_is_static_and_at_most_10_mb(_: &mut Stage) {
    let binary = binary();
    println!("the binary has {} bytes, of {BUDGET} at most", binary.len());
    assert!(binary.len() <= BUDGET, "{} bytes are more than {BUDGET}", binary.len());
    assert!(!wants_interpreter(&binary), "it needs a dynamic loader (INTERP)");
    let ours = fs::read(std::env::current_exe().expect("it has a path")).expect("it can be read");
    assert!(wants_interpreter(&ours), "a dynamic program is recognized");
}

/// Also by the name `localhost`: a static glibc has no helpers that look up names.
pub fn binary_issues_certificates_alone_in_an_empty_root(stage: &mut Stage) {
    let read_only = may_mount();
    let mut controller = start(stage, read_only);
    controller.wait_ready();
    let status = |field: &str| proc_status(controller.pid(), field);
    assert_eq!(status("Uid"), "65532 65532 65532 65532");
    assert_eq!((status("Groups"), status("NoNewPrivs")), (String::new(), "1".to_owned()));
    for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
        assert_eq!(status(set).trim_matches('0'), "", "{set}");
    }
    if read_only {
        let mounts = fs::read_to_string(format!("/proc/{}/mountinfo", controller.pid())).expect("its mounts");
        let mut root = mounts.lines().filter_map(|line| line.split_once(" / ")).map(|(_, options)| options);
        assert!(root.next_back().is_some_and(|options| options.starts_with("ro")), "its root is writable:\n{mounts}");
    }
    stage.namespace("image");
    stage.create_pki("image", "web", serde_json::json!({ "serviceName": "app1" }));
    stage.wait_pki("image", "web", "Issued");
    println!("with one certificate, at most {} of memory", status("VmHWM"));
    assert_eq!(controller.terminate(), Some(0));
}

/// Lays out what the Dockerfile, the container runtime and the kubelet provide, and starts the binary in it.
fn start(stage: &Stage, read_only: bool) -> Process {
    let manifest = documents(&repo_file("demo-controller.yaml"));
    let kind = |kind: &str| manifest.iter().find(|object| object["kind"] == kind).expect(kind);
    let pod = &kind("Deployment")["spec"]["template"]["spec"];
    let container = &pod["containers"][0];
    let (port, root) = (free_port(), stage.dir.join("root"));
    let _ = fs::remove_dir_all(&root);

    let dockerfile = repo_file("Dockerfile");
    let line = |word: &str| dockerfile.lines().find_map(|line| line.strip_prefix(word)).expect(word).trim();
    let entrypoint: Vec<String> = serde_json::from_str(line("ENTRYPOINT")).expect("a JSON array");
    let context = &pod["securityContext"];
    let user = format!("{}:{}", context["runAsUser"], context["runAsGroup"]);
    assert_eq!(line("USER"), user, "Dockerfile and manifest name the same user");
    put(&root, &entrypoint[0], &binary());
    // Default devices of every container. A static program gets its random numbers from one.
    for (device, minor) in [("null", "3"), ("random", "8"), ("urandom", "9")] {
        fs::create_dir_all(root.join("dev")).expect("a folder");
        let file = root.join("dev").join(device);
        let made = Command::new("mknod").args(["-m", "666"]).arg(&file).args(["c", "1", minor]).status();
        assert!(made.is_ok_and(|status| status.success()), "mknod of {}", file.display());
    }
    let names = container["volumeMounts"][0]["mountPath"].as_str().expect("a path");
    for (file, text) in kind("ConfigMap")["data"].as_object().expect("the ConfigMap has files") {
        put(&root, &format!("{names}/{file}"), text.as_str().expect("a text").as_bytes());
    }
    let account = "/var/run/secrets/kubernetes.io/serviceaccount";
    put(&root, &format!("{account}/token"), stage.token().as_bytes());
    put(&root, &format!("{account}/namespace"), b"controlplane");
    put(&root, &format!("{account}/ca.crt"), &fs::read(stage.dir.join("ca.crt")).expect("the CA"));
    put(&root, "/etc/hosts", b"127.0.0.1 localhost\n");

    let mut command = Command::new(if read_only { "unshare" } else { "sh" });
    if read_only {
        command.args(["--mount", "sh"]);
    }
    let args: Vec<String> = serde_json::from_value(container["args"].clone()).expect("words");
    command.args(["-c", CONTAIN, "sh"]).arg(&root).arg(user).args(entrypoint).args(args).env_clear();
    for variable in container["env"].as_array().expect("the environment") {
        command.env(variable["name"].as_str().expect("a name"), value(variable, port));
    }
    command.env("READ_ONLY", if read_only { "yes" } else { "no" });
    command.env("KUBERNETES_SERVICE_HOST", "localhost");
    command.env("KUBERNETES_SERVICE_PORT", stage.servers.port().to_string());
    Process::start(command, port)
}

/// The value of a variable in the pod. The port is one of this test's own.
fn value(variable: &Value, port: u16) -> String {
    match variable["valueFrom"]["fieldRef"]["fieldPath"].as_str() {
        Some("metadata.name") => "demo-controller-0".to_owned(),
        Some("metadata.namespace") => "controlplane".to_owned(),
        Some(other) => panic!("{other} is not simulated"),
        None => variable["value"].as_str().expect("a value").replace(":8080", &format!(":{port}")),
    }
}

/// Writes a file into a root that all may read and execute, and only root may write.
fn put(root: &Path, path: &str, content: &[u8]) {
    let file = root.join(path.trim_start_matches('/'));
    fs::create_dir_all(file.parent().expect("it is in a folder")).expect("a folder");
    fs::write(&file, content).expect("a file");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o555)).expect("its mode");
}

/// Returns whether the binary is given.
pub fn is_there() -> bool {
    std::env::var_os(BINARY).is_some()
}

/// Returns why the scenarios cannot run although the binary is given, in one line.
pub fn impossible() -> Option<String> {
    let path = std::env::var_os(BINARY)?;
    if !Path::new(&path).is_file() {
        return Some(format!("{BINARY}={}: expected the binary of make build", path.display()));
    }
    [("setpriv", ["--bounding-set=-all", "true"]), ("chroot", ["/", "true"])].into_iter().find_map(|(program, args)| {
        let done = Command::new(program).args(args).output();
        let works = done.is_ok_and(|output| output.status.success());
        (!works).then(|| format!("a root directory of its own takes root, setpriv and chroot: {program} fails"))
    })
}

fn binary() -> Vec<u8> {
    let path = std::env::var_os(BINARY).expect("otherwise ignored");
    fs::read(&path).unwrap_or_else(|e| panic!("{BINARY}={}: {e}", path.display()))
}

/// Returns whether this machine allows the mount that a read-only root takes.
fn may_mount() -> bool {
    let may = Command::new("unshare").args(["--mount", "true"]).output().is_ok_and(|output| output.status.success());
    if !may {
        println!("its root is not read-only here: unshare --mount fails");
    }
    may
}

/// Returns whether a program's header (64 bits, little-endian) has an entry PT_INTERP, its dynamic loader.
fn wants_interpreter(elf: &[u8]) -> bool {
    const PT_INTERP: u64 = 3;
    assert!(elf.starts_with(b"\x7fELF\x02\x01"), "it is not an ELF file of 64 bits");
    let number = |at: usize, size: usize| elf[at..at + size].iter().rev().fold(0_u64, |n, b| n << 8 | u64::from(*b));
    let (table, entry, count) = (number(32, 8) as usize, number(54, 2) as usize, number(56, 2) as usize);
    (0..count).any(|index| number(table + index * entry, 4) == PT_INTERP)
}

/// A field of /proc/PID/status, with single blanks.
fn proc_status(pid: u32, field: &str) -> String {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let line = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    line.expect(field).split_whitespace().collect::<Vec<_>>().join(" ")
}
