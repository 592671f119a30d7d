//! People, keys and randomness that the tests share; everything follows from a label.

use std::convert::Infallible;

use bytes::Bytes;
use rand_core::{TryCryptoRng, TryRng};
use zeroize::Zeroizing;

use crate::{
    account::Identity,
    card::{Card, CardDevice},
    envelope::{self, Envelope, Lifetime, Recipient},
    keys::SecretKey,
    limits::{CARD_TTL_MS, DAY_MS, TOMBSTONE_TTL_MS},
    mailbox::Mailbox,
    message::{Content, Message, MessageId, Text},
    prekey::PrekeySecret,
    time::UnixMillis,
};

/// Context of everything the fixtures derive; SPEC 14 names it.
const CONTEXT: &str = "restante test vectors";

/// The present of all tests: 2026-05-28T20:26:40Z.
pub(crate) const NOW: UnixMillis = UnixMillis::new(1_780_000_000_000);

/// Randomness that is the same in every run: the BLAKE3 output stream of a label.
pub(crate) struct LabelRng(blake3::OutputReader);

impl TryRng for LabelRng {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.0.fill(&mut bytes);
        Ok(u32::from_be_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        Ok(u64::from_be_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        self.0.fill(bytes);
        Ok(())
    }
}

impl TryCryptoRng for LabelRng {}

/// Returns the randomness of a label.
pub(crate) fn rng(label: &str) -> LabelRng {
    LabelRng(
        blake3::Hasher::new_derive_key(CONTEXT)
            .update(label.as_bytes())
            .finalize_xof(),
    )
}

/// Returns the first bytes of the randomness of a label.
pub(crate) fn bytes<const N: usize>(label: &str) -> [u8; N] {
    let mut bytes = [0; N];
    rng(label).0.fill(&mut bytes);
    bytes
}

/// Returns the key of a label.
pub(crate) fn key(label: &str) -> SecretKey {
    SecretKey::from_seed(&bytes(label))
}

/// Returns the account key of a handle.
pub(crate) fn account_key(handle: &str) -> SecretKey {
    key(&format!("{handle} account"))
}

/// Returns the person of a handle, always the same.
pub(crate) fn person(handle: &str) -> Identity {
    let device = key(&format!("{handle} device"));
    Identity::new(&account_key(handle), 1, device, handle.parse().unwrap())
}

/// Returns the same person on a second device.
pub(crate) fn second_device(first: &Identity) -> Identity {
    Identity {
        device: key(&format!("{} second device", first.handle)),
        ..first.clone()
    }
}

/// Returns the prekey of a label, issued at `issued`.
pub(crate) fn prekey(label: &str, issued: UnixMillis) -> PrekeySecret {
    let seed = Zeroizing::new(bytes(&format!("{label} prekey")));
    PrekeySecret::from_seed(seed, issued, issued.plus(CARD_TTL_MS)).unwrap()
}

/// Returns a device as a card shows it.
pub(crate) fn card_device(identity: &Identity, prekey: &PrekeySecret) -> CardDevice {
    CardDevice {
        certificate: identity.certificate(),
        prekey: prekey.public().clone(),
        first_contact: identity.first_contact().public(),
    }
}

/// Returns a card of `identity` with one device.
pub(crate) fn card(identity: &Identity, prekey: &PrekeySecret, sequence: u64) -> Card {
    let issued = prekey.public().issued;
    Card {
        account: identity.account,
        delegation: identity.delegation,
        handle: identity.handle.clone(),
        sequence,
        issued,
        expires: issued.plus(CARD_TTL_MS),
        terminated: false,
        devices: vec![card_device(identity, prekey)],
        avatar: None,
    }
}

/// Returns the tombstone that ends the account of `identity`.
pub(crate) fn tombstone(identity: &Identity, sequence: u64, issued: UnixMillis) -> Card {
    Card {
        expires: issued.plus(TOMBSTONE_TTL_MS),
        issued,
        terminated: true,
        devices: Vec::new(),
        ..card(identity, &prekey("none", issued), sequence)
    }
}

/// Returns a text message of `identity`.
pub(crate) fn text(identity: &Identity, body: &[u8]) -> Message {
    let content = Content::Text(Text {
        body: Bytes::copy_from_slice(body),
        ..Text::default()
    });
    Message::new(identity, MessageId::new(bytes("message id")), NOW, content)
}

/// Seals `body` from `from` to `to` for a mailbox, with six days to live.
pub(crate) fn sealed(
    from: &Identity,
    to: &Identity,
    prekey: &PrekeySecret,
    mailbox: Mailbox,
    body: &[u8],
) -> Envelope {
    let recipient = Recipient {
        account: to.account,
        device: to.device.public(),
        prekey: prekey.public(),
    };
    let times = Lifetime {
        now: NOW,
        expires: NOW.plus(6 * DAY_MS),
    };
    envelope::seal(
        &text(from, body),
        from,
        &recipient,
        mailbox,
        times,
        &mut rng("seal"),
    )
    .unwrap()
}

/// Returns an envelope as keepers see it: a size, an expiry in its place, and noise.
pub(crate) fn noise_envelope(label: &str, size: usize, expires: UnixMillis) -> Bytes {
    let mut bytes = vec![0; size];
    rng(label).0.fill(&mut bytes);
    bytes[..2].copy_from_slice(&[envelope::VERSION, envelope::SUITE]);
    bytes[2..10].copy_from_slice(&expires.get().to_be_bytes());
    bytes.into()
}

/// Calls `check` with every copy of `bytes` that differs in one bit.
pub(crate) fn each_flip(bytes: &[u8], mut check: impl FnMut(usize, &[u8])) {
    let mut flipped = bytes.to_vec();
    for bit in 0..bytes.len() * 8 {
        flipped[bit / 8] ^= 1 << (bit % 8);
        check(bit, &flipped);
        flipped[bit / 8] ^= 1 << (bit % 8);
    }
}
