//! Prekeys, cards and envelopes.

use ::bytes::Bytes;
use serde_json::{Value, json};

use super::{hex, padding, post::mailbox_json};
use crate::{
    account::Identity,
    card::{Card, CardDevice, CardRecord},
    context,
    envelope::{self, Envelope, Lifetime, Recipient},
    fixture::{NOW, bytes, card, card_device, person, prekey, rng, second_device, text, tombstone},
    limits::DAY_MS,
    mailbox::Mailbox,
    message::{Binding, Content, Grant, Message, MessageId},
    person::IdCost,
    prekey::{Prekey, PrekeySecret},
    time::UnixMillis,
    wire::generated as g,
};

const EXPIRES: UnixMillis = NOW.plus(6 * DAY_MS);

fn prekey_json(key: &PrekeySecret) -> Value {
    json!({
        "seed": hex(key.seed()),
        "public": hex(&key.public().public[..]),
        "issued_ms": key.public().issued.get(),
        "expires_ms": key.public().expires.get(),
    })
}

pub(super) fn prekeys() -> Value {
    let key = prekey("bob", NOW);
    let address = person("bob").first_contact_mailbox(NOW.epoch()).address();
    json!({
        "about": "SPEC 4.3 and 6.1: X-Wing keys from seeds, and the hint of one at an address",
        "prekeys": [prekey_json(&key), prekey_json(&prekey("alice", NOW))],
        "refused": refused_prekeys(&key),
        "hint": {
            "public": hex(&key.public().public[..]),
            "address": hex(address.as_bytes()),
            "hint": hex(key.public().hint(&address)),
        },
    })
}

/// Returns a public key whose first coefficients are the largest that are reduced, or not.
fn refused_prekeys(key: &PrekeySecret) -> Vec<Value> {
    let with = |first: u16, second: u16| {
        let mut public = key.public().public.to_vec();
        let packed = u32::from(first) | u32::from(second) << 12;
        public[..3].copy_from_slice(&packed.to_le_bytes()[..3]);
        public
    };
    let of = |name: &str, public: Vec<u8>, is_valid: bool| {
        let wire = g::Prekey {
            public: public.clone().into(),
            ..key.public().to_wire()
        };
        assert_eq!(Prekey::from_wire(&wire).is_ok(), is_valid, "{name}");
        json!({ "name": name, "public": hex(public), "valid": is_valid })
    };
    vec![
        of("coefficients of 3,328", with(3_328, 3_328), true),
        of("a coefficient of 3,329", with(3_329, 0), false),
        of("a second coefficient of 4,095", with(0, 4_095), false),
        of("a byte too few", key.public().public[1..].to_vec(), false),
    ]
}

fn card_json(name: &str, identity: &Identity, card: &Card) -> Value {
    let cost = IdCost::CheapForTests;
    let id = identity.person_id(cost);
    let locators = id.locators(NOW.salt_epoch(), cost);
    let (locator, key) = (locators.addresses[0], &locators.record_key);
    let record = CardRecord::seal(card, identity, locator, key, &mut rng(name)).unwrap();
    let mut seal_data = context::CARD_SEAL.as_bytes().to_vec();
    seal_data.extend_from_slice(locator.as_bytes());
    seal_data.extend_from_slice(record.writer.as_bytes());
    json!({
        "name": name,
        "id_with_cheap_cost": id.to_string(),
        "account": hex(identity.account.as_bytes()),
        "delegate_seed": hex(*identity.delegate.seed()),
        "delegation": hex(identity.delegation.encode()),
        "device_seed": hex(*identity.device.seed()),
        "now_ms": NOW.get(),
        "salt_epoch": NOW.salt_epoch().get(),
        "locator": hex(locator.as_bytes()),
        "record_key": hex(key.as_bytes()),
        "sequence": card.sequence,
        "expires_ms": card.expires.get(),
        "terminated": card.terminated,
        "devices": card.devices.iter().map(|device| json!({
            "key": hex(device.certificate.device.as_bytes()),
            "certificate": hex(device.certificate.signature.as_bytes()),
            "prekey": hex(&device.prekey.public[..]),
            "first_contact": hex(device.first_contact.as_bytes()),
        })).collect::<Vec<_>>(),
        "signed_card": hex(card.sign(&identity.delegate)),
        "nonce": hex(bytes::<24>(name)),
        "seal_data": hex(seal_data),
        "writer": hex(record.writer.as_bytes()),
        "record": hex(record.encode()),
        "record_item_id": hex(record.id().as_bytes()),
    })
}

/// Returns a card that breaks a rule, sealed and signed like a good one, with the error of this crate.
fn refused_card(name: &str, identity: &Identity, card: &Card) -> Value {
    let cost = IdCost::CheapForTests;
    let id = identity.person_id(cost);
    let locators = id.locators(NOW.salt_epoch(), cost);
    let (locator, key) = (locators.addresses[0], &locators.record_key);
    let record = CardRecord::seal(card, identity, locator, key, &mut rng(name)).unwrap();
    let error = record.open(&id, key, NOW, cost).unwrap_err().to_string();
    json!({
        "name": name,
        "id_with_cheap_cost": id.to_string(),
        "now_ms": NOW.get(),
        "record_key": hex(key.as_bytes()),
        "record": hex(record.encode()),
        "error": error,
    })
}

pub(super) fn cards() -> Value {
    let alice = person("alice");
    let key = prekey("alice", NOW);
    let one = card(&alice, &key, 7);
    let second = card_device(&second_device(&alice), &prekey("alice second", NOW));
    let with = |devices: Vec<CardDevice>| Card {
        devices,
        ..one.clone()
    };
    let first = one.devices[0].clone();
    let two = with(vec![first.clone(), second]);
    let mut long_lived = first.clone();
    long_lived.prekey.expires = long_lived.prekey.expires.plus(1);
    let end = tombstone(&alice, 8, NOW);
    let end_with_a_device = Card {
        devices: vec![first.clone()],
        ..end.clone()
    };
    json!({
        "about": "SPEC 4: signed cards, sealed and as records",
        "cards": [
            card_json("card", &alice, &one),
            card_json("card with two devices", &alice, &two),
            card_json("tombstone", &alice, &end),
        ],
        "refused": [
            refused_card("no device", &alice, &with(vec![])),
            refused_card("a device twice", &alice, &with(vec![first.clone(), first])),
            refused_card("a tombstone with a device", &alice, &end_with_a_device),
            refused_card("a prekey of more than 30 days", &alice, &with(vec![long_lived])),
        ],
        "padding": padding::records(),
    })
}

fn envelope_json(name: &str, message: &Message, mailbox: &Mailbox) -> Value {
    let (alice, bob, key) = (person("alice"), person("bob"), prekey("bob", NOW));
    let recipient = Recipient {
        account: bob.account,
        device: bob.device.public(),
        prekey: key.public(),
    };
    let times = Lifetime {
        now: NOW,
        expires: EXPIRES,
    };
    let sealed =
        envelope::seal(message, &alice, &recipient, *mailbox, times, &mut rng(name)).unwrap();
    let binding = Binding {
        recipient: recipient.account,
        device: recipient.device,
        address: mailbox.address(),
        epoch: mailbox.epoch,
        expires: EXPIRES,
    };
    let mut info = context::ENVELOPE.as_bytes().to_vec();
    info.extend_from_slice(recipient.account.as_bytes());
    info.extend_from_slice(recipient.device.as_bytes());
    let mut aad = sealed.bytes[..18].to_vec();
    aad.extend_from_slice(mailbox.address().as_bytes());
    json!({
        "name": name,
        "sender_account": hex(alice.account.as_bytes()),
        "sender_delegate_seed": hex(*alice.delegate.seed()),
        "sender_device_seed": hex(*alice.device.seed()),
        "recipient_account": hex(recipient.account.as_bytes()),
        "recipient_device": hex(recipient.device.as_bytes()),
        "prekey_seed": hex(key.seed()),
        "mailbox": mailbox_json(mailbox),
        "now_ms": NOW.get(),
        "expires_ms": EXPIRES.get(),
        "binding": hex(binding.bytes()),
        "message": hex(message.sign(&alice.device, &binding)),
        "info": hex(info),
        "associated_data": hex(aad),
        "encapsulation_randomness": hex(bytes::<64>(name)),
        "envelope": hex(&sealed.bytes),
        "id": hex(sealed.id().as_bytes()),
    })
}

/// Opens the first envelope with one byte changed, and says why it does not open.
fn refused(sealed: &Envelope, name: &str, byte: usize, xor: u8) -> Value {
    let (bob, key) = (person("bob"), prekey("bob", NOW));
    let mut changed = sealed.bytes.to_vec();
    changed[byte] ^= xor;
    let lifetime = Lifetime {
        now: NOW,
        expires: EXPIRES,
    };
    let opened = envelope::open(&changed, &sealed.mailbox, lifetime, &(&bob).into(), [&key]);
    let error = opened.unwrap_err().to_string();
    json!({ "of": "text", "name": name, "byte": byte, "xor": xor, "error": error })
}

/// Returns an envelope that is sealed and signed well around a message that breaks a rule.
fn refused_message(name: &str, message: &Message, mailbox: &Mailbox) -> Value {
    let mut case = envelope_json(name, message, mailbox);
    let bytes = data_encoding::HEXLOWER
        .decode(case["envelope"].as_str().unwrap().as_bytes())
        .unwrap();
    let (bob, key) = (person("bob"), prekey("bob", NOW));
    let lifetime = Lifetime {
        now: NOW,
        expires: EXPIRES,
    };
    let opened = envelope::open(&bytes, mailbox, lifetime, &(&bob).into(), [&key]);
    case["error"] = opened.unwrap_err().to_string().into();
    case
}

pub(super) fn envelopes() -> Value {
    let (alice, bob) = (person("alice"), person("bob"));
    let epoch = NOW.epoch();
    let (account, device) = (bob.account, bob.device.public());
    let grant = Grant::issue(&alice, &account, &device, 1, epoch, 8);
    let ids = vec![
        MessageId::new(bytes("delivered one")),
        MessageId::new(bytes("delivered two")),
    ];
    let read = Vec::new();
    let content = Content::Delivered { ids, read };
    let delivered = Message::new(&alice, MessageId::new(bytes("delivered")), NOW, content)
        .granting(Some(grant.clone()));
    let open = bob.first_contact_mailbox(epoch);
    let key = prekey("bob", NOW);
    let recipient = Recipient {
        account: bob.account,
        device: bob.device.public(),
        prekey: key.public(),
    };
    let times = Lifetime {
        now: NOW,
        expires: EXPIRES,
    };
    let text = text(&alice, "Gr\u{fc}\u{df}e \u{1f600}\0".as_bytes());
    let sealed = envelope::seal(&text, &alice, &recipient, open, times, &mut rng("text")).unwrap();
    let offering = text.clone();
    let offering = offering.offering(vec![Bytes::from_static(b"a key package")]);
    let of = |content| {
        Message::new(
            &alice,
            MessageId::new(bytes("of a conversation")),
            NOW,
            content,
        )
    };
    let welcome = Bytes::from_static(b"a Welcome");
    let invitation = of(Content::Invitation { welcome });
    let lost = of(Content::Lost {
        conversation: bytes("a conversation"),
    });
    let granting = |count| {
        let grant = grant.clone().resized(count);
        text.clone().granting(Some(grant))
    };
    json!({
        "about": "SPEC 6: envelopes with everything that made them",
        "refused_messages": [
            refused_message("a grant of no mailbox", &granting(0), &open),
            refused_message("a grant of 17 mailboxes", &granting(17), &open),
        ],
        "padding": padding::envelopes(),
        "envelopes": [
            envelope_json("text", &text, &open),
            envelope_json("text with a grant", &granting(8), &open),
            envelope_json("delivered with a grant", &delivered, &bob.device_mailbox(epoch, 0)),
            envelope_json("text that offers a key package", &offering, &open),
            envelope_json("invitation", &invitation, &open),
            envelope_json("lost", &lost, &open),
        ],
        "refused": [
            refused(&sealed, "another version", 0, 2),
            refused(&sealed, "another suite", 1, 2),
            refused(&sealed, "an expiry one millisecond off", 9, 1),
            refused(&sealed, "another hint", 10, 1),
            refused(&sealed, "another ML-KEM ciphertext", 18, 1),
            refused(&sealed, "another X25519 key", 1_106, 1),
            refused(&sealed, "another ciphertext", 1_138, 1),
            refused(&sealed, "another tag", 2_047, 1),
        ],
    })
}
