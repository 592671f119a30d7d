//! The world: one ordered queue of events, and everything that takes part.

use std::collections::BTreeMap;
use std::io::{self, Write};

use bytes::Bytes;
use restante_proto::{
    NodeId,
    account::Identity,
    keeper::ConnId,
    keys::SecretKey,
    limits::{DAY_MS, MINUTE_MS},
    time::UnixMillis,
};

use crate::{
    checker::{Checker, End},
    clock::{Clock, Instant},
    fault::Effects,
    host::Host,
    network::{End as Place, Network},
    person::{Disk, Person},
    random::Random,
    report::{Effect, Outcome, Report},
    routing::Routing,
    scenario::Scenario,
    trace::Trace,
    workload::{self, Letter},
};

mod faults;
mod keepers;
mod people;

use self::faults::Armed;

/// The first day on which a run may begin: 2026-05-28.
const FIRST_DAY: UnixMillis = UnixMillis::new(1_779_926_400_000);
/// Everybody is started within so long, in milliseconds.
const START_MS: u64 = 10_000;
/// How often all disks are looked at, at most, in milliseconds.
const AUDIT_MIN_MS: u64 = 5 * MINUTE_MS;
/// How many times all disks are looked at, about.
const AUDITS: u64 = 100;
/// How often it is looked whether all is as it should be, once the faults are over, in milliseconds.
const SETTLE_MS: u64 = MINUTE_MS;
/// How long a run goes on once all is as it should be, in milliseconds: longer than two comparisons.
const TAIL_MS: u64 = 25 * MINUTE_MS;
/// How long a keeper that is gone is still found by lookups, in milliseconds.
const STALE_MS: u64 = MINUTE_MS;
/// Events in one millisecond: more are no traffic but a loop.
const EVENTS_AT_ONCE_MAX: u64 = 200_000;

/// What happens at some moment.
enum Event {
    /// Somebody is due.
    Wake(Place),
    /// A person's node starts for the first time or again.
    Start { person: usize },
    /// A person's node stops.
    Leave { person: usize, plan: usize },
    /// Somebody writes something.
    Compose(Letter),
    /// A request arrives at a keeper.
    Request {
        person: usize,
        incarnation: u64,
        keeper: usize,
        call: u64,
        payload: Bytes,
    },
    /// The oldest operation of a keeper is durable.
    Durable { keeper: usize, incarnation: u64 },
    /// An answer arrives, or the word that none will.
    Answer {
        person: usize,
        incarnation: u64,
        call: u64,
        payload: Option<Bytes>,
    },
    /// A push arrives.
    Push {
        person: usize,
        incarnation: u64,
        keeper: usize,
        payload: Bytes,
    },
    /// A lookup ends.
    Found {
        person: usize,
        incarnation: u64,
        call: u64,
        address: restante_proto::Address,
        count: usize,
    },
    /// A piece of work is done.
    Worked {
        person: usize,
        incarnation: u64,
        call: u64,
    },
    /// A person notices that a connection is gone.
    Lost {
        person: usize,
        incarnation: u64,
        keeper: usize,
    },
    /// A keeper notices that a connection is gone.
    Closed {
        keeper: usize,
        incarnation: u64,
        conn: ConnId,
    },
    /// A person has peers to ask, after there were none.
    NetworkUp { person: usize, incarnation: u64 },
    /// Something goes wrong.
    Fault { number: usize },
    /// A keeper's process ends.
    Crash {
        keeper: usize,
        number: usize,
        down_ms: u64,
    },
    /// A keeper starts again.
    Restart { keeper: usize },
    /// A partition ends.
    Rejoin,
    /// Connections over a cut are given up.
    Break { number: usize },
    /// All disks are looked at.
    Audit,
    /// All faults are over.
    Heal,
    /// It is looked whether all is as it should be.
    Settle,
    /// The run is over.
    Stop,
}

/// A connection from a person to a keeper.
struct Link {
    person: usize,
    person_incarnation: u64,
    keeper: usize,
    keeper_incarnation: u64,
}

/// Everything that takes part in a run.
struct World<'a> {
    scenario: &'a Scenario,
    now: Instant,
    order: u64,
    queue: BTreeMap<(Instant, u64), Event>,
    people: Vec<Person>,
    hosts: Vec<Host>,
    numbers: BTreeMap<NodeId, usize>,
    wakes: BTreeMap<Place, Instant>,
    links: BTreeMap<ConnId, Link>,
    armed: Vec<Armed>,
    /// Keepers that are down, and the fault that did it.
    down_by: BTreeMap<usize, usize>,
    /// The partition that lasts, and what had been cut before.
    cutting: Option<(usize, u64)>,
    network: Network,
    routing: Routing,
    checker: Checker,
    effects: Effects,
    trace: Trace<'a>,
    random: Random,
    skewed: u64,
    settled: Option<Instant>,
    events: u64,
}

/// Runs a scenario with a seed; the trace goes to `sink` if somebody wants it.
///
/// # Errors
///
/// Whatever `sink` says.
pub fn simulate<'a>(
    scenario: &'a Scenario,
    seed: u64,
    sink: Option<&'a mut dyn Write>,
) -> io::Result<Report> {
    let mut world = World::new(scenario, seed, sink);
    world.run();
    world.report(seed)
}

impl<'a> World<'a> {
    fn new(scenario: &'a Scenario, seed: u64, sink: Option<&'a mut dyn Write>) -> Self {
        let mut random = Random::of(seed, "world");
        let start = FIRST_DAY.plus(random.below(DAY_MS));
        let hosts: Vec<Host> = (0..scenario.keepers())
            .map(|number| {
                let own = Random::of(seed, &format!("keeper {number}"));
                Host::new(
                    clock(scenario, start, &mut random),
                    scenario.disk.clone(),
                    own,
                )
            })
            .collect();
        let people = people(scenario, seed, start, &mut random);
        let nodes: Vec<NodeId> = hosts.iter().map(|host| host.node).collect();
        let mut world = Self {
            scenario,
            now: Instant::default(),
            order: 0,
            queue: BTreeMap::new(),
            people,
            hosts,
            numbers: nodes
                .iter()
                .enumerate()
                .map(|(number, node)| (*node, number))
                .collect(),
            wakes: BTreeMap::new(),
            links: BTreeMap::new(),
            armed: Vec::new(),
            down_by: BTreeMap::new(),
            cutting: None,
            network: Network::new(scenario.network.clone(), Random::of(seed, "network")),
            routing: Routing::new(nodes),
            checker: Checker::default(),
            effects: Effects::new(scenario),
            trace: Trace::new(sink),
            random,
            skewed: 0,
            settled: None,
            events: 0,
        };
        world.plan(&mut Random::of(seed, "workload"));
        world
    }

    /// Puts everything into the queue that the scenario decides.
    fn plan(&mut self, random: &mut Random) {
        let scenario = self.scenario;
        for keeper in 0..self.hosts.len() {
            self.at(
                Instant(random.below(START_MS / 2)),
                Event::Restart { keeper },
            );
        }
        for person in 0..self.people.len() {
            self.at(
                Instant(random.between(START_MS / 2, START_MS)),
                Event::Start { person },
            );
        }
        for letter in workload::letters(&scenario.workload, self.people.len(), random) {
            self.at(letter.at, Event::Compose(letter));
        }
        for absence in workload::absences(scenario, random) {
            let workload::Absence {
                plan,
                person,
                leaves,
                returns,
            } = absence;
            self.at(leaves, Event::Leave { person, plan });
            if let Some(returns) = returns {
                self.at(returns, Event::Start { person });
            }
        }
        for (number, fault) in scenario.faults.iter().enumerate() {
            for time in 0..fault.times {
                let at = fault
                    .at_ms
                    .saturating_add(time.saturating_mul(fault.every_ms));
                if at < scenario.duration_ms {
                    self.at(Instant(at), Event::Fault { number });
                }
            }
        }
        let stop = Instant(scenario.duration_ms.saturating_add(scenario.settle_ms));
        let every = AUDIT_MIN_MS.max(stop.0 / AUDITS);
        let audits = (1..).map(|time| Instant(every.saturating_mul(time)));
        for at in audits.take_while(|at| *at < stop) {
            self.at(at, Event::Audit);
        }
        let healed = Instant(scenario.duration_ms);
        self.at(healed, Event::Heal);
        self.at(healed.plus(SETTLE_MS), Event::Settle);
        self.at(stop, Event::Stop);
    }

    fn at(&mut self, at: Instant, event: Event) {
        let order = self.order;
        self.order += 1;
        self.queue.insert((at.max(self.now), order), event);
    }

    fn later(&mut self, ms: u64, event: Event) {
        self.at(self.now.plus(ms), event);
    }

    fn run(&mut self) {
        let mut at_once = 0;
        while let Some(((at, _), event)) = self.queue.pop_first() {
            at_once = if at == self.now { at_once + 1 } else { 0 };
            self.now = at;
            self.events += 1;
            if at_once > EVENTS_AT_ONCE_MAX {
                self.checker.violate(
                    at,
                    "idle",
                    "events follow each other without end".to_owned(),
                );
            }
            if matches!(event, Event::Stop) {
                self.stop();
                return;
            }
            self.on_event(event);
            if self.checker.is_violated() {
                return;
            }
        }
    }

    fn on_event(&mut self, event: Event) {
        match event {
            Event::Wake(place) => self.on_wake(place),
            Event::Start { person } => self.on_start(person),
            Event::Leave { person, plan } => self.on_leave(person, plan),
            Event::Compose(letter) => self.on_compose(letter),
            Event::Request {
                person,
                incarnation,
                keeper,
                call,
                payload,
            } => {
                self.on_request((person, incarnation), keeper, call, payload);
            }
            Event::Durable {
                keeper,
                incarnation,
            } => self.on_durable(keeper, incarnation),
            Event::Answer {
                person,
                incarnation,
                call,
                payload,
            } => {
                self.on_answer((person, incarnation), call, payload);
            }
            Event::Push {
                person,
                incarnation,
                keeper,
                payload,
            } => {
                self.on_push((person, incarnation), keeper, &payload);
            }
            Event::Found {
                person,
                incarnation,
                call,
                address,
                count,
            } => {
                self.on_found((person, incarnation), call, &address, count);
            }
            Event::Worked {
                person,
                incarnation,
                call,
            } => {
                self.with_person((person, incarnation), |p, now| p.on_worked(now, call));
            }
            Event::Lost {
                person,
                incarnation,
                keeper,
            } => {
                let Some(node) = self.hosts.get(keeper).map(|host| host.node) else {
                    return;
                };
                self.with_person((person, incarnation), |p, now| p.on_lost(now, node));
            }
            Event::Closed {
                keeper,
                incarnation,
                conn,
            } => self.on_closed(keeper, incarnation, conn),
            Event::NetworkUp {
                person,
                incarnation,
            } => {
                self.with_person((person, incarnation), Person::on_network_up);
            }
            Event::Fault { number } => self.on_fault(number),
            Event::Crash {
                keeper,
                number,
                down_ms,
            } => self.on_crash(keeper, number, Some(down_ms)),
            Event::Restart { keeper } => self.on_restart(keeper),
            Event::Rejoin => self.on_rejoin(),
            Event::Break { number } => self.on_break(number),
            Event::Audit => self.audit(),
            Event::Heal => self.on_heal(),
            Event::Settle => self.on_settle(),
            Event::Stop => {}
        }
    }

    /// Sees to it that somebody is woken at `at`.
    fn wake_at(&mut self, place: Place, at: Instant) {
        if self.wakes.get(&place).is_none_or(|planned| *planned > at) {
            self.wakes.insert(place, at);
            self.at(at, Event::Wake(place));
        }
    }

    fn on_wake(&mut self, place: Place) {
        if self.wakes.get(&place) != Some(&self.now) {
            return;
        }
        self.wakes.remove(&place);
        match place {
            Place::Person(person) => self.on_person_due(person),
            Place::Keeper(keeper) => self.on_keeper_due(keeper),
        }
    }

    fn audit(&mut self) {
        for (number, host) in self.hosts.iter_mut().enumerate() {
            self.checker.audit(self.now, number, host);
        }
    }

    /// Once all is as it should be, goes on for a while to see that it stays so.
    fn on_settle(&mut self) {
        if self.settled.is_some() {
            return;
        }
        if self.unsettled().is_none() {
            self.settled = Some(self.now);
            self.trace.line(self.now, format_args!("all is settled"));
            self.later(TAIL_MS, Event::Stop);
        } else {
            self.later(SETTLE_MS, Event::Settle);
        }
    }

    fn unsettled(&mut self) -> Option<(&'static str, String)> {
        let Self {
            now,
            people,
            hosts,
            routing,
            ..
        } = self;
        self.checker.unsettled(End {
            now: *now,
            people,
            hosts,
            routing,
        })
    }

    fn stop(&mut self) {
        self.audit();
        if let Some((rule, what)) = self.unsettled() {
            self.checker.violate(self.now, rule, what);
        }
    }

    fn all_effects(&self) -> Vec<Effect> {
        let (tally, scenario) = (&self.network.tally, self.scenario);
        let ambient = [
            ("loss", scenario.network.loss_ppm, tally.lost),
            (
                "duplicates",
                scenario.network.duplicate_ppm,
                tally.duplicated,
            ),
            ("clock skew", scenario.skew_ms, self.skewed),
        ];
        let injected = ambient.into_iter().filter(|(_, wanted, _)| *wanted > 0);
        let named = injected.map(|(fault, _, changed)| Effect {
            fault: fault.to_owned(),
            changed,
        });
        named.chain(self.effects.all()).collect()
    }

    fn report(mut self, seed: u64) -> io::Result<Report> {
        let effects = self.all_effects();
        let mut counts = self
            .checker
            .counts(self.now, &self.people, &self.network.tally);
        counts.held_bytes = self.hosts.iter().map(Host::held_bytes).sum();
        self.checker
            .at_last(self.now, self.scenario, &counts, &effects);
        let violation = self.checker.violation();
        if let Some(violation) = &violation {
            self.trace.line(
                self.now,
                format_args!("! {}: {}", violation.rule, violation.what),
            );
        }
        let (trace_hash, trace_lines) = self.trace.finish()?;
        Ok(Report {
            scenario: self.scenario.name.clone(),
            seed,
            nodes: self.scenario.nodes,
            outcome: violation.map_or(Outcome::Passed, Outcome::Violated),
            trace_hash,
            trace_lines,
            events: self.events,
            virtual_ms: self.now.0,
            settled_after_ms: self.settled.map(|at| at.0 - self.scenario.duration_ms),
            counts,
            effects,
        })
    }
}

/// Draws a clock that is wrong by up to the scenario's skew, one way or the other.
fn clock(scenario: &Scenario, start: UnixMillis, random: &mut Random) -> Clock {
    let wrong = random.between(0, scenario.skew_ms);
    let (ahead, behind) = if random.chance(500_000) {
        (wrong, 0)
    } else {
        (0, wrong)
    };
    Clock::new(start, ahead, behind)
}

/// Makes people who all know each other by their IDs.
fn people(scenario: &Scenario, seed: u64, start: UnixMillis, random: &mut Random) -> Vec<Person> {
    let mut people: Vec<Person> = (0..scenario.people)
        .map(|number| {
            let mut own = Random::of(seed, &format!("person {number}"));
            let clock = clock(scenario, start, random);
            let identity = Identity {
                account: SecretKey::generate(&mut own),
                device: SecretKey::generate(&mut own),
                handle: format!("p{number}")
                    .parse()
                    .expect("a letter and at most twenty digits make a handle"),
            };
            Person::new(clock, Disk::new(identity, clock.read(Instant(0))), own)
        })
        .collect();
    let known: Vec<_> = people
        .iter()
        .map(|person| {
            (
                person.disk.identity.account.public(),
                person.disk.id.clone(),
            )
        })
        .collect();
    for (number, person) in people.iter_mut().enumerate() {
        for (_, (account, id)) in known
            .iter()
            .enumerate()
            .filter(|(other, _)| *other != number)
        {
            person.disk.befriend(*account, id.clone());
        }
    }
    people
}
