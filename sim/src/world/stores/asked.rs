//! What a store is asked for, as far as an oracle has to know.

use restante_proto::card::CardRecord;
use restante_proto::envelope::expires_of;
/// What an item is known by; an envelope and the memory of its ack have the envelope's.
pub(super) use restante_proto::keeper::ElementKey as Key;
use restante_proto::keeper::{Budget, ElementKind, Replica, StoreOp, StoreOutcome};
use restante_proto::time::UnixMillis;
use restante_proto::{Address, ItemId};

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
    Tombstone {
        key: Key,
        until: UnixMillis,
        deposited: bool,
    },
    Export,
    Nothing,
}

/// Returns what a record is known by.
pub(super) fn card_key(record: &CardRecord) -> Key {
    Key::card(record.locator, &record.writer)
}

/// Returns the envelope that a key names.
pub(super) const fn item_of(key: &Key) -> ItemId {
    ItemId::new(key.name)
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
                key: Key::envelope(*address, *id),
                expires: *expires,
                own_end: expires_of(bytes).unwrap_or(*expires),
                size_bytes: bytes.len() as u64,
                budget: *budget,
            }),
            StoreOp::PutCard { record, .. } => Self::Card(record.clone()),
            StoreOp::PutChunk {
                address, expires, ..
            } => Self::Chunk(Key::chunk(*address), *expires),
            StoreOp::Offer { address, id } => Self::Offer(Key::envelope(*address, *id)),
            StoreOp::List { address, after } => Self::List(*address, *after),
            StoreOp::Get { address, .. } => Self::Get(*address),
            StoreOp::Ack {
                address, entries, ..
            } => {
                let keys = entries
                    .iter()
                    .map(|entry| Key::envelope(*address, entry.id));
                Self::Ack(keys.collect())
            }
            StoreOp::Cards { locator } => Self::Cards(*locator),
            StoreOp::Chunk { address } => Self::FetchChunk(Key::chunk(*address)),
            StoreOp::DeleteChunk { address, .. } => Self::DropChunk(Key::chunk(*address)),
            StoreOp::ApplyTombstone(replica) => Self::of_tombstone(replica),
            StoreOp::Export { .. } => Self::Export,
            StoreOp::Lacking { .. } => Self::Nothing,
        }
    }

    fn of_tombstone(replica: &Replica) -> Self {
        match replica.key.kind {
            ElementKind::Ack => {
                let id = ItemId::new(replica.key.name);
                Self::Tombstone {
                    key: Key::envelope(replica.key.address, id),
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
                    item_of(&mail.key),
                    mail.key.address
                )]
            }
            (Self::Mail(mail), StoreOutcome::Refused(reason)) => {
                vec![format!("refuses {}: {}", item_of(&mail.key), reason.name())]
            }
            (Self::Mail(mail), StoreOutcome::Unpaid { effort }) => {
                vec![format!("refuses {}: it costs {effort}", item_of(&mail.key))]
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
            (Self::Tombstone { key, .. }, StoreOutcome::Done) => {
                vec![format!("hears that {} was acked", item_of(key))]
            }
            (Self::Ack(keys), StoreOutcome::Done) => keys
                .iter()
                .map(|key| format!("drops acked {}", item_of(key)))
                .collect(),
            _ => Vec::new(),
        }
    }
}
