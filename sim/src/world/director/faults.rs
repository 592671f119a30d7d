//! What goes wrong, and its end.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use restante_interface::{Reply, Request};
use restante_proto::time::UnixMillis;
use restante_sim_network::{CutId, Weather};

use super::{Director, Event};
use crate::clock::Instant;
use crate::fault::{Source, choose};
use crate::scenario::{FaultKind, Target};
use crate::world::machine::{Machine, lost_writes};
use crate::world::storage::Snapshot;

mod clock;
mod disk;
mod network;
mod rollback;
mod twin;

pub(super) use self::network::Storm;
use self::network::Worse;

/// How often it is looked whether the power is cut somewhere, in milliseconds.
const WATCH_MS: u64 = 20;
/// Writes to a disk until the power is cut in the middle of them, at most.
pub(super) const ARMED_WRITES_MAX: u64 = 40;

/// A machine of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Party {
    /// A keeper, by its number.
    Keeper(usize),
    /// A person's node, by the person's number.
    Person(usize),
}

impl fmt::Display for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Keeper(number) => write!(f, "k{number}"),
            Self::Person(number) => write!(f, "p{number}"),
        }
    }
}

/// Faults that last.
#[derive(Default)]
pub(super) struct Injected {
    /// Keepers that are gone for good.
    pub(super) killed: BTreeSet<usize>,
    /// Keepers that need not have what they gave receipts for: gone for good, on a disk that forgets, or evil.
    pub(super) unsound: BTreeSet<usize>,
    /// Keepers whose power will be cut in the middle of a write, each with the fault and how long it stays down.
    armed: BTreeMap<usize, (usize, u64)>,
    /// What has an end.
    lasting: BTreeMap<u64, Lasting>,
    begun: u64,
    /// Homes that were copied to other machines.
    twins: usize,
    /// The latest date that a person's clock has shown before it was set back, by the person's number.
    pub(super) latest: BTreeMap<usize, UnixMillis>,
    /// When it was last necessary to look after processes that end by themselves.
    rounds_until_ms: u64,
}

/// Something that goes on for a while.
struct Lasting {
    /// The fault's number.
    number: usize,
    what: What,
    /// When it is over, unless all faults end before.
    until: Instant,
}

enum What {
    Network(network::Trouble),
    Disk(disk::Trouble),
    Clock(clock::WrongClock),
    /// A home goes back to what it was at this moment.
    Rollback(usize, Snapshot, Instant),
    /// A second process runs on a copy of this person's home.
    Twin(usize, Box<Machine>),
    /// A process is held, and its network is cut.
    Suspended(Party, CutId),
}

impl Director<'_> {
    pub(super) async fn on_fault(&mut self, number: usize) {
        let scenario = self.scenario;
        let Some(fault) = scenario.faults.get(number) else {
            return;
        };
        let kind = &fault.kind;
        let lasts_ms = kind.lasts().get();
        let them = match kind.hits() {
            Some((target, count)) => self.targets(target, count).await,
            None => Vec::new(),
        };
        self.hit(number, &them);
        match kind {
            FaultKind::Crash {
                target: Target::Busy,
                ..
            } => self.arm(number, &them, lasts_ms),
            FaultKind::Crash { .. } => {
                for who in them {
                    self.crash(who, number).await;
                    self.line(format_args!("{who} crashes for {lasts_ms} ms"));
                    self.begin("crashed", who.to_string());
                    self.later(lasts_ms, Event::Restart(who, Some(number)));
                }
            }
            FaultKind::Kill { .. } => self.kill(number, &them).await,
            FaultKind::Partition {
                keepers, people, ..
            } => self.part(number, (*keepers, *people), lasts_ms),
            FaultKind::Offline { .. } => self.unplug(number, &them, lasts_ms),
            FaultKind::BootstrapOutage { .. } => self.close_entries(number, lasts_ms).await,
            FaultKind::Weather {
                loss,
                duplicates,
                latency,
                ..
            } => {
                let worse = Worse {
                    loss: *loss,
                    duplicates: *duplicates,
                    latency: *latency,
                };
                self.storm(number, worse, lasts_ms);
            }
            FaultKind::Disk { .. }
            | FaultKind::Clock { .. }
            | FaultKind::Rollback { .. }
            | FaultKind::Twin { .. }
            | FaultKind::Suspend { .. } => {
                for who in them {
                    self.afflict(number, who, kind);
                }
            }
        }
    }

    /// Begins what happens to one machine alone.
    fn afflict(&mut self, number: usize, who: Party, kind: &FaultKind) {
        let lasts_ms = kind.lasts().get();
        match kind {
            FaultKind::Disk { what, .. } => self.spoil_disk(number, who, *what, lasts_ms),
            FaultKind::Clock { drift, .. } => {
                self.turn_clock(number, who, (kind.jump_ms(), *drift), lasts_ms);
            }
            FaultKind::Rollback { .. } => self.copy_home(number, who, lasts_ms),
            FaultKind::Twin { .. } => self.start_twin(number, who, lasts_ms),
            FaultKind::Suspend { .. } => self.suspend(number, who, lasts_ms),
            _ => {}
        }
    }

    /// Writes down which machines a fault has hit.
    fn hit(&mut self, number: usize, them: &[Party]) {
        for who in them {
            self.effects.hit(Source::Fault(number), who.to_string());
        }
    }

    /// Ends the machines whose power is cut.
    pub(super) async fn watch(&mut self) {
        let is_cut = |keeper: &usize| {
            let machine = self.keepers.get(*keeper);
            machine.is_some_and(|machine| machine.storage.is_power_cut())
        };
        let armed = self.injected.armed.keys().copied();
        let cut: Vec<usize> = armed.filter(is_cut).collect();
        for keeper in cut {
            if let Some((number, down_ms)) = self.injected.armed.remove(&keeper) {
                let who = Party::Keeper(keeper);
                self.crash(who, number).await;
                self.line(format_args!(
                    "{who} loses power while it writes, for {down_ms} ms"
                ));
                self.begin("no power", who.to_string());
                self.later(down_ms, Event::Restart(who, Some(number)));
            }
        }
        if !self.injected.armed.is_empty() {
            self.later(WATCH_MS, Event::Watch);
        }
    }

    /// Ends something that has lasted.
    pub(super) async fn over(&mut self, serial: u64) {
        let Some(lasting) = self.injected.lasting.remove(&serial) else {
            return;
        };
        let Lasting {
            number,
            what,
            until,
        } = lasting;
        if self.now() < until {
            self.effects.cut_short(Source::Fault(number));
        }
        let changed = match what {
            What::Network(trouble) => self.mend_network(trouble),
            What::Disk(trouble) => self.mend_disk(trouble).await,
            What::Clock(wrong) => {
                self.mend_clock(&wrong);
                0
            }
            What::Rollback(person, snapshot, since) => {
                self.roll_back(person, snapshot, since).await
            }
            What::Twin(person, machine) => self.end_twin(person, *machine).await,
            What::Suspended(who, cut) => self.resume(who, cut),
        };
        self.effects.add(Source::Fault(number), changed);
    }

    /// Ends all faults; only what is gone for good stays so.
    pub(super) async fn heal(&mut self) {
        self.line(format_args!("all faults are over"));
        let restarts = self.queue.values().filter_map(|event| match event {
            Event::Restart(_, by) => *by,
            _ => None,
        });
        for number in restarts.collect::<Vec<_>>() {
            self.effects.cut_short(Source::Fault(number));
        }
        for serial in self.injected.lasting.keys().copied().collect::<Vec<_>>() {
            self.over(serial).await;
        }
        self.calm(Weather::default());
        // A cut that was not reached cannot be called off but by a restart.
        for (keeper, (number, _)) in std::mem::take(&mut self.injected.armed) {
            self.crash(Party::Keeper(keeper), number).await;
        }
        for keeper in 0..self.keepers.len() {
            self.start_keeper(keeper);
        }
        for person in self.failing.keys().copied().collect::<Vec<_>>() {
            self.vanish(Party::Person(person)).await;
        }
        for person in 0..self.people.len() {
            self.start_person(person);
        }
    }

    /// Writes down that something goes on for so many milliseconds; returns its name.
    fn begin_lasting(&mut self, number: usize, what: What, lasts_ms: u64) -> u64 {
        let serial = self.injected.begun;
        self.injected.begun += 1;
        let until = self.now().plus(lasts_ms);
        let lasting = Lasting {
            number,
            what,
            until,
        };
        self.injected.lasting.insert(serial, lasting);
        self.later(lasts_ms, Event::Over(serial));
        serial
    }

    pub(super) fn machine(&self, who: Party) -> Option<&Machine> {
        match who {
            Party::Keeper(number) => self.keepers.get(number),
            Party::Person(number) => self.people.get(number),
        }
    }

    pub(super) fn machine_mut(&mut self, who: Party) -> Option<&mut Machine> {
        match who {
            Party::Keeper(number) => self.keepers.get_mut(number),
            Party::Person(number) => self.people.get_mut(number),
        }
    }

    /// Starts a machine after a crash or a failure.
    pub(super) fn restart(&mut self, who: Party) {
        match who {
            Party::Keeper(number) => self.start_keeper(number),
            Party::Person(number) => self.start_person(number),
        }
    }

    fn arm(&mut self, number: usize, them: &[Party], down_ms: u64) {
        for who in them {
            let writes = self.random.between(0, ARMED_WRITES_MAX);
            if let (Some(machine), Party::Keeper(keeper)) = (self.machine(*who), *who) {
                machine.storage.cut_power_after(writes);
                self.injected.armed.insert(keeper, (number, down_ms));
            }
        }
        self.later(WATCH_MS, Event::Watch);
    }

    async fn kill(&mut self, number: usize, them: &[Party]) {
        let before = self.standing_copies();
        for who in them.iter().copied() {
            let Party::Keeper(keeper) = who else {
                continue;
            };
            let lost = self.stores.held(&who.to_string());
            self.effects.add(Source::Fault(number), lost);
            self.injected.killed.insert(keeper);
            self.injected.unsound.insert(keeper);
            self.crash(who, number).await;
            self.line(format_args!("{who} is gone for good"));
            self.begin("gone", who.to_string());
        }
        self.count_survivors(&before);
    }

    async fn crash(&mut self, who: Party, number: usize) {
        self.disarm(who);
        let Some(machine) = self.machine_mut(who) else {
            return;
        };
        // The node is not asked: it would answer when it has no work under way, and crash only then.
        let connections = machine.connections() as u64;
        let changed = connections + lost_writes(&machine.crash().await);
        self.effects.add(Source::Fault(number), changed);
    }

    /// Forgets that the power of a machine was to be cut in the middle of a write.
    pub(super) fn disarm(&mut self, who: Party) {
        match who {
            Party::Keeper(keeper) => {
                self.injected.armed.remove(&keeper);
            }
            Party::Person(person) => {
                self.failing.remove(&person);
            }
        }
    }

    /// Tells whether what a machine says is due to its power, which is cut at this moment: it is about to crash.
    pub(super) fn loses_power(&self, who: Party) -> bool {
        let cut = self
            .machine(who)
            .map(|machine| machine.storage.is_power_cut());
        cut.unwrap_or(false)
    }

    /// Chooses the machines that a fault hits; those that mean harm are spared.
    async fn targets(&mut self, target: Target, count: usize) -> Vec<Party> {
        let mut choice = Vec::new();
        if target == Target::People {
            let people = self.people.iter().enumerate();
            let up = people.filter(|(_, machine)| machine.is_up());
            choice.extend(up.map(|(number, _)| Party::Person(number)));
        } else {
            for (number, machine) in self.keepers.iter().enumerate() {
                let can_be = machine.is_up() && !self.is_evil(number);
                if can_be && (target != Target::Holders || holds_letters(machine).await) {
                    choice.push(Party::Keeper(number));
                }
            }
        }
        choice.retain(|who| !self.is_spoilt(*who));
        choose(choice, count, &mut self.random)
    }
}

/// Tells whether a keeper holds an envelope.
async fn holds_letters(machine: &Machine) -> bool {
    let request = Request::Holdings { after: None };
    match machine.ask(request).await {
        Some(Ok(Reply::Holdings(page))) => page.items.iter().any(|item| item.kind == "envelope"),
        _ => false,
    }
}
