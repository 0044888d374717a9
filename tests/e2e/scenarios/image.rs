//! The image without a container engine: the release binary alone in an empty root directory, with the settings of
//! demo-controller.yaml. `make image-check` runs these scenarios.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, process::Command};

use serde_json::Value;
use testkit::{Process, objects::documents, repo_file, server::free_port};

use crate::test_env::TestEnv;

/// The variable with the path of the binary. Without it, these scenarios are ignored: a release build takes minutes.
const BINARY: &str = "IMAGE_BINARY";

/// In bytes.
const MAX_SIZE: usize = 10_000_000;

/// Runs the binary without privileges in its root directory, which is read-only if this machine allows a mount.
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

pub fn binary_is_static_and_at_most_10_mb(_: &mut TestEnv) {
    let binary = read_binary();
    println!("the binary has {} bytes, at most {MAX_SIZE} are allowed", binary.len());
    assert!(binary.len() <= MAX_SIZE, "{} bytes are more than {MAX_SIZE}", binary.len());
    assert!(!needs_interpreter(&binary), "the binary needs a dynamic loader (INTERP)");
    let this_test = fs::read(std::env::current_exe().expect("its path")).expect("its content");
    assert!(needs_interpreter(&this_test), "a dynamic program is recognized");
}

/// It connects to `localhost`, because a static glibc may fail to resolve names.
pub fn binary_issues_certificates_alone_in_an_empty_root(env: &mut TestEnv) {
    let read_only = can_mount();
    let mut controller = start(env, read_only);
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
        assert!(root.next_back().is_some_and(|options| options.starts_with("ro")), "the root is writable:\n{mounts}");
    }
    env.create_namespace("image");
    env.create_pki("image", "web", serde_json::json!({ "serviceName": "app1" }));
    env.wait_pki("image", "web", "Issued");
    println!("peak memory with one certificate: {}", status("VmHWM"));
    assert_eq!(controller.terminate(), Some(0));
}

/// Creates the files that the image, the container runtime and the kubelet provide, and starts the binary.
fn start(env: &TestEnv, read_only: bool) -> Process {
    let manifest = documents(&repo_file("demo-controller.yaml"));
    let kind = |kind: &str| manifest.iter().find(|object| object["kind"] == kind).expect(kind);
    let pod = &kind("Deployment")["spec"]["template"]["spec"];
    let container = &pod["containers"][0];
    let (port, root) = (free_port(), env.dir.join("root"));
    let _ = fs::remove_dir_all(&root);

    let dockerfile = repo_file("Dockerfile");
    // Of the last stage.
    let line = |word: &str| dockerfile.lines().rev().find_map(|line| line.strip_prefix(word)).expect(word).trim();
    let entrypoint: Vec<String> = serde_json::from_str(line("ENTRYPOINT")).expect("a JSON array");
    let context = &pod["securityContext"];
    let user = format!("{}:{}", context["runAsUser"], context["runAsGroup"]);
    assert_eq!(line("USER"), user, "Dockerfile and manifest name the same user");
    put(&root, &entrypoint[0], &read_binary());
    // Devices that every container has. A static program reads random numbers from one of them.
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
    put(&root, &format!("{account}/token"), env.token().as_bytes());
    put(&root, &format!("{account}/namespace"), b"controlplane");
    put(&root, &format!("{account}/ca.crt"), &fs::read(env.dir.join("ca.crt")).expect("the CA"));
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
    command.env("KUBERNETES_SERVICE_PORT", env.servers.port().to_string());
    Process::start(command, port)
}

/// The value of a variable in the pod, with the port of this test.
fn value(variable: &Value, port: u16) -> String {
    match variable["valueFrom"]["fieldRef"]["fieldPath"].as_str() {
        Some("metadata.name") => "demo-controller-0".to_owned(),
        Some("metadata.namespace") => "controlplane".to_owned(),
        Some(other) => panic!("{other} is not simulated"),
        None => variable["value"].as_str().expect("a value").replace(":8080", &format!(":{port}")),
    }
}

/// Writes a file below `root`. Everyone can read and execute it.
fn put(root: &Path, path: &str, content: &[u8]) {
    let file = root.join(path.trim_start_matches('/'));
    fs::create_dir_all(file.parent().expect("a parent")).expect("a folder");
    fs::write(&file, content).expect("a file");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o555)).expect("its mode");
}

/// Returns whether [`BINARY`] is set.
pub fn is_requested() -> bool {
    std::env::var_os(BINARY).is_some()
}

/// Returns an error message if [`BINARY`] is set and a requirement of the scenarios is missing.
pub fn missing() -> Option<String> {
    let path = std::env::var_os(BINARY)?;
    if !Path::new(&path).is_file() {
        return Some(format!("{BINARY}={}: expected the binary of make build", path.display()));
    }
    [("setpriv", ["--bounding-set=-all", "true"]), ("chroot", ["/", "true"])].into_iter().find_map(|(program, args)| {
        let done = Command::new(program).args(args).output();
        let works = done.is_ok_and(|output| output.status.success());
        (!works).then(|| format!("the scenarios need root, setpriv and chroot: {program} fails"))
    })
}

fn read_binary() -> Vec<u8> {
    let path = std::env::var_os(BINARY).expect("otherwise these scenarios are ignored");
    fs::read(&path).unwrap_or_else(|e| panic!("{BINARY}={}: {e}", path.display()))
}

/// Returns whether this machine allows the mount that makes the root directory read-only.
fn can_mount() -> bool {
    let can = Command::new("unshare").args(["--mount", "true"]).output().is_ok_and(|output| output.status.success());
    if !can {
        println!("the root directory is not read-only: unshare --mount fails");
    }
    can
}

/// Returns whether an ELF program (64 bits, little-endian) has an entry PT_INTERP for a dynamic loader.
fn needs_interpreter(elf: &[u8]) -> bool {
    const PT_INTERP: u64 = 3;
    assert!(elf.starts_with(b"\x7fELF\x02\x01"), "not an ELF file of 64 bits");
    let number = |at: usize, size: usize| elf[at..at + size].iter().rev().fold(0_u64, |n, b| n << 8 | u64::from(*b));
    let (table, entry, count) = (number(32, 8) as usize, number(54, 2) as usize, number(56, 2) as usize);
    (0..count).any(|index| number(table + index * entry, 4) == PT_INTERP)
}

/// A field of /proc/PID/status, with single blanks.
fn proc_status(pid: u32, field: &str) -> String {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).expect("the process runs");
    let line = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    line.expect(field).split_whitespace().collect::<Vec<_>>().join(" ")
}
