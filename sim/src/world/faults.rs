//! Faults: crashes, deaths and partitions, and their end.

use std::collections::BTreeSet;

use restante_proto::ItemId;

use super::{
    World,
    event::{Event, Link, News},
};
use crate::{
    clock::Instant,
    fault::{Source, choose, choose_share},
    host::{Host, Whom},
    network::End as Place,
    scenario::{FaultKind, Share, Target},
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
                count,
                down,
            } => {
                let down_ms = down.get();
                let armed = (0..count).map(|_| Armed { number, down_ms });
                self.injected.armed.extend(armed);
            }
            FaultKind::Crash {
                target,
                count,
                down,
            } => {
                for keeper in self.targets(target, count) {
                    self.on_crash(keeper, number, Some(down.get()));
                }
            }
            FaultKind::Kill { target, count } => {
                for keeper in self.targets(target, count) {
                    self.on_crash(keeper, number, None);
                }
            }
            FaultKind::Partition {
                keepers,
                people,
                lasts,
            } => {
                self.on_partition(number, (keepers, people), lasts.get());
            }
            // Scenarios with these are refused on this tier.
            FaultKind::Offline { .. }
            | FaultKind::BootstrapOutage { .. }
            | FaultKind::Weather { .. }
            | FaultKind::Disk { .. }
            | FaultKind::Clock { .. }
            | FaultKind::Suspend { .. } => {}
        }
    }

    /// Chooses the keepers that a fault hits.
    fn targets(&mut self, target: Target, count: usize) -> Vec<usize> {
        let is_up = |number: &usize| self.hosts.get(*number).is_some_and(Host::is_up);
        let is_writing = |number: &usize| self.hosts.get(*number).is_some_and(Host::is_writing);
        let choice: Vec<usize> = match target {
            Target::Any => (0..self.hosts.len()).filter(is_up).collect(),
            Target::Busy => (0..self.hosts.len()).filter(is_writing).collect(),
            // As above.
            Target::People => Vec::new(),
            Target::Holders => {
                let letters = self.checker.letters.values();
                let waiting = letters.filter(|letter| letter.stored && letter.shown.is_none());
                let waiting: Vec<ItemId> = waiting.filter_map(|letter| letter.envelope).collect();
                let chosen = waiting.get(self.random.index(waiting.len()));
                let holders = chosen.map(|envelope| self.checker.holders(envelope));
                holders.into_iter().flatten().filter(is_up).collect()
            }
        };
        choose(choice, count, &mut self.random)
    }

    /// A deposit is on its way to a keeper's disk: the moment some crashes have waited for.
    pub(super) fn on_busy(&mut self, keeper: usize, durable: Instant) {
        let Some(Armed { number, down_ms }) = self.injected.armed.pop() else {
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
        self.wakes.remove(&Place::Keeper(keeper));
        let gone = self.unlink(|link| link.keeper == keeper);
        let mut changed = lost + gone.len() as u64;
        for link in gone {
            let ms = self.random.below(NOTICE_MS);
            self.later(ms, Event::ToPerson(link.person, News::Lost(keeper)));
        }
        self.injected.down_by.insert(keeper, number);
        if let Some(ms) = down_ms {
            self.trace.line(
                now,
                format_args!("k{keeper} crashes for {ms} ms, losing {changed}"),
            );
            self.later(ms, Event::Restart(keeper));
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
        if let Some(number) = self.injected.down_by.get(&keeper) {
            self.effects.add(Source::Fault(*number), 1);
        }
    }

    /// Somebody looks keepers up, and a partition may hide some.
    pub(super) fn narrowed(&mut self, person: usize) {
        let Some((number, _)) = self.injected.cutting else {
            return;
        };
        if (0..self.hosts.len()).any(|keeper| self.is_hidden(person, keeper)) {
            self.effects.add(Source::Fault(number), 1);
        }
    }

    pub(super) fn on_restart(&mut self, keeper: usize) {
        let now = self.now;
        let Some(host) = self.hosts.get_mut(keeper) else {
            return;
        };
        if host.start(now) {
            self.checker.audit(now, keeper, host);
            self.trace.line(now, format_args!("k{keeper} starts"));
            self.wake_at(Place::Keeper(keeper), now);
        }
    }

    fn on_partition(&mut self, number: usize, (keepers, people): (Share, Share), lasts_ms: u64) {
        // There is one partition at a time.
        self.on_rejoin();
        let mut island: BTreeSet<Place> = BTreeSet::new();
        let keepers = (
            keepers,
            (0..self.hosts.len()).map(Place::Keeper).collect::<Vec<_>>(),
        );
        let people = (people, (0..self.people.len()).map(Place::Person).collect());
        for (share, all) in [keepers, people] {
            island.extend(choose_share(all, share, &mut self.random));
        }
        self.trace.line(
            self.now,
            format_args!("{island:?} are cut off for {lasts_ms} ms"),
        );
        self.network.cut_off(island);
        self.injected.cutting = Some((number, self.network.tally.cut));
        self.later(BREAK_MS, Event::Break(number));
        self.later(lasts_ms, Event::Rejoin);
    }

    /// Gives up the connections over a cut, on both sides.
    pub(super) fn on_break(&mut self, number: usize) {
        let conns = self.links.iter();
        let conns = conns.filter(|(_, link)| self.is_hidden(link.person.number, link.keeper));
        let conns: BTreeSet<_> = conns.map(|(conn, _)| *conn).collect();
        self.effects.add(Source::Fault(number), conns.len() as u64);
        for conn in conns {
            let Some(link) = self.links.remove(&conn) else {
                continue;
            };
            let Link {
                person,
                keeper,
                keeper_incarnation: incarnation,
            } = link;
            self.later(
                0,
                Event::Closed {
                    keeper,
                    incarnation,
                    conn,
                },
            );
            self.later(0, Event::ToPerson(person, News::Lost(keeper)));
        }
    }

    pub(super) fn on_rejoin(&mut self) {
        let Some((number, before)) = self.injected.cutting.take() else {
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
        for number in alone {
            let Some(own) = self.people.get(number) else {
                continue;
            };
            let whom = Whom {
                number,
                incarnation: own.incarnation,
            };
            let ms = self.random.below(NOTICE_MS);
            self.later(ms, Event::ToPerson(whom, News::NetworkUp));
        }
    }

    /// Ends all faults; only what is gone for good stays so.
    pub(super) fn on_heal(&mut self) {
        self.trace
            .line(self.now, format_args!("all faults are over"));
        self.injected.armed.clear();
        self.on_rejoin();
        self.network.heal();
        for keeper in 0..self.hosts.len() {
            self.on_restart(keeper);
        }
    }

    fn is_hidden(&self, person: usize, keeper: usize) -> bool {
        self.network
            .is_cut(Place::Person(person), Place::Keeper(keeper))
    }

    /// Tells whether a person can reach no keeper at all.
    fn is_alone(&self, person: usize) -> bool {
        let is_up = |number: usize| self.hosts.get(number).is_some_and(Host::is_up);
        !(0..self.hosts.len()).any(|number| is_up(number) && !self.is_hidden(person, number))
    }

    /// Removes connections and returns them.
    fn unlink(&mut self, gone: impl Fn(&Link) -> bool) -> Vec<Link> {
        let links = std::mem::take(&mut self.links);
        let (gone, left): (Vec<_>, Vec<_>) = links.into_iter().partition(|(_, link)| gone(link));
        self.links = left.into_iter().collect();
        gone.into_iter().map(|(_, link)| link).collect()
    }
}
