//! The account itself.

use rand_core::CryptoRng;
use restante_proto::account::{Handle, Identity, PersonId};
use restante_proto::card::CardRecord;
use restante_proto::keys::SecretKey;
use restante_proto::limits::SECOND_MS;
use restante_proto::person::{IdCost, Locators};
use restante_proto::phrase::RecoveryPhrase;
use restante_proto::time::UnixMillis;

/// Devices that a home remembers to have been, at most.
pub const FORMER_MAX: usize = 3;

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
    /// Devices that this home was before it went on as the present one, the last first: their mailboxes are read as
    /// long as mail can wait there.
    pub former: Vec<FormerDevice>,
    /// The account goes on without this home: its recovery phrase was used elsewhere.
    pub shut_out: bool,
}

/// A device that a home was until it found that another copy of it was further on (SPEC 10.8).
#[derive(Clone, Debug)]
pub struct FormerDevice {
    /// Its key.
    pub device: SecretKey,
    /// When the home went on as another device.
    pub left: UnixMillis,
}

impl Account {
    /// Makes the first device of the account that a phrase stands for, or the one that takes the place of all that it
    /// had; slow on purpose, as its ID costs.
    pub fn generate(
        phrase: &RecoveryPhrase,
        handle: Handle,
        date: UnixMillis,
        cost: IdCost,
        rng: &mut impl CryptoRng,
    ) -> Self {
        let device = SecretKey::generate(rng);
        let number = delegation_number(date);
        let identity = Identity::new(&phrase.account(), number, device, handle);
        Self {
            id: identity.person_id(cost),
            identity,
            node: SecretKey::generate(rng),
            created: date,
            former: Vec::new(),
            shut_out: false,
        }
    }

    /// Returns the account as it goes on with a new device, and with a new node from the next start on: another copy
    /// of this home may use the present ones.
    #[must_use]
    pub fn renew(&self, date: UnixMillis, rng: &mut impl CryptoRng) -> Self {
        let mut renewed = self.clone();
        let device = std::mem::replace(&mut renewed.identity.device, SecretKey::generate(rng));
        let former = FormerDevice { device, left: date };
        renewed.former.insert(0, former);
        renewed.former.truncate(FORMER_MAX);
        renewed.node = SecretKey::generate(rng);
        renewed
    }

    /// Returns the keys of this account on each device it was here, the present one first.
    pub fn identities(&self) -> impl Iterator<Item = Identity> {
        let former = self.former.iter().map(|former| former.device.clone());
        let devices = std::iter::once(self.identity.device.clone()).chain(former);
        devices.map(|device| Identity {
            device,
            ..self.identity.clone()
        })
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
    /// Where they lie and what they open under, for each salt epoch: an Argon2id that a start need not wait for.
    pub locators: Vec<Locators>,
}

/// Returns the number of a delegation that is made now: one made later has a higher one, though nobody remembers how
/// many there were.
fn delegation_number(date: UnixMillis) -> u32 {
    u32::try_from(date.get() / SECOND_MS)
        .unwrap_or(u32::MAX)
        .max(1)
}
