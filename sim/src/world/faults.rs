//! Faults: crashes, deaths and partitions, and their end.

use std::collections::BTreeSet;

use restante_proto::ItemId;

use super::{Event, World};
use crate::{
    clock::Instant,
    fault::Source,
    network::End as Place,
    options::{FaultKind, FaultOptions, Target},
};

/// The longest time until a person notices that a keeper is gone, in milliseconds.
const NOTICE_MS: u64 = 20_000;
/// How long a connection outlives a cut, in milliseconds.
const BREAK_MS: u64 = 15_000;

/// A crash that waits for a keeper with a write under way.
pub(super) struct Armed {
    number: usize,
    down_ms: u64,
}

impl World<'_> {
    pub(super) fn on_fault(&mut self, number: usize) {
        let Some(fault) = self.scenario.faults.get(number) else {
            return;
        };
        match fault.kind {
            FaultKind::Crash {
                target: Target::Busy,
                down_ms,
            } => {
                self.armed
                    .extend((0..fault.count).map(|_| Armed { number, down_ms }));
            }
            FaultKind::Crash { target, down_ms } => {
                for keeper in self.targets(target, fault) {
                    self.on_crash(keeper, number, Some(down_ms));
                }
            }
            FaultKind::Kill { target } => {
                for keeper in self.targets(target, fault) {
                    self.on_crash(keeper, number, None);
                }
            }
            FaultKind::Partition {
                keepers_ppm,
                people_ppm,
                lasts_ms,
            } => {
                self.on_partition(number, (keepers_ppm, people_ppm), lasts_ms);
            }
        }
    }

    /// Chooses the keepers that a fault hits.
    fn targets(&mut self, target: Target, fault: &FaultOptions) -> Vec<usize> {
        let up = |number: &usize| {
            self.hosts
                .get(*number)
                .is_some_and(crate::host::Host::is_up)
        };
        let mut choice: Vec<usize> = match target {
            Target::Any => (0..self.hosts.len()).filter(up).collect(),
            Target::Busy => {
                let busy = |number: &usize| self.hosts.get(*number).is_some_and(|h| h.is_writing());
                (0..self.hosts.len()).filter(busy).collect()
            }
            Target::Holders => {
                let waiting: Vec<ItemId> = self
                    .checker
                    .letters
                    .values()
                    .filter(|letter| letter.stored && letter.shown.is_none())
                    .filter_map(|letter| letter.envelope)
                    .collect();
                match waiting.get(self.random.index(waiting.len())) {
                    Some(envelope) => self.checker.holders(envelope).filter(up).collect(),
                    None => Vec::new(),
                }
            }
        };
        self.random.shuffle(&mut choice);
        choice.truncate(fault.count);
        choice
    }

    /// A deposit is on its way to a keeper's disk: the moment some crashes have waited for.
    pub(super) fn on_busy(&mut self, keeper: usize, durable: Instant) {
        let Some(Armed { number, down_ms }) = self.armed.pop() else {
            return;
        };
        // Before or just after it is durable, with its answer on the way.
        let ms = self.random.between(0, durable.0 - self.now.0 + 2);
        self.later(
            ms,
            Event::Crash {
                keeper,
                number,
                down_ms,
            },
        );
    }

    /// Ends a keeper's process, and without a time to come back its disk too.
    pub(super) fn on_crash(&mut self, keeper: usize, number: usize, down_ms: Option<u64>) {
        let now = self.now;
        let Some(host) = self.hosts.get_mut(keeper).filter(|host| host.is_up()) else {
            return;
        };
        let (lost, arrived) = host.crash(now);
        for op in &arrived {
            self.checker.on_durable(keeper, op);
        }
        let mut changed = lost;
        self.wakes.remove(&Place::Keeper(keeper));
        let links = self.links.iter().filter(|(_, link)| link.keeper == keeper);
        let gone: Vec<_> = links
            .map(|(conn, link)| (*conn, link.person, link.person_incarnation))
            .collect();
        for (conn, person, incarnation) in gone {
            self.links.remove(&conn);
            changed += 1;
            let ms = self.random.below(NOTICE_MS);
            self.later(
                ms,
                Event::Lost {
                    person,
                    incarnation,
                    keeper,
                },
            );
        }
        if let Some(ms) = down_ms {
            self.trace.line(
                now,
                format_args!("k{keeper} crashes for {ms} ms, losing {changed}"),
            );
            self.down_by.insert(keeper, number);
            self.later(ms, Event::Restart { keeper });
        } else if let Some(host) = self.hosts.get_mut(keeper) {
            changed += host.held();
            host.destroy();
            self.checker.on_killed(keeper);
            self.trace.line(
                now,
                format_args!("k{keeper} is gone for good, losing {changed}"),
            );
        }
        self.effects.add(Source::Fault(number), changed);
    }

    /// A keeper that is down was asked something.
    pub(super) fn missed(&mut self, keeper: usize) {
        if let Some(number) = self.down_by.get(&keeper) {
            self.effects.add(Source::Fault(*number), 1);
        }
    }

    /// Somebody looks keepers up, and a partition may hide some.
    pub(super) fn narrowed(&mut self, person: usize) {
        let Some((number, _)) = self.cutting else {
            return;
        };
        let hides = |keeper| {
            self.network
                .is_cut(Place::Person(person), Place::Keeper(keeper))
        };
        if (0..self.hosts.len()).any(hides) {
            self.effects.add(Source::Fault(number), 1);
        }
    }

    pub(super) fn on_restart(&mut self, keeper: usize) {
        let now = self.now;
        let Some(host) = self.hosts.get_mut(keeper) else {
            return;
        };
        if !host.start(now) {
            return;
        }
        self.checker.audit(now, keeper, host);
        self.trace.line(now, format_args!("k{keeper} starts"));
        self.wake_at(Place::Keeper(keeper), now);
    }

    fn on_partition(&mut self, number: usize, shares: (u64, u64), lasts_ms: u64) {
        let mut island: BTreeSet<Place> = BTreeSet::new();
        for (share, all) in [
            (
                shares.0,
                (0..self.hosts.len()).map(Place::Keeper).collect::<Vec<_>>(),
            ),
            (
                shares.1,
                (0..self.people.len()).map(Place::Person).collect(),
            ),
        ] {
            let mut all = all;
            self.random.shuffle(&mut all);
            let count = (all.len() as u64 * share).div_ceil(1_000_000);
            island.extend(all.into_iter().take(usize::try_from(count).unwrap_or(0)));
        }
        self.trace.line(
            self.now,
            format_args!("{island:?} are cut off for {lasts_ms} ms"),
        );
        self.network.cut_off(island);
        self.cutting = Some((number, self.network.tally.cut));
        self.later(BREAK_MS, Event::Break { number });
        self.later(lasts_ms, Event::Rejoin);
    }

    /// Gives up the connections over a cut, on both sides.
    pub(super) fn on_break(&mut self, number: usize) {
        let cut = |link: &super::Link| {
            self.network
                .is_cut(Place::Person(link.person), Place::Keeper(link.keeper))
        };
        let gone: Vec<_> = self
            .links
            .iter()
            .filter(|(_, link)| cut(link))
            .map(|(conn, _)| *conn)
            .collect();
        self.effects.add(Source::Fault(number), gone.len() as u64);
        for conn in gone {
            let Some(link) = self.links.remove(&conn) else {
                continue;
            };
            let (person, keeper) = (link.person, link.keeper);
            let incarnation = link.keeper_incarnation;
            self.later(
                0,
                Event::Closed {
                    keeper,
                    incarnation,
                    conn,
                },
            );
            let incarnation = link.person_incarnation;
            self.later(
                0,
                Event::Lost {
                    person,
                    incarnation,
                    keeper,
                },
            );
        }
    }

    pub(super) fn on_rejoin(&mut self) {
        let Some((number, before)) = self.cutting.take() else {
            return;
        };
        self.effects
            .add(Source::Fault(number), self.network.tally.cut - before);
        let alone: Vec<usize> = (0..self.people.len())
            .filter(|p| self.is_alone(*p))
            .collect();
        self.network.cut_off(BTreeSet::new());
        self.trace
            .line(self.now, format_args!("the partition is over"));
        for person in alone {
            let Some(incarnation) = self.people.get(person).map(|own| own.incarnation) else {
                continue;
            };
            let ms = self.random.below(NOTICE_MS);
            self.later(
                ms,
                Event::NetworkUp {
                    person,
                    incarnation,
                },
            );
        }
    }

    /// Tells whether a person can reach no keeper at all.
    fn is_alone(&self, person: usize) -> bool {
        let reaches = |number: usize| {
            !self
                .network
                .is_cut(Place::Person(person), Place::Keeper(number))
                && self.hosts.get(number).is_some_and(crate::host::Host::is_up)
        };
        !(0..self.hosts.len()).any(reaches)
    }

    /// Ends all faults; only what is gone for good stays so.
    pub(super) fn on_heal(&mut self) {
        self.trace
            .line(self.now, format_args!("all faults are over"));
        self.armed.clear();
        self.on_rejoin();
        self.network.heal();
        for keeper in 0..self.hosts.len() {
            self.on_restart(keeper);
        }
    }
}
