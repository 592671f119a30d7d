//! What this device keeps of a conversation beside the conversation itself.

use std::collections::BTreeMap;

use restante_conversation::key_package::OwnKeyPackage;
use restante_proto::keys::PublicKey;
use restante_proto::limits::{CARD_TTL_MS, DAY_MS, MESSAGE_TTL_MAX_MS};
use restante_proto::time::UnixMillis;

/// How long the private half of a key package is kept, in milliseconds: as long as that of a prekey (SPEC 15.5).
const PACKAGE_KEPT_MS: u64 = CARD_TTL_MS + MESSAGE_TTL_MAX_MS;
/// How old a key package may be when it is offered, in milliseconds.
const PACKAGE_FRESH_MS: u64 = DAY_MS;

/// A device's part in a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    /// The other account.
    pub with: PublicKey,
    /// The device of this home that is the member: the present one, or one that it was.
    pub device: PublicKey,
    /// When the conversation was made or joined.
    pub since: UnixMillis,
    /// Members that have spoken in it, or have made it, each with when it last did, by its own clock where it said
    /// that: only these are known to be in it.
    pub heard: BTreeMap<PublicKey, UnixMillis>,
    /// When others were last told that this device cannot follow the conversation any more: it speaks in it no more.
    pub lost: Option<UnixMillis>,
}

impl Membership {
    /// Tells whether the device `own` speaks with an account in it, or will once somebody is heard.
    pub fn speaks_with(&self, account: &PublicKey, own: &PublicKey) -> bool {
        self.with == *account && self.device == *own && self.lost.is_none()
    }

    /// Notes that a member has spoken.
    pub fn hear(&mut self, device: PublicKey, sent: UnixMillis) {
        let last = self.heard.entry(device).or_insert(sent);
        *last = sent.max(*last);
    }
}

/// A key package of this device, with its private half.
#[derive(Clone, Debug)]
pub struct OwnPackage {
    /// When it was made.
    pub made: UnixMillis,
    /// The package.
    pub package: OwnKeyPackage,
}

impl OwnPackage {
    /// Tells whether it may be offered.
    pub fn is_fresh(&self, date: UnixMillis) -> bool {
        date.since(self.made) < PACKAGE_FRESH_MS && self.made <= date.plus(PACKAGE_FRESH_MS)
    }

    /// Returns when it is to be destroyed: nobody can invite with it any more.
    pub fn destroy_at(&self) -> UnixMillis {
        self.made.plus(PACKAGE_KEPT_MS)
    }
}
