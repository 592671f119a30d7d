//! The director: everything that happens to machines and people from outside, in its order.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::time::Duration;

use restante::control::protocol::{ControlReply, ControlRequest};
use restante::control::report::IdInfo;
use restante::node::NodeFault;
use restante_proto::limits::MINUTE_MS;
use restante_proto::time::UnixMillis;
use restante_sim_network::{CutId, Internet, WeatherEffect};
use restante_sim_population::{Churn, Habit};
use tokio::sync::mpsc;

use super::ledger::{Ledger, Standing};
use super::machine::Machine;
use super::person::{Desk, News};
use super::{Progress, since};
use crate::clock::Instant;
use crate::fault::{Effects, Source};
use crate::observed::Observed;
use crate::random::Random;
use crate::report::{Effect, Outcome, Report, Tier};
use crate::scenario::Scenario;
use crate::trace::Trace;
use crate::workload::{self, Absence};

mod build;
mod churn;
mod faults;
mod watching;

/// News that wait for the director, at most.
const NEWS_MAX: usize = 1_024;
/// Everybody is started within so long, in milliseconds.
const START_MS: u64 = 10_000;
/// How long somebody waits before handing a letter to the node again, in milliseconds.
const AGAIN_MS: u64 = 30_000;
/// How often it is looked whether all is settled, in milliseconds.
const SETTLE_MS: u64 = MINUTE_MS;
/// How often the run tells how far it is, in milliseconds.
const TELL_MS: u64 = MINUTE_MS;

/// What the director does at a moment.
enum Event {
    StartKeeper(usize),
    StartPerson(usize),
    /// A stay of a keeper ends, in which it was up, or not.
    Turn(usize, Habit, bool),
    Leave(usize, usize),
    Compose(usize),
    Fault(usize),
    Rejoin(usize),
    /// Look whether the power that was to be cut in the middle of a write is cut.
    Watch,
    Heal,
    Settle,
    Sample,
    Tell,
    Stop,
}

/// A run under way.
pub(super) struct Director<'a> {
    scenario: &'a Scenario,
    seed: u64,
    random: Random,
    told: &'a (dyn Fn(Progress) + Sync),
    base: tokio::time::Instant,
    queue: BTreeMap<(Instant, u64), Event>,
    planned: u64,
    internet: Internet,
    keepers: Vec<Machine>,
    people: Vec<Machine>,
    ids: Vec<IdInfo>,
    /// Letters of people whose nodes do not run.
    drafts: BTreeMap<usize, Vec<usize>>,
    killed: BTreeSet<usize>,
    /// Times a keeper went because it was its habit.
    turns: u64,
    cuts: BTreeMap<usize, CutId>,
    /// Keepers whose power will be cut in the middle of a write, each with the fault and how long it stays down.
    armed: BTreeMap<usize, (usize, u64)>,
    ledger: Ledger,
    effects: Effects,
    trace: Trace<'a>,
    news: (mpsc::Sender<News>, mpsc::Receiver<News>),
    /// What loss and doubling of packets changed.
    weather: WeatherEffect,
    observed: Observed,
    settled: Option<Instant>,
    over: bool,
}

impl Director<'_> {
    /// Runs it to its end.
    ///
    /// # Errors
    ///
    /// What goes wrong with writing the trace.
    pub(super) async fn run(mut self) -> io::Result<Report> {
        let driving = tokio::spawn(self.internet.clone().drive());
        self.plan();
        while !self.over && self.ledger.violation().is_none() {
            let Some(((at, _), _)) = self.queue.first_key_value() else {
                break;
            };
            let due = self.base + Duration::from_millis(at.0);
            tokio::select! {
                biased;
                Some(news) = self.news.1.recv() => self.on_news(news),
                () = tokio::time::sleep_until(due) => {
                    if let Some((_, event)) = self.queue.pop_first() {
                        self.on_event(event).await;
                    }
                }
            }
        }
        driving.abort();
        self.report()
    }

    fn now(&self) -> Instant {
        since(self.base)
    }

    fn at(&mut self, at: Instant, event: Event) {
        self.planned += 1;
        self.queue.insert((at, self.planned), event);
    }

    fn later(&mut self, ms: u64, event: Event) {
        self.at(self.now().plus(ms), event);
    }

    fn line(&mut self, what: std::fmt::Arguments<'_>) {
        self.trace.line(since(self.base), what);
    }

    fn plan(&mut self) {
        let scenario = self.scenario;
        for keeper in 0..self.keepers.len() {
            // Entry points first, as in life: somebody has to be there.
            let at = if keeper < build::ENTRIES {
                Instant(0)
            } else {
                Instant(self.random.below(START_MS / 2))
            };
            if keeper < build::ENTRIES {
                self.at(at, Event::StartKeeper(keeper));
            } else {
                self.settle_in(keeper, at);
            }
        }
        for person in 0..self.people.len() {
            let at = Instant(self.random.between(START_MS / 2, START_MS));
            self.at(at, Event::StartPerson(person));
        }
        for absence in workload::absences(scenario, &mut self.random) {
            let Absence {
                plan,
                person,
                leaves,
                returns,
            } = absence;
            self.at(leaves, Event::Leave(person, plan));
            if let Some(returns) = returns {
                self.at(returns, Event::StartPerson(person));
            }
        }
        for (number, fault) in scenario.faults.iter().enumerate() {
            let moments = (0..fault.times).map(|time| Instant(fault.at_ms + time * fault.every_ms));
            for at in moments.take_while(|at| at.0 < scenario.duration_ms) {
                self.at(at, Event::Fault(number));
            }
        }
        let healed = Instant(scenario.duration_ms);
        self.at(healed, Event::Heal);
        self.at(healed.plus(SETTLE_MS), Event::Settle);
        self.at(healed.plus(scenario.settle_ms), Event::Stop);
        self.at(Instant(TELL_MS), Event::Tell);
        self.at(Instant(self.pace_ms()), Event::Sample);
    }

    async fn on_event(&mut self, event: Event) {
        match event {
            Event::StartKeeper(keeper) => self.start_keeper(keeper),
            Event::StartPerson(person) => self.start_person(person),
            Event::Turn(keeper, habit, up) => self.turn(keeper, habit, up).await,
            Event::Leave(person, plan) => self.leave(person, plan).await,
            Event::Compose(letter) => self.compose(letter),
            Event::Fault(number) => self.on_fault(number).await,
            Event::Rejoin(number) => self.rejoin(number),
            Event::Watch => self.watch().await,
            Event::Heal => self.heal().await,
            Event::Settle => self.settle().await,
            Event::Sample => self.sample().await,
            Event::Tell => self.tell(),
            Event::Stop => self.stop().await,
        }
    }

    fn on_news(&mut self, news: News) {
        let now = self.now();
        match news {
            News::Sent { letter, outcome } => {
                match &outcome {
                    Ok(result) => {
                        let (state, with, of) =
                            (result.state, result.stored_with, result.stored_of);
                        self.line(format_args!("m{letter} is {state:?} with {with} of {of}"));
                    }
                    Err(fault) => self.line(format_args!("m{letter} is refused: {fault}")),
                }
                if self.ledger.on_sent(now, letter, outcome) {
                    self.later(AGAIN_MS, Event::Compose(letter));
                }
            }
            News::Shown { person, message } => {
                let clock = self.people.get(person).map(|machine| machine.clock.now());
                let clock = clock.unwrap_or_default();
                if let Some(letter) = self.ledger.on_shown(now, person, clock, *message) {
                    self.line(format_args!("p{person} is shown m{letter}"));
                }
            }
            News::Read { person, ids } => self.ledger.on_read(person, ids),
        }
    }

    fn start_keeper(&mut self, keeper: usize) {
        let Some(machine) = self.keepers.get_mut(keeper) else {
            return;
        };
        if self.killed.contains(&keeper) || machine.is_up() {
            return;
        }
        let started = machine.start();
        self.started(format!("k{keeper}"), started);
    }

    fn start_person(&mut self, person: usize) {
        let Some(machine) = self.people.get_mut(person).filter(|one| !one.is_up()) else {
            return;
        };
        let started = machine.start();
        let Some(calls) = machine.calls() else {
            return self.started(format!("p{person}"), started);
        };
        self.started(format!("p{person}"), started);
        let desk = Desk {
            person,
            calls,
            news: self.news.0.clone(),
        };
        let letters = self.ledger.letters.iter();
        let with = letters.filter_map(|letter| match (letter.from, letter.to) {
            (from, to) if from == person => Some(to),
            (from, to) if to == person => Some(from),
            _ => None,
        });
        let others: BTreeSet<usize> = with.collect();
        let ids = others.into_iter().filter_map(|other| self.ids.get(other));
        let ids = ids.map(|info| info.id.clone()).collect();
        tokio::spawn(desk.clone().befriend(ids));
        tokio::spawn(desk.read());
        for letter in self.drafts.remove(&person).unwrap_or_default() {
            self.compose(letter);
        }
    }

    fn started(&mut self, name: String, started: Result<(), NodeFault>) {
        match started {
            Ok(()) => {
                self.line(format_args!("{name} starts"));
                self.end(&name);
            }
            Err(fault) => {
                let what = format!("{name} does not start: {fault}");
                self.line(format_args!("{what}"));
                self.ledger.violate(since(self.base), "start", what);
            }
        }
    }

    async fn leave(&mut self, person: usize, plan: usize) {
        self.look(person).await;
        let Some(machine) = self.people.get_mut(person).filter(|one| one.is_up()) else {
            return;
        };
        let stopped = machine.stop().await;
        self.line(format_args!("p{person} leaves"));
        self.begin("away", format!("p{person}"));
        self.effects.add(Source::Away(plan), 1);
        if let Err(fault) = stopped {
            let what = format!("p{person} does not end well: {fault}");
            self.ledger.violate(since(self.base), "stop", what);
        }
    }

    fn compose(&mut self, number: usize) {
        let now = self.now();
        let Some(letter) = self.ledger.letters.get(number) else {
            return;
        };
        let (person, to, body, ttl_ms) =
            (letter.from, letter.to, letter.body.clone(), letter.ttl_ms);
        let (Some(calls), Some(to)) = (
            self.people.get(person).and_then(Machine::calls),
            self.ids.get(to).map(|info| info.id.clone()),
        ) else {
            self.drafts.entry(person).or_default().push(number);
            return;
        };
        self.ledger.on_written(now, number);
        self.line(format_args!("p{person} writes m{number}"));
        let news = self.news.0.clone();
        let desk = Desk {
            person,
            calls,
            news,
        };
        tokio::spawn(desk.send(number, to, body, ttl_ms));
    }

    /// Looks at how somebody's messages stand.
    async fn look(&mut self, person: usize) {
        let Some(machine) = self.people.get(person) else {
            return;
        };
        if let Some(Ok(ControlReply::Status(status))) = machine.ask(ControlRequest::Status).await {
            let now = self.now();
            self.ledger.on_outbox(now, person, &status.outbox);
        }
    }

    async fn settle(&mut self) {
        for person in 0..self.people.len() {
            self.look(person).await;
        }
        match self.unsettled() {
            None => {
                self.settled = Some(self.now());
                self.line(format_args!("all is settled"));
                self.over = true;
            }
            Some(_) => self.later(SETTLE_MS, Event::Settle),
        }
    }

    async fn stop(&mut self) {
        for person in 0..self.people.len() {
            self.look(person).await;
        }
        if let Some((rule, what)) = self.unsettled() {
            let now = self.now();
            self.ledger.violate(now, rule, what);
        }
        self.over = true;
    }

    fn clocks(&self) -> Vec<UnixMillis> {
        self.people
            .iter()
            .map(|machine| machine.clock.now())
            .collect()
    }

    fn unsettled(&self) -> Option<(&'static str, String)> {
        let present: Vec<bool> = self.people.iter().map(Machine::is_up).collect();
        self.ledger.unsettled(&Standing {
            clocks: &self.clocks(),
            present: &present,
            killed: self.killed.len(),
        })
    }

    fn all_effects(&self) -> Vec<Effect> {
        let scenario = self.scenario;
        let machines = self.keepers.iter().chain(&self.people);
        let skewed = machines.filter(|machine| machine.clock != restante::clock::Clock::system());
        let ambient = [
            ("loss", scenario.network.loss_ppm, self.weather.lost),
            (
                "duplicates",
                scenario.network.duplicate_ppm,
                self.weather.duplicated,
            ),
            ("clock skew", scenario.skew_ms, skewed.count() as u64),
            (
                "churn",
                u64::from(scenario.population.churn != Churn::Always),
                self.turns,
            ),
        ];
        let injected = ambient.into_iter().filter(|(_, wanted, _)| *wanted > 0);
        let named = injected.map(|(fault, _, changed)| Effect {
            fault: fault.to_owned(),
            changed,
        });
        named.chain(self.effects.all()).collect()
    }

    fn report(mut self) -> io::Result<Report> {
        let (now, stats, effects) = (self.now(), self.internet.stats(), self.all_effects());
        let mut counts = self.ledger.counts(&self.clocks());
        self.observed.waits_ms = self.ledger.waits_ms();
        self.observed.machines = self.traffic();
        self.observed.healed_ms = self.scenario.duration_ms;
        counts.packets = stats.segments;
        counts.bytes = stats.sent_bytes;
        counts.overtaken = stats.overtaken;
        if let Some((rule, what)) = crate::checker::at_last(self.scenario, &counts, &effects) {
            self.ledger.violate(now, rule, what);
        }
        if let Some(violation) = self.ledger.violation().cloned() {
            let (rule, what) = (violation.rule, violation.what);
            self.line(format_args!("! {rule}: {what}"));
        }
        self.line(format_args!("network: {:016x}", self.internet.trace_hash()));
        let (trace_hash, trace_lines) = self.trace.finish()?;
        Ok(Report {
            scenario: self.scenario.name.clone(),
            tier: Tier::Full,
            seed: self.seed,
            nodes: self.scenario.nodes,
            outcome: self
                .ledger
                .violation()
                .cloned()
                .map_or(Outcome::Passed, Outcome::Violated),
            trace_hash,
            trace_lines,
            events: stats.segments,
            virtual_ms: now.0,
            settled_after_ms: self.settled.map(|at| at.0 - self.scenario.duration_ms),
            counts,
            effects,
            observed: Some(self.observed),
        })
    }
}
