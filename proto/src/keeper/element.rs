//! What a store holds, as keepers compare it and hand it over to each other (SPEC 8.8).

use bytes::Bytes;
use prost::Message as _;

use crate::{
    Address, ItemId,
    keys::{PublicKey, Signature},
    mailbox::{CapabilityProof, Mailbox},
    request::Admission,
    stamp::Stamp,
    time::UnixMillis,
    wire::{self, WireError, generated as g},
};

/// What an element is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ElementKind {
    /// A card record; its name is its writer.
    Card,
    /// An envelope; its name is its identifier.
    Envelope,
    /// A chunk; its name is zeros.
    Chunk,
    /// The memory of an acked envelope; its name is the envelope's identifier.
    Ack,
    /// The memory of a chunk that was deleted; its name is the deletion key.
    Deletion,
}

impl ElementKind {
    /// Returns the kind's number.
    pub const fn to_byte(self) -> u8 {
        match self {
            Self::Card => 1,
            Self::Envelope => 2,
            Self::Chunk => 3,
            Self::Ack => 4,
            Self::Deletion => 5,
        }
    }

    /// Tells whether it is the memory of something that was deleted.
    pub const fn is_tombstone(self) -> bool {
        matches!(self, Self::Ack | Self::Deletion)
    }

    /// Returns the kind of a number.
    pub const fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            1 => Some(Self::Card),
            2 => Some(Self::Envelope),
            3 => Some(Self::Chunk),
            4 => Some(Self::Ack),
            5 => Some(Self::Deletion),
            _ => None,
        }
    }
}

/// What an element is found by, at every keeper the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ElementKey {
    /// What it is.
    pub kind: ElementKind,
    /// Where it lies.
    pub address: Address,
    /// What tells it from others of its kind there.
    pub name: [u8; 32],
}

impl ElementKey {
    /// Length of a key in bytes.
    pub const BYTES: usize = 1 + 32 + 32;

    /// Returns the key of an envelope.
    pub const fn envelope(address: Address, id: ItemId) -> Self {
        Self {
            kind: ElementKind::Envelope,
            address,
            name: *id.as_bytes(),
        }
    }

    /// Returns the key of an envelope's ack.
    pub const fn ack(address: Address, id: ItemId) -> Self {
        Self {
            kind: ElementKind::Ack,
            address,
            name: *id.as_bytes(),
        }
    }

    /// Returns the key of a writer's card at a locator.
    pub fn card(locator: Address, writer: &PublicKey) -> Self {
        Self {
            kind: ElementKind::Card,
            address: locator,
            name: *writer.as_bytes(),
        }
    }

    /// Returns the key of a chunk.
    pub const fn chunk(address: Address) -> Self {
        Self {
            kind: ElementKind::Chunk,
            address,
            name: [0; 32],
        }
    }

    /// Returns the key of a chunk's deletion.
    pub fn deletion(address: Address, deletion_key: &PublicKey) -> Self {
        Self {
            kind: ElementKind::Deletion,
            address,
            name: *deletion_key.as_bytes(),
        }
    }

    /// Writes the key.
    ///
    /// # Layout
    ///
    /// | bytes | field   |
    /// |-------|---------|
    /// | 1     | kind    |
    /// | 32    | address |
    /// | 32    | name    |
    ///
    /// The order of the bytes is the order of keys.
    pub fn to_bytes(&self) -> [u8; Self::BYTES] {
        let mut bytes = [self.kind.to_byte(); Self::BYTES];
        bytes[1..33].copy_from_slice(self.address.as_bytes());
        bytes[33..].copy_from_slice(&self.name);
        bytes
    }

    /// Reads a key; `None` when its kind is unknown.
    pub fn from_bytes(bytes: &[u8; Self::BYTES]) -> Option<Self> {
        let (kind, rest) = bytes.split_first()?;
        let (address, name) = rest.split_first_chunk::<32>()?;
        Some(Self {
            kind: ElementKind::from_byte(*kind)?,
            address: Address::new(*address),
            name: name.try_into().ok()?,
        })
    }
}

/// What can be said of an element without reading its item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Element {
    /// Which one.
    pub key: ElementKey,
    /// When it ends.
    pub expires: UnixMillis,
    /// A card's sequence, else 0: whatever else a store keeps in its place stays there.
    pub version: u64,
}

/// Some elements of a store, in the order of their keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ElementPage {
    /// The elements.
    pub elements: Vec<Element>,
    /// What to ask for the next page with, if there may be one.
    pub next: Option<ElementKey>,
}

/// An element with everything that another keeper needs to take it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replica {
    /// Which one.
    pub key: ElementKey,
    /// When it ends.
    pub until: UnixMillis,
    /// The bytes of an envelope, of a chunk, of an encoded record; else nothing.
    pub item: Bytes,
    /// Of an ack: the envelope was deposited as well, before it or after.
    pub deposited: bool,
    /// The encoded [`AdmissionProof`].
    pub proof: Bytes,
}

/// What a keeper was shown when it took an item, kept beside it so that other keepers can be shown it too.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AdmissionProof {
    /// Of an envelope and an ack: the mailbox.
    pub mailbox: Option<Mailbox>,
    /// What was paid.
    pub stamp: Option<Stamp>,
    /// Of an envelope: the right to deposit it.
    pub capability: Option<CapabilityProof>,
    /// Of a chunk: who may delete it.
    pub deletion_key: Option<PublicKey>,
    /// Of an ack and a deletion: who may delete has signed it.
    pub signature: Option<Signature>,
}

/// Largest encoded proof, in bytes: a mailbox and a stamp.
pub const ADMISSION_PROOF_BYTES_MAX: usize = 1_536;

impl AdmissionProof {
    /// Returns the proof of an envelope.
    pub fn of_envelope(mailbox: Mailbox, admission: &Admission) -> Self {
        let (stamp, capability) = match admission {
            Admission::Stamp(stamp) => (Some(stamp.clone()), None),
            Admission::Capability(proof) => (None, Some(*proof)),
        };
        Self {
            mailbox: Some(mailbox),
            stamp,
            capability,
            ..Self::default()
        }
    }

    /// Returns the proof of a card, whose record is signed itself.
    pub fn of_card(stamp: Option<&Stamp>) -> Self {
        Self {
            stamp: stamp.cloned(),
            ..Self::default()
        }
    }

    /// Returns the proof of a chunk.
    pub fn of_chunk(deletion_key: PublicKey, stamp: &Stamp) -> Self {
        Self {
            deletion_key: Some(deletion_key),
            stamp: Some(stamp.clone()),
            ..Self::default()
        }
    }

    /// Returns the proof of an ack.
    pub fn of_ack(mailbox: Mailbox, signature: Signature) -> Self {
        Self {
            mailbox: Some(mailbox),
            signature: Some(signature),
            ..Self::default()
        }
    }

    /// Returns the proof of a deletion.
    pub fn of_deletion(signature: Signature) -> Self {
        Self {
            signature: Some(signature),
            ..Self::default()
        }
    }

    /// Tells whether it has the fields that the proof of such an element has, and no others (SPEC 8.8).
    pub const fn is_of(&self, kind: ElementKind) -> bool {
        let Self {
            mailbox,
            stamp,
            capability,
            deletion_key,
            signature,
        } = self;
        let (paid, admitted) = (stamp.is_some(), capability.is_some());
        let (owned, deletable) = (mailbox.is_some(), deletion_key.is_some());
        match (kind, owned, deletable, signature.is_some()) {
            (ElementKind::Envelope, true, false, false) => paid != admitted,
            (ElementKind::Card, false, false, false) => !admitted,
            (ElementKind::Chunk, false, true, false) => paid && !admitted,
            (ElementKind::Ack, true, false, true) | (ElementKind::Deletion, false, false, true) => {
                !paid && !admitted
            }
            _ => false,
        }
    }

    /// Returns the effort that was paid; 0 without a stamp.
    pub fn worth(&self) -> u64 {
        self.stamp.as_ref().map_or(0, Stamp::effort)
    }

    /// Returns what tells the holder of the capability from others, short enough to be kept in an
    /// index; 0 without a capability.
    ///
    /// To share another holder's tag takes 2^64 keys on average.
    pub fn holder_tag(&self) -> u64 {
        let tag = self.capability.as_ref().and_then(|proof| {
            let (first, _) = proof.holder.as_bytes().split_first_chunk::<8>()?;
            Some(u64::from_be_bytes(*first).max(1))
        });
        tag.unwrap_or(0)
    }

    /// Encodes the proof.
    pub fn encode(&self) -> Bytes {
        self.to_wire().encode_to_vec().into()
    }

    /// Decodes a proof.
    ///
    /// # Errors
    ///
    /// See [`wire::decode`]; [`WireError::Length`], [`WireError::Missing`].
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        let g::AdmissionProof {
            mailbox,
            stamp,
            capability,
            deletion_key,
            signature,
        } = wire::decode(bytes, ADMISSION_PROOF_BYTES_MAX)?;
        let optional = |bytes: Bytes| Some(bytes).filter(|bytes| !bytes.is_empty());
        Ok(Self {
            mailbox: mailbox.as_ref().map(Mailbox::from_wire).transpose()?,
            stamp: stamp.map(Stamp::from_wire).transpose()?,
            capability: capability
                .as_ref()
                .map(CapabilityProof::from_wire)
                .transpose()?,
            deletion_key: optional(deletion_key)
                .map(|key| wire::public_key(&key, "deletion_key"))
                .transpose()?,
            signature: optional(signature)
                .map(|signature| wire::signature(&signature, "signature"))
                .transpose()?,
        })
    }

    fn to_wire(&self) -> g::AdmissionProof {
        let bytes = |of: &[u8]| Bytes::copy_from_slice(of);
        g::AdmissionProof {
            mailbox: self.mailbox.map(Mailbox::to_wire),
            stamp: self.stamp.as_ref().map(Stamp::to_wire),
            capability: self.capability.map(CapabilityProof::to_wire),
            deletion_key: self
                .deletion_key
                .map_or_else(Bytes::new, |key| bytes(key.as_bytes())),
            signature: self
                .signature
                .map_or_else(Bytes::new, |signature| bytes(signature.as_bytes())),
        }
    }
}
