//! Accounts and their devices.

use crate::{
    Address, context,
    keys::{PublicKey, SecretKey, Signature, SignatureError},
    mailbox::{Mailbox, Rule},
    person::IdCost,
    time::Epoch,
};

#[cfg(test)]
mod tests;

pub use crate::person::{Handle, PersonId};

/// A device's key, certified by its account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceCertificate {
    /// The device's key.
    pub device: PublicKey,
    /// The account's signature over it.
    pub signature: Signature,
}

impl DeviceCertificate {
    /// Signs `device` as one of `account`'s.
    pub fn sign(account: &SecretKey, device: PublicKey) -> Self {
        let signature = account.sign(context::SIGN_DEVICE, &[device.as_bytes()]);
        Self { device, signature }
    }

    /// Checks that `account` signed this device.
    ///
    /// # Errors
    ///
    /// [`SignatureError`] when it did not.
    pub fn verify(&self, account: &PublicKey) -> Result<(), SignatureError> {
        account.verify(
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
    pub account: SecretKey,
    /// This device's key.
    pub device: SecretKey,
    /// The handle the account goes by.
    pub handle: Handle,
}

impl Identity {
    /// Computes this account's ID; slow on purpose.
    pub fn person_id(&self, cost: IdCost) -> PersonId {
        PersonId::of(&self.account.public(), self.handle.clone(), cost)
    }

    /// Returns the certificate of this device.
    pub fn certificate(&self) -> DeviceCertificate {
        DeviceCertificate::sign(&self.account, self.device.public())
    }

    /// Returns the key that writes this account's card at `locator`; keepers of different locators see unrelated keys.
    ///
    /// # References
    ///
    /// SPEC 4.1.
    pub fn writer(&self, locator: &Address) -> SecretKey {
        self.account.derive(context::WRITER, &[locator.as_bytes()])
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
