//! Simulates candidates for one Lease while messages are lost or late, processes are stopped or killed, and clocks
//! differ in time and speed. Two fences are never open at once. After the disturbances a leader is elected.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap},
};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use rand::{RngExt, SeedableRng, rngs::StdRng};

use super::*;

/// Time of the simulation. Each process has a clock of its own.
type Millis = u64;

/// A step of the request with this number, of the process with this index.
enum RequestEvent {
    Send(usize, u64),
    Arrive(usize, u64, LeaseRequest),
    Respond(usize, u64, Box<LeaseResponse>),
    TimeOut(usize, u64),
}

struct Process {
    machine: Machine,
    /// Start and speed of its monotonic clock.
    start: Instant,
    speed: f64,
    next: NextRequest,
    /// Number of the current request. A response to another one is ignored.
    number: u64,
    sent: Instant,
    stopped_until: Millis,
    /// Its fence, by its own clock.
    open_until: Option<Instant>,
    alive: bool,
}

impl Process {
    fn clock(&self, now: Millis) -> Instant {
        self.start + Duration::from_millis(now).mul_f64(self.speed)
    }

    /// Converts a duration of this process to the simulation's.
    fn to_millis(&self, time: Duration) -> Millis {
        (time.as_secs_f64() / self.speed * 1000.0).ceil() as Millis
    }

    fn may_write(&self, now: Millis) -> bool {
        self.alive && self.open_until.is_some_and(|until| self.clock(now) < until)
    }
}

struct Simulation {
    random: StdRng,
    now: Millis,
    lease: Option<Lease>,
    version: u64,
    processes: Vec<Process>,
    queue: BinaryHeap<Reverse<(Millis, u64)>>,
    events: HashMap<u64, RequestEvent>,
    count: u64,
    disturbed: bool,
}

impl Simulation {
    fn new(seed: u64, candidates: usize) -> Simulation {
        let mut sim = Simulation {
            random: StdRng::seed_from_u64(seed),
            now: 0,
            lease: None,
            version: 0,
            processes: Vec::new(),
            queue: BinaryHeap::new(),
            events: HashMap::new(),
            count: 0,
            disturbed: true,
        };
        (0..candidates).for_each(|_| sim.start_process());
        sim
    }

    fn start_process(&mut self) {
        let (machine, next) = Machine::start(format!("candidate-{}", self.processes.len()));
        let start = Instant::now() + Duration::from_secs(self.random.random_range(0..1_000_000));
        let speed = self.random.random_range(0.9..1.1);
        let process = Process {
            machine,
            start,
            speed,
            next,
            number: 0,
            sent: start,
            stopped_until: 0,
            open_until: None,
            alive: true,
        };
        self.processes.push(process);
        let after = self.random.random_range(0..3000);
        self.schedule(after, RequestEvent::Send(self.processes.len() - 1, 0));
    }

    fn schedule(&mut self, after: Millis, event: RequestEvent) {
        self.count += 1;
        self.queue.push(Reverse((self.now + after, self.count)));
        self.events.insert(self.count, event);
    }

    /// Returns the time that a message takes. None: it is lost.
    fn message_delay(&mut self) -> Option<Millis> {
        match self.random.random_range(0..20) {
            0 if self.disturbed => None,
            1 if self.disturbed => Some(self.random.random_range(0..30_000)),
            2 | 3 if self.disturbed => Some(self.random.random_range(0..6000)),
            _ => Some(self.random.random_range(1..50)),
        }
    }

    fn run(&mut self, until: Millis) {
        while let Some(Reverse((time, id))) = self.queue.peek().copied().filter(|Reverse((time, _))| *time <= until) {
            self.queue.pop();
            self.now = time;
            let event = self.events.remove(&id).expect("scheduled");
            self.handle(event);
            if self.disturbed && self.random.random_bool(0.01) {
                self.disturb();
            }
        }
        self.now = until;
    }

    fn handle(&mut self, event: RequestEvent) {
        let (index, number) = match &event {
            RequestEvent::Arrive(process, number, request) => {
                let (process, number, response) = (*process, *number, self.serve(request));
                if let Some(after) = self.message_delay() {
                    self.schedule(after, RequestEvent::Respond(process, number, Box::new(response)));
                }
                return;
            }
            RequestEvent::Send(process, number)
            | RequestEvent::Respond(process, number, _)
            | RequestEvent::TimeOut(process, number) => (*process, *number),
        };
        let (now, process) = (self.now, &mut self.processes[index]);
        if !process.alive || process.number != number {
            return;
        }
        // A stopped process gets all events when it continues, in any order.
        if process.stopped_until > now {
            let after = process.stopped_until - now + self.random.random_range(0..2);
            return self.schedule(after, event);
        }
        match event {
            RequestEvent::Send(..) => {
                process.sent = process.clock(now);
                let (request, limit) = (process.next.request.clone(), process.to_millis(REQUEST_TIMEOUT));
                self.schedule(limit, RequestEvent::TimeOut(index, number));
                if let Some(after) = self.message_delay() {
                    self.schedule(after, RequestEvent::Arrive(index, number, request));
                }
            }
            RequestEvent::Respond(.., response) => self.respond(index, *response),
            RequestEvent::TimeOut(..) => self.respond(index, LeaseResponse::Failed),
            RequestEvent::Arrive(..) => unreachable!("handled above"),
        }
    }

    fn respond(&mut self, index: usize, response: LeaseResponse) {
        let (now, jitter) = (self.now, self.random.random());
        let process = &mut self.processes[index];
        let (role, next) = process.machine.step(response, process.sent, process.clock(now), jitter);
        process.number += 1;
        let (number, after) = (process.number, process.to_millis(next.after));
        process.next = next;
        let lead_time = match role {
            Role::Standby => None,
            Role::Leader(deadline) => {
                process.open_until = Some(deadline);
                Some(process.to_millis(deadline - process.clock(now)))
            }
            Role::Lost(_) => {
                process.alive = false;
                return self.start_process();
            }
        };
        let open: Vec<usize> = (0..self.processes.len()).filter(|i| self.processes[*i].may_write(now)).collect();
        assert!(open.len() <= 1, "at {now} ms several may write: {open:?}");
        self.schedule(after, RequestEvent::Send(index, number));
        // At the deadline the loop stops waiting for a response.
        if let Some(lead_time) = lead_time {
            self.schedule(lead_time, RequestEvent::TimeOut(index, number));
        }
    }

    /// Responds as the API server does.
    fn serve(&mut self, request: &LeaseRequest) -> LeaseResponse {
        match (request, &self.lease) {
            (LeaseRequest::Get, None) => LeaseResponse::Absent,
            (LeaseRequest::Get, Some(lease)) => LeaseResponse::Found(lease.clone()),
            (LeaseRequest::Write(claim), lease) => {
                let version = |lease: &Lease| lease.metadata.resource_version.clone();
                if version(claim) != lease.as_ref().and_then(version) {
                    return LeaseResponse::Conflict;
                }
                self.version += 1;
                let mut stored = Lease::clone(claim);
                stored.metadata.resource_version = Some(self.version.to_string());
                // Each renewal has another, wrong time.
                let time = jiff::Timestamp::from_second(self.random.random_range(0..1 << 37)).ok();
                stored.spec.as_mut().expect("a spec").renew_time = time.map(MicroTime);
                self.lease = Some(stored.clone());
                LeaseResponse::Written(stored)
            }
        }
    }

    /// Stops or kills a process.
    fn disturb(&mut self) {
        let alive: Vec<usize> = (0..self.processes.len()).filter(|i| self.processes[*i].alive).collect();
        let victim = alive[self.random.random_range(0..alive.len())];
        if self.random.random_bool(0.2) {
            self.processes[victim].alive = false;
            self.start_process();
        } else {
            self.processes[victim].stopped_until = self.now + self.random.random_range(0..40_000);
        }
    }

    fn leader(&self) -> Option<usize> {
        (0..self.processes.len()).find(|i| self.processes[*i].may_write(self.now))
    }

    /// Runs until a process leads, and returns the time that this took.
    fn run_until_elected(&mut self) -> Millis {
        let start = self.now;
        while self.leader().is_none() {
            assert!(self.now < start + 120_000, "no leader");
            self.run(self.now + 10);
        }
        self.now - start
    }
}

#[test]
fn two_processes_never_lead_at_once() {
    let mut terms = 0;
    for seed in 0..400 {
        let mut sim = Simulation::new(seed, 2 + seed as usize % 2);
        sim.run(600_000);
        terms += sim.lease.as_ref().and_then(|lease| lease.spec.as_ref()?.lease_transitions).unwrap_or(0);
        sim.disturbed = false;
        // Stopped processes continue, and late messages arrive.
        sim.run(sim.now + 60_000);
        sim.run_until_elected();
        let leader = sim.leader();
        sim.run(sim.now + 60_000);
        assert_eq!(sim.leader(), leader, "seed {seed}: the leader stays");
    }
    assert!(terms > 400, "too few terms: {terms}");
}

#[test]
fn dead_leader_is_replaced_within_20_seconds() {
    for seed in 0..400 {
        let mut sim = Simulation::new(seed, 2);
        sim.disturbed = false;
        // With clocks of the same speed, 20 s of a process are 20 s of the simulation.
        sim.processes.iter_mut().for_each(|process| process.speed = 1.0);
        sim.run_until_elected();
        let lead_time = sim.random.random_range(20_000..40_000);
        sim.run(sim.now + lead_time);
        let leader = sim.leader().expect("the leader stays");
        sim.processes[leader].alive = false;
        let took = sim.run_until_elected();
        assert!((10_000..20_000).contains(&took), "seed {seed}: {took} ms");
    }
}
