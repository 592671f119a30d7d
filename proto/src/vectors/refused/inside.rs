//! What is inside cards and envelopes.

use bytes::Bytes;
use prost::Message as _;

use super::{Case, binding, blank, decode, numbered};
use crate::{
    fixture::{NOW, card, key, person, prekey, text},
    limits::{CARD_TTL_MS, CLOCK_SKEW_MS},
    wire::generated as g,
};

/// Signs a card, whatever it says.
fn signed(change: impl FnOnce(&mut g::Card)) -> Vec<u8> {
    let alice = person("alice");
    let card = card(&alice, &prekey("alice", NOW), 7);
    let mut wire = g::Card::decode(
        g::SignedCard::decode(card.sign(&alice.delegate))
            .unwrap()
            .card,
    )
    .unwrap();
    change(&mut wire);
    let card = Bytes::from(wire.encode_to_vec());
    let signature = alice.delegate.sign(crate::context::SIGN_CARD, &[&card]);
    let signature = signature.as_bytes().to_vec().into();
    g::SignedCard { card, signature }.encode_to_vec()
}

#[expect(clippy::too_many_lines, reason = "a table")]
pub(super) fn cards() -> Vec<Case> {
    assert!(decode("SignedCard", &signed(|_| {})).is_none());
    let other = |card: &g::Card| {
        let (key, first_contact) = (key("other device"), key("other mailbox"));
        g::Device {
            key: key.public().as_bytes().to_vec().into(),
            first_contact: first_contact.public().as_bytes().to_vec().into(),
            ..card.devices[0].clone()
        }
    };
    let end = NOW.plus(CARD_TTL_MS).get();
    vec![
        ("no version", signed(|card| card.versions.clear())),
        ("version 0", signed(|card| card.versions.push(0))),
        ("a version twice", signed(|card| card.versions.push(1))),
        (
            "17 versions",
            signed(|card| card.versions = (1..=17).collect()),
        ),
        (
            "later versions alone",
            signed(|card| card.versions = vec![2, 3]),
        ),
        ("no device", signed(|card| card.devices.clear())),
        (
            "six devices",
            signed(|card| card.devices = vec![card.devices[0].clone(); 6]),
        ),
        (
            "a device twice",
            signed(|card| card.devices.push(card.devices[0].clone())),
        ),
        (
            "two devices with one mailbox",
            signed(|card| {
                let first_contact = card.devices[0].first_contact.clone();
                let second = g::Device {
                    first_contact,
                    ..other(card)
                };
                card.devices.push(second);
            }),
        ),
        (
            "a device that the account did not certify",
            signed(|card| card.devices.push(other(card))),
        ),
        (
            "a device without a prekey",
            signed(|card| card.devices[0].prekey = None),
        ),
        (
            "a device without a mailbox",
            signed(|card| card.devices[0].first_contact.clear()),
        ),
        ("no handle", signed(|card| card.handle.clear())),
        (
            "a handle in capitals",
            signed(|card| card.handle = "Alice".to_owned()),
        ),
        (
            "an end before its making",
            signed(|card| card.expires_ms = card.issued_ms),
        ),
        (
            "a life of more than 30 days",
            signed(|card| card.expires_ms = end + 1),
        ),
        (
            "a prekey of more than 30 days",
            signed(|card| card.devices[0].prekey.as_mut().unwrap().expires_ms = end + 1),
        ),
        (
            "a prekey made more than 10 minutes after the card",
            signed(|card| {
                card.devices[0].prekey.as_mut().unwrap().issued_ms = NOW.get() + CLOCK_SKEW_MS + 1;
            }),
        ),
        (
            "a tombstone with a device",
            signed(|card| card.terminated = true),
        ),
        (
            "an avatar of 31 bytes",
            signed(|card| card.avatar = blank(31)),
        ),
        ("a card cut short", {
            let mut bytes = signed(|_| {});
            bytes.truncate(bytes.len() - 1);
            bytes
        }),
        ("a signature of another", {
            let mut bytes = signed(|_| {});
            *bytes.last_mut().unwrap() ^= 1;
            bytes
        }),
    ]
}

/// Signs a message, whatever it says.
fn letter(change: impl FnOnce(&mut g::Message)) -> Vec<u8> {
    let alice = person("alice");
    let signed = text(&alice, b"hello").sign(&alice.device, &binding());
    let mut wire = g::Message::decode(&signed[..]).unwrap();
    wire.signature.clear();
    change(&mut wire);
    let parts: [&[u8]; 2] = [&binding().bytes(), &wire.encode_to_vec()];
    let signature = alice.device.sign(crate::context::SIGN_MESSAGE, &parts);
    wire.signature = signature.as_bytes().to_vec().into();
    wire.encode_to_vec()
}

/// Signs a message that says this.
fn saying(kind: u32, what: &impl prost::Message) -> Vec<u8> {
    letter(|message| {
        message.kind = kind;
        message.content = what.encode_to_vec().into();
    })
}

pub(super) fn letters() -> Vec<Case> {
    assert!(decode("Message", &letter(|_| {})).is_none());
    let grant = |count| {
        letter(move |message| {
            let mailbox = g::GrantedMailbox {
                owner: blank(32),
                certificate: blank(64),
            };
            message.grant = Some(g::Grant {
                secret: blank(32),
                first_epoch: 20_601,
                mailboxes: vec![mailbox; count],
            });
        })
    };
    let mut cases = said();
    cases.extend([
        ("a grant of no mailbox", grant(0)),
        ("a grant of 17 mailboxes", grant(17)),
        ("no moment", letter(|message| message.sent_ms = 0)),
        ("no id", letter(|message| message.id.clear())),
        (
            "a phone number for a handle",
            letter(|message| message.handle = "12345".to_owned()),
        ),
        (
            "a device that the account did not certify",
            letter(|message| message.certificate = blank(64)),
        ),
        ("a signature of another", {
            let mut bytes = letter(|_| {});
            *bytes.last_mut().unwrap() ^= 1;
            bytes
        }),
    ]);
    cases
}

/// What messages say that none may say.
fn said() -> Vec<Case> {
    let delivered = |ids: Vec<Bytes>| {
        let read = Vec::new();
        saying(2, &g::Delivered { ids, read })
    };
    let says = |change: fn(&mut g::Text)| {
        let mut text = g::Text::default();
        change(&mut text);
        saying(1, &text)
    };
    let reaction = |author: usize, emoji: &str| {
        let (author, id) = (blank(author), blank(16));
        let to = Some(g::Reference { author, id });
        let emoji = emoji.to_owned();
        saying(4, &g::Reaction { to, emoji })
    };
    let ids = |count| (0..count).map(|number| numbered(number, 16)).collect();
    assert!(decode("Message", &delivered(ids(32))).is_none());
    vec![
        ("nothing said", letter(|message| message.kind = 0)),
        ("a grant said", letter(|message| message.kind = 3)),
        (
            "something else than the kind says",
            letter(|message| message.kind = 2),
        ),
        ("a reaction to nothing", saying(4, &g::Reaction::default())),
        ("a reaction of 41 bytes", reaction(32, &"e".repeat(41))),
        ("a reaction to an author of 31 bytes", reaction(31, "e")),
        ("a recall of none", saying(5, &g::Recall::default())),
        ("a recall of 33", saying(5, &g::Recall { ids: ids(33) })),
        ("an empty invitation", saying(6, &g::Invitation::default())),
        ("lost without a name", saying(7, &g::Lost::default())),
        ("delivered of none", delivered(Vec::new())),
        ("delivered of 33", delivered(ids(33))),
        ("delivered of one twice", delivered(vec![blank(16); 2])),
        ("delivered of 15 bytes", delivered(vec![blank(15)])),
        (
            "a text of 61,441 bytes",
            says(|text| text.body = blank(61_441)),
        ),
        (
            "a file name of 256 bytes",
            says(|text| text.file_name = "n".repeat(256)),
        ),
    ]
}
