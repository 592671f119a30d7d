//! Accounts and their devices.

use prost::Message as _;

use crate::{
    Address, context,
    keys::{PublicKey, SecretKey, Signature, SignatureError},
    mailbox::{Mailbox, Rule},
    person::IdCost,
    time::Epoch,
    wire::{self, WireError, generated as g},
};

/// Bytes of a delegation, at most.
const DELEGATION_BYTES_MAX: usize = 128;

#[cfg(test)]
mod tests;

pub use crate::person::{Handle, PersonId};

/// What an account lets a key do in its name: sign its cards and certify its devices.
///
/// The account's own key is needed for this alone, and no device has it. Of two delegations the one with the higher
/// number counts; whoever has the key of a lower one, as a device that was lost, can do nothing with it any more.
///
/// # References
///
/// SPEC 4.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delegation {
    /// Its number, 1 and up.
    pub number: u32,
    /// The delegate's key.
    pub key: PublicKey,
    /// The account's signature over both.
    pub signature: Signature,
}

impl Delegation {
    /// Returns the delegate with this number, and what the account says of it.
    pub fn make(account: &SecretKey, number: u32) -> (SecretKey, Self) {
        let bytes = number.to_be_bytes();
        let delegate = account.derive(context::DELEGATE, &[&bytes]);
        let key = delegate.public();
        let signature = account.sign(context::SIGN_DELEGATION, &[&bytes, key.as_bytes()]);
        let delegation = Self {
            number,
            key,
            signature,
        };
        (delegate, delegation)
    }

    /// Checks that `account` said this.
    ///
    /// # Errors
    ///
    /// [`SignatureError`] when it did not.
    pub fn verify(&self, account: &PublicKey) -> Result<(), SignatureError> {
        let parts: [&[u8]; 2] = [&self.number.to_be_bytes(), self.key.as_bytes()];
        account.verify(context::SIGN_DELEGATION, &parts, &self.signature)
    }

    /// Decodes what [`Delegation::encode`] has made.
    ///
    /// # Errors
    ///
    /// [`WireError`] when the bytes are no delegation.
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        Self::from_wire(Some(&wire::decode(bytes, DELEGATION_BYTES_MAX)?))
    }

    /// Encodes it.
    pub fn encode(&self) -> Vec<u8> {
        self.to_wire().encode_to_vec()
    }

    pub(crate) fn to_wire(self) -> g::Delegation {
        g::Delegation {
            number: self.number,
            key: self.key.as_bytes().to_vec().into(),
            signature: self.signature.as_bytes().to_vec().into(),
        }
    }

    pub(crate) fn from_wire(delegation: Option<&g::Delegation>) -> Result<Self, WireError> {
        let delegation = delegation.ok_or(WireError::Missing("delegation"))?;
        if delegation.number == 0 {
            return Err(WireError::Missing("number"));
        }
        Ok(Self {
            number: delegation.number,
            key: wire::public_key(&delegation.key, "key")?,
            signature: wire::signature(&delegation.signature, "signature")?,
        })
    }
}

/// A device's key, certified by its account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceCertificate {
    /// The delegate that has certified it.
    pub delegation: Delegation,
    /// The device's key.
    pub device: PublicKey,
    /// The delegate's signature over it.
    pub signature: Signature,
}

impl DeviceCertificate {
    /// Checks that a delegate of `account` signed this device.
    ///
    /// # Errors
    ///
    /// [`SignatureError`] when it did not, or is none.
    pub fn verify(&self, account: &PublicKey) -> Result<(), SignatureError> {
        self.delegation.verify(account)?;
        self.delegation.key.verify(
            context::SIGN_DEVICE,
            &[self.device.as_bytes()],
            &self.signature,
        )
    }
}

/// The keys of one person on one device.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The account's key.
    pub account: PublicKey,
    /// What the account lets its delegate do.
    pub delegation: Delegation,
    /// The delegate's key, the same on all devices.
    pub delegate: SecretKey,
    /// This device's key.
    pub device: SecretKey,
    /// The handle the account goes by.
    pub handle: Handle,
}

impl Identity {
    /// Makes the keys of a device under the account's delegate with this number.
    pub fn new(account: &SecretKey, number: u32, device: SecretKey, handle: Handle) -> Self {
        let (delegate, delegation) = Delegation::make(account, number);
        Self {
            account: account.public(),
            delegation,
            delegate,
            device,
            handle,
        }
    }

    /// Computes this account's ID; slow on purpose.
    pub fn person_id(&self, cost: IdCost) -> PersonId {
        PersonId::of(&self.account, self.handle.clone(), cost)
    }

    /// Returns the certificate of this device.
    pub fn certificate(&self) -> DeviceCertificate {
        let device = self.device.public();
        let signature = self
            .delegate
            .sign(context::SIGN_DEVICE, &[device.as_bytes()]);
        DeviceCertificate {
            delegation: self.delegation,
            device,
            signature,
        }
    }

    /// Returns the key that writes this account's card at `locator`; keepers of different locators see unrelated keys.
    ///
    /// # References
    ///
    /// SPEC 4.1.
    pub fn writer(&self, locator: &Address) -> SecretKey {
        self.delegate.derive(context::WRITER, &[locator.as_bytes()])
    }

    /// Returns the key that owns this device's first-contact mailbox, its one predictable mailbox.
    ///
    /// Each device has its own: an ack destroys an envelope for every reader of a mailbox.
    ///
    /// # References
    ///
    /// SPEC 5.1.
    pub fn first_contact(&self) -> SecretKey {
        self.device.derive(context::FIRST_CONTACT, &[])
    }

    /// Returns this device's first-contact mailbox of one epoch.
    pub fn first_contact_mailbox(&self, epoch: Epoch) -> Mailbox {
        Mailbox {
            owner: self.first_contact().public(),
            rule: Rule::Stamp,
            epoch,
        }
    }

    /// Returns the key that owns one of this device's mailboxes in one epoch.
    ///
    /// # References
    ///
    /// SPEC 5.1.
    pub fn device_mailbox_owner(&self, epoch: Epoch, index: u8) -> SecretKey {
        let epoch = epoch.get().to_be_bytes();
        self.device
            .derive(context::DEVICE_MAILBOX, &[&epoch, &[index]])
    }

    /// Returns one of this device's mailboxes in one epoch.
    pub fn device_mailbox(&self, epoch: Epoch, index: u8) -> Mailbox {
        let owner = self.device_mailbox_owner(epoch, index).public();
        Mailbox {
            owner,
            rule: Rule::Capability,
            epoch,
        }
    }
}

/// Returns the hash of an account key that a link carries (SPEC 3.5).
pub fn account_hash(account: &PublicKey) -> [u8; 16] {
    let mut short = [0; 16];
    short.copy_from_slice(&context::derive(context::ACCOUNT_HASH, &[account.as_bytes()])[..16]);
    short
}

/// Returns the code that two people compare to rule out a man in the middle: thirty digits in groups of five, the same
/// on both sides.
///
/// # References
///
/// SPEC 3.6.
pub fn verification_code(a: &PublicKey, b: &PublicKey) -> String {
    let (low, high) = if a <= b { (a, b) } else { (b, a) };
    let digest = context::derive(context::VERIFY_CODE, &[low.as_bytes(), high.as_bytes()]);
    let groups: Vec<String> = digest
        .chunks_exact(5)
        .take(6)
        .map(|five| {
            let number = five
                .iter()
                .fold(0_u64, |sum, &byte| (sum << 8) | u64::from(byte));
            format!("{:05}", number % 100_000)
        })
        .collect();
    groups.join(" ")
}
