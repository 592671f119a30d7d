//! The account itself.

use rand_core::CryptoRng;
use restante_proto::account::{Handle, Identity, PersonId};
use restante_proto::card::CardRecord;
use restante_proto::keys::SecretKey;
use restante_proto::person::IdCost;
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
    /// Makes an account with new keys; slow on purpose, as its ID costs.
    pub fn generate(
        handle: Handle,
        date: UnixMillis,
        cost: IdCost,
        rng: &mut impl CryptoRng,
    ) -> Self {
        let identity = Identity {
            account: SecretKey::generate(rng),
            device: SecretKey::generate(rng),
            handle,
        };
        Self {
            id: identity.person_id(cost),
            identity,
            node: SecretKey::generate(rng),
            created: date,
        }
    }

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
