//! How messages name each other, and what is felt about them.

use prost::Message;
use restante_client::model::Reaction;
use restante_proto::keys::PublicKey;
use restante_proto::message::{MessageId, Reference};
use restante_proto::time::UnixMillis;

use super::{RowError, fmt, redacted};

redacted!(ReferenceRow, ReactionRow);

/// A message by its name.
#[derive(Clone, PartialEq, Eq, Hash, Message)]
#[prost(skip_debug)]
pub(super) struct ReferenceRow {
    #[prost(bytes = "vec", tag = "1")]
    author: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    id: Vec<u8>,
}

#[derive(Clone, PartialEq, Eq, Hash, Message)]
#[prost(skip_debug)]
struct ReactionRow {
    #[prost(string, tag = "1")]
    emoji: String,
    #[prost(uint64, tag = "2")]
    at_ms: u64,
    #[prost(uint64, tag = "3")]
    until_ms: u64,
}

pub(super) fn reference_to_row(reference: &Reference) -> ReferenceRow {
    ReferenceRow {
        author: reference.author.as_bytes().to_vec(),
        id: reference.id.as_bytes().to_vec(),
    }
}

pub(super) fn reference_from_row(row: &ReferenceRow) -> Result<Reference, RowError> {
    let error = RowError("references");
    let author = PublicKey::try_from(row.author.as_slice());
    Ok(Reference {
        author: author.map_err(|_| error)?,
        id: name_from_row(&row.id)?.ok_or(error)?,
    })
}

/// Returns the bytes of a name; nothing for none.
pub(super) fn name_to_row(id: Option<MessageId>) -> Vec<u8> {
    id.map_or(Vec::new(), |id| id.as_bytes().to_vec())
}

pub(super) fn name_from_row(row: &[u8]) -> Result<Option<MessageId>, RowError> {
    let id = Some(row).filter(|row| !row.is_empty());
    let id = id.map(<[u8; 16]>::try_from).transpose();
    let id = id.map_err(|_| RowError("references"))?;
    Ok(id.map(MessageId::new))
}

/// Returns the key of the row of a reaction.
pub(in super::super) fn reaction_key(to: &Reference, by: &PublicKey) -> Vec<u8> {
    let parts = [
        to.author.as_bytes().as_slice(),
        to.id.as_bytes(),
        by.as_bytes(),
    ];
    parts.concat()
}

/// Reads the key of the row of a reaction.
pub(in super::super) fn reaction_of(key: &[u8]) -> Result<(Reference, PublicKey), RowError> {
    let error = RowError("reactions");
    let (author, rest) = key.split_first_chunk::<32>().ok_or(error)?;
    let (id, by) = rest.split_first_chunk::<16>().ok_or(error)?;
    let to = Reference {
        author: PublicKey::new(*author),
        id: MessageId::new(*id),
    };
    Ok((to, PublicKey::try_from(by).map_err(|_| error)?))
}

pub(in super::super) fn reaction_to_row(reaction: &Reaction) -> Vec<u8> {
    let row = ReactionRow {
        emoji: reaction.emoji.clone(),
        at_ms: reaction.at.get(),
        until_ms: reaction.until.get(),
    };
    row.encode_to_vec()
}

pub(in super::super) fn reaction_from_row(bytes: &[u8]) -> Result<Reaction, RowError> {
    let row = ReactionRow::decode(bytes).map_err(|_| RowError("reactions"))?;
    Ok(Reaction {
        emoji: row.emoji,
        at: UnixMillis::new(row.at_ms),
        until: UnixMillis::new(row.until_ms),
    })
}
