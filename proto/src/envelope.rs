//! Envelopes: one sealed, padded message (SPEC 6).

use bytes::Bytes;
use hpke::{
    Deserializable as _, Kem, OpModeR, OpModeS, Serializable as _, aead::ChaCha20Poly1305,
    kdf::HkdfSha256, kem::XWing,
};
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::{
    Address, ItemId,
    account::Identity,
    context,
    keys::PublicKey,
    limits::{CLOCK_SKEW_MS, ENVELOPE_BYTES, ENVELOPE_BYTES_MAX, MESSAGE_TTL_MAX_MS},
    mailbox::Mailbox,
    message::{Binding, Grant, Message, MessageError},
    prekey::{Prekey, PrekeySecret},
    time::UnixMillis,
};

#[cfg(test)]
mod tests;

/// First byte of an envelope.
pub const VERSION: u8 = 1;
/// Second byte: X-Wing (0x647a), HKDF-SHA256 (0x0001), ChaCha20-Poly1305 (0x0003).
pub const SUITE: u8 = 1;

const EXPIRES_BYTES: usize = 8;
const HINT_BYTES: usize = 8;
const HEAD_BYTES: usize = 2 + EXPIRES_BYTES + HINT_BYTES;
const ENCAPSULATED_BYTES: usize = 1_120;
const HEADER_BYTES: usize = HEAD_BYTES + ENCAPSULATED_BYTES;
const TAG_BYTES: usize = 16;
const LENGTH_BYTES: usize = 4;
/// Bytes of an envelope that are not the message.
pub const OVERHEAD_BYTES: usize = HEADER_BYTES + TAG_BYTES + LENGTH_BYTES;

/// Why a message cannot be sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// The message does not fit the largest envelope.
    #[error("message is {got} bytes, limit is {limit}")]
    TooLong {
        /// Bytes of the encoded message.
        got: usize,
        /// The limit.
        limit: usize,
    },
    /// The recipient's prekey may no longer be sealed to.
    #[error("the recipient's key has expired")]
    PrekeyExpired,
    /// The message has no life left, or more than it may have.
    #[error("the message's expiry is not between now and 30 days ahead")]
    Lifetime,
    /// The recipient's prekey is no X-Wing key.
    #[error("the recipient's key is malformed")]
    Prekey,
}

/// Why an envelope does not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The size is none of the four.
    #[error("an envelope of {0} bytes does not exist")]
    Size(usize),
    /// The version or the suite is unknown.
    #[error("envelope version {0} or suite {1} is unknown")]
    Version(u8, u8),
    /// The keeper named another expiry than the envelope's own bytes.
    #[error("envelope was handed over with a false expiry")]
    OtherExpiry,
    /// It is of no epoch of a conversation that the device knows.
    #[error("envelope is of no epoch that is known")]
    NoEpoch,
    /// None of the device's prekeys fits.
    #[error("envelope is sealed to a key this device does not hold")]
    NoPrekey,
    /// The envelope was changed, or moved to another mailbox.
    #[error("envelope does not open")]
    Sealed,
    /// The padding is not all zeros, or the length is wrong.
    #[error("envelope is padded wrongly")]
    Padding,
    /// The message inside is not one.
    #[error(transparent)]
    Message(#[from] MessageError),
    /// The message's life is over.
    #[error("message has expired")]
    Expired,
}

/// The device a message is sealed to.
#[derive(Clone, Debug)]
pub struct Recipient<'a> {
    /// The recipient's account.
    pub account: PublicKey,
    /// The recipient's device.
    pub device: PublicKey,
    /// The device's prekey.
    pub prekey: &'a Prekey,
}

/// A sealed envelope, ready to be deposited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// The mailbox it is bound to.
    pub mailbox: Mailbox,
    /// When it ends.
    pub expires: UnixMillis,
    /// The bytes.
    pub bytes: Bytes,
}

impl Envelope {
    /// Returns its identifier.
    pub fn id(&self) -> ItemId {
        id_of(&self.bytes)
    }
}

/// Returns the identifier of an envelope or a chunk: the BLAKE3 hash of its bytes (SPEC 2.3).
pub fn id_of(bytes: &[u8]) -> ItemId {
    ItemId::new(*blake3::hash(bytes).as_bytes())
}

/// Returns the expiry in an envelope's own bytes, which its identifier covers.
///
/// A keeper names the expiry beside the envelope. Where the two differ, the keeper is wrong, and the recipient must not
/// ack the envelope as a broken one.
///
/// # References
///
/// SPEC 6.1.
pub fn expires_of(envelope: &[u8]) -> Option<UnixMillis> {
    let bytes = envelope.get(2..)?.first_chunk::<EXPIRES_BYTES>()?;
    Some(UnixMillis::new(u64::from_be_bytes(*bytes)))
}

/// An opened message whose signatures and binding were verified; only [`open`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedMessage {
    message: Message,
    expires: UnixMillis,
}

impl VerifiedMessage {
    /// Returns the message.
    pub const fn message(&self) -> &Message {
        &self.message
    }

    /// Returns when the message ends.
    pub const fn expires(&self) -> UnixMillis {
        self.expires
    }

    /// Gives up the message.
    pub fn into_message(self) -> Message {
        self.message
    }
}

/// Seals `message` of `identity` for one device of the recipient, waiting at `mailbox` until `expires`.
///
/// # Layout
///
/// | bytes | field                                                        |
/// |-------|--------------------------------------------------------------|
/// | 1     | version, 1                                                   |
/// | 1     | suite, 1                                                     |
/// | 8     | expiry in milliseconds, big-endian                           |
/// | 8     | hint at the prekey                                           |
/// | 1,120 | X-Wing encapsulation                                         |
/// | n     | ciphertext of: length (4, big-endian), message, zeros        |
/// | 16    | Poly1305 tag                                                 |
///
/// in all 2,048, 8,192, 32,768 or 65,536 bytes.
///
/// # Errors
///
/// [`SealError`].
///
/// # References
///
/// RFC 9180 section 6.1; SPEC 6.1 and 6.2.
pub fn seal(
    message: &Message,
    identity: &Identity,
    recipient: &Recipient<'_>,
    mailbox: Mailbox,
    times: Lifetime,
    rng: &mut impl CryptoRng,
) -> Result<Envelope, SealError> {
    let Lifetime { now, expires } = times;
    if expires <= now || expires > now.plus(MESSAGE_TTL_MAX_MS) {
        return Err(SealError::Lifetime);
    }
    if recipient.prekey.expires <= now {
        return Err(SealError::PrekeyExpired);
    }
    let address = mailbox.address();
    let binding = Binding {
        recipient: recipient.account,
        device: recipient.device,
        address,
        epoch: mailbox.epoch,
        expires,
    };
    let signed = Zeroizing::new(message.sign(&identity.device, &binding));
    let plain = pad(&signed, HEADER_BYTES + TAG_BYTES)?;
    let key = <XWing as Kem>::PublicKey::from_bytes(&*recipient.prekey.public)
        .map_err(|_| SealError::Prekey)?;
    let (encapsulated, mut sealer) =
        hpke::setup_sender_with_rng::<ChaCha20Poly1305, HkdfSha256, XWing>(
            &OpModeS::Base,
            &key,
            &info(&recipient.account, &recipient.device),
            rng,
        )
        .map_err(|_| SealError::Prekey)?;
    let mut bytes = vec![VERSION, SUITE];
    bytes.extend_from_slice(&expires.get().to_be_bytes());
    bytes.extend_from_slice(&recipient.prekey.hint(&address));
    let data = associated_data(&bytes, &address);
    bytes.extend_from_slice(&encapsulated.to_bytes());
    bytes.extend_from_slice(&sealer.seal(&plain, &data).map_err(|_| SealError::Prekey)?);
    Ok(Envelope {
        mailbox,
        expires,
        bytes: bytes.into(),
    })
}

/// The present, and the end of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetime {
    /// The date by the clock of the one who seals or opens.
    pub now: UnixMillis,
    /// The end.
    pub expires: UnixMillis,
}

/// Opens an envelope that waited at `mailbox` until `expires`, with whichever of `prekeys` it is sealed to.
///
/// # Errors
///
/// [`OpenError`]. After [`OpenError::OtherExpiry`] the envelope may open when another keeper hands it over; after
/// anything else it is worth nothing in this mailbox and may be acked there.
///
/// # References
///
/// SPEC 6.2.
pub fn open<'a>(
    bytes: &[u8],
    mailbox: &Mailbox,
    lifetime: Lifetime,
    identity: &OpenerIdentity,
    prekeys: impl IntoIterator<Item = &'a PrekeySecret>,
) -> Result<VerifiedMessage, OpenError> {
    let parts = Parts::of(bytes)?;
    check_expiry(bytes, lifetime)?;
    let expires = lifetime.expires;
    let address = mailbox.address();
    let prekey = prekeys
        .into_iter()
        .find(|prekey| prekey.public().hint(&address) == parts.hint)
        .ok_or(OpenError::NoPrekey)?;
    let encapsulated = <XWing as Kem>::EncappedKey::from_bytes(parts.encapsulated)
        .map_err(|_| OpenError::Sealed)?;
    let mut opener = hpke::setup_receiver::<ChaCha20Poly1305, HkdfSha256, XWing>(
        &OpModeR::Base,
        &prekey.private().ok_or(OpenError::NoPrekey)?,
        &encapsulated,
        &info(&identity.account, &identity.device),
    )
    .map_err(|_| OpenError::Sealed)?;
    let data = associated_data(parts.head, &address);
    let plain = Zeroizing::new(
        opener
            .open(parts.ciphertext, &data)
            .map_err(|_| OpenError::Sealed)?,
    );
    let binding = Binding {
        recipient: identity.account,
        device: identity.device,
        address,
        epoch: mailbox.epoch,
        expires,
    };
    let message = Message::open(unpad(&plain)?, &binding)?;
    Ok(VerifiedMessage { message, expires })
}

/// An envelope in its parts.
struct Parts<'a> {
    head: &'a [u8],
    hint: &'a [u8],
    encapsulated: &'a [u8],
    ciphertext: &'a [u8],
}

impl<'a> Parts<'a> {
    /// Checks size, version and suite, and takes an envelope apart.
    fn of(bytes: &'a [u8]) -> Result<Self, OpenError> {
        if !ENVELOPE_BYTES.contains(&bytes.len()) {
            return Err(OpenError::Size(bytes.len()));
        }
        let too_short = OpenError::Size(bytes.len());
        let (head, rest) = bytes.split_at_checked(HEAD_BYTES).ok_or(too_short)?;
        let (encapsulated, ciphertext) =
            rest.split_at_checked(ENCAPSULATED_BYTES).ok_or(too_short)?;
        let [version, suite, dated @ ..] = head else {
            return Err(too_short);
        };
        if (*version, *suite) != (VERSION, SUITE) {
            return Err(OpenError::Version(*version, *suite));
        }
        let hint = dated.get(EXPIRES_BYTES..).ok_or(too_short)?;
        Ok(Self {
            head,
            hint,
            encapsulated,
            ciphertext,
        })
    }
}

/// The device that opens an envelope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenerIdentity {
    /// The recipient's account.
    pub account: PublicKey,
    /// The recipient's device.
    pub device: PublicKey,
}

impl From<&Identity> for OpenerIdentity {
    fn from(identity: &Identity) -> Self {
        Self {
            account: identity.account,
            device: identity.device.public(),
        }
    }
}

/// Adds `grant` to a message, unless the message would need one of the larger envelopes because of it (SPEC 10.6).
pub fn with_grant(message: Message, grant: Grant) -> Message {
    let granting = message.clone().granting(Some(grant));
    match is_cheap(&message, &granting) {
        true => granting,
        false => message,
    }
}

/// Adds key packages to a message, unless the message would need one of the larger envelopes because of them (SPEC
/// 15.7).
pub fn with_packages(message: Message, packages: Vec<Bytes>) -> Message {
    let offering = message.clone().offering(packages);
    match is_cheap(&message, &offering) {
        true => offering,
        false => message,
    }
}

/// Tells whether a message needs no larger envelope with what was added to it, or none of the larger ones.
fn is_cheap(alone: &Message, together: &Message) -> bool {
    let alone = size_for(alone.signed_bytes());
    let together = size_for(together.signed_bytes());
    together.is_some_and(|size| Some(size) == alone || size <= ENVELOPE_BYTES[1])
}

/// Returns the size of the smallest envelope that a message of so many bytes fits, if there is one.
fn size_for(message_bytes: usize) -> Option<usize> {
    ENVELOPE_BYTES
        .into_iter()
        .find(|size| message_bytes <= size - OVERHEAD_BYTES)
}

/// Checks the expiry of an envelope against what the keeper named and against the date.
///
/// # Errors
///
/// [`OpenError::OtherExpiry`] and [`OpenError::Expired`].
pub fn check_expiry(bytes: &[u8], lifetime: Lifetime) -> Result<(), OpenError> {
    let Lifetime { now, expires } = lifetime;
    if expires_of(bytes) != Some(expires) {
        return Err(OpenError::OtherExpiry);
    }
    if expires <= now || expires > now.plus(MESSAGE_TTL_MAX_MS + CLOCK_SKEW_MS) {
        return Err(OpenError::Expired);
    }
    Ok(())
}

/// Returns the suite that an envelope names, if it is of this version and one of the four sizes.
pub fn suite_of(bytes: &[u8]) -> Option<u8> {
    let is_size = ENVELOPE_BYTES.contains(&bytes.len());
    let [version, suite, ..] = bytes else {
        return None;
    };
    (is_size && *version == VERSION).then_some(*suite)
}

/// Returns the HPKE `info`: context, recipient account, recipient device.
fn info(account: &PublicKey, device: &PublicKey) -> Vec<u8> {
    let mut info = context::ENVELOPE.as_bytes().to_vec();
    info.extend_from_slice(account.as_bytes());
    info.extend_from_slice(device.as_bytes());
    info
}

/// Returns the associated data: version, suite, expiry, hint, address.
fn associated_data(head: &[u8], address: &Address) -> Vec<u8> {
    let mut data = head.to_vec();
    data.extend_from_slice(address.as_bytes());
    data
}

/// Puts the length in front of a message and fills up to the smallest envelope it fits, of which `around` bytes are
/// neither length nor message.
///
/// # Errors
///
/// [`SealError::TooLong`].
pub fn pad(message: &[u8], around: usize) -> Result<Zeroizing<Vec<u8>>, SealError> {
    let room = |size: usize| size.saturating_sub(around);
    let too_long = SealError::TooLong {
        got: message.len(),
        limit: room(ENVELOPE_BYTES_MAX).saturating_sub(LENGTH_BYTES),
    };
    let sizes = ENVELOPE_BYTES.into_iter().map(room);
    let size = { sizes }.find(|room| message.len() + LENGTH_BYTES <= *room);
    let size = size.ok_or(too_long)?;
    let length = u32::try_from(message.len()).map_err(|_| too_long)?;
    let mut plain = Zeroizing::new(vec![0; size]);
    let (head, rest) = plain.split_at_mut(LENGTH_BYTES);
    head.copy_from_slice(&length.to_be_bytes());
    if let Some(room) = rest.get_mut(..message.len()) {
        room.copy_from_slice(message);
    }
    Ok(plain)
}

/// Returns the message that was padded.
///
/// # Errors
///
/// [`OpenError::Padding`].
pub fn unpad(plain: &[u8]) -> Result<&[u8], OpenError> {
    let (length, rest) = plain
        .split_first_chunk::<LENGTH_BYTES>()
        .ok_or(OpenError::Padding)?;
    let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| OpenError::Padding)?;
    let (message, padding) = rest.split_at_checked(length).ok_or(OpenError::Padding)?;
    if padding.iter().any(|&byte| byte != 0) {
        return Err(OpenError::Padding);
    }
    Ok(message)
}
