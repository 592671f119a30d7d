//! Cards: the signed, sealed records that IDs lead to (SPEC 4).

use std::{cmp::Reverse, collections::BTreeMap};

use bytes::Bytes;
use chacha20poly1305::{
    KeyInit as _, XChaCha20Poly1305,
    aead::{Aead as _, Payload},
};
use prost::Message as _;
use rand_core::CryptoRng;

use crate::{
    Address, ItemId,
    account::{Delegation, DeviceCertificate, Identity},
    context,
    keys::{PublicKey, SecretKey, Signature, SignatureError},
    limits::{
        CARD_TTL_MS, CLOCK_SKEW_MS, DEVICES_MAX, SEALED_CARD_BYTES, TOMBSTONE_TTL_MS, VERSIONS_MAX,
    },
    person::{Handle, IdCost, PersonId, RecordKey},
    prekey::Prekey,
    time::UnixMillis,
    wire::{self, WireError, generated as g},
};

#[cfg(test)]
mod tests;

/// The protocol version this crate speaks.
pub const PROTOCOL_VERSION: u32 = 1;

const NONCE_BYTES: usize = 24;
const TAG_BYTES: usize = 16;
const PLAIN_BYTES: usize = SEALED_CARD_BYTES - NONCE_BYTES - TAG_BYTES;

/// Why a record found at a locator is not the card of the ID that was looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CardError {
    /// The record does not decode.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// A signature is wrong.
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// The record does not open under the ID's key: another's record at the same locator.
    #[error("record does not open under this ID")]
    Sealed,
    /// The card is for another handle or account.
    #[error("card belongs to another ID")]
    OtherId,
    /// The card has expired, or claims a longer life than cards have.
    #[error("card has expired")]
    Expired,
    /// The card speaks no version this node knows.
    #[error("card speaks no known protocol version")]
    Version,
    /// The card does not fit a record.
    #[error("card is {0} bytes, too long for a record")]
    TooLong(usize),
}

/// One device as a card shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CardDevice {
    /// The device's key, certified by the account's delegate.
    pub certificate: DeviceCertificate,
    /// What messages to it are sealed to.
    pub prekey: Prekey,
    /// Owner of its first-contact mailbox.
    pub first_contact: PublicKey,
}

/// What an ID leads to, before signing and after verifying.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Card {
    /// The account's key.
    pub account: PublicKey,
    /// The delegate that signs the card, and has certified all devices in it.
    pub delegation: Delegation,
    /// The handle the account goes by.
    pub handle: Handle,
    /// Grows with every publication.
    pub sequence: u64,
    /// When it was made.
    pub issued: UnixMillis,
    /// When it stops being good.
    pub expires: UnixMillis,
    /// The account has ended: this is its tombstone.
    pub terminated: bool,
    /// The account's devices: 1 to [`DEVICES_MAX`], each once; none if terminated.
    pub devices: Vec<CardDevice>,
    /// The chunk with the avatar, if there is one.
    pub avatar: Option<Address>,
}

impl Card {
    /// Encodes this card and signs it with the key of its delegate.
    pub fn sign(&self, delegate: &SecretKey) -> Bytes {
        let card = Bytes::from(self.to_wire().encode_to_vec());
        let signature = delegate.sign(context::SIGN_CARD, &[&card]);
        let signature = signature.as_bytes().to_vec().into();
        g::SignedCard { card, signature }.encode_to_vec().into()
    }

    /// Decodes a signed card and checks signature, certificates and versions; not whether the ID is right.
    pub(crate) fn open(signed: &[u8]) -> Result<Self, CardError> {
        let signed: g::SignedCard = wire::decode(signed, PLAIN_BYTES)?;
        let wire_card: g::Card = wire::decode(&signed.card, PLAIN_BYTES)?;
        let card = Self::from_wire(&wire_card)?;
        let signature = wire::signature(&signed.signature, "signature")?;
        card.delegation.verify(&card.account)?;
        card.delegation
            .key
            .verify(context::SIGN_CARD, &[&signed.card], &signature)?;
        for device in &card.devices {
            device.certificate.verify(&card.account)?;
        }
        if !wire_card.versions.contains(&PROTOCOL_VERSION) {
            return Err(CardError::Version);
        }
        Ok(card)
    }

    fn to_wire(&self) -> g::Card {
        let device = |device: &CardDevice| g::Device {
            key: device.certificate.device.as_bytes().to_vec().into(),
            certificate: device.certificate.signature.as_bytes().to_vec().into(),
            prekey: Some(device.prekey.to_wire()),
            first_contact: device.first_contact.as_bytes().to_vec().into(),
        };
        g::Card {
            versions: vec![PROTOCOL_VERSION],
            account: self.account.as_bytes().to_vec().into(),
            handle: self.handle.as_str().to_owned(),
            sequence: self.sequence,
            issued_ms: self.issued.get(),
            expires_ms: self.expires.get(),
            terminated: self.terminated,
            devices: self.devices.iter().map(device).collect(),
            avatar: self
                .avatar
                .map_or_else(Bytes::new, |at| at.as_bytes().to_vec().into()),
            delegation: Some(self.delegation.to_wire()),
        }
    }

    fn from_wire(card: &g::Card) -> Result<Self, WireError> {
        check_versions(&card.versions)?;
        check_devices(card)?;
        check_dates(card)?;
        let delegation = Delegation::from_wire(card.delegation.as_ref())?;
        let device = |device: &g::Device| {
            let prekey = device.prekey.as_ref().ok_or(WireError::Missing("prekey"))?;
            Ok(CardDevice {
                certificate: DeviceCertificate {
                    delegation,
                    device: wire::public_key(&device.key, "key")?,
                    signature: wire::signature(&device.certificate, "certificate")?,
                },
                prekey: Prekey::from_wire(prekey)?,
                first_contact: wire::public_key(&device.first_contact, "first_contact")?,
            })
        };
        let avatar = match card.avatar.len() {
            0 => None,
            _ => Some(wire::address(&card.avatar, "avatar")?),
        };
        Ok(Self {
            account: wire::public_key(&card.account, "account")?,
            delegation,
            handle: card
                .handle
                .parse()
                .map_err(|_| WireError::Missing("handle"))?,
            sequence: card.sequence,
            issued: wire::moment(card.issued_ms, "issued_ms")?,
            expires: wire::moment(card.expires_ms, "expires_ms")?,
            terminated: card.terminated,
            devices: card
                .devices
                .iter()
                .map(device)
                .collect::<Result<_, WireError>>()?,
            avatar,
        })
    }
}

/// Checks how many versions a card names, and that none is named twice.
fn check_versions(versions: &[u32]) -> Result<(), WireError> {
    wire::check_count(versions, 1..=VERSIONS_MAX, "versions")?;
    if versions.contains(&0) {
        return Err(WireError::Missing("versions"));
    }
    wire::check_distinct(versions, "versions")
}

/// Checks how many devices a card has, and that none stands in it twice, nor two read one mailbox.
fn check_devices(card: &g::Card) -> Result<(), WireError> {
    let bounds = if card.terminated {
        0..=0
    } else {
        1..=DEVICES_MAX
    };
    let devices = &card.devices;
    wire::check_count(devices, bounds, "devices")?;
    wire::check_distinct(devices.iter().map(|device| &device.key), "devices")?;
    let mailboxes = devices.iter().map(|device| &device.first_contact);
    wire::check_distinct(mailboxes, "first_contact")
}

/// Checks how long a card lives, and that its prekeys were not made after it; the clocks of an account's devices may
/// differ.
fn check_dates(card: &g::Card) -> Result<(), WireError> {
    let issued = wire::moment(card.issued_ms, "issued_ms")?;
    let expires = wire::moment(card.expires_ms, "expires_ms")?;
    if expires <= issued || expires > issued.plus(life_ms_max(card.terminated)) {
        return Err(WireError::Contradiction("expires_ms"));
    }
    let prekeys = card.devices.iter().filter_map(|it| it.prekey.as_ref());
    let latest = issued.plus(CLOCK_SKEW_MS).get();
    if prekeys.into_iter().any(|prekey| prekey.issued_ms > latest) {
        return Err(WireError::Contradiction("issued_ms"));
    }
    Ok(())
}

/// Returns how long a card or a tombstone may live, in milliseconds.
const fn life_ms_max(terminated: bool) -> u64 {
    if terminated {
        TOMBSTONE_TTL_MS
    } else {
        CARD_TTL_MS
    }
}

/// A card whose signature, ID and dates were verified; only [`CardRecord::open`] and [`choose`] make one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedCard(Card);

impl VerifiedCard {
    /// Returns the card.
    pub const fn card(&self) -> &Card {
        &self.0
    }
}

/// Whether a record shows a living account or the end of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RecordKind {
    /// A card.
    Card,
    /// The tombstone of a terminated account; nothing may replace it.
    Tombstone,
}

/// What keepers store at a locator: random bytes to them, signed by a key that means nothing elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CardRecord {
    /// A card or a tombstone.
    pub kind: RecordKind,
    /// Where it is kept.
    pub locator: Address,
    /// The only key that may replace it.
    pub writer: PublicKey,
    /// Only a higher one replaces it.
    pub sequence: u64,
    /// When it is dropped.
    pub expires: UnixMillis,
    /// The sealed card: nonce (24 bytes), ciphertext, tag.
    pub sealed: Bytes,
    /// The writer's signature over all of the above.
    pub signature: Signature,
}

impl CardRecord {
    /// Seals a signed card for one locator and signs the record.
    ///
    /// # Errors
    ///
    /// [`CardError::TooLong`] when the card does not fit.
    ///
    /// # References
    ///
    /// SPEC 4.2.
    pub fn seal(
        card: &Card,
        identity: &Identity,
        locator: Address,
        key: &RecordKey,
        rng: &mut impl CryptoRng,
    ) -> Result<Self, CardError> {
        let signed = card.sign(&identity.delegate);
        let room = PLAIN_BYTES - 4;
        let length = u32::try_from(signed.len()).map_err(|_| CardError::TooLong(signed.len()))?;
        if signed.len() > room {
            return Err(CardError::TooLong(signed.len()));
        }
        let mut plain = length.to_be_bytes().to_vec();
        plain.extend_from_slice(&signed);
        plain.resize(PLAIN_BYTES, 0);
        let mut nonce = [0; NONCE_BYTES];
        rng.fill_bytes(&mut nonce);
        let writer = identity.writer(&locator);
        let cipher = XChaCha20Poly1305::new(key.as_bytes().into());
        let payload = Payload {
            msg: &plain,
            aad: &seal_data(&locator, &writer.public()),
        };
        let ciphertext = cipher
            .encrypt((&nonce).into(), payload)
            .map_err(|_| CardError::TooLong(signed.len()))?;
        let mut sealed = nonce.to_vec();
        sealed.extend_from_slice(&ciphertext);
        let kind = if card.terminated {
            RecordKind::Tombstone
        } else {
            RecordKind::Card
        };
        let mut record = Self {
            kind,
            locator,
            writer: writer.public(),
            sequence: card.sequence,
            expires: card.expires,
            sealed: sealed.into(),
            signature: Signature::new([0; 64]),
        };
        record.signature = writer.sign(context::SIGN_RECORD, &[&record.signed_part()]);
        Ok(record)
    }

    /// Checks the writer's signature: all a keeper can check, and must.
    ///
    /// # Errors
    ///
    /// [`SignatureError`] when it is wrong.
    pub fn verify(&self) -> Result<(), SignatureError> {
        self.writer.verify(
            context::SIGN_RECORD,
            &[&self.signed_part()],
            &self.signature,
        )
    }

    /// Opens the record as the card of `id`; slow on purpose, since the tag is computed again.
    ///
    /// # Errors
    ///
    /// [`CardError`]: whatever keeps this record from being the card of `id` now.
    ///
    /// # References
    ///
    /// SPEC 4.4.
    pub fn open(
        &self,
        id: &PersonId,
        key: &RecordKey,
        now: UnixMillis,
        cost: IdCost,
    ) -> Result<VerifiedCard, CardError> {
        let card = self.open_candidate(id, key, now)?;
        if !id.names(&card.account, cost) {
            return Err(CardError::OtherId);
        }
        Ok(VerifiedCard(card))
    }

    /// Opens the record and checks all that is cheap to check: everything but the tag.
    fn open_candidate(
        &self,
        id: &PersonId,
        key: &RecordKey,
        now: UnixMillis,
    ) -> Result<Card, CardError> {
        self.verify()?;
        let card = self.open_unnamed(key)?;
        let matches_record = card.sequence == self.sequence
            && card.expires == self.expires
            && card.terminated == (self.kind == RecordKind::Tombstone);
        if card.handle != id.handle || !matches_record {
            return Err(CardError::OtherId);
        }
        if !card_is_current(&card, now) {
            return Err(CardError::Expired);
        }
        Ok(card)
    }

    fn open_unnamed(&self, key: &RecordKey) -> Result<Card, CardError> {
        let (nonce, ciphertext) = self
            .sealed
            .split_first_chunk::<NONCE_BYTES>()
            .ok_or(CardError::Sealed)?;
        let cipher = XChaCha20Poly1305::new(key.as_bytes().into());
        let payload = Payload {
            msg: ciphertext,
            aad: &seal_data(&self.locator, &self.writer),
        };
        let plain = cipher
            .decrypt(nonce.into(), payload)
            .map_err(|_| CardError::Sealed)?;
        let (length, rest) = plain.split_first_chunk::<4>().ok_or(CardError::Sealed)?;
        let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
        let signed = rest.get(..length).ok_or(WireError::Length("card"))?;
        if rest
            .get(length..)
            .is_some_and(|padding| padding.iter().any(|&byte| byte != 0))
        {
            return Err(WireError::NotCanonical.into());
        }
        Card::open(signed)
    }

    /// Returns the identifier of this record as an item.
    pub fn id(&self) -> ItemId {
        ItemId::new(*blake3::hash(&self.encode()).as_bytes())
    }

    /// Encodes the record.
    pub fn encode(&self) -> Vec<u8> {
        self.to_wire().encode_to_vec()
    }

    /// Decodes a record; the signature is not checked.
    ///
    /// # Errors
    ///
    /// [`WireError`] when a field is not what the schema says.
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        Self::from_wire(&wire::decode(bytes, SEALED_CARD_BYTES + 512)?)
    }

    pub(crate) fn to_wire(&self) -> g::CardRecord {
        let kind = match self.kind {
            RecordKind::Card => g::RecordKind::Card,
            RecordKind::Tombstone => g::RecordKind::Tombstone,
        };
        g::CardRecord {
            kind: kind.into(),
            locator: self.locator.as_bytes().to_vec().into(),
            writer: self.writer.as_bytes().to_vec().into(),
            sequence: self.sequence,
            expires_ms: self.expires.get(),
            sealed: self.sealed.clone(),
            signature: self.signature.as_bytes().to_vec().into(),
        }
    }

    pub(crate) fn from_wire(record: &g::CardRecord) -> Result<Self, WireError> {
        let kind = match g::RecordKind::try_from(record.kind) {
            Ok(g::RecordKind::Card) => RecordKind::Card,
            Ok(g::RecordKind::Tombstone) => RecordKind::Tombstone,
            Ok(g::RecordKind::Unspecified) | Err(_) => return Err(WireError::Missing("kind")),
        };
        if record.sealed.len() != SEALED_CARD_BYTES {
            return Err(WireError::Length("sealed"));
        }
        Ok(Self {
            kind,
            locator: wire::address(&record.locator, "locator")?,
            writer: wire::public_key(&record.writer, "writer")?,
            sequence: record.sequence,
            expires: wire::moment(record.expires_ms, "expires_ms")?,
            sealed: record.sealed.clone(),
            signature: wire::signature(&record.signature, "signature")?,
        })
    }

    /// Returns the longest life a keeper grants this record, in milliseconds.
    pub const fn life_ms_max(&self) -> u64 {
        life_ms_max(matches!(self.kind, RecordKind::Tombstone))
    }

    fn signed_part(&self) -> Vec<u8> {
        let kind: u8 = match self.kind {
            RecordKind::Card => 1,
            RecordKind::Tombstone => 2,
        };
        let mut part = vec![kind];
        part.extend_from_slice(self.locator.as_bytes());
        part.extend_from_slice(self.writer.as_bytes());
        part.extend_from_slice(&self.sequence.to_be_bytes());
        part.extend_from_slice(&self.expires.get().to_be_bytes());
        part.extend_from_slice(blake3::hash(&self.sealed).as_bytes());
        part
    }
}

/// Returns the associated data of a sealed card.
fn seal_data(locator: &Address, writer: &PublicKey) -> Vec<u8> {
    let mut data = context::CARD_SEAL.as_bytes().to_vec();
    data.extend_from_slice(locator.as_bytes());
    data.extend_from_slice(writer.as_bytes());
    data
}

fn card_is_current(card: &Card, now: UnixMillis) -> bool {
    let life = life_ms_max(card.terminated);
    card.issued <= now.plus(CLOCK_SKEW_MS)
        && card.expires > now
        && card.expires <= now.plus(life + CLOCK_SKEW_MS)
}

/// Chooses among the records found at an ID's locators: of the valid cards of the latest delegate the one with the
/// highest sequence, a tombstone before all of them.
///
/// Records of other writers, however many, change nothing but the time this takes. Those that do not open under the
/// ID's key cost a signature and an AEAD tag each. Somebody who knows the ID can make records that do open; then one
/// Argon2id runs for each account that they claim, until the right one is found, and none when the account is `known`.
///
/// A sequence or a delegation below the highest this reader ever saw is a rollback and not chosen.
///
/// # References
///
/// SPEC 4.4.
pub fn choose<'a>(
    records: impl IntoIterator<Item = &'a CardRecord>,
    id: &PersonId,
    key: &RecordKey,
    now: UnixMillis,
    known: Known<'_>,
    cost: IdCost,
) -> Option<VerifiedCard> {
    let mut candidates: BTreeMap<PublicKey, Vec<Card>> = BTreeMap::new();
    for record in records {
        if let Ok(card) = record.open_candidate(id, key, now) {
            candidates.entry(card.account).or_default().push(card);
        }
    }
    let mut accounts: Vec<PublicKey> = candidates.keys().copied().collect();
    // The true card lies at every locator; a squatter's accounts are spread thinner.
    accounts.sort_by_key(|account| Reverse(candidates.get(account).map_or(0, Vec::len)));
    let account = match known.account {
        Some(account) => *account,
        None => accounts
            .into_iter()
            .find(|account| id.names(account, cost))?,
    };
    candidates
        .remove(&account)?
        .into_iter()
        .filter(|card| known.admits(card))
        .max_by_key(|card| (card.delegation.number, card.terminated, card.sequence))
        .map(VerifiedCard)
}

/// Returns why none of some records is the card of `id`, by those that open under its key: its owner made them, or
/// somebody who knows the ID.
///
/// # References
///
/// SPEC 4.4.
pub fn fault_of<'a>(
    records: impl IntoIterator<Item = &'a CardRecord>,
    id: &PersonId,
    key: &RecordKey,
    now: UnixMillis,
) -> Option<CardError> {
    let rank = |error: &CardError| match error {
        CardError::Version => 3,
        CardError::Expired => 2,
        CardError::Wire(_) => 1,
        CardError::Sealed
        | CardError::Signature(_)
        | CardError::OtherId
        | CardError::TooLong(_) => 0,
    };
    let faults = records
        .into_iter()
        .filter_map(|record| record.open_candidate(id, key, now).err());
    faults.filter(|error| rank(error) > 0).max_by_key(rank)
}

/// What a reader already knows of the account behind an ID.
#[derive(Clone, Copy, Debug, Default)]
pub struct Known<'a> {
    /// The account's key, once verified under this very ID.
    pub account: Option<&'a PublicKey>,
    /// The highest number of a delegation seen so far.
    pub delegation: Option<u32>,
    /// The highest sequence seen of that delegation.
    pub sequence: Option<u64>,
}

impl Known<'_> {
    /// Tells whether a card is none of those that a later one has taken the place of.
    fn admits(&self, card: &Card) -> bool {
        let number = card.delegation.number;
        match self.delegation {
            Some(seen) if number < seen => false,
            Some(seen) if number > seen => true,
            _ => card.terminated || self.sequence.is_none_or(|seen| card.sequence >= seen),
        }
    }
}
