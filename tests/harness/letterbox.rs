//! A mailbox of a test's own, whose deposits need no stamp, and envelopes of noise to put into it.

use bytes::Bytes;
use rand::Rng as _;
use restante::clock;
use restante_proto::envelope::{SUITE, VERSION, id_of};
use restante_proto::keys::SecretKey;
use restante_proto::mailbox::{AckEntry, Capability, Mailbox, OwnerProof, OwnerRequest, Rule};
use restante_proto::receipt::{Claim, NONCE_BYTES};
use restante_proto::request::{Admission, Request};
use restante_proto::time::UnixMillis;
use restante_proto::{ItemId, NodeId};

/// A mailbox, its owner's key and the right to deposit into it.
#[derive(Debug, Clone)]
pub struct Letterbox {
    pub owner: SecretKey,
    /// The right of one contact.
    pub capability: Capability,
    pub mailbox: Mailbox,
}

impl Letterbox {
    /// Makes a mailbox that nobody has seen, of today.
    pub fn new() -> Self {
        let owner = SecretKey::generate(&mut rand::rng());
        let holder = SecretKey::generate(&mut rand::rng());
        let epoch = clock::now().epoch();
        let mailbox = Mailbox {
            owner: owner.public(),
            rule: Rule::Capability,
            epoch,
        };
        let capability = Capability::issue(&owner, &mailbox, holder);
        Self {
            owner,
            capability,
            mailbox,
        }
    }

    /// Returns the deposit of an envelope.
    pub fn deposit(
        &self,
        envelope: &Bytes,
        expires: UnixMillis,
        nonce: [u8; NONCE_BYTES],
    ) -> Request {
        let address = self.mailbox.address();
        let proof = self.capability.prove(&address, &id_of(envelope), expires);
        Request::DepositEnvelope {
            mailbox: self.mailbox,
            expires,
            envelope: envelope.clone(),
            nonce,
            admission: Admission::Capability(proof),
        }
    }

    /// Returns what the receipt of that deposit must be about.
    pub fn claim(&self, envelope: &Bytes, nonce: [u8; NONCE_BYTES]) -> Claim {
        Claim {
            address: self.mailbox.address(),
            id: id_of(envelope),
            nonce,
        }
    }

    /// Returns the owner's request for a list.
    pub fn list(&self, keeper: &NodeId, after: Option<ItemId>) -> Request {
        let proof = self.prove(keeper, OwnerRequest::List(after.as_ref()));
        Request::List {
            mailbox: self.mailbox,
            proof,
            after,
        }
    }

    /// Returns the owner's request to be told of what arrives.
    pub fn subscribe(&self, keeper: &NodeId) -> Request {
        let proof = self.prove(keeper, OwnerRequest::Subscribe);
        Request::Subscribe {
            mailbox: self.mailbox,
            proof,
        }
    }

    /// Returns the owner's request for envelopes.
    pub fn get(&self, keeper: &NodeId, ids: Vec<ItemId>) -> Request {
        let proof = self.prove(keeper, OwnerRequest::Get(&ids));
        Request::Get {
            mailbox: self.mailbox,
            proof,
            ids,
        }
    }

    /// Returns the owner's ack.
    pub fn ack(&self, ids: impl IntoIterator<Item = ItemId>) -> Request {
        let address = self.mailbox.address();
        let sign = |id| AckEntry::sign(&self.owner, &address, id);
        Request::Ack {
            mailbox: self.mailbox,
            entries: ids.into_iter().map(sign).collect(),
        }
    }

    fn prove(&self, keeper: &NodeId, request: OwnerRequest<'_>) -> OwnerProof {
        let address = self.mailbox.address();
        OwnerProof::sign(&self.owner, &address, keeper, clock::now(), request)
    }
}

impl Default for Letterbox {
    fn default() -> Self {
        Self::new()
    }
}

/// Returns an envelope as keepers see it: a size, an expiry in its place, and noise.
pub fn envelope(size: usize, expires: UnixMillis) -> Bytes {
    let mut bytes = vec![0; size];
    rand::rng().fill_bytes(&mut bytes);
    bytes[..2].copy_from_slice(&[VERSION, SUITE]);
    bytes[2..10].copy_from_slice(&expires.get().to_be_bytes());
    bytes.into()
}

/// Returns a new nonce.
pub fn nonce() -> [u8; NONCE_BYTES] {
    let mut nonce = [0; NONCE_BYTES];
    rand::rng().fill_bytes(&mut nonce);
    nonce
}
