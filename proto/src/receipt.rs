//! Receipts: a keeper's signed word that an item is on its disk (SPEC 7.4).

use crate::{
    Address, ItemId, NodeId, context,
    keys::{PublicKey, SecretKey, Signature, SignatureError},
    time::UnixMillis,
};

#[cfg(test)]
mod tests;

/// Bytes of the nonce that ties a receipt to the deposit it answers.
pub const NONCE_BYTES: usize = 16;

/// What a receipt is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Where the item is kept.
    pub address: Address,
    /// The item.
    pub id: ItemId,
    /// What the depositor sent along, so that no old receipt can stand for a new one.
    pub nonce: [u8; NONCE_BYTES],
}

/// A keeper's statement: the item is durably stored until then, or its owner has already taken it.
///
/// Both cases read the same, so that a sender cannot learn when a stranger comes online.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Until when the keeper keeps the item.
    pub until: UnixMillis,
    /// The keeper's signature.
    pub signature: Signature,
}

impl Receipt {
    /// Signs a receipt with the keeper's node key.
    ///
    /// # References
    ///
    /// SPEC 7.4.
    pub fn sign(keeper: &SecretKey, claim: &Claim, until: UnixMillis) -> Self {
        let signature = keeper.sign(
            context::SIGN_RECEIPT,
            &parts(claim, &until.get().to_be_bytes()),
        );
        Self { until, signature }
    }

    /// Checks that `keeper` itself made this receipt for `claim`.
    ///
    /// # Errors
    ///
    /// [`SignatureError`] when it is another's, for another item, or an old one.
    pub fn verify(&self, keeper: &NodeId, claim: &Claim) -> Result<(), SignatureError> {
        PublicKey::new(*keeper.as_bytes()).verify(
            context::SIGN_RECEIPT,
            &parts(claim, &self.until.get().to_be_bytes()),
            &self.signature,
        )
    }
}

fn parts<'a>(claim: &'a Claim, until: &'a [u8; 8]) -> [&'a [u8]; 4] {
    [
        claim.address.as_bytes(),
        claim.id.as_bytes(),
        &claim.nonce,
        until,
    ]
}
