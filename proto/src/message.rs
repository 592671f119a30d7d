//! Messages: what travels inside envelopes (SPEC 6.3).

use std::fmt;

use bytes::Bytes;
use prost::Message as _;
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::{
    Address,
    account::{Delegation, DeviceCertificate, Identity},
    context,
    keys::{PublicKey, SIGNATURE_BYTES, SecretKey, Signature, SignatureError},
    limits::{GRANT_EPOCHS_MAX, PACKAGE_BYTES_MAX, PACKAGES_MAX},
    mailbox::{Capability, Mailbox, Rule},
    person::Handle,
    time::{Epoch, UnixMillis},
    wire::{self, WireError, generated as g},
};

mod content;
mod said;
#[cfg(test)]
mod tests;

pub use self::content::{Content, Reference, Text};
pub use self::said::{Said, What};

/// Identifies a message in all its envelopes; recipients drop duplicates by it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId([u8; 16]);

impl MessageId {
    /// Wraps the 16 bytes.
    pub const fn new(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Makes a new one.
    pub fn random(rng: &mut impl CryptoRng) -> Self {
        let mut bytes = [0; 16];
        rng.fill_bytes(&mut bytes);
        Self(bytes)
    }

    /// Returns the 16 bytes.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Debug for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MessageId({self})")
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The right of one device of a contact to deposit into one device's mailboxes for some epochs (SPEC 6.4).
#[derive(Clone, PartialEq, Eq)]
pub struct Grant {
    secret: Zeroizing<[u8; 32]>,
    first_epoch: Epoch,
    mailboxes: Vec<(PublicKey, Signature)>,
}

impl Grant {
    /// Issues a grant to one device of the account `contact` for `epochs` epochs from `first` on, 1 to
    /// [`GRANT_EPOCHS_MAX`].
    ///
    /// `index` says which of the issuing device's mailboxes it uses. The holder keys of each device of a contact are
    /// its own, so that a device that is lost is shut out by granting it no more.
    pub fn issue(
        identity: &Identity,
        contact: &PublicKey,
        device: &PublicKey,
        index: u8,
        first: Epoch,
        epochs: usize,
    ) -> Self {
        let secret = identity
            .device
            .derive(context::GRANT, &[contact.as_bytes(), device.as_bytes()])
            .seed();
        let epochs = u32::try_from(epochs.clamp(1, GRANT_EPOCHS_MAX)).unwrap_or(1);
        let mailboxes = (0..epochs)
            .map(|ahead| {
                let epoch = first.plus(ahead);
                let owner = identity.device_mailbox_owner(epoch, index);
                let mailbox = Mailbox {
                    owner: owner.public(),
                    rule: Rule::Capability,
                    epoch,
                };
                let holder = holder_key(&secret, epoch);
                let capability = Capability::issue(&owner, &mailbox, holder);
                (mailbox.owner, capability.certificate)
            })
            .collect();
        Self {
            secret,
            first_epoch: first,
            mailboxes,
        }
    }

    /// Returns the mailbox and the capability of one epoch, if the grant covers it.
    pub fn mailbox(&self, epoch: Epoch) -> Option<(Mailbox, Capability)> {
        let place = epoch.get().checked_sub(self.first_epoch.get())?;
        let (owner, certificate) = *self.mailboxes.get(usize::try_from(place).ok()?)?;
        let mailbox = Mailbox {
            owner,
            rule: Rule::Capability,
            epoch,
        };
        Some((
            mailbox,
            Capability {
                holder: holder_key(&self.secret, epoch),
                certificate,
            },
        ))
    }

    /// Tells whether every certificate is the owner's for this holder: keepers refuse any other.
    pub fn is_valid(&self) -> bool {
        let epochs = (0..).map(|ahead| self.first_epoch.plus(ahead));
        epochs
            .zip(&self.mailboxes)
            .all(|(epoch, (owner, certificate))| {
                let mailbox = Mailbox {
                    owner: *owner,
                    rule: Rule::Capability,
                    epoch,
                };
                let holder = holder_key(&self.secret, epoch).public();
                let address = mailbox.address();
                let parts: [&[u8]; 2] = [address.as_bytes(), holder.as_bytes()];
                owner
                    .verify(context::SIGN_CAPABILITY, &parts, certificate)
                    .is_ok()
            })
    }

    /// Returns the first epoch the grant covers.
    pub const fn first_epoch(&self) -> Epoch {
        self.first_epoch
    }

    /// Returns the last epoch the grant covers.
    pub fn last_epoch(&self) -> Epoch {
        let count = u32::try_from(self.mailboxes.len()).unwrap_or(u32::MAX);
        self.first_epoch.plus(count.saturating_sub(1))
    }

    /// Tells whether this grant, just received, takes the place of the one held from the same device.
    ///
    /// One that covers today comes before one that does not; of two alike the later last epoch counts, and then the
    /// later arrival. A grant that begins after tomorrow is never taken: no honest clock is so far ahead, and it would
    /// keep out those in between.
    ///
    /// # References
    ///
    /// SPEC 6.4.
    pub fn replaces(&self, held: Option<&Self>, today: Epoch) -> bool {
        let rank = |grant: &Self| (grant.covers(today), grant.last_epoch());
        let is_newer = |held: &Self| self != held && rank(self) >= rank(held);
        self.first_epoch <= today.plus(1) && held.is_none_or(is_newer)
    }

    fn covers(&self, epoch: Epoch) -> bool {
        (self.first_epoch..=self.last_epoch()).contains(&epoch)
    }

    /// Encodes the grant, to be stored under encryption.
    pub fn encode(&self) -> Vec<u8> {
        self.to_wire().encode_to_vec()
    }

    /// Decodes a stored grant.
    ///
    /// # Errors
    ///
    /// [`WireError`] when the bytes are no grant.
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        Self::from_wire(&wire::decode(bytes, 4_096)?)
    }

    fn to_wire(&self) -> g::Grant {
        let mailbox = |(owner, certificate): &(PublicKey, Signature)| g::GrantedMailbox {
            owner: owner.as_bytes().to_vec().into(),
            certificate: certificate.as_bytes().to_vec().into(),
        };
        g::Grant {
            secret: self.secret.to_vec().into(),
            first_epoch: self.first_epoch.get(),
            mailboxes: self.mailboxes.iter().map(mailbox).collect(),
        }
    }

    fn from_wire(grant: &g::Grant) -> Result<Self, WireError> {
        wire::check_count(&grant.mailboxes, 1..=GRANT_EPOCHS_MAX, "mailboxes")?;
        let mailbox = |granted: &g::GrantedMailbox| {
            let owner = wire::public_key(&granted.owner, "owner")?;
            Ok((owner, wire::signature(&granted.certificate, "certificate")?))
        };
        Ok(Self {
            secret: Zeroizing::new(wire::array(&grant.secret, "secret")?),
            first_epoch: Epoch::new(grant.first_epoch),
            mailboxes: grant
                .mailboxes
                .iter()
                .map(mailbox)
                .collect::<Result<_, WireError>>()?,
        })
    }
}

#[cfg(test)]
impl Grant {
    /// Returns the grant with so many mailboxes, whether it may have them or not.
    pub(crate) fn resized(mut self, count: usize) -> Self {
        let filler = (PublicKey::new([7; 32]), Signature::new([7; 64]));
        self.mailboxes.resize(count, filler);
        self
    }
}

impl fmt::Debug for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Grant({} epochs)", self.mailboxes.len())
    }
}

fn holder_key(secret: &[u8; 32], epoch: Epoch) -> SecretKey {
    SecretKey::from_seed(secret).derive(context::CAPABILITY_HOLDER, &[&epoch.get().to_be_bytes()])
}

/// What a sender signs besides the message itself (SPEC 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Binding {
    /// The recipient's account.
    pub recipient: PublicKey,
    /// The recipient's device.
    pub device: PublicKey,
    /// The address of the mailbox.
    pub address: Address,
    /// The epoch of that mailbox.
    pub epoch: Epoch,
    /// When envelope and message end.
    pub expires: UnixMillis,
}

impl Binding {
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![crate::envelope::VERSION, crate::envelope::SUITE];
        bytes.extend_from_slice(self.recipient.as_bytes());
        bytes.extend_from_slice(self.device.as_bytes());
        bytes.extend_from_slice(self.address.as_bytes());
        bytes.extend_from_slice(&self.epoch.get().to_be_bytes());
        bytes.extend_from_slice(&self.expires.get().to_be_bytes());
        bytes
    }
}

/// A message with its sender.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The sender's account.
    pub sender: PublicKey,
    /// The sender's handle: makes the sender's ID together with `sender`, and proves nothing else.
    pub handle: Handle,
    /// The sending device.
    pub certificate: DeviceCertificate,
    /// The same in all envelopes of this message.
    pub id: MessageId,
    /// When it was written, by the sender's clock.
    pub sent: UnixMillis,
    /// What it says.
    pub content: Content,
    /// The right to deposit into mailboxes of the sending device without stamps.
    pub grant: Option<Grant>,
    /// Key packages of the sender's devices, at most [`PACKAGES_MAX`]: what the sender can be invited with.
    pub packages: Vec<Bytes>,
}

impl Message {
    /// Makes a message of `identity`.
    pub fn new(identity: &Identity, id: MessageId, sent: UnixMillis, content: Content) -> Self {
        Self {
            sender: identity.account,
            handle: identity.handle.clone(),
            certificate: identity.certificate(),
            id,
            sent,
            content,
            grant: None,
            packages: Vec::new(),
        }
    }

    /// Sets the grant that goes with the message.
    #[must_use]
    pub fn granting(self, grant: Option<Grant>) -> Self {
        Self { grant, ..self }
    }

    /// Sets the key packages that go with the message.
    #[must_use]
    pub fn offering(self, packages: Vec<Bytes>) -> Self {
        Self { packages, ..self }
    }

    /// Encodes the message, signed by the device and bound to its envelope.
    pub(crate) fn sign(&self, device: &SecretKey, binding: &Binding) -> Vec<u8> {
        let mut message = self.to_wire();
        let unsigned = message.encode_to_vec();
        let signature = device.sign(context::SIGN_MESSAGE, &[&binding.bytes(), &unsigned]);
        message.signature = signature.as_bytes().to_vec().into();
        message.encode_to_vec()
    }

    /// Returns how many bytes the message has once it is signed.
    pub(crate) fn signed_bytes(&self) -> usize {
        let mut message = self.to_wire();
        message.signature = vec![0; SIGNATURE_BYTES].into();
        message.encoded_len()
    }

    /// Decodes a message and checks the device's signature and its certificate.
    pub(crate) fn open(bytes: &[u8], binding: &Binding) -> Result<Self, MessageError> {
        let mut signed: g::Message = wire::decode(bytes, crate::limits::ENVELOPE_BYTES_MAX)?;
        let signature = wire::signature(&signed.signature, "signature")?;
        signed.signature = Bytes::new();
        let message = Self::from_wire(&signed)?;
        message.certificate.verify(&message.sender)?;
        let unsigned = signed.encode_to_vec();
        let parts: [&[u8]; 2] = [&binding.bytes(), &unsigned];
        message
            .certificate
            .device
            .verify(context::SIGN_MESSAGE, &parts, &signature)?;
        Ok(message)
    }

    fn to_wire(&self) -> g::Message {
        let (kind, content) = self.content.to_wire();
        g::Message {
            sender: self.sender.as_bytes().to_vec().into(),
            handle: self.handle.as_str().to_owned(),
            device: self.certificate.device.as_bytes().to_vec().into(),
            certificate: self.certificate.signature.as_bytes().to_vec().into(),
            delegation: Some(self.certificate.delegation.to_wire()),
            id: self.id.as_bytes().to_vec().into(),
            sent_ms: self.sent.get(),
            grant: self.grant.as_ref().map(Grant::to_wire),
            packages: self.packages.clone(),
            kind,
            content,
            signature: Bytes::new(),
        }
    }

    fn from_wire(message: &g::Message) -> Result<Self, WireError> {
        Ok(Self {
            sender: wire::public_key(&message.sender, "sender")?,
            handle: message
                .handle
                .parse()
                .map_err(|_| WireError::Missing("handle"))?,
            certificate: DeviceCertificate {
                delegation: Delegation::from_wire(message.delegation.as_ref())?,
                device: wire::public_key(&message.device, "device")?,
                signature: wire::signature(&message.certificate, "certificate")?,
            },
            id: MessageId(wire::array(&message.id, "id")?),
            sent: wire::moment(message.sent_ms, "sent_ms")?,
            content: outside(message)?,
            grant: message.grant.as_ref().map(Grant::from_wire).transpose()?,
            packages: packages_from_wire(&message.packages)?,
        })
    }
}

/// Reads what a message outside of a conversation says.
fn outside(message: &g::Message) -> Result<Content, WireError> {
    match message.kind {
        content::GRANT => Err(WireError::Missing("kind")),
        kind => Content::from_wire(kind, &message.content),
    }
}

fn packages_from_wire(packages: &[Bytes]) -> Result<Vec<Bytes>, WireError> {
    wire::check_count(packages, 0..=PACKAGES_MAX, "packages")?;
    let is_size = |package: &Bytes| (1..=PACKAGE_BYTES_MAX).contains(&package.len());
    if !packages.iter().all(is_size) {
        return Err(WireError::Length("packages"));
    }
    Ok(packages.to_vec())
}

/// Why the content of an envelope is not a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// It does not decode.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// A signature is wrong, or is for another envelope.
    #[error(transparent)]
    Signature(#[from] SignatureError),
}
