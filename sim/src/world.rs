//! The world: one ordered queue of events, and everything that takes part.

use std::collections::BTreeMap;
use std::io::{self, Write};

use restante_proto::{NodeId, keeper::ConnId, limits::MINUTE_MS};

use crate::{
    checker::{Checker, End},
    clock::Instant,
    fault::Effects,
    host::Host,
    network::{End as Place, Network},
    observed::Upkeep,
    outturn::Outturn,
    person::Person,
    random::Random,
    report::{Effect, Outcome, Report, Tier},
    routing::Routing,
    scenario::Scenario,
    trace::Trace,
};

mod event;
mod faults;
mod keepers;
mod people;
mod plan;
#[cfg(test)]
mod tests;
mod words;

use self::event::{Event, Link};
use self::faults::Armed;

/// How often it is looked whether all is settled, once the faults are over, in milliseconds.
const SETTLE_MS: u64 = MINUTE_MS;
/// How long a run goes on once all is settled, in milliseconds: longer than two comparisons.
const TAIL_MS: u64 = 25 * MINUTE_MS;
/// Events in one millisecond: more are no traffic but a loop.
const EVENTS_AT_ONCE_MAX: u64 = 200_000;

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
    injected: Injected,
    network: Network,
    routing: Routing,
    checker: Checker,
    effects: Effects,
    trace: Trace<'a>,
    random: Random,
    settled: Option<Instant>,
    events: u64,
}

/// Faults that last.
#[derive(Default)]
struct Injected {
    /// Crashes that wait for a keeper with a write under way.
    armed: Vec<Armed>,
    /// Keepers that are down, and the fault that did it.
    down_by: BTreeMap<usize, usize>,
    /// The partition that lasts, and how many packets had been cut before.
    cutting: Option<(usize, u64)>,
    /// Requests between two clocks that differ.
    skewed: u64,
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
        let start = scenario.time.start(&mut random);
        let hosts = plan::hosts(scenario, seed, start, &mut random);
        let people = plan::people(scenario, seed, start, &mut random);
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
            injected: Injected::default(),
            network: Network::new(scenario.network.clone(), Random::of(seed, "network")),
            routing: Routing::new(nodes),
            checker: Checker::default(),
            effects: Effects::new(scenario),
            trace: Trace::new(sink),
            random,
            settled: None,
            events: 0,
        };
        for (number, person) in world.people.iter().enumerate() {
            world.checker.cards.learn(number, &person.disk.id, start);
        }
        world.plan(&mut Random::of(seed, "workload"));
        world
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
                self.checker
                    .violate(at, "idle", "events follow without end".to_owned());
            }
            if matches!(event, Event::Stop) {
                return self.on_stop();
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
            Event::Start(person) => self.on_start(person),
            Event::Leave(person, plan) => self.on_leave(person, plan),
            Event::Compose(letter) => self.on_compose(letter),
            Event::ToPerson(whom, news) => self.on_news(whom, news),
            Event::Request {
                from,
                keeper,
                call,
                payload,
            } => {
                self.on_request(from, keeper, call, payload);
            }
            Event::Durable {
                keeper,
                incarnation,
            } => self.on_durable(keeper, incarnation),
            Event::Closed {
                keeper,
                incarnation,
                conn,
            } => {
                self.on_closed(keeper, incarnation, conn);
            }
            Event::Fault(number) => self.on_fault(number),
            Event::Crash {
                keeper,
                number,
                down_ms,
            } => {
                self.on_crash(keeper, number, Some(down_ms));
            }
            Event::Restart(keeper) => self.on_restart(keeper),
            Event::Rejoin => self.on_rejoin(),
            Event::Break(number) => self.on_break(number),
            Event::Audit => self.audit(),
            Event::Heal => self.on_heal(),
            Event::Settle => self.on_settle(),
            Event::Settled => self.on_settled(),
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

    /// Once all is settled, goes on for a while to see that it stays so.
    fn on_settle(&mut self) {
        if self.unsettled().is_none() {
            self.settled = Some(self.now);
            self.trace.line(self.now, format_args!("all is settled"));
            self.later(TAIL_MS, Event::Settled);
        } else {
            self.later(SETTLE_MS, Event::Settle);
        }
    }

    /// Ends the run if all is still settled, and waits on if a sender has meanwhile found nearer keepers for what was
    /// taken: its recipient meets such a copy only when it compares all keepers.
    fn on_settled(&mut self) {
        if self.unsettled().is_none() {
            self.at(self.now, Event::Stop);
        } else {
            self.settled = None;
            self.trace
                .line(self.now, format_args!("all is settled no more"));
            self.later(SETTLE_MS, Event::Settle);
        }
    }

    fn on_stop(&mut self) {
        self.audit();
        if let Some((rule, what)) = self.unsettled() {
            self.checker.violate(self.now, rule, what);
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

    fn all_effects(&self) -> Vec<Effect> {
        let (tally, scenario) = (&self.network.tally, self.scenario);
        let ambient = [
            ("loss", scenario.network.loss.ppm(), tally.lost),
            (
                "duplicates",
                scenario.network.duplicates.ppm(),
                tally.duplicated,
            ),
            ("clock skew", scenario.time.skew.get(), self.injected.skewed),
        ];
        let injected = ambient.into_iter().filter(|(_, wanted, _)| *wanted > 0);
        let named = injected.map(|(fault, _, changed)| Effect {
            fault: fault.to_owned(),
            changed,
            ..Effect::default()
        });
        named.chain(self.effects.all()).collect()
    }

    fn report(mut self, seed: u64) -> io::Result<Report> {
        let effects = self.all_effects();
        let mut counts = self
            .checker
            .counts(self.now, &self.people, &self.network.tally);
        counts.held_bytes = self.hosts.iter().map(Host::held_bytes).sum();
        let settled_after_ms = self.settled.map(|at| at.0 - self.scenario.duration_ms());
        let outturn = Outturn {
            counts: &counts,
            nodes: self.scenario.population.nodes,
            virtual_ms: self.now.0,
            settled_after_ms,
            upkeep: Upkeep::default(),
        };
        self.checker
            .at_last(self.now, self.scenario, &outturn, &effects);
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
            tier: Tier::Protocol,
            seed,
            nodes: self.scenario.population.nodes,
            outcome: violation.map_or(Outcome::Passed, Outcome::Violated),
            trace_hash,
            trace_lines,
            events: self.events,
            virtual_ms: self.now.0,
            settled_after_ms,
            counts,
            effects,
            observed: None,
        })
    }
}
