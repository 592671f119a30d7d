//! The account itself.

use restante_proto::account::{Handle, Identity, PersonId};
use restante_proto::card::CardRecord;
use restante_proto::keys::SecretKey;
use restante_proto::time::UnixMillis;

/// The account of a home, and the key of its node.
#[derive(Clone, Debug)]
pub struct Account {
    /// The account's and the device's keys.
    pub identity: Identity,
    /// The key of the node on the network, unrelated to the account.
    pub node: SecretKey,
    /// The account's ID.
    pub id: PersonId,
    /// When it was made.
    pub created: UnixMillis,
}

impl Account {
    /// Returns the handle the account goes by.
    pub const fn handle(&self) -> &Handle {
        &self.identity.handle
    }
}

/// One's own card as it was last made.
#[derive(Clone, Debug)]
pub struct OwnCard {
    /// Grows with each card.
    pub sequence: u64,
    /// When it was made.
    pub issued: UnixMillis,
    /// One record for each locator, those of the present salt epoch first.
    pub records: Vec<CardRecord>,
}
