//! The oracle of one store: what it must hold, by what it has said so far.
//!
//! It knows nothing of the rules that stores follow (`restante_proto::keeper::rules`), but what they promise: a
//! receipt is durable, what was acked stays gone, nothing is served after its end, budgets hold, a card never gives
//! way to an older one.

use std::collections::BTreeMap;
use std::time::Duration;

use restante_proto::card::{CardRecord, RecordKind};
use restante_proto::envelope::{expires_of, id_of};
use restante_proto::keeper::{ElementKind, StoreOutcome, Usage};
use restante_proto::limits::CARD_SLOTS;
use restante_proto::request::{Listed, Waiting};
use restante_proto::time::UnixMillis;
use restante_proto::{Address, ItemId};

use super::asked::{Asked, Key, Mail, card_key, item_of};

/// How long something that has ended may stay.
const LINGER: Duration = Duration::from_secs(60);

/// A rule that is broken, and how.
pub(super) type Finding = (&'static str, String);

/// What a store must have under a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) until: UnixMillis,
    pub(super) size_bytes: u64,
    pub(super) state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// An envelope or a chunk.
    Held,
    /// A card with this sequence; nothing comes after a last one.
    Card { sequence: u64, last: bool },
    /// The memory of an ack, of an envelope that was here or was not yet.
    Acked { deposited: bool },
}

/// A change that is not durable yet.
struct Pending {
    key: Key,
    before: Option<Entry>,
    /// When it is, since the beginning of the run.
    done: Option<Duration>,
}

/// Everything one store must hold.
#[derive(Default)]
pub(super) struct Oracle {
    pub(super) items: BTreeMap<Key, Entry>,
    /// These are in doubt: they may also be as any of the entries here.
    pub(super) doubtful: BTreeMap<Key, Vec<Option<Entry>>>,
    pending: Vec<Pending>,
    /// Acks among the items.
    acks: u64,
    /// Nothing in it ends before.
    next_end: Option<UnixMillis>,
    /// A sweep has begun and not ended: the store may have dropped what the oracle has not.
    pub(super) sweeping: bool,
    /// When a sweep ended last, or the store was opened.
    pub(super) swept: Duration,
}

impl Entry {
    pub(super) fn is_live(&self, now: UnixMillis) -> bool {
        self.until > now
    }

    /// Tells whether an offer is answered with a receipt.
    pub(super) const fn is_vouched_for(&self) -> bool {
        !matches!(self.state, State::Acked { deposited: false })
    }

    pub(super) const fn is_ack(&self) -> bool {
        matches!(self.state, State::Acked { .. })
    }

    pub(super) const fn of_card(record: &CardRecord) -> Self {
        Self {
            until: record.expires,
            size_bytes: 0,
            state: State::Card {
                sequence: record.sequence,
                last: matches!(record.kind, RecordKind::Tombstone),
            },
        }
    }

    pub(super) const fn held(until: UnixMillis, size_bytes: u64) -> Self {
        Self {
            until,
            size_bytes,
            state: State::Held,
        }
    }

    pub(super) const fn acked(until: UnixMillis, deposited: bool) -> Self {
        Self {
            until,
            size_bytes: 0,
            state: State::Acked { deposited },
        }
    }
}

impl Oracle {
    /// Returns what must be there, unless that is in doubt.
    fn live(&self, now: UnixMillis, key: &Key) -> Option<Entry> {
        let entry = self.items.get(key).filter(|entry| entry.is_live(now));
        entry.copied().filter(|_| !self.doubtful.contains_key(key))
    }

    /// Returns what must be at an address.
    fn at(&self, kind: ElementKind, address: Address) -> impl Iterator<Item = (&Key, &Entry)> {
        let name = |byte| Key {
            kind,
            address,
            name: [byte; 32],
        };
        self.items.range(name(0)..=name(255))
    }

    /// Notes that something is or is not there from now on.
    pub(super) fn set(&mut self, key: Key, entry: Option<Entry>) -> Option<Entry> {
        if let Some(entry) = &entry {
            self.next_end = Some(self.next_end.unwrap_or(entry.until).min(entry.until));
            self.acks += u64::from(entry.is_ack());
        }
        let before = match entry {
            Some(entry) => self.items.insert(key, entry),
            None => self.items.remove(&key),
        };
        self.acks -= u64::from(before.as_ref().is_some_and(Entry::is_ack));
        before
    }

    fn change(&mut self, key: Key, entry: Option<Entry>) {
        let before = self.set(key, entry);
        self.doubtful.remove(&key);
        self.pending.push(Pending {
            key,
            before,
            done: None,
        });
    }

    pub(super) fn on_cost(&mut self, done: Duration) {
        for pending in &mut self.pending {
            pending.done.get_or_insert(done);
        }
    }

    /// Forgets about changes that have become durable.
    pub(super) fn forget_done(&mut self, now: Duration) {
        let is_open = |pending: &Pending| pending.done.is_none_or(|done| done >= now);
        self.pending.retain(is_open);
    }

    /// Whatever was not durable may or may not have happened; returns the ends of envelopes that may be lost.
    pub(super) fn on_crash(&mut self, now: Duration) -> Vec<UnixMillis> {
        self.forget_done(now);
        let mut lost = Vec::new();
        for Pending { key, before, .. } in std::mem::take(&mut self.pending) {
            if let Some(entry) = self.items.get(&key).filter(|_| before.is_none()) {
                lost.push(entry.until);
            }
            self.doubtful.entry(key).or_default().push(before);
        }
        self.sweeping = false;
        lost
    }

    /// An operation failed: nothing is promised, and it may have happened all the same.
    pub(super) fn on_failed(&mut self, asked: &Asked) {
        let doubtful = &mut self.doubtful;
        let mut doubt = |key: Key, entry: Option<Entry>| {
            doubtful.entry(key).or_default().push(entry);
        };
        match asked {
            Asked::Mail(mail) => doubt(mail.key, Some(Entry::held(mail.expires, mail.size_bytes))),
            Asked::Card(record) => doubt(card_key(record), Some(Entry::of_card(record))),
            Asked::Chunk(key, expires) => doubt(*key, Some(Entry::held(*expires, 0))),
            Asked::DropChunk(key) => doubt(*key, None),
            Asked::Ack(keys) => {
                for key in keys {
                    let held = self.items.get(key).copied();
                    let until = held.map_or(UnixMillis::new(u64::MAX), |entry| entry.until);
                    let entry = Entry::acked(until, held.is_some());
                    self.doubtful.entry(*key).or_default().push(Some(entry));
                }
            }
            Asked::Tombstone {
                key,
                until,
                deposited,
            } => {
                let held = self.items.get(key).copied();
                let until = held.map_or(*until, |entry| entry.until);
                let entry = Entry::acked(until, held.is_some() || *deposited);
                self.doubtful.entry(*key).or_default().push(Some(entry));
            }
            _ => {}
        }
    }

    pub(super) fn on_usage(&self, usage: Usage) -> Result<(), Finding> {
        let (got, cap) = (usage.counted_bytes(), usage.cap_bytes);
        if got > cap {
            return Err(("budget", format!("holds {got} of {cap} bytes")));
        }
        if self.doubtful.is_empty() && !self.sweeping && usage.tombstones < self.acks {
            let what = format!("remembers {} of {} acks", usage.tombstones, self.acks);
            return Err(("acked", what));
        }
        Ok(())
    }

    /// A sweep failed with its disk: what has ended may be there until one succeeds.
    pub(super) fn on_not_swept(&mut self, since: Duration) {
        self.sweeping = true;
        self.swept = since;
    }

    /// A sweep has dropped some of what has ended, or all of it.
    pub(super) fn on_swept(
        &mut self,
        now: UnixMillis,
        since: Duration,
        more: bool,
        usage: Usage,
    ) -> Result<(), Finding> {
        self.sweeping = more;
        self.swept = since;
        if more || self.next_end.is_none_or(|end| end > now) {
            return Ok(());
        }
        let mut acks = 0;
        self.items.retain(|_, entry| entry.is_live(now));
        self.doubtful.retain(|_, others| {
            others.retain(|entry| entry.is_none_or(|entry| entry.is_live(now)));
            !others.is_empty()
        });
        for entry in self.items.values() {
            acks += u64::from(entry.is_ack());
        }
        self.acks = acks;
        self.next_end = self.items.values().map(|entry| entry.until).min();
        let held = self.items.len() as u64 - acks;
        match usage.items {
            _ if !self.doubtful.is_empty() => Ok(()),
            items if items > held => {
                let what = format!("keeps {items} items where {held} have not ended");
                Err(("expiry", what))
            }
            items if items < held => {
                let what = format!("has {items} of {held} items that have not ended");
                Err(("durable-receipt", what))
            }
            _ => Ok(()),
        }
    }

    /// A store has done something, or said what it has.
    pub(super) fn on_outcome(
        &mut self,
        now: UnixMillis,
        asked: &Asked,
        outcome: &StoreOutcome,
    ) -> Result<(), Finding> {
        match (asked, outcome) {
            (Asked::Mail(mail), StoreOutcome::Held { until, new }) => {
                self.on_mail(now, mail, *until, *new)
            }
            (Asked::Card(record), StoreOutcome::Held { new, .. }) => {
                self.on_card(now, record, *new)
            }
            (Asked::Chunk(key, expires), StoreOutcome::Held { new: true, .. }) => {
                self.change(*key, Some(Entry::held(*expires, 0)));
                Ok(())
            }
            (Asked::DropChunk(key), StoreOutcome::Done) => {
                self.change(*key, None);
                Ok(())
            }
            (Asked::Offer(key), _) => self.on_offer(now, key, outcome),
            (Asked::Ack(keys), StoreOutcome::Done) => {
                for key in keys {
                    self.on_ack(now, *key);
                }
                Ok(())
            }
            (
                Asked::Tombstone {
                    key,
                    until,
                    deposited,
                },
                StoreOutcome::Done,
            ) => {
                self.on_tombstone(now, *key, *until, *deposited);
                Ok(())
            }
            (Asked::List(address, after), StoreOutcome::Listing { items, more }) => {
                self.on_list(now, *address, *after, items, *more)
            }
            (Asked::Get(address), StoreOutcome::Envelopes(items)) => {
                let mut items = items.iter();
                items.try_for_each(|item| self.on_handed_over(now, *address, item))
            }
            (Asked::Cards(locator), StoreOutcome::Cards(records)) => {
                self.on_cards(now, *locator, records)
            }
            (Asked::FetchChunk(key), StoreOutcome::Unknown) if self.live(now, key).is_some() => {
                Err(lost(key))
            }
            _ => Ok(()),
        }
    }

    fn on_mail(
        &mut self,
        now: UnixMillis,
        mail: &Mail,
        until: UnixMillis,
        new: bool,
    ) -> Result<(), Finding> {
        let (key, id) = (mail.key, item_of(&mail.key));
        let in_doubt = self.doubtful.contains_key(&key);
        let before = self.live(now, &key);
        if until > mail.own_end && new {
            let late = until.since(mail.own_end);
            let what = format!("takes {id} for {late} ms longer than it lives");
            return Err(("expiry", what));
        }
        match before {
            Some(entry) if new && entry.is_ack() => {
                return Err(("acked", format!("takes {id} anew, which was acked")));
            }
            Some(_) if new => {
                let what = format!("takes {id} as new, which it had");
                return Err(("durable-receipt", what));
            }
            None if !new && !in_doubt => {
                let what = format!("says that it has {id}, which nobody brought");
                return Err(("durable-receipt", what));
            }
            _ => {}
        }
        if new {
            self.change(key, Some(Entry::held(until, mail.size_bytes)));
            return self.within_budget(now, mail);
        }
        if before.is_some_and(|entry| !entry.is_vouched_for()) {
            self.change(key, Some(Entry::acked(until, true)));
        }
        Ok(())
    }

    fn within_budget(&self, now: UnixMillis, mail: &Mail) -> Result<(), Finding> {
        let held = self.at(ElementKind::Envelope, mail.key.address);
        let live = held.filter(|(_, entry)| entry.is_live(now) && !entry.is_ack());
        let (mut count, mut bytes) = (0_u32, 0);
        for (_, entry) in live {
            count += 1;
            bytes += entry.size_bytes;
        }
        if count > mail.budget.count || bytes > mail.budget.bytes {
            let at = mail.key.address;
            let what = format!("has {count} envelopes with {bytes} bytes at {at}");
            return Err(("budget", what));
        }
        Ok(())
    }

    fn on_card(&mut self, now: UnixMillis, record: &CardRecord, new: bool) -> Result<(), Finding> {
        let key = card_key(record);
        let (id, in_doubt) = (record.id(), self.doubtful.contains_key(&key));
        match self.live(now, &key).map(|entry| entry.state) {
            Some(State::Card { last: true, .. }) if new => {
                let what = format!("takes card {id} of an account that has ended");
                return Err(("rollback", what));
            }
            Some(State::Card { sequence, .. }) if new && record.sequence <= sequence => {
                let what = format!("takes card {id}, which is older than what it had");
                return Err(("rollback", what));
            }
            Some(State::Card { sequence, .. }) if !new && record.sequence == sequence => {}
            _ if !new && !in_doubt => {
                let what = format!("says that it has card {id}, which it has not");
                return Err(("durable-receipt", what));
            }
            _ => {}
        }
        if new {
            self.change(key, Some(Entry::of_card(record)));
        }
        let slots = self.at(ElementKind::Card, record.locator);
        let slots = slots.filter(|(_, entry)| entry.is_live(now)).count();
        if slots > CARD_SLOTS {
            let what = format!("has {slots} cards at {}", record.locator);
            return Err(("budget", what));
        }
        Ok(())
    }

    fn on_offer(&self, now: UnixMillis, key: &Key, outcome: &StoreOutcome) -> Result<(), Finding> {
        if self.doubtful.contains_key(key) {
            return Ok(());
        }
        let entry = self.live(now, key).filter(Entry::is_vouched_for);
        match (entry, outcome) {
            (None, StoreOutcome::Held { .. }) => {
                let what = format!("gives a receipt for {}, which it has not", item_of(key));
                Err(("durable-receipt", what))
            }
            (Some(entry), StoreOutcome::Unknown) if entry.is_ack() => {
                Err(("acked", format!("forgets that {} was acked", item_of(key))))
            }
            (Some(_), StoreOutcome::Unknown) => Err(lost(key)),
            _ => Ok(()),
        }
    }

    fn on_tombstone(&mut self, now: UnixMillis, key: Key, until: UnixMillis, deposited: bool) {
        let latest = until.min(now.plus(restante_proto::limits::ACK_MEMORY_MS));
        let entry = match self.live(now, &key) {
            Some(known) if known.is_ack() && (known.is_vouched_for() || !deposited) => return,
            Some(known) if known.is_ack() => Entry::acked(until, true),
            _ => match self.items.get(&key).filter(|entry| !entry.is_ack()) {
                Some(held) => Entry::acked(held.until, true),
                None => Entry::acked(latest, deposited),
            },
        };
        let in_doubt = self.doubtful.contains_key(&key);
        self.change(key, Some(entry));
        if in_doubt {
            // As below.
            self.doubtful.insert(key, vec![Some(entry)]);
        }
    }

    fn on_ack(&mut self, now: UnixMillis, key: Key) {
        if self.live(now, &key).is_some_and(|entry| entry.is_ack()) {
            return;
        }
        let (until, deposited) = match self.items.get(&key).filter(|entry| !entry.is_ack()) {
            Some(entry) => (entry.until, true),
            None => (now.plus(restante_proto::limits::ACK_MEMORY_MS), false),
        };
        let in_doubt = self.doubtful.contains_key(&key);
        let entry = Entry::acked(until, deposited);
        self.change(key, Some(entry));
        if in_doubt {
            // Whether the envelope was here, and until when it is remembered, is in doubt.
            self.doubtful.insert(key, vec![Some(entry)]);
        }
    }

    fn on_list(
        &self,
        now: UnixMillis,
        address: Address,
        after: Option<ItemId>,
        items: &[Listed],
        more: bool,
    ) -> Result<(), Finding> {
        for item in items {
            self.on_served(now, address, item.id, item.expires)?;
        }
        if more || after.is_some() {
            return Ok(());
        }
        let held = self
            .at(ElementKind::Envelope, address)
            .filter(|(key, entry)| {
                entry.is_live(now) && !entry.is_ack() && !self.doubtful.contains_key(key)
            });
        let is_listed = |key: &Key| items.iter().any(|item| item.id == item_of(key));
        match held.map(|(key, _)| key).find(|key| !is_listed(key)) {
            Some(key) => Err(lost(key)),
            None => Ok(()),
        }
    }

    fn on_handed_over(
        &self,
        now: UnixMillis,
        address: Address,
        item: &Waiting,
    ) -> Result<(), Finding> {
        let own_end = expires_of(&item.envelope).unwrap_or(item.expires);
        self.on_served(
            now,
            address,
            id_of(&item.envelope),
            own_end.min(item.expires),
        )
    }

    fn on_served(
        &self,
        now: UnixMillis,
        address: Address,
        id: ItemId,
        expires: UnixMillis,
    ) -> Result<(), Finding> {
        let key = Key::envelope(address, id);
        if expires <= now {
            let late = now.since(expires);
            let what = format!("hands over {id} {late} ms after its end");
            return Err(("expiry", what));
        }
        match self.items.get(&key) {
            _ if self.doubtful.contains_key(&key) => Ok(()),
            Some(entry) if entry.is_ack() => {
                Err(("acked", format!("hands over {id}, which was acked")))
            }
            Some(_) => Ok(()),
            None => {
                let what = format!("hands over {id}, which nobody brought to {address}");
                Err(("right-mailbox", what))
            }
        }
    }

    fn on_cards(
        &self,
        now: UnixMillis,
        locator: Address,
        records: &[CardRecord],
    ) -> Result<(), Finding> {
        for record in records {
            let key = card_key(record);
            if record.expires <= now {
                let late = now.since(record.expires);
                let what = format!("shows card {} {late} ms after its end", record.id());
                return Err(("expiry", what));
            }
            let known = self.items.get(&key);
            let is_it = known.is_some_and(|entry| *entry == Entry::of_card(record));
            if !is_it && !self.doubtful.contains_key(&key) {
                let what = format!("shows card {}, which nobody left there", record.id());
                return Err(("rollback", what));
            }
        }
        let mut held = self
            .at(ElementKind::Card, locator)
            .filter(|(key, entry)| entry.is_live(now) && !self.doubtful.contains_key(key));
        let is_shown = |key: &Key| records.iter().any(|record| card_key(record) == *key);
        match held.find(|(key, _)| !is_shown(key)) {
            Some((key, _)) => Err(lost(key)),
            None => Ok(()),
        }
    }

    /// Looks for something that is long over and was not swept out.
    pub(super) fn on_time(&self, clock: UnixMillis, now: Duration) -> Result<(), Finding> {
        let is_due = self.next_end.is_some_and(|end| end <= clock);
        if is_due && !self.sweeping && now > self.swept + LINGER {
            let what = "has not swept out what has ended for a minute".to_owned();
            return Err(("expiry", what));
        }
        Ok(())
    }
}

/// Returns the finding that a store has lost what it gave a receipt for.
pub(super) fn lost(key: &Key) -> Finding {
    let what = match key.kind {
        ElementKind::Envelope | ElementKind::Ack => format!("has lost {}", item_of(key)),
        ElementKind::Card => format!("has lost a card at {}", key.address),
        ElementKind::Chunk | ElementKind::Deletion => format!("has lost chunk {}", key.address),
    };
    ("durable-receipt", what)
}
