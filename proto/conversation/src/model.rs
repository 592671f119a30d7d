//! What goes into a conversation and comes out, and one epoch as it is kept.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use rand_core::CryptoRng;
use restante_proto::account::Identity;
use restante_proto::keys::PublicKey;
use restante_proto::time::UnixMillis;
use zeroize::Zeroizing;

use crate::epoch::EpochName;
use crate::member::Member;
use crate::outer::OuterKeys;
use crate::storage::Secret;

/// Who acts, when, and with what randomness.
pub struct Turn<'a> {
    /// This device.
    pub identity: &'a Identity,
    /// The date.
    pub date: UnixMillis,
    /// Where 32 bytes are drawn from for each call.
    pub rng: &'a mut dyn CryptoRng,
}

/// One epoch of the tree.
#[derive(Clone, Debug)]
pub(crate) struct Epoch {
    pub(crate) made: UnixMillis,
    /// Texts this device has sent in it.
    pub(crate) sent: u32,
    /// The keys of its envelopes; nothing if this device is no member of it.
    pub(crate) outer: Option<OuterKeys>,
    /// The SHA-256 of the commit that made it, by which one that comes again is known.
    pub(crate) commit: Option<[u8; 32]>,
    pub(crate) keys: Keys,
}

impl Epoch {
    /// Returns one that this device is no member of.
    pub(crate) const fn shut(made: UnixMillis) -> Self {
        Self {
            made,
            sent: 0,
            outer: None,
            commit: None,
            keys: Keys::Shut,
        }
    }
}

/// The members of an epoch by their leaves.
pub(crate) type Roster = BTreeMap<u32, Member>;

/// What can be done with an epoch.
#[derive(Clone)]
pub(crate) enum Keys {
    /// All: it is the library's state, without its tree of public keys.
    Live { state: Secret, tree: Vec<u8> },
    /// Texts of those who were members then can be opened.
    Past { record: Secret, roster: Roster },
    /// Nothing: a commit has made it that removes this device.
    Shut,
}

impl Keys {
    /// Returns how many bytes are kept of what texts change.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Live { state: kept, .. } | Self::Past { record: kept, .. } => kept.len(),
            Self::Shut => 0,
        }
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Live { .. } => f.write_str("Live"),
            Self::Past { .. } => f.write_str("Past"),
            Self::Shut => f.write_str("Shut"),
        }
    }
}

/// A text that is sealed for the members of an epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// The epoch whose outer keys seal the envelopes.
    pub epoch: EpochName,
    /// The message of the group.
    pub message: Vec<u8>,
}

/// A commit that was made here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// The epoch that it follows, whose outer keys seal the envelopes.
    pub parent: EpochName,
    /// The epoch that it makes.
    pub epoch: EpochName,
    /// The message of the group.
    pub message: Vec<u8>,
    /// What those that it adds join with.
    pub welcome: Option<Vec<u8>>,
}

/// What a message was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opened {
    /// Words of a member.
    Text {
        /// Whose.
        sender: Member,
        /// The words.
        body: Zeroizing<Vec<u8>>,
    },
    /// A commit, which has made an epoch.
    Commit {
        /// The epoch.
        epoch: EpochName,
        /// Whether the head is another one now.
        moved: bool,
    },
    /// A commit that is known.
    Known,
    /// A commit that removes this device. Whether it stands, or has lost to another, is for
    /// [`Conversation::removed_by`](crate::Conversation::removed_by) to say.
    Removed {
        /// The member that made it.
        by: Member,
    },
}

/// Who is to be in a conversation and is not, or is and is not to be.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Key packages of devices to be added.
    pub add: BTreeMap<PublicKey, Vec<u8>>,
    /// Devices to be removed.
    pub remove: BTreeSet<PublicKey>,
}
