//! The cluster, through kubectl.

use std::{
    fs,
    io::Write,
    process::{Command, Stdio},
    time::Duration,
};

use serde_json::Value;
use testkit::{
    log::text,
    repo_file,
    wait::{expect, within},
};

/// A kubelet reads a changed ConfigMap, and mounts again what failed, at most this late.
const DEADLINE: Duration = Duration::from_secs(150);

/// The image of a pod that plays an application.
pub const APP: &str = "app:1";

/// The cluster that KUBECONFIG names.
pub struct Cluster;

impl Cluster {
    /// Runs kubectl with these arguments, separated by blanks, and returns its output.
    ///
    /// # Panics
    /// kubectl fails.
    #[track_caller]
    pub fn kubectl(&self, args: &str) -> String {
        let args: Vec<_> = args.split(' ').collect();
        self.try_kubectl(&args, "").unwrap_or_else(|why| panic!("kubectl {}: {why}", args.join(" ")))
    }

    /// Runs kubectl with this input, and returns its stdout, or its stderr if it fails.
    pub fn try_kubectl(&self, args: &[&str], input: &str) -> Result<String, String> {
        let mut command = Command::new("kubectl");
        command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|e| format!("kubectl cannot be started: {e}"))?;
        let mut stdin = child.stdin.take().ok_or("no stdin")?;
        let _ = stdin.write_all(input.as_bytes());
        drop(stdin);
        let output = child.wait_with_output().map_err(|e| e.to_string())?;
        let (text, ok) = if output.status.success() { (output.stdout, true) } else { (output.stderr, false) };
        let text = String::from_utf8_lossy(&text).trim().to_owned();
        if ok { Ok(text) } else { Err(text) }
    }

    /// Applies a manifest.
    #[track_caller]
    pub fn apply(&self, manifest: &str) {
        self.try_kubectl(&["apply", "-f", "-"], manifest).unwrap_or_else(|why| panic!("{why}\n{manifest}"));
    }

    /// Applies a manifest of the repository with the image of this binary, and waits until its Deployment is ready.
    #[track_caller]
    pub fn deploy(&self, manifest: &str, name: &str, binary: &str) {
        let image = format!("localhost/{name}:test");
        let loaded = Command::new("load-image").env("IMAGE_USER", "65532:65532").args([&image, binary]).output();
        let loaded = loaded.expect("load-image is on the PATH");
        assert!(loaded.status.success(), "{}", String::from_utf8_lossy(&loaded.stderr));
        self.apply(&repo_file(manifest).replace("YOUR_URL:TAG", &image));
    }

    /// Waits until a Deployment is ready.
    #[track_caller]
    pub fn wait_rollout(&self, namespace: &str, name: &str) {
        self.kubectl(&format!("rollout status --timeout=60s -n {namespace} deployment/{name}"));
    }

    /// Calls `check` until it returns true for the output of kubectl.
    #[track_caller]
    pub fn wait(&self, what: &str, args: &str, check: impl Fn(&str) -> bool) -> String {
        let args: Vec<_> = args.split(' ').collect();
        within(DEADLINE, what, || {
            let output = self.try_kubectl(&args, "")?;
            expect(check(&output), &output).map(|()| output)
        })
    }

    /// Creates a Pki.
    #[track_caller]
    pub fn create_pki(&self, namespace: &str, name: &str, service: &str) {
        let pki = format!(
            "{{apiVersion: box.com/v1, kind: Pki, metadata: {{name: {name}, namespace: {namespace}}}, \
             spec: {{serviceName: {service}}}}}"
        );
        self.apply(&pki);
    }

    /// Waits until the condition of a Pki has this reason.
    #[track_caller]
    pub fn wait_pki(&self, namespace: &str, name: &str, reason: &str) {
        let path = "-o=jsonpath={.status.conditions[0].reason}";
        self.wait(&format!("{name} is {reason}"), &format!("get pki -n {namespace} {name} {path}"), |now| {
            now == reason
        });
    }

    /// Waits until a Deployment has started without a failed probe. On a busy machine, the first start may have one.
    #[track_caller]
    pub fn wait_clean_start(&self, name: &str, namespace: &str) {
        for _ in 0..3 {
            self.wait_rollout(namespace, name);
            let pods = self.kubectl(&format!("get pods -n {namespace} -o=jsonpath={{.items[*].metadata.name}}"));
            let failed = format!(
                "get events -n {namespace} --field-selector=reason=Unhealthy,involvedObject.name={pods} -o=name"
            );
            if self.kubectl(&failed).is_empty() {
                return;
            }
            self.kubectl(&format!("rollout restart -n {namespace} deployment/{name}"));
        }
        panic!("each start of {name} has a failed probe");
    }

    /// The lines of a Deployment's log.
    pub fn log(&self, namespace: &str, name: &str) -> Vec<Value> {
        let log = self.kubectl(&format!("logs -n {namespace} deployment/{name}"));
        log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// Waits until demo-controller has logged this state of a pod, with these restarts and this reason: `Failed OOMKilled`.
    #[track_caller]
    pub fn wait_lifecycle(&self, pod: &str, wanted: &str) {
        within(DEADLINE, format!("{pod}: {wanted}"), || {
            let lines = self.log("controlplane", "demo-controller");
            let of_pod =
                lines.iter().filter(|line| text(line, "message") == "pod lifecycle" && text(line, "pod") == pod);
            let words = of_pod.map(|line| ["to", "restarts", "reason"].map(|field| text(line, field)).join(" "));
            let words: Vec<_> = words.map(|words| words.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
            expect(words.iter().any(|words| words == wanted), format!("{words:?}"))
        });
    }
}

/// The process IDs of a program that runs in a container.
pub fn pids(program: &str) -> Vec<u32> {
    let processes = fs::read_dir("/proc").expect("/proc").flatten();
    let pids = processes.filter_map(|process| process.file_name().to_str()?.parse().ok());
    let is_program = |pid: &u32| {
        let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        command.split(|byte| *byte == 0).next() == Some(program.as_bytes())
    };
    pids.filter(is_program).collect()
}
