//! What a member says in a conversation (SPEC 15.8). Who says it, the conversation knows.

use std::fmt;

use bytes::Bytes;
use prost::Message as _;

use super::{Content, Grant, MessageId, delivered_from_wire, delivered_to_wire, text_from_wire};
use crate::limits::ENVELOPE_BYTES_MAX;
use crate::time::UnixMillis;
use crate::wire::{self, WireError, generated as g};

const TEXT: u32 = 1;
const DELIVERED: u32 = 2;
const GRANT: u32 = 3;

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
    /// A text or a small file, or a delivery receipt.
    Content(Content),
    /// The right of all devices of the other account to deposit into mailboxes of the sending device.
    Grant(Grant),
    /// Something that this version knows nothing of.
    Unknown {
        /// Its number.
        kind: u32,
        /// Its encoding.
        content: Bytes,
    },
}

impl fmt::Debug for What {
    /// Prints the kind and nothing of the content.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Content(content) => content.fmt(f),
            Self::Grant(grant) => grant.fmt(f),
            Self::Unknown { kind, .. } => write!(f, "Unknown({kind})"),
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
            What::Content(Content::Text {
                body,
                burn_ms,
                file_name,
            }) => {
                let text = g::Text {
                    body: body.clone(),
                    burn_ms: *burn_ms,
                    file_name: file_name.clone(),
                };
                (TEXT, text.encode_to_vec().into())
            }
            What::Content(Content::Delivered { ids }) => {
                (DELIVERED, delivered_to_wire(ids).encode_to_vec().into())
            }
            What::Content(Content::Invitation { .. } | Content::Lost { .. }) => {
                return Err(WireError::Missing("kind"));
            }
            What::Grant(grant) => (GRANT, grant.encode().into()),
            What::Unknown { kind, content } => (*kind, content.clone()),
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
        let content = &said.content;
        let what = match said.kind {
            0 => return Err(WireError::Missing("kind")),
            TEXT => What::Content(text_from_wire(&wire::decode(content, ENVELOPE_BYTES_MAX)?)?),
            DELIVERED => {
                let ids = delivered_from_wire(&wire::decode(content, ENVELOPE_BYTES_MAX)?)?;
                What::Content(Content::Delivered { ids })
            }
            GRANT => What::Grant(Grant::decode(content)?),
            kind => What::Unknown {
                kind,
                content: content.clone(),
            },
        };
        Ok(Self {
            id: MessageId(wire::array(&said.id, "id")?),
            sent: wire::moment(said.sent_ms, "sent_ms")?,
            expires: wire::moment(said.expires_ms, "expires_ms")?,
            what,
        })
    }
}
