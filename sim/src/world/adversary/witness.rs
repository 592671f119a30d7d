//! Who has given receipts for what, and who is asked for cards.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeBounds;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use restante::net::distance;
use restante_proto::limits::REPLICAS;
use restante_proto::time::UnixMillis;
use restante_proto::{Address, ItemId, NodeId};

use super::Conduct;
use crate::observed::Deed;

/// What the stores of all machines tell.
#[derive(Debug, Default)]
pub(in crate::world) struct Witness {
    /// Envelopes by their end.
    taken: Mutex<BTreeMap<UnixMillis, BTreeMap<ItemId, Taken>>>,
    /// All servers, with their numbers as keepers.
    servers: BTreeMap<NodeId, usize>,
    /// Locators that sybils sit at.
    besieged: BTreeSet<Address>,
    asked_honest: AtomicU64,
    asked_others: AtomicU64,
}

/// An envelope, and the keepers that gave a receipt for it.
#[derive(Debug)]
struct Taken {
    mailbox: Address,
    keepers: BTreeSet<usize>,
}

impl Witness {
    pub(in crate::world) fn new(
        servers: BTreeMap<NodeId, usize>,
        besieged: BTreeSet<Address>,
    ) -> Self {
        Self {
            servers,
            besieged,
            ..Self::default()
        }
    }

    /// Returns how many of these keepers gave a receipt for the envelopes that end then, for the most exposed of them;
    /// nothing if there is none.
    pub(in crate::world) fn exposed(
        &self,
        expires: UnixMillis,
        keepers: &BTreeSet<usize>,
    ) -> Option<usize> {
        let taken = self.taken();
        let exposed = taken.get(&expires)?.values();
        exposed
            .map(|taken| taken.keepers.intersection(keepers).count())
            .max()
    }

    /// Tells whether some envelope with an end in `ends` need not arrive for the place of liars: all that are nearest
    /// to its mailbox are liars, and these are all that its reader is sure to ask, whoever else took it on the way.
    pub(in crate::world) fn is_swallowed(
        &self,
        ends: impl RangeBounds<UnixMillis>,
        liars: &BTreeSet<usize>,
    ) -> bool {
        let taken = self.taken();
        let mut all = taken.range(ends).flat_map(|(_, taken)| taken.values());
        all.any(|taken| self.is_captured(&taken.mailbox, liars))
    }

    /// Returns in words how often cards were asked for at besieged locators, and what liars took.
    pub(in crate::world) fn told(&self, liars: &BTreeSet<usize>) -> Vec<Deed> {
        let deed = |what, count| Deed::new("everybody", what, count);
        let mut told = Vec::new();
        if !liars.is_empty() {
            let taken = self.taken();
            let all = || taken.values().flat_map(BTreeMap::values);
            let alone = || all().filter(|taken| taken.keepers.is_subset(liars));
            let captured = alone().filter(|taken| self.is_captured(&taken.mailbox, liars));
            let captured = captured.count() as u64;
            told.push(deed("envelopes deposited", all().count() as u64));
            let misled = alone().count() as u64 - captured;
            told.push(deed("envelopes that liars took by their place", captured));
            told.push(deed(
                "envelopes that liars took from nearer keepers",
                misled,
            ));
        }
        if !self.besieged.is_empty() {
            let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
            let (honest, others) = (read(&self.asked_honest), read(&self.asked_others));
            let what = "requests for a besieged card at honest keepers";
            told.push(deed(what, honest));
            told.push(deed("requests for a besieged card at sybils", others));
        }
        told
    }

    /// Notes a receipt.
    pub(super) fn on_receipt(
        &self,
        keeper: usize,
        expires: UnixMillis,
        (mailbox, envelope): (Address, ItemId),
    ) {
        let mut taken = self.taken();
        let taken = taken.entry(expires).or_default();
        let taken = taken.entry(envelope).or_insert_with(|| Taken {
            mailbox,
            keepers: BTreeSet::new(),
        });
        taken.keepers.insert(keeper);
    }

    /// Notes a request for cards.
    pub(super) fn on_asked(&self, conduct: Conduct, locator: &Address) {
        if self.besieged.contains(locator) {
            let asked = match conduct {
                Conduct::Honest => &self.asked_honest,
                Conduct::Drop | Conduct::Stale => &self.asked_others,
            };
            asked.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Tells whether the servers nearest to a mailbox are all liars.
    fn is_captured(&self, mailbox: &Address, liars: &BTreeSet<usize>) -> bool {
        let servers = self.servers.iter();
        let mut servers: Vec<_> = servers
            .map(|(node, number)| (distance(node, mailbox), *number))
            .collect();
        servers.sort_unstable();
        let nearest = servers.iter().take(REPLICAS);
        nearest
            .map(|(_, number)| number)
            .all(|number| liars.contains(number))
    }

    fn taken(&self) -> MutexGuard<'_, BTreeMap<UnixMillis, BTreeMap<ItemId, Taken>>> {
        // A panic elsewhere ends the run anyway.
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
