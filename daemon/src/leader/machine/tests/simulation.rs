//! Candidates on one Lease while requests and answers are lost or late, processes are stopped and continue or are killed,
//! and clocks start anywhere, show anything and run at different speeds. At no time are two fences open. Afterwards a leader
//! is elected.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap},
};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use rand::{RngExt, SeedableRng, rngs::StdRng};

use super::*;

/// Time of the simulation, which no process knows.
type Millis = u64;

/// What happens to the request with this number of a process.
enum Event {
    Sent(usize, u64),
    Arrives(usize, u64, Request),
    Answered(usize, u64, Box<Answer>),
    /// The process no longer waits for the answer.
    GivenUp(usize, u64),
}

struct Process {
    machine: Machine,
    /// Start and speed of its monotonic clock.
    begun: Instant,
    speed: f64,
    next: Next,
    /// Number of the current request; answers to others are ignored.
    number: u64,
    sent: Instant,
    stopped_until: Millis,
    /// Its fence, by its own clock.
    open_until: Option<Instant>,
    alive: bool,
}

impl Process {
    fn clock(&self, now: Millis) -> Instant {
        self.begun + Duration::from_millis(now).mul_f64(self.speed)
    }

    /// Converts a time of this process to the simulation's.
    fn lasts(&self, time: Duration) -> Millis {
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
    line: BinaryHeap<Reverse<(Millis, u64)>>,
    events: HashMap<u64, Event>,
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
            line: BinaryHeap::new(),
            events: HashMap::new(),
            count: 0,
            disturbed: true,
        };
        (0..candidates).for_each(|_| sim.start_process());
        sim
    }

    fn start_process(&mut self) {
        let (machine, next) = Machine::start(format!("candidate-{}", self.processes.len()));
        let begun = Instant::now() + Duration::from_secs(self.random.random_range(0..1_000_000));
        let speed = self.random.random_range(0.9..1.1);
        let process = Process {
            machine,
            begun,
            speed,
            next,
            number: 0,
            sent: begun,
            stopped_until: 0,
            open_until: None,
            alive: true,
        };
        self.processes.push(process);
        let after = self.random.random_range(0..3000);
        self.plan(after, Event::Sent(self.processes.len() - 1, 0));
    }

    fn plan(&mut self, after: Millis, event: Event) {
        self.count += 1;
        self.line.push(Reverse((self.now + after, self.count)));
        self.events.insert(self.count, event);
    }

    /// Time that a message takes; None: it is lost.
    fn delay(&mut self) -> Option<Millis> {
        match self.random.random_range(0..20) {
            0 if self.disturbed => None,
            1 if self.disturbed => Some(self.random.random_range(0..30_000)),
            2 | 3 if self.disturbed => Some(self.random.random_range(0..6000)),
            _ => Some(self.random.random_range(1..50)),
        }
    }

    fn run(&mut self, until: Millis) {
        while let Some(Reverse((time, id))) = self.line.peek().copied().filter(|Reverse((time, _))| *time <= until) {
            self.line.pop();
            self.now = time;
            let event = self.events.remove(&id).expect("planned");
            self.handle(event);
            if self.disturbed && self.random.random_bool(0.01) {
                self.disturb();
            }
        }
        self.now = until;
    }

    fn handle(&mut self, event: Event) {
        let (index, number) = match &event {
            Event::Arrives(process, number, request) => {
                let (process, number, answer) = (*process, *number, self.serve(request));
                if let Some(after) = self.delay() {
                    self.plan(after, Event::Answered(process, number, Box::new(answer)));
                }
                return;
            }
            Event::Sent(process, number) | Event::Answered(process, number, _) | Event::GivenUp(process, number) => {
                (*process, *number)
            }
        };
        let (now, process) = (self.now, &mut self.processes[index]);
        if !process.alive || process.number != number {
            return;
        }
        // A process that was stopped finds all events at once when it continues, in any order.
        if process.stopped_until > now {
            let after = process.stopped_until - now + self.random.random_range(0..2);
            return self.plan(after, event);
        }
        match event {
            Event::Sent(..) => {
                process.sent = process.clock(now);
                let (request, limit) = (process.next.request.clone(), process.lasts(REQUEST_LIMIT));
                self.plan(limit, Event::GivenUp(index, number));
                if let Some(after) = self.delay() {
                    self.plan(after, Event::Arrives(index, number, request));
                }
            }
            Event::Answered(.., answer) => self.on(index, *answer),
            Event::GivenUp(..) => self.on(index, Answer::Failed),
            Event::Arrives(..) => unreachable!("handled above"),
        }
    }

    fn on(&mut self, index: usize, answer: Answer) {
        let (now, jitter) = (self.now, self.random.random());
        let process = &mut self.processes[index];
        let (role, next) = process.machine.on(answer, process.sent, process.clock(now), jitter);
        process.number += 1;
        let (number, after) = (process.number, process.lasts(next.after));
        process.next = next;
        let deadline = match role {
            Role::Standby => None,
            Role::Leader(until) => {
                process.open_until = Some(until);
                Some(process.lasts(until - process.clock(now)))
            }
            Role::Lost(_) => {
                process.alive = false;
                return self.start_process();
            }
        };
        let open: Vec<usize> = (0..self.processes.len()).filter(|i| self.processes[*i].may_write(now)).collect();
        assert!(open.len() <= 1, "at {now} ms both may write: {open:?}");
        self.plan(after, Event::Sent(index, number));
        // The loop waits for an answer no longer than this.
        if let Some(deadline) = deadline {
            self.plan(deadline, Event::GivenUp(index, number));
        }
    }

    /// Answers as the API server.
    fn serve(&mut self, request: &Request) -> Answer {
        match (request, &self.lease) {
            (Request::Get, None) => Answer::Absent,
            (Request::Get, Some(lease)) => Answer::Found(lease.clone()),
            (Request::Write(wanted), lease) => {
                let version = |lease: &Lease| lease.metadata.resource_version.clone();
                if version(wanted) != lease.as_ref().and_then(version) {
                    return Answer::Conflict;
                }
                self.version += 1;
                let mut stored = Lease::clone(wanted);
                stored.metadata.resource_version = Some(self.version.to_string());
                // All renewals differ, and all clocks are wrong.
                let time = jiff::Timestamp::from_second(self.random.random_range(0..1 << 37)).ok();
                stored.spec.as_mut().expect("a spec").renew_time = time.map(MicroTime);
                self.lease = Some(stored.clone());
                Answer::Written(stored)
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

    /// Runs until a process leads; returns the time that this took.
    fn wait_for_a_leader(&mut self) -> Millis {
        let begun = self.now;
        while self.leader().is_none() {
            assert!(self.now < begun + 120_000, "no leader");
            self.run(self.now + 10);
        }
        self.now - begun
    }
}

#[test]
fn two_never_lead_at_once_and_one_leads_afterwards() {
    let mut terms = 0;
    for seed in 0..400 {
        let mut sim = Simulation::new(seed, 2 + seed as usize % 2);
        sim.run(600_000);
        terms += sim.lease.as_ref().and_then(|lease| lease.spec.as_ref()?.lease_transitions).unwrap_or(0);
        sim.disturbed = false;
        // Stopped processes continue, late messages arrive, the last term ends.
        sim.run(sim.now + 60_000);
        sim.wait_for_a_leader();
        let leader = sim.leader();
        sim.run(sim.now + 60_000);
        assert_eq!(sim.leader(), leader, "seed {seed}: it stays");
    }
    assert!(terms > 400, "only {terms} changes of the leader");
}

#[test]
fn another_leads_within_20_seconds_of_a_death() {
    for seed in 0..400 {
        let mut sim = Simulation::new(seed, 2);
        sim.disturbed = false;
        // All clocks run at the same speed: 20 s are 20 s.
        sim.processes.iter_mut().for_each(|process| process.speed = 1.0);
        sim.wait_for_a_leader();
        let moment = sim.random.random_range(20_000..40_000);
        sim.run(sim.now + moment);
        let leader = sim.leader().expect("it stays the leader");
        sim.processes[leader].alive = false;
        let took = sim.wait_for_a_leader();
        assert!((10_000..20_000).contains(&took), "seed {seed}: {took} ms");
    }
}
