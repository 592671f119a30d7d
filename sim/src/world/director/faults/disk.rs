//! Disks that are full, slow, fail, lie or forget, and what their operators do about it.

use restante_interface::{Reply, Request, StoreTrouble};
use restante_proto::limits::SECOND_MS;
use restante_sim_disk::Effects;

use super::{Director, Party, What};
use crate::scenario::DiskTrouble;
use crate::world::director::Event;
use crate::world::machine::Ending;
use crate::world::storage::Storage;

/// How long a supervisor waits before starting a process again, in milliseconds.
const RESTART_MS: u64 = 10 * SECOND_MS;
/// How often it is looked whether a process has ended, in milliseconds.
const ROUNDS_MS: u64 = 10 * SECOND_MS;
/// How long after a disk is in order a node must store everything again, in milliseconds.
const HEALED_MS: u64 = 60 * SECOND_MS;
/// How long the power is off after a disk has lied, in milliseconds.
const DARK_MS: u64 = 30 * SECOND_MS;

/// A disk in trouble.
pub(super) struct Trouble {
    who: Party,
    what: DiskTrouble,
    before: Effects,
}

impl Director<'_> {
    pub(super) fn spoil_disk(
        &mut self,
        number: usize,
        who: Party,
        what: DiskTrouble,
        lasts_ms: u64,
    ) {
        let Some(storage) = self.storage_of(who) else {
            return;
        };
        let before = storage.effects();
        let word = storage.spoil(what);
        if let (DiskTrouble::LostSyncs | DiskTrouble::Rot, Party::Keeper(keeper)) = (what, who) {
            self.injected.unsound.insert(keeper);
        }
        self.line(format_args!(
            "the disk of {who} is {word} for {lasts_ms} ms"
        ));
        self.begin(&format!("disk {word}"), who.to_string());
        let trouble = Trouble { who, what, before };
        self.begin_lasting(number, What::Disk(trouble), lasts_ms);
        self.look_after_processes(lasts_ms);
    }

    /// Puts a disk right, and sees to the process on it; returns what was changed.
    pub(super) async fn mend_disk(&mut self, trouble: Trouble) -> u64 {
        let Trouble { who, what, before } = trouble;
        let mut lied = 0;
        if let (DiskTrouble::LostSyncs, Some(machine)) = (what, self.machine_mut(who)) {
            lied = machine.crash().await.lied_writes;
            self.line(format_args!(
                "{who} loses power, and {lied} writes that were synced"
            ));
            self.later(DARK_MS, Event::Restart(who, None));
        }
        let Some(storage) = self.storage_of(who) else {
            return 0;
        };
        storage.mend();
        self.line(format_args!("the disk of {who} is in order"));
        self.end(&who.to_string());
        match what {
            DiskTrouble::Rot => self.repair(who).await,
            // Nobody does anything about it.
            DiskTrouble::Full | DiskTrouble::Errors => self.later(HEALED_MS, Event::Healed(who)),
            DiskTrouble::Slow | DiskTrouble::LostSyncs => {}
        }
        let now = storage.effects();
        match what {
            DiskTrouble::Full | DiskTrouble::Errors => failures(&now) - failures(&before),
            DiskTrouble::Slow => now.slowed - before.slowed,
            DiskTrouble::LostSyncs => lied,
            DiskTrouble::Rot => now.rotten_reads - before.rotten_reads,
        }
    }

    fn storage_of(&self, who: Party) -> Option<Storage> {
        Some(self.machine(who)?.storage.clone())
    }

    /// Looks whether a machine whose disk is in order stores everything again, by itself.
    pub(in crate::world::director) async fn look_at_stores(&mut self, who: Party) {
        if self.is_spoilt(who) {
            return;
        }
        let troubles = self.troubles(who).await;
        if troubles.iter().any(|trouble| !trouble.passes()) {
            self.line(format_args!("{who} needs its operator: {troubles:?}"));
            return self.repair(who).await;
        }
        if !troubles.is_empty() {
            let (now, what) = (self.now(), format!("{who} still says {troubles:?}"));
            self.ledger.violate(now, "store-goes-on", what);
        }
    }

    /// Tells whether a machine's disk is in trouble.
    pub(in crate::world::director) fn is_spoilt(&self, who: Party) -> bool {
        let mut lasting = self.injected.lasting.values();
        lasting.any(|lasting| matches!(&lasting.what, What::Disk(disk) if disk.who == who))
    }

    /// Starts a machine again that could not be started, as a supervisor does.
    pub(in crate::world::director) fn try_again(&mut self, who: Party) {
        self.later(RESTART_MS, Event::Restart(who, None));
    }

    /// Looks for processes that have ended by themselves, and starts them again.
    pub(in crate::world::director) async fn rounds(&mut self) {
        let keepers = (0..self.keepers.len()).map(Party::Keeper);
        let people = (0..self.people.len()).map(Party::Person);
        for who in keepers.chain(people).collect::<Vec<_>>() {
            let Some(machine) = self.machine_mut(who) else {
                continue;
            };
            if let Some(ended) = machine.ended().await {
                self.on_ended(who, ended);
                self.try_again(who);
            }
        }
        if self.now().0 < self.injected.rounds_until_ms {
            self.later(ROUNDS_MS, Event::Rounds);
        }
    }

    fn on_ended(&mut self, who: Party, ended: Result<(), Ending>) {
        match ended {
            Ok(()) => self.line(format_args!("{who} ends by itself")),
            Err(Ending::Error(fault)) => {
                self.line(format_args!("{who} ends by itself: {fault}"));
            }
            Err(panic @ Ending::Panic(_)) => {
                let (now, what) = (self.now(), format!("{who}: {panic}"));
                self.ledger.violate(now, "panic", what);
            }
        }
    }

    /// Returns what keeps the stores of a node from taking anything in, as it says itself.
    async fn troubles(&self, who: Party) -> Vec<StoreTrouble> {
        let Some(machine) = self.machine(who) else {
            return Vec::new();
        };
        match machine.ask(Request::Status).await {
            Some(Ok(Reply::Status(status))) => {
                let both = [status.keeper.read_only, status.account_read_only];
                both.into_iter().flatten().collect()
            }
            _ => Vec::new(),
        }
    }

    /// Ends a node in good order and starts it again.
    async fn repair(&mut self, who: Party) {
        let Some(machine) = self.machine_mut(who).filter(|one| one.is_up()) else {
            return;
        };
        let ended = machine.stop().await;
        self.line(format_args!("the operator restarts {who}"));
        if ended.is_err() {
            self.on_ended(who, ended);
        }
        self.restart(who);
    }

    fn look_after_processes(&mut self, lasts_ms: u64) {
        let now_ms = self.now().0;
        let is_looked_after = self.injected.rounds_until_ms > now_ms;
        let until_ms = now_ms + lasts_ms + 2 * ROUNDS_MS;
        self.injected.rounds_until_ms = self.injected.rounds_until_ms.max(until_ms);
        if !is_looked_after {
            self.later(ROUNDS_MS, Event::Rounds);
        }
    }
}

/// Counts operations that were refused.
const fn failures(effects: &Effects) -> u64 {
    effects.full
        + effects.read_errors
        + effects.write_errors
        + effects.sync_errors
        + effects.rotten_reads
}
