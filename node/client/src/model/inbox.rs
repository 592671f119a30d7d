//! Messages that have arrived.

use restante_proto::account::PersonId;
use restante_proto::keys::PublicKey;
use restante_proto::limits::MESSAGE_TTL_MAX_MS;
use restante_proto::message::{MessageId, Reference};
use restante_proto::time::UnixMillis;

/// Length of a [`Slot`], in bytes.
pub const SLOT_BYTES: usize = 12;

/// The name of the key that a message's body is sealed under; the store that made it knows what it means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Slot(pub [u8; SLOT_BYTES]);

/// A received message without its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The sender's account.
    pub sender: PublicKey,
    /// The name its sender gave it.
    pub message: MessageId,
    /// The sender's ID.
    pub from: PersonId,
    /// When it was committed here.
    pub received: UnixMillis,
    /// When its sender says it was written.
    pub sent: UnixMillis,
    /// Its end.
    pub expires: UnixMillis,
    /// How long it lives once read, in milliseconds; 0 if that does not end it.
    pub burn_ms: u64,
    /// When it was read.
    pub read: Option<UnixMillis>,
    /// The name of the file, if it is one.
    pub file_name: String,
    /// The message that it answers.
    pub reply_to: Option<Reference>,
    /// When its sender says that it was changed last.
    pub edited: Option<UnixMillis>,
    /// When its sender took it back.
    pub recalled: Option<UnixMillis>,
    /// The number of what it says, if that is nothing that this version knows; else 0.
    pub unknown_kind: u32,
    /// Where the key of its body is; none once it was taken back.
    pub slot: Option<Slot>,
}

impl Header {
    /// Returns its name.
    pub const fn reference(&self) -> Reference {
        Reference {
            author: self.sender,
            id: self.message,
        }
    }

    /// Returns the name the message is shown under: senders choose their own names, and two may choose the same.
    pub fn shown_id(&self) -> String {
        Self::shown_id_of(&self.reference())
    }

    /// Returns the name that a message of somebody else's is shown under.
    pub fn shown_id_of(of: &Reference) -> String {
        let mut hasher = blake3::Hasher::new();
        hasher.update(of.author.as_bytes());
        hasher.update(of.id.as_bytes());
        let digest = hasher.finalize();
        data_encoding::HEXLOWER.encode(digest.as_bytes().get(..16).unwrap_or_default())
    }

    /// Returns when the message is destroyed: at its expiry, or its time after reading if that is earlier.
    pub fn destroy_at(&self) -> UnixMillis {
        match self.read {
            Some(read) if self.burn_ms > 0 => {
                let burn = self.burn_ms.min(MESSAGE_TTL_MAX_MS);
                self.expires.min(read.plus(burn))
            }
            _ => self.expires,
        }
    }
}

/// A header whose key does not exist yet: the store makes it as it commits the message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderDraft(Header);

impl HeaderDraft {
    /// Takes a header whose slot means nothing yet.
    pub fn new(header: Header) -> Self {
        Self(header)
    }

    /// Returns the header, whose slot means nothing yet.
    pub const fn header(&self) -> &Header {
        &self.0
    }

    /// Puts the slot in.
    pub fn finish(self, slot: Slot) -> Header {
        let slot = Some(slot);
        Header { slot, ..self.0 }
    }
}

#[cfg(test)]
mod tests {
    use restante_proto::keys::SecretKey;

    use super::*;

    #[test]
    fn a_message_ends_when_it_burns_or_expires_whichever_is_first() {
        let sender = SecretKey::from_seed(&[7; 32]).public();
        let header = |read: Option<u64>, burn_ms| Header {
            sender,
            message: MessageId::new([1; 16]),
            from: "bob.0000-0000-0000".parse().unwrap(),
            received: UnixMillis::new(1_000),
            sent: UnixMillis::new(1_000),
            expires: UnixMillis::new(9_000),
            burn_ms,
            read: read.map(UnixMillis::new),
            file_name: String::new(),
            reply_to: None,
            edited: None,
            recalled: None,
            unknown_kind: 0,
            slot: None,
        };
        for (read, burn_ms, end) in [
            (None, 0, 9_000),
            (None, 5, 9_000),
            (Some(2_000), 0, 9_000),
            (Some(2_000), 5, 2_005),
            (Some(2_000), 7_000, 9_000),
            (Some(2_000), 8_000, 9_000),
            (Some(2_000), u64::MAX, 9_000),
        ] {
            let at = header(read, burn_ms).destroy_at();
            assert_eq!(at, UnixMillis::new(end), "{read:?} {burn_ms}");
        }
    }
}
