//! What a store is asked for, as far as a book has to know.

use restante_proto::card::CardRecord;
use restante_proto::envelope::expires_of;
use restante_proto::keeper::{Budget, ElementKind, Replica, StoreOp, StoreOutcome};
use restante_proto::time::UnixMillis;
use restante_proto::{Address, ItemId};

/// What an item is known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) kind: Kind,
    pub(super) address: Address,
    pub(super) name: [u8; 32],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// An envelope, or the memory of its ack.
    Mail,
    Card,
    Chunk,
}

/// An envelope that a store is to take.
pub(super) struct Mail {
    pub(super) key: Key,
    pub(super) expires: UnixMillis,
    /// The end that stands in the envelope itself, or the one above.
    pub(super) own_end: UnixMillis,
    pub(super) size_bytes: u64,
    pub(super) budget: Budget,
}

/// An operation without what makes it large.
pub(super) enum Asked {
    Mail(Mail),
    Card(Box<CardRecord>),
    Chunk(Key, UnixMillis),
    Offer(Key),
    List(Address, Option<ItemId>),
    Get(Address),
    Ack(Vec<Key>),
    Cards(Address),
    FetchChunk(Key),
    DropChunk(Key),
    /// The memory of an ack, from another keeper.
    Bury {
        key: Key,
        until: UnixMillis,
        deposited: bool,
    },
    Export,
    Nothing,
}

impl Key {
    pub(super) const fn mail(address: Address, id: ItemId) -> Self {
        Self {
            kind: Kind::Mail,
            address,
            name: *id.as_bytes(),
        }
    }

    pub(super) fn card(record: &CardRecord) -> Self {
        Self {
            kind: Kind::Card,
            address: record.locator,
            name: *record.writer.as_bytes(),
        }
    }

    pub(super) const fn chunk(address: Address) -> Self {
        Self {
            kind: Kind::Chunk,
            address,
            name: [0; 32],
        }
    }

    /// Returns the item's name in a trace.
    pub(super) const fn item(&self) -> ItemId {
        ItemId::new(self.name)
    }
}

impl Asked {
    pub(super) fn of(op: &StoreOp) -> Self {
        match op {
            StoreOp::PutEnvelope {
                address,
                id,
                bytes,
                expires,
                budget,
                ..
            } => Self::Mail(Mail {
                key: Key::mail(*address, *id),
                expires: *expires,
                own_end: expires_of(bytes).unwrap_or(*expires),
                size_bytes: bytes.len() as u64,
                budget: *budget,
            }),
            StoreOp::PutCard { record, .. } => Self::Card(record.clone()),
            StoreOp::PutChunk {
                address, expires, ..
            } => Self::Chunk(Key::chunk(*address), *expires),
            StoreOp::Offer { address, id } => Self::Offer(Key::mail(*address, *id)),
            StoreOp::List { address, after } => Self::List(*address, *after),
            StoreOp::Get { address, .. } => Self::Get(*address),
            StoreOp::Ack {
                address, entries, ..
            } => {
                let keys = entries.iter().map(|entry| Key::mail(*address, entry.id));
                Self::Ack(keys.collect())
            }
            StoreOp::Cards { locator } => Self::Cards(*locator),
            StoreOp::Chunk { address } => Self::FetchChunk(Key::chunk(*address)),
            StoreOp::DeleteChunk { address, .. } => Self::DropChunk(Key::chunk(*address)),
            StoreOp::Bury(replica) => Self::of_grave(replica),
            StoreOp::Export { .. } => Self::Export,
            StoreOp::Lacking { .. } => Self::Nothing,
        }
    }

    fn of_grave(replica: &Replica) -> Self {
        match replica.key.kind {
            ElementKind::Ack => {
                let id = ItemId::new(replica.key.name);
                Self::Bury {
                    key: Key::mail(replica.key.address, id),
                    until: replica.until,
                    deposited: replica.deposited,
                }
            }
            ElementKind::Deletion => Self::DropChunk(Key::chunk(replica.key.address)),
            ElementKind::Card | ElementKind::Envelope | ElementKind::Chunk => Self::Nothing,
        }
    }

    /// Returns what a trace says of it: what a store took, handed over and dropped.
    pub(super) fn lines(&self, outcome: &StoreOutcome) -> Vec<String> {
        match (self, outcome) {
            (Self::Mail(mail), StoreOutcome::Held { new: true, .. }) => {
                vec![format!(
                    "stores {} in {}",
                    mail.key.item(),
                    mail.key.address
                )]
            }
            (Self::Mail(mail), StoreOutcome::Refused(reason)) => {
                vec![format!("refuses {}: {}", mail.key.item(), reason.name())]
            }
            (Self::Card(record), StoreOutcome::Held { new: true, .. }) => {
                vec![format!("stores card {}", record.id())]
            }
            (Self::Chunk(key, _), StoreOutcome::Held { new: true, .. }) => {
                vec![format!("stores chunk {}", key.address)]
            }
            (Self::Get(_), StoreOutcome::Envelopes(items)) => {
                let ids = items
                    .iter()
                    .map(|item| restante_proto::envelope::id_of(&item.envelope));
                ids.map(|id| format!("hands over {id}")).collect()
            }
            (Self::Bury { key, .. }, StoreOutcome::Done) => {
                vec![format!("hears that {} was acked", key.item())]
            }
            (Self::Ack(keys), StoreOutcome::Done) => keys
                .iter()
                .map(|key| format!("drops acked {}", key.item()))
                .collect(),
            _ => Vec::new(),
        }
    }
}
