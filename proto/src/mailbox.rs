//! Mailboxes: addresses that commit to who may read and who may write (SPEC 5).

use crate::{
    Address, ItemId, NodeId, context,
    keys::{PublicKey, SecretKey, Signature, SignatureError},
    time::{Epoch, UnixMillis},
    wire::{self, WireError, generated as g},
};

#[cfg(test)]
mod tests;

/// Who may deposit into a mailbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// Anybody who pays with a stamp.
    Stamp,
    /// The holders of a capability that the owner issued.
    Capability,
}

impl Rule {
    const fn byte(self) -> u8 {
        match self {
            Self::Stamp => 1,
            Self::Capability => 2,
        }
    }
}

/// What a mailbox address is the hash of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mailbox {
    /// The key that may read and delete.
    pub owner: PublicKey,
    /// Who may write.
    pub rule: Rule,
    /// The day the address is for.
    pub epoch: Epoch,
}

impl Mailbox {
    /// Computes the address.
    ///
    /// # Layout
    ///
    /// | bytes | field                        |
    /// |-------|------------------------------|
    /// | 32    | owner                        |
    /// | 1     | rule: 1 stamp, 2 capability  |
    /// | 4     | epoch, big-endian            |
    ///
    /// # References
    ///
    /// SPEC 5.2.
    pub fn address(&self) -> Address {
        let epoch = self.epoch.get().to_be_bytes();
        let parts: [&[u8]; 3] = [self.owner.as_bytes(), &[self.rule.byte()], &epoch];
        Address::new(context::derive(context::MAILBOX, &parts))
    }

    pub(crate) fn to_wire(self) -> g::Mailbox {
        let rule = match self.rule {
            Rule::Stamp => g::Rule::Stamp,
            Rule::Capability => g::Rule::Capability,
        };
        g::Mailbox {
            owner: self.owner.as_bytes().to_vec().into(),
            rule: rule.into(),
            epoch: self.epoch.get(),
        }
    }

    pub(crate) fn from_wire(mailbox: &g::Mailbox) -> Result<Self, WireError> {
        let rule = match g::Rule::try_from(mailbox.rule) {
            Ok(g::Rule::Stamp) => Rule::Stamp,
            Ok(g::Rule::Capability) => Rule::Capability,
            Ok(g::Rule::Unspecified) | Err(_) => return Err(WireError::Missing("rule")),
        };
        Ok(Self {
            owner: wire::public_key(&mailbox.owner, "owner")?,
            rule,
            epoch: Epoch::new(mailbox.epoch),
        })
    }
}

/// The right of one contact to deposit into one mailbox, to be presented with each deposit.
#[derive(Clone, Debug)]
pub struct Capability {
    /// The contact's key for this mailbox.
    pub holder: SecretKey,
    /// The owner's signature over address and holder.
    pub certificate: Signature,
}

impl Capability {
    /// Issues the capability of `holder` for `mailbox`.
    pub fn issue(owner: &SecretKey, mailbox: &Mailbox, holder: SecretKey) -> Self {
        let address = mailbox.address();
        let certificate = owner.sign(
            context::SIGN_CAPABILITY,
            &[address.as_bytes(), holder.public().as_bytes()],
        );
        Self {
            holder,
            certificate,
        }
    }

    /// Proves the right to deposit item `id`, living until `expires`, at `address`.
    pub fn prove(&self, address: &Address, id: &ItemId, expires: UnixMillis) -> CapabilityProof {
        let parts: [&[u8]; 3] = [
            address.as_bytes(),
            id.as_bytes(),
            &expires.get().to_be_bytes(),
        ];
        CapabilityProof {
            holder: self.holder.public(),
            certificate: self.certificate,
            signature: self.holder.sign(context::SIGN_DEPOSIT, &parts),
        }
    }
}

/// A capability as presented with a deposit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CapabilityProof {
    /// The contact's key for this mailbox.
    pub holder: PublicKey,
    /// The owner's signature over address and holder.
    pub certificate: Signature,
    /// The holder's signature over address, item and expiry.
    pub signature: Signature,
}

impl CapabilityProof {
    /// Checks that the owner of `mailbox` admitted the holder, and the holder this very deposit.
    ///
    /// # Errors
    ///
    /// [`SignatureError`] when either signature is wrong.
    ///
    /// # References
    ///
    /// SPEC 5.4.
    pub fn verify(
        &self,
        mailbox: &Mailbox,
        id: &ItemId,
        expires: UnixMillis,
    ) -> Result<(), SignatureError> {
        let address = mailbox.address();
        mailbox.owner.verify(
            context::SIGN_CAPABILITY,
            &[address.as_bytes(), self.holder.as_bytes()],
            &self.certificate,
        )?;
        self.verify_deposit(mailbox, id, expires)
    }

    /// Verifies the holder's signature alone, where the owner's has been found good before.
    pub(crate) fn verify_deposit(
        &self,
        mailbox: &Mailbox,
        id: &ItemId,
        expires: UnixMillis,
    ) -> Result<(), SignatureError> {
        let address = mailbox.address();
        let parts: [&[u8]; 3] = [
            address.as_bytes(),
            id.as_bytes(),
            &expires.get().to_be_bytes(),
        ];
        self.holder
            .verify(context::SIGN_DEPOSIT, &parts, &self.signature)
    }

    pub(crate) fn to_wire(self) -> g::CapabilityProof {
        g::CapabilityProof {
            holder: self.holder.as_bytes().to_vec().into(),
            certificate: self.certificate.as_bytes().to_vec().into(),
            signature: self.signature.as_bytes().to_vec().into(),
        }
    }

    pub(crate) fn from_wire(proof: &g::CapabilityProof) -> Result<Self, WireError> {
        Ok(Self {
            holder: wire::public_key(&proof.holder, "holder")?,
            certificate: wire::signature(&proof.certificate, "certificate")?,
            signature: wire::signature(&proof.signature, "signature")?,
        })
    }
}

/// What an owner asks of a keeper, as far as it is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwnerRequest<'a> {
    /// List what waits, after this identifier.
    List(Option<&'a ItemId>),
    /// Hand over these envelopes.
    Get(&'a [ItemId]),
    /// Push what arrives from now on.
    Subscribe,
}

impl OwnerRequest<'_> {
    /// Returns the kind and the digest of the arguments that the signature covers (SPEC 5.5).
    fn digest(&self) -> [u8; 33] {
        let mut hasher = blake3::Hasher::new();
        let kind = match self {
            Self::List(after) => {
                if let Some(id) = after {
                    hasher.update(id.as_bytes());
                }
                1
            }
            Self::Get(ids) => {
                for id in *ids {
                    hasher.update(id.as_bytes());
                }
                2
            }
            Self::Subscribe => 3,
        };
        let mut digest = [kind; 33];
        digest[1..].copy_from_slice(hasher.finalize().as_bytes());
        digest
    }
}

/// The owner's signature under a request, good for one keeper and a few minutes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnerProof {
    /// When the request was made, by the owner's clock.
    pub time: UnixMillis,
    /// The owner's signature.
    pub signature: Signature,
}

impl OwnerProof {
    /// Signs `request` for `keeper`.
    ///
    /// # References
    ///
    /// SPEC 5.5.
    pub fn sign(
        owner: &SecretKey,
        address: &Address,
        keeper: &NodeId,
        time: UnixMillis,
        request: OwnerRequest<'_>,
    ) -> Self {
        let time_bytes = time.get().to_be_bytes();
        let parts: [&[u8]; 4] = [
            keeper.as_bytes(),
            address.as_bytes(),
            &time_bytes,
            &request.digest(),
        ];
        Self {
            time,
            signature: owner.sign(context::SIGN_OWNER, &parts),
        }
    }

    /// Checks that the owner of `mailbox` asked `keeper` for `request`; the caller checks its age.
    ///
    /// # Errors
    ///
    /// [`SignatureError`] when the signature is wrong.
    pub fn verify(
        &self,
        mailbox: &Mailbox,
        keeper: &NodeId,
        request: OwnerRequest<'_>,
    ) -> Result<(), SignatureError> {
        let time_bytes = self.time.get().to_be_bytes();
        let address = mailbox.address();
        let parts: [&[u8]; 4] = [
            keeper.as_bytes(),
            address.as_bytes(),
            &time_bytes,
            &request.digest(),
        ];
        mailbox
            .owner
            .verify(context::SIGN_OWNER, &parts, &self.signature)
    }

    pub(crate) fn to_wire(self) -> g::OwnerProof {
        g::OwnerProof {
            time_ms: self.time.get(),
            signature: self.signature.as_bytes().to_vec().into(),
        }
    }

    pub(crate) fn from_wire(proof: &g::OwnerProof) -> Result<Self, WireError> {
        Ok(Self {
            time: wire::moment(proof.time_ms, "time_ms")?,
            signature: wire::signature(&proof.signature, "signature")?,
        })
    }
}

/// The owner's permission to delete one envelope: valid at every keeper, without end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AckEntry {
    /// The envelope.
    pub id: ItemId,
    /// The owner's signature over address and envelope.
    pub signature: Signature,
}

impl AckEntry {
    /// Signs the ack of `id` at `address`.
    ///
    /// # References
    ///
    /// SPEC 5.6.
    pub fn sign(owner: &SecretKey, address: &Address, id: ItemId) -> Self {
        let signature = owner.sign(context::SIGN_ACK, &[address.as_bytes(), id.as_bytes()]);
        Self { id, signature }
    }

    /// Checks that the owner of `mailbox` acked this envelope.
    ///
    /// # Errors
    ///
    /// [`SignatureError`] when the signature is wrong.
    pub fn verify(&self, mailbox: &Mailbox) -> Result<(), SignatureError> {
        let address = mailbox.address();
        let parts: [&[u8]; 2] = [address.as_bytes(), self.id.as_bytes()];
        mailbox
            .owner
            .verify(context::SIGN_ACK, &parts, &self.signature)
    }
}
