//! The keys of rows, and the rows that need no message of their own.

use bytes::Bytes;
use restante_client::records::SenderMessage;
use restante_proto::keys::PublicKey;
use restante_proto::message::MessageId;
use restante_proto::stamp::Stamp;
use restante_proto::{Address, ItemId};

use super::super::rows::RowError;

pub(in crate::account) fn stamp_row(stamp: &Stamp) -> Vec<u8> {
    let mut row = stamp.nonce.to_vec();
    row.extend_from_slice(&stamp.solution);
    row
}

pub(in crate::account) fn stamp_of(key: &[u8], row: &[u8]) -> Result<(Address, Stamp), RowError> {
    let error = RowError("stamps");
    let (nonce, solution) = row.split_first_chunk::<32>().ok_or(error)?;
    let locator = Address::try_from(key).map_err(|_| error)?;
    let solution = Bytes::copy_from_slice(solution);
    Ok((
        locator,
        Stamp {
            nonce: *nonce,
            solution,
        },
    ))
}

pub(in crate::account) fn message_of(key: &[u8]) -> Result<MessageId, RowError> {
    <[u8; 16]>::try_from(key)
        .map(MessageId::new)
        .map_err(|_| RowError("sent"))
}

/// Returns the key of the row about an envelope that was taken from a mailbox.
pub(in crate::account) fn taken_key(mailbox: &Address, envelope: &ItemId) -> Vec<u8> {
    let mut key = mailbox.as_bytes().to_vec();
    key.extend_from_slice(envelope.as_bytes());
    key
}

pub(in crate::account) fn taken_of(key: &[u8]) -> Result<(Address, ItemId), RowError> {
    let error = RowError("taken");
    let (mailbox, envelope) = key.split_first_chunk::<32>().ok_or(error)?;
    let envelope = ItemId::try_from(envelope).map_err(|_| error)?;
    Ok((Address::new(*mailbox), envelope))
}

pub(in crate::account) fn arrival_of(key: &[u8]) -> Result<u64, RowError> {
    <[u8; 8]>::try_from(key)
        .map(u64::from_be_bytes)
        .map_err(|_| RowError("inbox"))
}

/// Returns the key of a row about one sender's message.
pub(in crate::account) fn named_key((sender, message): &SenderMessage) -> Vec<u8> {
    let mut key = sender.as_bytes().to_vec();
    key.extend_from_slice(message.as_bytes());
    key
}

pub(in crate::account) fn named_of(key: &[u8]) -> Result<(PublicKey, MessageId), RowError> {
    let error = RowError("seen");
    let (sender, message) = key.split_first_chunk::<32>().ok_or(error)?;
    let message = <[u8; 16]>::try_from(message).map_err(|_| error)?;
    Ok((PublicKey::new(*sender), MessageId::new(message)))
}
