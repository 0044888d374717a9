//! What a kubelet writes about a pod, in its words.

use k8s_openapi::{
    api::core::v1::{
        ContainerState, ContainerStateRunning, ContainerStateTerminated, ContainerStateWaiting, ContainerStatus,
        HostIP, Pod, PodCondition, PodIP, PodStatus,
    },
    apimachinery::pkg::apis::meta::v1::Time,
};

use super::{needs::Need, objects::now};

/// The node's address.
const HOST_IP: &str = "192.168.0.1";

/// Pending as long as nobody has said anything.
pub fn phase(pod: &Pod) -> &str {
    pod.status.as_ref().and_then(|status| status.phase.as_deref()).unwrap_or("Pending")
}

/// How often the first container was started again.
pub fn restarts(pod: &Pod) -> i32 {
    first(pod).map_or(0, |container| container.restart_count)
}

/// The first container has crashed, and does not run again yet.
pub fn is_down(pod: &Pod) -> bool {
    first(pod).and_then(|container| container.state.as_ref()).is_some_and(|state| state.terminated.is_some())
}

fn first(pod: &Pod) -> Option<&ContainerStatus> {
    pod.status.as_ref()?.container_statuses.as_ref()?.first()
}

/// The containers cannot be created before there is this Secret.
pub fn waiting(pod: &Pod, need: &Need) -> PodStatus {
    match need.volume {
        // The volumes come first; without them no container is even tried.
        Some(_) => creating(pod),
        None => {
            let why = format!("secret {:?} not found", need.secret.name());
            pending(pod, "CreateContainerConfigError", Some(why))
        }
    }
}

/// The containers are being created.
pub fn creating(pod: &Pod) -> PodStatus {
    pending(pod, "ContainerCreating", None)
}

fn pending(pod: &Pod, reason: &str, message: Option<String>) -> PodStatus {
    let waiting = ContainerStateWaiting { reason: Some(reason.into()), message };
    let state = ContainerState { waiting: Some(waiting), ..ContainerState::default() };
    status(pod, "Pending", |container| container.state = Some(state.clone()))
}

/// All containers run and are ready.
pub fn running(pod: &Pod) -> PodStatus {
    status(pod, "Running", start)
}

/// The first container has died: killed, as far as one can tell.
pub fn crashed(pod: &Pod) -> PodStatus {
    let mut first = true;
    status(pod, "Running", |container| {
        if !std::mem::take(&mut first) {
            return;
        }
        let running = container.state.as_ref().and_then(|state| state.running.as_ref());
        let terminated = ContainerStateTerminated {
            exit_code: 137,
            reason: Some("Error".into()),
            started_at: running.and_then(|running| running.started_at.clone()),
            finished_at: Some(now()),
            container_id: container.container_id.clone(),
            ..ContainerStateTerminated::default()
        };
        container.state = Some(ContainerState { terminated: Some(terminated), ..ContainerState::default() });
        (container.ready, container.started) = (false, Some(false));
    })
}

/// What has died runs again.
pub fn restarted(pod: &Pod) -> PodStatus {
    status(pod, "Running", |container| {
        if container.state.as_ref().is_some_and(|state| state.terminated.is_some()) {
            container.last_state = container.state.take();
            container.restart_count += 1;
            start(container);
        }
    })
}

fn start(container: &mut ContainerStatus) {
    let running = ContainerStateRunning { started_at: Some(now()) };
    container.state = Some(ContainerState { running: Some(running), ..ContainerState::default() });
    (container.ready, container.started) = (true, Some(true));
}

/// The status as it is, with this phase and each container changed like this.
fn status(pod: &Pod, phase: &str, mut change: impl FnMut(&mut ContainerStatus)) -> PodStatus {
    let before = pod.status.clone().unwrap_or_default();
    let known = before.container_statuses.unwrap_or_default();
    let named = pod.spec.iter().flat_map(|spec| &spec.containers);
    let containers: Vec<_> = named
        .map(|container| {
            let new = || ContainerStatus {
                name: container.name.clone(),
                image: container.image.clone().unwrap_or_default(),
                started: Some(false),
                ..ContainerStatus::default()
            };
            let mut status = known.iter().find(|known| known.name == container.name).cloned().unwrap_or_else(new);
            change(&mut status);
            status
        })
        .collect();
    let unready: Vec<_> = containers.iter().filter(|it| !it.ready).map(|it| it.name.as_str()).collect();
    let ip = (phase == "Running").then(|| pod_ip(pod));
    PodStatus {
        phase: Some(phase.into()),
        conditions: Some(conditions(&before.conditions.unwrap_or_default(), phase == "Running", &unready)),
        container_statuses: Some(containers),
        host_ip: Some(HOST_IP.into()),
        host_ips: Some(vec![HostIP { ip: HOST_IP.into() }]),
        pod_ips: ip.clone().map(|ip| vec![PodIP { ip }]),
        pod_ip: ip,
        start_time: before.start_time.or_else(|| Some(now())),
        ..before
    }
}

fn conditions(before: &[PodCondition], sandbox: bool, unready: &[&str]) -> Vec<PodCondition> {
    let since = now();
    let condition = |kind: &str, holds: bool, why: Option<(&str, String)>| {
        let status = if holds { "True" } else { "False" };
        let same = before.iter().find(|it| it.type_ == kind && it.status == status);
        let since = same.and_then(|it| it.last_transition_time.clone()).unwrap_or(Time(since.0));
        let (reason, message) = why.map(|(reason, message)| (reason.to_owned(), message)).unzip();
        PodCondition {
            type_: kind.into(),
            status: status.into(),
            last_transition_time: Some(since),
            reason,
            message,
            ..PodCondition::default()
        }
    };
    let why = || {
        let message = format!("containers with unready status: [{}]", unready.join(" "));
        (!unready.is_empty()).then_some(("ContainersNotReady", message))
    };
    vec![
        condition("PodReadyToStartContainers", sandbox, None),
        condition("Initialized", true, None),
        condition("Ready", unready.is_empty(), why()),
        condition("ContainersReady", unready.is_empty(), why()),
        condition("PodScheduled", true, None),
    ]
}

/// An address that follows from the UID: nobody will ever connect to it.
fn pod_ip(pod: &Pod) -> String {
    let uid = pod.metadata.uid.as_deref().unwrap_or_default();
    let sum = uid.bytes().fold(0_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
    format!("10.244.{}.{}", (sum >> 8) % 256, sum % 254 + 1)
}
