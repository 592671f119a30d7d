//! What a message says: the same inside a conversation (SPEC 15.8) and outside of one (SPEC 6.3).

use std::fmt;

use bytes::Bytes;
use prost::Message as _;

use super::MessageId;
use crate::keys::PublicKey;
use crate::limits::{
    BODY_BYTES_MAX, DELIVERED_COUNT_MAX, ENVELOPE_BYTES_MAX, FILE_NAME_BYTES_MAX,
    REACTION_BYTES_MAX, RECALLED_COUNT_MAX, WELCOME_BYTES_MAX,
};
use crate::wire::{self, WireError, generated as g};

const TEXT: u32 = 1;
const DELIVERED: u32 = 2;
/// A grant is said by itself inside a conversation, and goes with a message outside.
pub(super) const GRANT: u32 = 3;
const REACTION: u32 = 4;
const RECALL: u32 = 5;
const INVITATION: u32 = 6;
const LOST: u32 = 7;

/// What a message says.
#[derive(Clone, PartialEq, Eq)]
pub enum Content {
    /// A text or a small file.
    Text(Text),
    /// A delivery receipt: the recipient holds these messages.
    Delivered {
        /// The messages that have arrived.
        ids: Vec<MessageId>,
        /// Those of the sender's that were read.
        read: Vec<MessageId>,
    },
    /// What somebody feels about a message.
    Reaction {
        /// The message.
        to: Reference,
        /// One emoji; empty to take the one before back.
        emoji: String,
    },
    /// The sender takes messages of its own back.
    Recall {
        /// The messages.
        ids: Vec<MessageId>,
    },
    /// An invitation to a conversation.
    Invitation {
        /// A Welcome of MLS, up to [`WELCOME_BYTES_MAX`].
        welcome: Bytes,
    },
    /// The sending device cannot follow a conversation any more, and is to be invited to another.
    Lost {
        /// The name of the conversation.
        conversation: [u8; 16],
    },
    /// Something that this version knows nothing of.
    Unknown {
        /// Its number.
        kind: u32,
        /// Its encoding.
        content: Bytes,
    },
}

/// A text or a small file.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Text {
    /// The bytes, unchanged.
    pub body: Bytes,
    /// How long the message may be read once it was opened, in milliseconds; 0 for as long as it lives.
    pub burn_ms: u64,
    /// The file's name, empty for a text.
    pub file_name: String,
    /// The message that it answers.
    pub reply_to: Option<Reference>,
    /// The message of the same sender that it takes the place of.
    pub replaces: Option<MessageId>,
}

/// Names a message: senders choose their own names, and two may choose the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reference {
    /// The account that has written it.
    pub author: PublicKey,
    /// The name that its author gave it.
    pub id: MessageId,
}

impl fmt::Debug for Content {
    /// Prints the kind and nothing of the content.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => text.fmt(f),
            Self::Delivered { .. } => f.write_str("Delivered(..)"),
            Self::Reaction { .. } => f.write_str("Reaction(..)"),
            Self::Recall { .. } => f.write_str("Recall(..)"),
            Self::Invitation { .. } => f.write_str("Invitation(..)"),
            Self::Lost { .. } => f.write_str("Lost(..)"),
            Self::Unknown { kind, .. } => write!(f, "Unknown({kind})"),
        }
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Text(..)")
    }
}

impl Content {
    /// Tells whether it is about conversations, and has no place inside one.
    pub const fn is_outside(&self) -> bool {
        matches!(self, Self::Invitation { .. } | Self::Lost { .. })
    }

    /// Returns its number and its encoding.
    pub(super) fn to_wire(&self) -> (u32, Bytes) {
        let (kind, encoded) = match self {
            Self::Text(text) => (TEXT, text.to_wire().encode_to_vec()),
            Self::Delivered { ids, read } => {
                let (ids, read) = (to_names(ids), to_names(read));
                (DELIVERED, g::Delivered { ids, read }.encode_to_vec())
            }
            Self::Reaction { to, emoji } => {
                let (to, emoji) = (Some(to.to_wire()), emoji.clone());
                (REACTION, g::Reaction { to, emoji }.encode_to_vec())
            }
            Self::Recall { ids } => {
                let ids = to_names(ids);
                (RECALL, g::Recall { ids }.encode_to_vec())
            }
            Self::Invitation { welcome } => {
                let welcome = welcome.clone();
                (INVITATION, g::Invitation { welcome }.encode_to_vec())
            }
            Self::Lost { conversation } => {
                let conversation = conversation.to_vec().into();
                (LOST, g::Lost { conversation }.encode_to_vec())
            }
            Self::Unknown { kind, content } => return (*kind, content.clone()),
        };
        (kind, encoded.into())
    }

    /// Reads what has this number.
    pub(super) fn from_wire(kind: u32, content: &Bytes) -> Result<Self, WireError> {
        match kind {
            0 => Err(WireError::Missing("kind")),
            TEXT => Text::from_wire(&decode(content)?).map(Self::Text),
            DELIVERED => {
                let delivered: g::Delivered = decode(content)?;
                let ids = names(&delivered.ids, 0..=DELIVERED_COUNT_MAX, "ids")?;
                let read = names(&delivered.read, 0..=DELIVERED_COUNT_MAX, "read")?;
                if ids.is_empty() && read.is_empty() {
                    return Err(WireError::Length("ids"));
                }
                Ok(Self::Delivered { ids, read })
            }
            REACTION => {
                let reaction: g::Reaction = decode(content)?;
                let to = reaction.to.as_ref().ok_or(WireError::Missing("to"))?;
                if reaction.emoji.len() > REACTION_BYTES_MAX {
                    return Err(WireError::Length("emoji"));
                }
                let to = Reference::from_wire(to)?;
                let emoji = reaction.emoji;
                Ok(Self::Reaction { to, emoji })
            }
            RECALL => {
                let recall: g::Recall = decode(content)?;
                let ids = names(&recall.ids, 1..=RECALLED_COUNT_MAX, "ids")?;
                Ok(Self::Recall { ids })
            }
            INVITATION => {
                let invitation: g::Invitation = decode(content)?;
                let welcome = invitation.welcome;
                match (1..=WELCOME_BYTES_MAX).contains(&welcome.len()) {
                    true => Ok(Self::Invitation { welcome }),
                    false => Err(WireError::Length("welcome")),
                }
            }
            LOST => {
                let lost: g::Lost = decode(content)?;
                let conversation = wire::array(&lost.conversation, "conversation")?;
                Ok(Self::Lost { conversation })
            }
            kind => Ok(Self::Unknown {
                kind,
                content: content.clone(),
            }),
        }
    }
}

impl Text {
    fn to_wire(&self) -> g::Text {
        let replaces = self.replaces.map(|id| id.as_bytes().to_vec());
        g::Text {
            body: self.body.clone(),
            burn_ms: self.burn_ms,
            file_name: self.file_name.clone(),
            reply_to: self.reply_to.map(|to| to.to_wire()),
            replaces: replaces.unwrap_or_default().into(),
        }
    }

    fn from_wire(text: &g::Text) -> Result<Self, WireError> {
        if text.body.len() > BODY_BYTES_MAX {
            return Err(WireError::Length("body"));
        }
        if text.file_name.len() > FILE_NAME_BYTES_MAX {
            return Err(WireError::Length("file_name"));
        }
        let replaces = Some(&text.replaces).filter(|replaces| !replaces.is_empty());
        let replaces = replaces.map(|id| wire::array(id, "replaces")).transpose()?;
        let reply_to = text.reply_to.as_ref().map(Reference::from_wire);
        Ok(Self {
            body: text.body.clone(),
            burn_ms: text.burn_ms,
            file_name: text.file_name.clone(),
            reply_to: reply_to.transpose()?,
            replaces: replaces.map(MessageId::new),
        })
    }
}

impl Reference {
    fn to_wire(self) -> g::Reference {
        g::Reference {
            author: self.author.as_bytes().to_vec().into(),
            id: self.id.as_bytes().to_vec().into(),
        }
    }

    fn from_wire(reference: &g::Reference) -> Result<Self, WireError> {
        Ok(Self {
            author: wire::public_key(&reference.author, "author")?,
            id: MessageId::new(wire::array(&reference.id, "id")?),
        })
    }
}

fn decode<M: prost::Message + Default>(content: &Bytes) -> Result<M, WireError> {
    wire::decode(content, ENVELOPE_BYTES_MAX)
}

fn to_names(ids: &[MessageId]) -> Vec<Bytes> {
    let ids = ids.iter().map(|id| id.as_bytes().to_vec().into());
    ids.collect()
}

/// Reads names of messages, each once.
fn names(
    ids: &[Bytes],
    count: std::ops::RangeInclusive<usize>,
    field: &'static str,
) -> Result<Vec<MessageId>, WireError> {
    wire::check_count(ids, count, field)?;
    wire::check_distinct(ids, field)?;
    let id = |id: &Bytes| Ok(MessageId::new(wire::array(id, field)?));
    ids.iter().map(id).collect()
}
