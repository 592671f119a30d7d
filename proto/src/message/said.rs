//! What a member says in a conversation (SPEC 15.8). Who says it, the conversation knows.

use std::fmt;

use prost::Message as _;

use super::content::GRANT;
use super::{Content, Grant, MessageId};
use crate::limits::ENVELOPE_BYTES_MAX;
use crate::time::UnixMillis;
use crate::wire::{self, WireError, generated as g};

/// One text of a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// The same in all envelopes of this message.
    pub id: MessageId,
    /// When it was written, by the sender's clock.
    pub sent: UnixMillis,
    /// When it ends.
    pub expires: UnixMillis,
    /// What it says.
    pub what: What,
}

/// What is said.
#[derive(Clone, PartialEq, Eq)]
pub enum What {
    /// What a message may say outside, too.
    Content(Content),
    /// The right of all devices of the other account to deposit into mailboxes of the sending device.
    Grant(Grant),
}

impl fmt::Debug for What {
    /// Prints the kind and nothing of the content.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Content(content) => content.fmt(f),
            Self::Grant(grant) => grant.fmt(f),
        }
    }
}

impl Said {
    /// Encodes it.
    ///
    /// # Errors
    ///
    /// [`WireError::Missing`] for what is about a conversation and has no place in it.
    pub fn encode(&self) -> Result<Vec<u8>, WireError> {
        let (kind, content) = match &self.what {
            What::Content(content) if content.is_outside() => {
                return Err(WireError::Missing("kind"));
            }
            What::Content(content) => content.to_wire(),
            What::Grant(grant) => (GRANT, grant.encode().into()),
        };
        let said = g::Said {
            id: self.id.as_bytes().to_vec().into(),
            sent_ms: self.sent.get(),
            expires_ms: self.expires.get(),
            kind,
            content,
        };
        Ok(said.encode_to_vec())
    }

    /// Decodes it.
    ///
    /// # Errors
    ///
    /// [`WireError`] when the bytes are nothing that a member says, or not what their kind is.
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        let said: g::Said = wire::decode(bytes, ENVELOPE_BYTES_MAX)?;
        let what = match said.kind {
            GRANT => What::Grant(Grant::decode(&said.content)?),
            kind => What::Content(Content::from_wire(kind, &said.content)?),
        };
        if matches!(&what, What::Content(content) if content.is_outside()) {
            return Err(WireError::Missing("kind"));
        }
        Ok(Self {
            id: MessageId(wire::array(&said.id, "id")?),
            sent: wire::moment(said.sent_ms, "sent_ms")?,
            expires: wire::moment(said.expires_ms, "expires_ms")?,
            what,
        })
    }
}
