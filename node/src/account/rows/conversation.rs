//! Conversations, this device's part in them, and its key packages.

use std::collections::BTreeMap;
use std::fmt;

use prost::Message;
use restante_client::model::{Membership, OwnPackage};
use restante_conversation::key_package::OwnKeyPackage;
use restante_conversation::rows::Row;
use restante_conversation::{ConversationId, EpochName, Secret};
use restante_proto::keys::PublicKey;
use restante_proto::time::UnixMillis;
use zeroize::{Zeroize as _, Zeroizing};

use super::{RowError, redacted};

redacted!(MembershipRow, HeardRow, OwnPackageRow);

#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)]
struct MembershipRow {
    #[prost(bytes = "vec", tag = "1")]
    with: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    device: Vec<u8>,
    #[prost(uint64, tag = "3")]
    since_ms: u64,
    #[prost(message, repeated, tag = "4")]
    heard: Vec<HeardRow>,
    #[prost(uint64, optional, tag = "5")]
    lost_ms: Option<u64>,
}

/// A member that has spoken.
#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)]
struct HeardRow {
    #[prost(bytes = "vec", tag = "1")]
    device: Vec<u8>,
    #[prost(uint64, tag = "2")]
    last_ms: u64,
}

#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)]
struct OwnPackageRow {
    #[prost(bytes = "vec", tag = "1")]
    public: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    id: Vec<u8>,
    #[prost(bytes = "vec", tag = "3")]
    secret: Vec<u8>,
}

const MEMBERSHIP: RowError = RowError("memberships");
const CONVERSATION: RowError = RowError("conversations");
const PACKAGE: RowError = RowError("packages");

pub(in crate::account) fn membership_to_row(membership: &Membership) -> Vec<u8> {
    let heard = membership.heard.iter().map(|(device, last)| HeardRow {
        device: device.as_bytes().to_vec(),
        last_ms: last.get(),
    });
    let row = MembershipRow {
        with: membership.with.as_bytes().to_vec(),
        device: membership.device.as_bytes().to_vec(),
        since_ms: membership.since.get(),
        heard: heard.collect(),
        lost_ms: membership.lost.map(UnixMillis::get),
    };
    row.encode_to_vec()
}

pub(in crate::account) fn membership_from_row(bytes: &[u8]) -> Result<Membership, RowError> {
    let row = MembershipRow::decode(bytes).map_err(|_| MEMBERSHIP)?;
    let key = |bytes: &[u8]| PublicKey::try_from(bytes).map_err(|_| MEMBERSHIP);
    let heard = row.heard.iter();
    let heard = heard.map(|it| Ok((key(&it.device)?, UnixMillis::new(it.last_ms))));
    Ok(Membership {
        with: key(&row.with)?,
        device: key(&row.device)?,
        since: UnixMillis::new(row.since_ms),
        heard: heard.collect::<Result<_, _>>()?,
        lost: row.lost_ms.map(UnixMillis::new),
    })
}

pub(in crate::account) fn package_to_row(own: &OwnPackage) -> Zeroizing<Vec<u8>> {
    let mut row = OwnPackageRow {
        public: own.package.public.clone(),
        id: own.package.id.clone(),
        secret: own.package.secret.to_vec(),
    };
    let bytes = Zeroizing::new(row.encode_to_vec());
    row.secret.zeroize();
    bytes
}

pub(in crate::account) fn package_from_row(
    key: &[u8],
    bytes: &[u8],
) -> Result<OwnPackage, RowError> {
    let row = OwnPackageRow::decode(bytes).map_err(|_| PACKAGE)?;
    let made = <[u8; 8]>::try_from(key).map_err(|_| PACKAGE)?;
    Ok(OwnPackage {
        made: UnixMillis::new(u64::from_be_bytes(made)),
        package: OwnKeyPackage {
            public: row.public,
            id: row.id,
            secret: Zeroizing::new(row.secret),
        },
    })
}

/// Returns the key of this device's part in a conversation.
pub(in crate::account) fn conversation_of(key: &[u8]) -> Result<ConversationId, RowError> {
    let id = <[u8; 16]>::try_from(key);
    id.map(ConversationId::new).map_err(|_| MEMBERSHIP)
}

/// Returns the key of a row of a conversation.
///
/// # Layout
///
/// Name of the conversation (16), what the row is (1), name of the epoch (32) if it is about one.
pub(in crate::account) fn row_key(id: &ConversationId, row: &Row) -> Vec<u8> {
    let mut key = id.as_bytes().to_vec();
    let (kind, epoch) = match row {
        Row::Conversation => (0, None),
        Row::Epoch(epoch) => (1, Some(epoch)),
        Row::State(epoch) => (2, Some(epoch)),
        Row::Past(epoch) => (3, Some(epoch)),
        Row::Tree(epoch) => (4, Some(epoch)),
    };
    key.push(kind);
    key.extend(epoch.into_iter().flat_map(EpochName::as_bytes));
    key
}

/// Reads the key of a row of a conversation.
pub(in crate::account) fn row_of(key: &[u8]) -> Result<(ConversationId, Row), RowError> {
    let (id, rest) = key.split_first_chunk().ok_or(CONVERSATION)?;
    let (kind, epoch) = rest.split_first().ok_or(CONVERSATION)?;
    let id = ConversationId::new(*id);
    if (*kind, epoch.len()) == (0, 0) {
        return Ok((id, Row::Conversation));
    }
    let epoch = EpochName::new(epoch.try_into().map_err(|_| CONVERSATION)?);
    let row = match kind {
        1 => Row::Epoch(epoch),
        2 => Row::State(epoch),
        3 => Row::Past(epoch),
        4 => Row::Tree(epoch),
        _ => return Err(CONVERSATION),
    };
    Ok((id, row))
}

/// Gathers the rows of each conversation.
pub(in crate::account) fn conversations_of(
    rows: Vec<crate::vault::Row>,
) -> Result<BTreeMap<ConversationId, BTreeMap<Row, Secret>>, RowError> {
    let mut conversations: BTreeMap<_, BTreeMap<_, _>> = BTreeMap::new();
    for row in rows {
        let (id, name) = row_of(&row.key)?;
        let of = conversations.entry(id).or_default();
        of.insert(name, Zeroizing::new(row.value.to_vec()));
    }
    Ok(conversations)
}
