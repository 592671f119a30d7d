//! The outbox: what a sender still has to bring to somebody, as a state machine (SPEC 10.3).
//!
//! An envelope stays here until its recipient's own acknowledgement or its expiry, whichever comes first, and is
//! offered to keepers again until then.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    ItemId, NodeId,
    mailbox::Mailbox,
    message::MessageId,
    placement::{Placement, Standing, Step},
    time::{MonoMillis, Now, UnixMillis},
};

#[cfg(test)]
mod tests;

/// Envelopes one outbox holds, at most.
pub const OUTBOX_COUNT_MAX: usize = 2_048;

/// The outbox takes no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{OUTBOX_COUNT_MAX} messages are waiting to be delivered")]
pub struct OutboxFull;

/// What the outbox knows of one envelope; its bytes and its admission are its owner's to keep.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// The message inside.
    pub message: MessageId,
    /// The envelope.
    pub envelope: ItemId,
    /// Where it is to wait.
    pub mailbox: Mailbox,
    /// When it ends.
    pub expires: UnixMillis,
    /// Receipts from before a restart.
    pub receipts: BTreeMap<NodeId, UnixMillis>,
}

/// What enters an outbox.
#[derive(Clone, Debug)]
pub enum Input {
    /// The keepers closest to an envelope's mailbox as far as is known while they are looked up, nearest first.
    Near(ItemId, Vec<NodeId>),
    /// The keepers closest to an envelope's mailbox, nearest first; none if the lookup failed.
    Found(ItemId, Vec<NodeId>),
    /// The nodes that a keeper knows closest to an envelope's mailbox beside itself, nearest first and without this
    /// one; none if it does not answer.
    Neighbours(ItemId, NodeId, Vec<NodeId>),
    /// A keeper's receipt, verified.
    Receipt(ItemId, NodeId, UnixMillis),
    /// A keeper does not hold what it was offered.
    Unknown(ItemId, NodeId),
    /// A keeper refused, lied or could not be reached.
    Failed(ItemId, NodeId),
    /// The recipient itself holds this message.
    Delivered(MessageId),
    /// The network has just come up.
    NetworkUp,
    /// The time asked for by [`Outbox::next_timeout`] has come.
    Timer,
}

/// What leaves an outbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Output {
    /// Look up the keepers closest to this mailbox.
    Find(ItemId, Mailbox),
    /// Ask a keeper which nodes it knows closest to this mailbox beside itself.
    AskNeighbours(ItemId, Mailbox, NodeId),
    /// Send the envelope to a keeper.
    Deposit(ItemId, NodeId),
    /// Offer the envelope to a keeper that should have it.
    Offer(ItemId, NodeId),
    /// Receipts have changed: store them, and tell the person.
    Standing(ItemId, Standing),
    /// The recipient holds it; drop it.
    Delivered(ItemId, MessageId),
    /// Its time is over without the recipient's word; tell the person and drop it.
    Expired(ItemId, MessageId),
}

#[derive(Clone, Debug)]
struct Entry {
    message: MessageId,
    mailbox: Mailbox,
    expires: UnixMillis,
    placement: Placement,
    /// Holders whose neighbours are awaited in a brief review.
    asked: BTreeSet<NodeId>,
}

/// All envelopes under way, by their identifiers.
#[derive(Clone, Debug, Default)]
pub struct Outbox {
    entries: BTreeMap<ItemId, Entry>,
}

impl Outbox {
    /// Takes an envelope that is committed to disk, and starts bringing it out.
    ///
    /// # Errors
    ///
    /// [`OutboxFull`] at [`OUTBOX_COUNT_MAX`] envelopes.
    pub fn add(&mut self, now: Now, outgoing: Outgoing) -> Result<Vec<Output>, OutboxFull> {
        if self.entries.len() >= OUTBOX_COUNT_MAX && !self.entries.contains_key(&outgoing.envelope)
        {
            return Err(OutboxFull);
        }
        let Outgoing {
            message,
            envelope,
            mailbox,
            expires,
            receipts,
        } = outgoing;
        let placement = Placement::new(mailbox.address(), receipts);
        self.entries.insert(
            envelope,
            Entry {
                message,
                mailbox,
                expires,
                placement,
                asked: BTreeSet::new(),
            },
        );
        Ok(self.on_timer(now))
    }

    /// Handles one input and returns the actions to perform, in order.
    pub fn handle(&mut self, now: Now, input: Input) -> Vec<Output> {
        match input {
            Input::Near(id, keepers) => {
                self.advance(now, id, |placement| placement.on_near(now, &keepers))
            }
            Input::Found(id, keepers) => {
                self.advance(now, id, |placement| placement.on_found(now, &keepers))
            }
            Input::Neighbours(id, keeper, nodes) => self.on_neighbours(now, id, keeper, &nodes),
            Input::Receipt(id, keeper, until) => self.advance(now, id, |placement| {
                placement.on_receipt(now, keeper, until)
            }),
            Input::Unknown(id, keeper) => {
                self.advance(now, id, |placement| placement.on_unknown(now, keeper))
            }
            Input::Failed(id, keeper) => {
                self.advance(now, id, |placement| placement.on_failed(now, keeper))
            }
            Input::Delivered(message) => self.on_delivered(message),
            Input::NetworkUp => {
                self.entries
                    .values_mut()
                    .for_each(|entry| entry.placement.hurry(now));
                self.on_timer(now)
            }
            Input::Timer => self.on_timer(now),
        }
    }

    /// Returns when [`Input::Timer`] is due; an expiry comes when the date says so, which may be earlier after the
    /// clock was set.
    pub fn next_timeout(&self, now: Now) -> Option<MonoMillis> {
        let due = |entry: &Entry| {
            let expiry = now.when(entry.expires);
            let next = entry.placement.next_timeout();
            let next = next.filter(|_| entry.asked.is_empty());
            next.map_or(expiry, |due| due.min(expiry))
        };
        self.entries.values().map(due).min()
    }

    /// Returns how well an envelope is placed, with the number of failed tries.
    pub fn standing(&self, now: Now, id: &ItemId) -> Option<(Standing, u32)> {
        let placement = &self.entries.get(id)?.placement;
        Some((placement.standing(now), placement.failures()))
    }

    /// Returns when an envelope is tried next.
    pub fn next_try(&self, id: &ItemId) -> Option<MonoMillis> {
        self.entries.get(id)?.placement.next_timeout()
    }

    /// Returns the receipts of an envelope, to be stored.
    pub fn receipts(&self, id: &ItemId) -> Option<&BTreeMap<NodeId, UnixMillis>> {
        Some(self.entries.get(id)?.placement.receipts())
    }

    /// Removes an envelope that awaits no delivery receipt.
    pub fn remove(&mut self, id: &ItemId) {
        self.entries.remove(id);
    }

    /// Returns how many envelopes are under way.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Tells whether nothing is under way.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn advance(
        &mut self,
        now: Now,
        id: ItemId,
        step: impl FnOnce(&mut Placement) -> Vec<Step>,
    ) -> Vec<Output> {
        let Some(entry) = self.entries.get_mut(&id) else {
            return Vec::new();
        };
        let before = entry.placement.standing(now);
        let steps = step(&mut entry.placement);
        let after = entry.placement.standing(now);
        let mut outputs = outputs_of(id, entry, steps);
        if before != after {
            outputs.push(Output::Standing(id, after));
        }
        outputs
    }

    fn on_timer(&mut self, now: Now) -> Vec<Output> {
        let mut outputs = Vec::new();
        for (id, entry) in &mut self.entries {
            if entry.expires <= now.date {
                outputs.push(Output::Expired(*id, entry.message));
                continue;
            }
            if !entry.asked.is_empty() {
                continue;
            }
            entry.asked = match entry.placement.is_young() {
                true => entry.placement.brief(now).into_iter().collect(),
                false => BTreeSet::new(),
            };
            if entry.asked.is_empty() {
                let steps = entry.placement.on_timer(now);
                outputs.extend(outputs_of(*id, entry, steps));
            } else {
                let ask = |keeper: &NodeId| Output::AskNeighbours(*id, entry.mailbox, *keeper);
                outputs.extend(entry.asked.iter().map(ask));
            }
        }
        self.entries.retain(|_, entry| entry.expires > now.date);
        outputs
    }

    /// Ends a brief review, or makes it a whole one when somebody knows nodes that do not hold the envelope or does not
    /// answer.
    fn on_neighbours(
        &mut self,
        now: Now,
        id: ItemId,
        keeper: NodeId,
        nodes: &[NodeId],
    ) -> Vec<Output> {
        let Some(entry) = self.entries.get_mut(&id) else {
            return Vec::new();
        };
        if !entry.asked.remove(&keeper) {
            return Vec::new();
        }
        if !entry.placement.knows(now, nodes) {
            entry.asked.clear();
            let steps = entry.placement.on_timer(now);
            return outputs_of(id, entry, steps);
        }
        if entry.asked.is_empty() {
            entry.placement.confirm(now);
        }
        Vec::new()
    }

    fn on_delivered(&mut self, message: MessageId) -> Vec<Output> {
        let delivered = self
            .entries
            .iter()
            .filter(|(_, entry)| entry.message == message);
        let ids: Vec<ItemId> = delivered.map(|(id, _)| *id).collect();
        ids.into_iter()
            .inspect(|id| drop(self.entries.remove(id)))
            .map(|id| Output::Delivered(id, message))
            .collect()
    }
}

fn outputs_of(id: ItemId, entry: &Entry, steps: Vec<Step>) -> Vec<Output> {
    let output = |step| match step {
        Step::Find => Output::Find(id, entry.mailbox),
        Step::Deposit(keeper) => Output::Deposit(id, keeper),
        Step::Offer(keeper) => Output::Offer(id, keeper),
    };
    steps.into_iter().map(output).collect()
}
