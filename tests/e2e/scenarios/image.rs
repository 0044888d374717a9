//! The image, as far as it can be tried without a container engine: the binary of `make build` alone in an empty root,
//! run the way demo-controller.yaml says. `make image-check` starts these.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, process::Command};

use serde_json::{Value, json};

use crate::{
    daemon::Daemon,
    objects::Is,
    server::free_port,
    stage::{Stage, documents, repo_file},
};

/// Names the binary. Where it is not set, these scenarios are skipped: a release build takes minutes.
pub const BINARY: &str = "IMAGE_BINARY";

/// 10 MB.
const BUDGET: usize = 10_000_000;

/// Turns the process into the binary in its root. What takes rights is done first, and then all rights are given up for
/// good: those that are left in the bounding set could only be had by root.
const CONTAIN: &str = r#"
    set -e
    root=$1 user=$2 mount=$3; shift 3
    if [ "$mount" = yes ]; then
        mount --bind "$root" "$root"
        mount -o remount,bind,ro "$root"
    fi
    exec setpriv --no-new-privs --inh-caps=-all --bounding-set=-all,+sys_chroot,+setuid,+setgid \
        "$(command -v chroot)" --groups= --userspec="$user" "$root" "$@"
"#;

pub fn the_binary_is_static_and_at_most_10_mb(_: &mut Stage) {
    let binary = binary();
    println!("       the binary has {} bytes, of {BUDGET} at most", binary.len());
    assert!(binary.len() <= BUDGET, "{} bytes are more than {BUDGET}", binary.len());
    assert!(!wants_interpreter(&binary), "it asks for a dynamic loader (INTERP): it is not static");
    // What would be said of a program that is not: this one.
    let ours = fs::read(std::env::current_exe().expect("it has a path")).expect("it can be read");
    assert!(wants_interpreter(&ours), "a dynamic program is not recognized");
}

pub fn there_is_nothing_to_play_with_in_it(_: &mut Stage) {
    let binary = std::env::var_os(BINARY).expect("it is set");
    let run = |argument: &str| Command::new(&binary).arg(argument).output().expect("it starts");
    let output = run("playground");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("the playground is left out of this build"), "{said}");
    assert!(!String::from_utf8_lossy(&run("--help").stdout).contains("playground"), "it is not proposed either");
}

pub fn the_dockerfile_has_the_compiler_that_this_repository_is_tested_with(_: &mut Stage) {
    let toolchain = repo_file("rust-toolchain.toml");
    let channel =
        toolchain.lines().find_map(|line| line.strip_prefix("channel = ")).expect("a channel").trim_matches('"');
    let dockerfile = repo_file("Dockerfile");
    for said in [format!(" rust:{channel}-"), format!("RUSTUP_TOOLCHAIN={channel} ")] {
        assert!(dockerfile.contains(&said), "the Dockerfile does not say {said}");
    }
}

pub fn alone_in_an_empty_root_as_the_manifest_runs_it_it_issues_certificates(stage: &mut Stage) {
    let container = Container::new(stage);
    let mut controller = container.start("127.0.0.1");
    controller.wait_ready();

    // It has no rights on its node.
    let status = |field: &str| proc_status(controller.pid(), field);
    assert_eq!(status("Uid"), "65532 65532 65532 65532");
    assert_eq!(status("Gid"), "65532 65532 65532 65532");
    assert_eq!(status("Groups"), "");
    for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
        assert_eq!(status(set).trim_matches('0'), "", "{set}");
    }
    assert_eq!(status("NoNewPrivs"), "1");
    if container.read_only {
        let mounts = fs::read_to_string(format!("/proc/{}/mountinfo", controller.pid())).expect("its mounts");
        let mut root = mounts.lines().filter_map(|line| line.split_once(" / ")).map(|(_, options)| options);
        assert!(
            root.next_back().is_some_and(|options| options.starts_with("ro")),
            "its root can be written:\n{mounts}"
        );
    }

    // It does its work.
    stage.namespace("image");
    stage.create_pki("image", "web", json!({ "serviceName": "app1" }));
    stage.wait_pki("image", "web", "Issued");
    println!("       with one certificate, at most {} of memory", status("VmHWM"));
    assert_eq!(controller.terminate(), Some(0));
}

/// Pitfall: a static glibc looks names up without its usual helpers, which are libraries. In here it must do.
pub fn without_any_library_a_server_is_found_by_its_name(stage: &mut Stage) {
    let mut controller = Container::new(stage).start("localhost");
    controller.wait_ready();
    assert_eq!(controller.terminate(), Some(0));
}

/// What the manifest and the Dockerfile say, laid out in a folder.
struct Container {
    root: String,
    user: String,
    args: Vec<String>,
    env: Vec<(String, String)>,
    api_port: u16,
    port: u16,
    read_only: bool,
}

impl Container {
    fn new(stage: &Stage) -> Container {
        let manifest = documents(&repo_file("demo-controller.yaml"));
        let kind = |kind: &str| manifest.iter().find(|object| object["kind"] == kind).expect(kind);
        let pod = &kind("Deployment")["spec"]["template"]["spec"];
        let container = &pod["containers"][0];
        let port = free_port();
        let root = stage.dir.join("root");
        let _ = fs::remove_dir_all(&root);

        // The image.
        let dockerfile = repo_file("Dockerfile");
        let said = |word: &str| dockerfile.lines().find_map(|line| line.strip_prefix(word)).expect(word).trim();
        let entrypoint: Vec<String> = serde_json::from_str(said("ENTRYPOINT")).expect("a JSON array");
        let context = &pod["securityContext"];
        let user = format!("{}:{}", context["runAsUser"], context["runAsGroup"]);
        assert_eq!(said("USER"), user, "Dockerfile and manifest name the same user");
        put(&root, &entrypoint[0], &binary());

        // What every container gets (the OCI runtime specification has a list of default devices). Random numbers come
        // out of one: a static program does not find its libc's function for them.
        for (device, minor) in [("null", "3"), ("random", "8"), ("urandom", "9")] {
            fs::create_dir_all(root.join("dev")).expect("a folder");
            let file = root.join("dev").join(device);
            let made = Command::new("mknod").args(["-m", "666"]).arg(&file).args(["c", "1", minor]).status();
            assert!(made.is_ok_and(|status| status.success()), "mknod of {}", file.display());
        }

        // What the kubelet adds: the volumes, the ServiceAccount's files, the name of this machine.
        let names = &container["volumeMounts"][0]["mountPath"];
        for (file, text) in kind("ConfigMap")["data"].as_object().expect("the ConfigMap has files") {
            let path = format!("{}/{file}", names.as_str().expect("a path"));
            put(&root, &path, text.as_str().expect("a text").as_bytes());
        }
        let account = "/var/run/secrets/kubernetes.io/serviceaccount";
        put(&root, &format!("{account}/token"), stage.token().as_bytes());
        put(&root, &format!("{account}/namespace"), kind("Deployment").namespace().as_bytes());
        put(&root, &format!("{account}/ca.crt"), &fs::read(stage.dir.join("ca.crt")).expect("the CA"));
        put(&root, "/etc/hosts", b"127.0.0.1 localhost\n");

        let words = |value: &Value| -> Vec<String> { serde_json::from_value(value.clone()).expect("words") };
        let env = container["env"].as_array().expect("the environment").iter();
        Container {
            root: root.display().to_string(),
            user,
            args: entrypoint.into_iter().chain(words(&container["args"])).collect(),
            env: env
                .map(|variable| (variable["name"].as_str().expect("a name").to_owned(), value(variable, port)))
                .collect(),
            api_port: stage.servers.port(),
            port,
            read_only: may_mount(),
        }
    }

    /// Starts it, and waits for nothing.
    fn start(&self, api_host: &str) -> Daemon {
        let mut command = if self.read_only { Command::new("unshare") } else { Command::new("sh") };
        if self.read_only {
            command.args(["--mount", "sh"]);
        }
        let mount = if self.read_only { "yes" } else { "no" };
        command.args(["-c", CONTAIN, "sh", &self.root, &self.user, mount]).args(&self.args);
        command.env_clear().envs(self.env.iter().cloned());
        command.env("KUBERNETES_SERVICE_HOST", api_host).env("KUBERNETES_SERVICE_PORT", self.api_port.to_string());
        Daemon::start(command, self.port)
    }
}

/// The value of a variable in the pod `demo-controller-0`. Several of these run on one machine: each has a port of its own.
fn value(variable: &Value, port: u16) -> String {
    match variable["valueFrom"]["fieldRef"]["fieldPath"].as_str() {
        Some("metadata.name") => "demo-controller-0".to_owned(),
        Some("metadata.namespace") => "controlplane".to_owned(),
        Some(other) => panic!("{other}: who fills this in?"),
        None => variable["value"].as_str().expect("a value").replace(":8080", &format!(":{port}")),
    }
}

/// Puts a file into a root that all may read and run, and nobody but root may write.
fn put(root: &Path, path: &str, content: &[u8]) {
    let file = root.join(path.trim_start_matches('/'));
    fs::create_dir_all(file.parent().expect("it is in a folder")).expect("a folder");
    fs::write(&file, content).expect("a file");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o555)).expect("its mode");
}

/// Who runs them.
pub const ELSEWHERE: &str = "make image-check runs it: it takes the release build";

/// Why these scenarios are not run now.
pub fn missing() -> Option<&'static str> {
    if std::env::var_os(BINARY).is_none() { Some(ELSEWHERE) } else { None }
}

/// Why they cannot be run, although they are wanted, in one line.
pub fn impossible() -> Option<String> {
    let path = std::env::var_os(BINARY)?;
    if !Path::new(&path).is_file() {
        return Some(format!("{BINARY}={}: there is no such file: expected the binary of make build", path.display()));
    }
    let tried = [("setpriv", ["--bounding-set=-all", "true"]), ("chroot", ["/", "true"])].map(|(program, args)| {
        let output = Command::new(program).args(args).output().map_err(|e| format!("{program}: {e}"))?;
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        if output.status.success() { Ok(()) } else { Err(said) }
    });
    let why = tried.into_iter().find_map(Result::err)?;
    Some(format!("a root directory of its own takes root, setpriv and chroot: {why}"))
}

fn binary() -> Vec<u8> {
    let path = std::env::var_os(BINARY).expect("else it is skipped");
    fs::read(&path).unwrap_or_else(|e| panic!("{BINARY}={}: {e}", path.display()))
}

/// A read-only root takes a mount.
fn may_mount() -> bool {
    let tried = Command::new("unshare").args(["--mount", "true"]).output();
    let why = match tried {
        Ok(output) if output.status.success() => return true,
        Ok(output) => String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        Err(e) => format!("unshare: {e}"),
    };
    println!("       its root is not read-only here: {why}");
    false
}

/// Whether a program's header (64 bits, little-endian) has an entry PT_INTERP: the dynamic loader that has to start it.
fn wants_interpreter(elf: &[u8]) -> bool {
    const PT_INTERP: u64 = 3;
    assert!(elf.starts_with(b"\x7fELF\x02\x01"), "it is no ELF file of 64 bits");
    let number = |at: usize, size: usize| elf[at..at + size].iter().rev().fold(0_u64, |n, b| n << 8 | u64::from(*b));
    let (table, entry, count) = (number(32, 8) as usize, number(54, 2) as usize, number(56, 2) as usize);
    (0..count).any(|index| number(table + index * entry, 4) == PT_INTERP)
}

/// A line of /proc/PID/status, with single blanks.
fn proc_status(pid: u32, field: &str) -> String {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let line = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    line.expect(field).split_whitespace().collect::<Vec<_>>().join(" ")
}
