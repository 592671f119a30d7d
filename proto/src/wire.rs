//! Strict decoding and canonical encoding of the schema in `schema/restante.proto`.
//!
//! What is decoded here re-encodes to the same bytes: unknown fields, fields out of order, long varints, written
//! defaults and trailing bytes are refused (SPEC 2.1). Field lengths are checked when a wire message becomes one of the
//! crate's own types.

#[expect(missing_docs, clippy::doc_markdown, reason = "generated from the schema, which is documented")]
#[rustfmt::skip]
pub mod generated;

#[cfg(test)]
mod tests;

use std::{cmp::Ordering, collections::BTreeSet, fmt, ops::RangeInclusive};

use prost::Message;

use crate::{
    Address, ItemId,
    keys::{PublicKey, Signature},
    time::UnixMillis,
};

/// Why bytes from outside are not a message of the schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WireError {
    /// More bytes than the message may have.
    #[error("message is {got} bytes, limit is {limit}")]
    TooLong {
        /// Bytes received.
        got: usize,
        /// The limit.
        limit: usize,
    },
    /// Not protocol buffers of this schema.
    #[error("message does not decode")]
    Undecodable,
    /// Decodes, but is not the one encoding this message has.
    #[error("message is not in its canonical encoding")]
    NotCanonical,
    /// A field is missing or has no value this version knows.
    #[error("field {0} is missing or unknown")]
    Missing(&'static str),
    /// A field has the wrong length.
    #[error("field {0} has a wrong length")]
    Length(&'static str),
    /// A field says something else than the bytes it is about.
    #[error("field {0} contradicts what it is about")]
    Contradiction(&'static str),
    /// A repeated field has too many entries.
    #[error("field {0} has too many entries")]
    TooMany(&'static str),
    /// A repeated field has an entry twice.
    #[error("field {0} has an entry twice")]
    Repeated(&'static str),
    /// A repeated field has its entries in another order than it must.
    #[error("field {0} has entries out of order")]
    Unordered(&'static str),
}

/// Decodes `bytes` as an `M` of at most `limit` bytes, in canonical encoding only.
///
/// # Errors
///
/// [`WireError::TooLong`] before anything is read, [`WireError::Undecodable`], [`WireError::NotCanonical`].
///
/// # References
///
/// SPEC 2.1.
pub fn decode<M: Message + Default>(bytes: &[u8], limit: usize) -> Result<M, WireError> {
    if bytes.len() > limit {
        return Err(WireError::TooLong {
            got: bytes.len(),
            limit,
        });
    }
    let message = M::decode(bytes).map_err(|_| WireError::Undecodable)?;
    if message.encoded_len() != bytes.len() || message.encode_to_vec() != bytes {
        return Err(WireError::NotCanonical);
    }
    Ok(message)
}

/// Prints the name of a wire message and nothing of what it holds.
macro_rules! redacted {
    ($($name:ident),+) => {
        $(impl fmt::Debug for generated::$name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(..)"))
            }
        })+
    };
}

redacted!(Text, Grant, Message, Said, Reaction, Card);

/// Checks how many entries a repeated field has.
pub(crate) fn check_count<T>(
    entries: &[T],
    bounds: RangeInclusive<usize>,
    name: &'static str,
) -> Result<(), WireError> {
    if entries.len() < *bounds.start() {
        return Err(WireError::Missing(name));
    }
    if entries.len() > *bounds.end() {
        return Err(WireError::TooMany(name));
    }
    Ok(())
}

/// Checks that a repeated field, of few entries, has none twice.
pub(crate) fn check_distinct<T: Ord>(
    entries: impl IntoIterator<Item = T>,
    name: &'static str,
) -> Result<(), WireError> {
    let mut seen = BTreeSet::new();
    if entries.into_iter().all(|entry| seen.insert(entry)) {
        return Ok(());
    }
    Err(WireError::Repeated(name))
}

/// Checks that the entries of a repeated field ascend, none of them twice.
pub(crate) fn check_ascending<T: Ord>(
    entries: impl IntoIterator<Item = T>,
    name: &'static str,
) -> Result<(), WireError> {
    let mut last = None;
    for entry in entries {
        match last.as_ref().map(|last| entry.cmp(last)) {
            None | Some(Ordering::Greater) => last = Some(entry),
            Some(Ordering::Equal) => return Err(WireError::Repeated(name)),
            Some(Ordering::Less) => return Err(WireError::Unordered(name)),
        }
    }
    Ok(())
}

/// Turns a present optional field into its value.
pub(crate) fn present<T>(field: Option<T>, name: &'static str) -> Result<T, WireError> {
    field.ok_or(WireError::Missing(name))
}

/// Turns a byte field into an array of exactly `N` bytes.
pub(crate) fn array<const N: usize>(
    bytes: &[u8],
    name: &'static str,
) -> Result<[u8; N], WireError> {
    bytes.try_into().map_err(|_| WireError::Length(name))
}

/// Turns a byte field into a public key.
pub(crate) fn public_key(bytes: &[u8], name: &'static str) -> Result<PublicKey, WireError> {
    array(bytes, name).map(PublicKey::new)
}

/// Turns a byte field into a signature.
pub(crate) fn signature(bytes: &[u8], name: &'static str) -> Result<Signature, WireError> {
    array(bytes, name).map(Signature::new)
}

/// Turns a byte field into an address.
pub(crate) fn address(bytes: &[u8], name: &'static str) -> Result<Address, WireError> {
    array(bytes, name).map(Address::new)
}

/// Turns a byte field into an item's identifier.
pub(crate) fn item_id(bytes: &[u8], name: &'static str) -> Result<ItemId, WireError> {
    array(bytes, name).map(ItemId::new)
}

/// Turns a number field into a moment; 0 counts as missing.
pub(crate) fn moment(ms: u64, name: &'static str) -> Result<UnixMillis, WireError> {
    if ms == 0 {
        return Err(WireError::Missing(name));
    }
    Ok(UnixMillis::new(ms))
}
