//! The director: everything that happens to machines and people from outside, in its order.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::time::Duration;

use restante::node::person::PersonError;
use restante_interface::{IdInfo, Reply, Request};
use restante_proto::limits::{MINUTE_MS, SECOND_MS};
use restante_proto::time::UnixMillis;
use restante_sim_network::Internet;
use restante_sim_population::Habit;
use tokio::sync::mpsc;

use super::burns::Burns;
use super::ledger::{Ledger, Standing};
use super::machine::Machine;
use super::panics;
use super::person::{Desk, News};
use super::stores::Stores;
use super::{Progress, since};
use crate::clock::Instant;
use crate::fault::{Effects, Source};
use crate::ideal::Ideal;
use crate::observed::{Causes, Observed};
use crate::outturn::{self, Outturn};
use crate::random::Random;
use crate::report::{Effect, Outcome, Report, Tier};
use crate::scenario::ENTRIES;
use crate::scenario::Scenario;
use crate::trace::Trace;
use crate::workload::{self, Absence};

mod addresses;
mod adversaries;
mod build;
mod burning;
mod churn;
mod classes;
mod faults;
mod news;
mod returns;
mod stores;
mod traffic;
mod watching;

use self::adversaries::Adversaries;
use self::classes::Classes;
use self::faults::{Injected, Party, Storm};
use self::traffic::Counted;
use self::watching::AtKeepers;

/// News that wait for the director, at most.
const NEWS_MAX: usize = 1_024;
/// How long a person waits before handing a letter to the node again, in milliseconds.
const AGAIN_MS: u64 = 30_000;
/// How often it is looked whether all is settled, in milliseconds.
const SETTLE_MS: u64 = MINUTE_MS;
/// How often the run tells how far it is, in milliseconds.
const TELL_MS: u64 = 10 * SECOND_MS;

/// What the director does at a moment.
enum Event {
    StartKeeper(usize),
    StartPerson(usize),
    /// A machine starts again, which a fault has ended, by its number.
    Restart(Party, Option<usize>),
    /// A stay ends in which a machine was up, or was not.
    Turn(Party, Habit, bool),
    /// Look whether the power of a person's node, which was to be cut, is cut.
    LookAtPower(usize),
    /// Somebody's line fails for a while, and works again.
    Collapse(Party),
    Recover(Party),
    Leave(usize, usize),
    Return(usize),
    Compose(usize),
    Fault(usize),
    /// What has lasted is over, by its serial number.
    Over(u64),
    /// A clock that drifts is moved, by the same number.
    Drift(u64),
    /// Look whether the power that was to be cut in the middle of a write is cut.
    Watch,
    /// Look whether a process has ended by itself.
    Rounds,
    /// Look whether a machine whose disk is in order stores everything again.
    Healed(Party),
    Heal,
    Settle,
    Sample,
    /// What machines use counts from now on.
    Count,
    Tell,
    Stop,
}

/// A run under way.
pub(super) struct Director<'a> {
    scenario: &'a Scenario,
    tier: Tier,
    seed: u64,
    random: Random,
    told: &'a (dyn Fn(Progress) + Sync),
    base: tokio::time::Instant,
    queue: BTreeMap<(Instant, u64), Event>,
    planned: u64,
    internet: Internet,
    ideal: Option<Ideal>,
    keepers: Vec<Machine>,
    people: Vec<Machine>,
    ids: Vec<IdInfo>,
    /// Letters of people whose nodes do not run.
    drafts: BTreeMap<usize, Vec<usize>>,
    injected: Injected,
    adversaries: Adversaries,
    classes: Classes,
    /// People who are away by plan.
    absent: BTreeSet<usize>,
    /// People whose power is about to be cut, each with the latest moment.
    failing: BTreeMap<usize, Instant>,
    ledger: Ledger,
    burns: Burns,
    /// What keepers' stores say.
    stores: Stores,
    effects: Effects,
    trace: Trace<'a>,
    news: (mpsc::Sender<News>, mpsc::Receiver<News>),
    weather: Storm,
    observed: Observed,
    /// What machines had used when it began to count.
    counted: Counted,
    settled: Option<Instant>,
    /// Machines whose faults and absences are written down.
    spanned: BTreeSet<String>,
    over: bool,
}

impl Director<'_> {
    /// Runs it to its end.
    ///
    /// # Errors
    ///
    /// What goes wrong with writing the trace.
    pub(super) async fn run(mut self) -> io::Result<Report> {
        let driving = match &self.ideal {
            Some(ideal) => tokio::spawn(ideal.clone().drive()),
            None => tokio::spawn(self.internet.clone().drive()),
        };
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
                () = self.stores.told() => {}
                () = spins(self.ideal.as_ref()) => {
                    let what = "time does not go on any more".to_owned();
                    self.ledger.violate(self.now(), "spinning", what);
                }
            }
            self.hear();
            if let Some(what) = panics::take() {
                let now = self.now();
                self.ledger.violate(now, "panic", what);
            }
        }
        driving.abort();
        let at_keepers = self.at_keepers().await;
        let causes = self.causes().await;
        self.report(at_keepers, causes)
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
        self.hear();
        self.trace.line(since(self.base), what);
    }

    fn plan(&mut self) {
        let scenario = self.scenario;
        let arrive_ms = scenario.time.arrive.get();
        for keeper in 0..self.keepers.len() {
            // Entry points first, as in life: the others need them to join.
            let at = if keeper < ENTRIES {
                Instant(0)
            } else {
                Instant(self.random.below(arrive_ms / 2))
            };
            if keeper < ENTRIES || self.is_evil(keeper) {
                self.at(at, Event::StartKeeper(keeper));
            } else {
                self.settle_in(Party::Keeper(keeper), at);
            }
        }
        for person in 0..self.people.len() {
            let at = Instant(self.random.between(arrive_ms / 2, arrive_ms));
            self.settle_in(Party::Person(person), at);
        }
        self.plan_collapses();
        for absence in workload::absences(scenario, &mut self.random) {
            let Absence {
                plan,
                person,
                leaves,
                returns,
            } = absence;
            self.at(leaves, Event::Leave(person, plan));
            if let Some(returns) = returns {
                self.at(returns, Event::Return(person));
            }
        }
        for (number, fault) in scenario.faults.iter().enumerate() {
            for at_ms in fault.moments(scenario.duration_ms()) {
                self.at(Instant(at_ms), Event::Fault(number));
            }
        }
        let healed = Instant(scenario.duration_ms());
        self.at(healed, Event::Heal);
        self.at(healed.plus(SETTLE_MS), Event::Settle);
        self.at(healed.plus(scenario.time.settle.get()), Event::Stop);
        self.at(Instant(TELL_MS), Event::Tell);
        self.at(Instant(self.pace_ms()), Event::Sample);
        if let Some(from_ms) = self.counted_from_ms() {
            self.at(Instant(from_ms), Event::Count);
        }
    }

    async fn on_event(&mut self, event: Event) {
        match event {
            Event::StartKeeper(keeper) => self.start_keeper(keeper),
            Event::StartPerson(person) => self.start_person(person),
            Event::Restart(who, _) => self.restart(who),
            Event::Turn(who, habit, up) => self.turn(who, habit, up).await,
            Event::LookAtPower(person) => self.look_at_power(person).await,
            Event::Collapse(who) => self.collapse(who),
            Event::Recover(who) => self.recover(who),
            Event::Return(person) => {
                self.absent.remove(&person);
                self.start_person(person);
                self.on_return(person);
            }
            Event::Leave(person, plan) => self.leave(person, plan).await,
            Event::Compose(letter) => self.compose(letter),
            Event::Fault(number) => self.on_fault(number).await,
            Event::Over(serial) => self.over(serial).await,
            Event::Drift(serial) => self.drift(serial),
            Event::Watch => self.watch().await,
            Event::Rounds => self.rounds().await,
            Event::Healed(who) => self.look_at_stores(who).await,
            Event::Heal => self.heal().await,
            Event::Settle => self.settle().await,
            Event::Sample => self.sample().await,
            Event::Count => self.counted = self.count_traffic().await,
            Event::Tell => self.tell(),
            Event::Stop => self.stop().await,
        }
    }

    fn start_keeper(&mut self, keeper: usize) {
        let is_off = keeper < ENTRIES && self.outage().is_some();
        let Some(machine) = self.keepers.get_mut(keeper) else {
            return;
        };
        if self.injected.killed.contains(&keeper) || is_off || machine.is_up() {
            return;
        }
        let started = machine.start();
        self.started(Party::Keeper(keeper), started);
    }

    fn start_person(&mut self, person: usize) {
        let Some(machine) = self.people.get_mut(person).filter(|one| !one.is_up()) else {
            return;
        };
        if self.absent.contains(&person) {
            return;
        }
        let started = machine.start();
        let (calls, clock) = (machine.calls(), machine.clock);
        self.started(Party::Person(person), started);
        let Some(calls) = calls else {
            return;
        };
        let desk = Desk {
            person,
            calls,
            news: self.news.0.clone(),
            clock,
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
        self.hand_over_drafts(person);
    }

    /// Hands over what was written while the node could not take it.
    fn hand_over_drafts(&mut self, person: usize) {
        for letter in self.drafts.remove(&person).unwrap_or_default() {
            self.compose(letter);
        }
    }

    fn started(&mut self, who: Party, started: Result<(), PersonError>) {
        match started {
            Ok(()) => {
                self.line(format_args!("{who} starts"));
                if let Some(items) = self.machine(who).and_then(|machine| machine.salvaged) {
                    let what = "found its store damaged, and saved";
                    self.line(format_args!("{who} {what} {items} items"));
                }
                self.end(&who.to_string());
                self.on_joining();
            }
            Err(error) => {
                let what = format!("{who} does not start: {error}");
                self.line(format_args!("{what}"));
                if self.is_spoilt(who) {
                    self.try_again(who);
                } else if !self.loses_power(who) {
                    self.ledger.violate(since(self.base), "start", what);
                }
            }
        }
    }

    async fn leave(&mut self, person: usize, plan: usize) {
        self.look(person).await;
        self.absent.insert(person);
        let who = Party::Person(person);
        if !self.machine(who).is_some_and(Machine::is_up) {
            return;
        }
        if self.failing.contains_key(&person) {
            self.vanish(who).await;
        } else {
            self.end_well(who, "leaves", "away").await;
        }
        self.effects.add(Source::Away(plan), 1);
        self.effects.hit(Source::Away(plan), who.to_string());
    }

    fn compose(&mut self, number: usize) {
        let now = self.now();
        let Some(letter) = self.ledger.letters.get(number) else {
            return;
        };
        let (person, to, body, ttl_ms) =
            (letter.from, letter.to, letter.body.clone(), letter.ttl_ms);
        let sender = self.people.get(person);
        let sender = sender.and_then(|machine| Some((machine.calls()?, machine.clock)));
        let to = self.ids.get(to).map(|info| info.id.clone());
        let (Some((calls, clock)), Some(to)) = (sender, to) else {
            self.drafts.entry(person).or_default().push(number);
            return;
        };
        self.ledger.on_written(now, number);
        if self.is_far_off(person) {
            self.ledger.excuse(number);
        }
        self.line(format_args!("p{person} writes m{number}"));
        let news = self.news.0.clone();
        let desk = Desk {
            person,
            calls,
            news,
            clock,
        };
        let lives = (ttl_ms, self.burns.asked(number));
        tokio::spawn(desk.send(number, to, body, lives));
    }

    /// Asks a person's node how its messages stand.
    async fn look(&mut self, person: usize) {
        let Some(machine) = self.people.get(person) else {
            return;
        };
        if let Some(Ok(Reply::Status(status))) = machine.ask(Request::Status).await {
            let now = self.now();
            let standing = (&*status.outbox, status.outbox_count);
            self.ledger.on_outbox(now, person, standing);
            self.count_all_receipts(person, &status.outbox);
        }
    }

    async fn settle(&mut self) {
        self.look_at_burns().await;
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
        self.look_at_burns().await;
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
        let clocks = self.people.iter().map(|machine| machine.clock.now());
        clocks.collect()
    }

    fn unsettled(&self) -> Option<(&'static str, String)> {
        self.standing(Ledger::unsettled)
    }

    /// Asks the ledger something that depends on who is there.
    fn standing<T>(&self, ask: impl FnOnce(&Ledger, &Standing<'_>) -> T) -> T {
        let present: Vec<bool> = self.people.iter().map(Machine::is_up).collect();
        // A message is over for a node whose clock has once shown its end.
        let clocks = self.clocks().into_iter().enumerate();
        let latest = |(person, clock): (usize, UnixMillis)| {
            let shown = self.injected.latest.get(&person).copied();
            clock.max(shown.unwrap_or_default())
        };
        let clocks: Vec<UnixMillis> = clocks.map(latest).collect();
        let standing = Standing {
            clocks: &clocks,
            present: &present,
            unsound: &self.injected.unsound,
            liars: self.adversaries.liars(),
            witness: self.adversaries.witness(),
        };
        ask(&self.ledger, &standing)
    }

    fn all_effects(&self) -> Vec<Effect> {
        let scenario = self.scenario;
        let machines = self.keepers.iter().chain(&self.people);
        let skewed = machines.filter(|machine| machine.ahead_ms() != 0);
        let ambient = [
            (
                "loss",
                scenario.network.loss.ppm(),
                self.weather.ambient.lost,
            ),
            (
                "duplicates",
                scenario.network.duplicates.ppm(),
                self.weather.ambient.duplicated,
            ),
            (
                "clock skew",
                build::skew_max_ms(scenario),
                skewed.count() as u64,
            ),
        ];
        let injected = ambient.into_iter().filter(|(_, wanted, _)| *wanted > 0);
        let injected = injected.map(|(fault, _, changed)| (fault.to_owned(), changed));
        let all = injected.chain(self.classes.turns(scenario));
        let named = all.map(|(fault, changed)| Effect {
            fault,
            changed,
            ..Effect::default()
        });
        named.chain(self.effects.all()).collect()
    }

    fn report(mut self, at_keepers: AtKeepers, causes: Vec<Causes>) -> io::Result<Report> {
        self.count_deeds();
        let (now, stats, effects) = (self.now(), self.internet.stats(), self.all_effects());
        let mut counts = self.ledger.counts(&self.clocks());
        counts.lost = self.standing(|ledger, standing| ledger.lost(standing));
        self.observed.waits_ms = self.ledger.waits_ms();
        self.observed.after_return_ms = self.ledger.after_return_ms();
        self.observed.machines = self.traffic();
        self.observed.causes = causes;
        self.observed.upkeep = self.stores.upkeep();
        self.observed.healed_ms = self.scenario.duration_ms();
        counts.burnt = self.burns.count();
        counts.held_bytes = at_keepers.held_bytes;
        counts.refused_busy = at_keepers.refused_busy;
        counts.refused_clock = at_keepers.refused_clock;
        counts.packets = stats.segments;
        counts.bytes = stats.sent_bytes;
        counts.overtaken = stats.overtaken;
        let settled_after_ms = self.settled.map(|at| at.0 - self.scenario.duration_ms());
        let outturn = Outturn {
            counts: &counts,
            nodes: self.scenario.population.nodes,
            virtual_ms: now.0,
            settled_after_ms,
            upkeep: self.observed.upkeep,
            causes: &self.observed.causes,
        };
        if let Some((rule, what)) = outturn::at_last(self.scenario, &outturn, &effects) {
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
            tier: self.tier,
            seed: self.seed,
            nodes: self.scenario.population.nodes,
            outcome: self
                .ledger
                .violation()
                .cloned()
                .map_or(Outcome::Passed, Outcome::Violated),
            trace_hash,
            trace_lines,
            events: stats.segments,
            virtual_ms: now.0,
            settled_after_ms,
            counts,
            effects,
            observed: Some(self.observed),
        })
    }
}

/// Waits until nodes do so much at one moment that it is a loop, where that is seen.
async fn spins(ideal: Option<&Ideal>) {
    match ideal {
        Some(ideal) => ideal.spins().await,
        None => std::future::pending().await,
    }
}
