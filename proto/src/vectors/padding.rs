//! Cards and envelopes that are sealed and signed well around a padding that breaks a rule, or that breaks none
//! although no honest client makes it.

use chacha20poly1305::{
    KeyInit as _, XChaCha20Poly1305,
    aead::{Aead as _, Payload},
};
use hpke::{
    Deserializable as _, Kem, OpModeS, Serializable as _, aead::ChaCha20Poly1305, kdf::HkdfSha256,
    kem::XWing,
};
use serde_json::{Value, json};

use super::{hex, post::mailbox_json};
use crate::{
    card::CardRecord,
    context,
    envelope::{self, Lifetime, OVERHEAD_BYTES, SUITE, VERSION},
    fixture::{NOW, bytes, card, person, prekey, rng, text},
    limits::{DAY_MS, ENVELOPE_BYTES, SEALED_CARD_BYTES},
    message::Binding,
    person::IdCost,
    time::UnixMillis,
};

const EXPIRES: UnixMillis = NOW.plus(6 * DAY_MS);

/// Returns what a message is in an envelope of so many bytes: length, message, zeros.
fn plain_of(message: &[u8], length: usize, size: usize) -> Vec<u8> {
    let mut plain = u32::try_from(length).unwrap().to_be_bytes().to_vec();
    plain.extend_from_slice(message);
    plain.resize(size - OVERHEAD_BYTES + 4, 0);
    plain
}

/// Seals any plaintext to Bob as SPEC 6.2 says.
fn envelope_of(name: &str, plain: &[u8]) -> Value {
    let (bob, key) = (person("bob"), prekey("bob", NOW));
    let (account, device) = (bob.account, bob.device.public());
    let mailbox = bob.first_contact_mailbox(NOW.epoch());
    let address = mailbox.address();
    let parts: [&[u8]; 3] = [
        context::ENVELOPE.as_bytes(),
        account.as_bytes(),
        device.as_bytes(),
    ];
    let public = <XWing as Kem>::PublicKey::from_bytes(&*key.public().public).unwrap();
    let (encapsulated, mut sealer) = hpke::setup_sender_with_rng::<
        ChaCha20Poly1305,
        HkdfSha256,
        XWing,
    >(&OpModeS::Base, &public, &parts.concat(), &mut rng(name))
    .unwrap();
    let mut sealed = vec![VERSION, SUITE];
    sealed.extend_from_slice(&EXPIRES.get().to_be_bytes());
    sealed.extend_from_slice(&key.public().hint(&address));
    let data = [&sealed[..], address.as_bytes()].concat();
    sealed.extend_from_slice(&encapsulated.to_bytes());
    sealed.extend_from_slice(&sealer.seal(plain, &data).unwrap());
    let lifetime = Lifetime {
        now: NOW,
        expires: EXPIRES,
    };
    let opened = envelope::open(&sealed, &mailbox, lifetime, &(&bob).into(), [&key]);
    json!({
        "name": name,
        "recipient_account": hex(account.as_bytes()),
        "recipient_device": hex(device.as_bytes()),
        "prekey_seed": hex(key.seed()),
        "mailbox": mailbox_json(&mailbox),
        "now_ms": NOW.get(),
        "expires_ms": EXPIRES.get(),
        "envelope": hex(&sealed),
        "error": opened.err().map(|error| error.to_string()),
    })
}

pub(super) fn envelopes() -> Vec<Value> {
    let (alice, bob) = (person("alice"), person("bob"));
    let mailbox = bob.first_contact_mailbox(NOW.epoch());
    let binding = Binding {
        recipient: bob.account,
        device: bob.device.public(),
        address: mailbox.address(),
        epoch: mailbox.epoch,
        expires: EXPIRES,
    };
    let message = text(&alice, b"hello").sign(&alice.device, &binding);
    let (length, [small, middle, ..]) = (message.len(), ENVELOPE_BYTES);
    let of = |length, size| plain_of(&message, length, size);
    let changed = |place: usize| {
        let mut plain = of(length, small);
        plain[place] = 1;
        plain
    };
    let last = of(length, small).len() - 1;
    vec![
        envelope_of("the smallest envelope", &of(length, small)),
        envelope_of("a larger one than was needed", &of(length, middle)),
        envelope_of("a one behind the message", &changed(4 + length)),
        envelope_of("a one at the end", &changed(last)),
        envelope_of("a length beyond the end", &of(last, small)),
        envelope_of("a length of one too many", &of(length + 1, small)),
        envelope_of("a length of one too few", &of(length - 1, small)),
        envelope_of("a length of 2^32 - 1", &of(0xffff_ffff, small)),
    ]
}

/// Seals any plaintext as Alice's card as SPEC 4.2 says, and signs the record.
fn record_of(name: &str, plain: &[u8]) -> Value {
    let (alice, cost) = (person("alice"), IdCost::CheapForTests);
    let id = alice.person_id(cost);
    let locators = id.locators(NOW.salt_epoch(), cost);
    let (locator, key) = (locators.addresses[0], &locators.record_key);
    let card = card(&alice, &prekey("alice", NOW), 7);
    let mut record = CardRecord::seal(&card, &alice, locator, key, &mut rng(name)).unwrap();
    let parts: [&[u8]; 3] = [
        context::CARD_SEAL.as_bytes(),
        locator.as_bytes(),
        record.writer.as_bytes(),
    ];
    let (nonce, data) = (bytes::<24>(name), parts.concat());
    let cipher = XChaCha20Poly1305::new(key.as_bytes().into());
    let payload = Payload {
        msg: plain,
        aad: &data,
    };
    let sealed = cipher.encrypt((&nonce).into(), payload).unwrap();
    record.sealed = [&nonce[..], &sealed].concat().into();
    assert_eq!(record.sealed.len(), SEALED_CARD_BYTES);
    let (sequence, expires) = (record.sequence, record.expires.get());
    let [sequence, expires] = [sequence, expires].map(u64::to_be_bytes);
    let digest = blake3::hash(&record.sealed);
    let signed: [&[u8]; 6] = [
        &[1],
        locator.as_bytes(),
        record.writer.as_bytes(),
        &sequence,
        &expires,
        digest.as_bytes(),
    ];
    record.signature = alice.writer(&locator).sign(context::SIGN_RECORD, &signed);
    let opened = record.open(&id, key, NOW, cost);
    json!({
        "name": name,
        "id_with_cheap_cost": id.to_string(),
        "now_ms": NOW.get(),
        "record_key": hex(key.as_bytes()),
        "record": hex(record.encode()),
        "error": opened.err().map(|error| error.to_string()),
    })
}

pub(super) fn records() -> Vec<Value> {
    let alice = person("alice");
    let signed = card(&alice, &prekey("alice", NOW), 7).sign(&alice.delegate);
    let room = SEALED_CARD_BYTES - 24 - 16;
    let of = |length: usize| {
        let mut plain = u32::try_from(length).unwrap().to_be_bytes().to_vec();
        plain.extend_from_slice(&signed);
        plain.resize(room, 0);
        plain
    };
    let mut one = of(signed.len());
    one[room - 1] = 1;
    vec![
        record_of("padded with zeros", &of(signed.len())),
        record_of("padded with a one at the end", &one),
        record_of("a length of one too many", &of(signed.len() + 1)),
        record_of("a length of one too few", &of(signed.len() - 1)),
        record_of("a length beyond the end", &of(room - 3)),
    ]
}
