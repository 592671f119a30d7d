use bytes::Bytes;
use proptest::prelude::*;
use prost::Message as _;

use super::{Binding, Content, Grant, Message, MessageError, MessageId, Reference, Text};
use crate::{
    Address, ItemId,
    account::Identity,
    fixture::{NOW, bytes, key, person, second_device, text},
    keys::SignatureError,
    limits::{
        BODY_BYTES_MAX, DELIVERED_COUNT_MAX, FILE_NAME_BYTES_MAX, GRANT_EPOCHS_MAX,
        REACTION_BYTES_MAX, RECALLED_COUNT_MAX,
    },
    mailbox::Rule,
    time::Epoch,
    wire::{WireError, generated as g},
};

fn binding() -> Binding {
    Binding {
        recipient: key("bob account").public(),
        device: key("bob device").public(),
        address: Address::new(bytes("address")),
        epoch: Epoch::new(20_601),
        expires: NOW,
    }
}

fn grant(epochs: usize) -> Grant {
    grant_to(&person("alice"), Epoch::new(20_601), epochs)
}

/// Returns what Bob grants one device of a contact.
fn grant_to(contact: &Identity, first: Epoch, epochs: usize) -> Grant {
    let (account, device) = (contact.account, contact.device.public());
    Grant::issue(&person("bob"), &account, &device, 1, first, epochs)
}

fn delivered(count: usize, grant: Option<Grant>) -> Message {
    let ids = (0..count)
        .map(|n| MessageId::new(bytes(&format!("id {n}"))))
        .collect();
    let read = vec![MessageId::new(bytes("read"))];
    let content = Content::Delivered { ids, read };
    Message::new(
        &person("alice"),
        MessageId::new(bytes("message id")),
        NOW,
        content,
    )
    .granting(grant)
}

fn reopen(message: &Message) -> Result<Message, MessageError> {
    Message::open(
        &message.sign(&person("alice").device, &binding()),
        &binding(),
    )
}

#[test]
fn every_kind_of_content_comes_back() {
    let alice = person("alice");
    let to = Reference {
        author: person("bob").account,
        id: MessageId::new([2; 16]),
    };
    let file = Text {
        body: Bytes::from_static(&[0, 255]),
        burn_ms: 30_000,
        file_name: "a name.bin".to_owned(),
        reply_to: Some(to),
        replaces: Some(to.id),
    };
    let of = |content| Message::new(&alice, MessageId::new([0; 16]), NOW, content);
    let reaction = |emoji: &str| {
        let emoji = emoji.to_owned();
        of(Content::Reaction { to, emoji })
    };
    let content = Bytes::from_static(&[0; 9]);
    for message in [
        text(&alice, b""),
        text(&alice, &vec![1; BODY_BYTES_MAX]),
        of(Content::Text(file)),
        reaction("\u{1f44d}"),
        reaction(""),
        of(Content::Recall { ids: vec![to.id] }),
        of(Content::Lost {
            conversation: [1; 16],
        }),
        of(Content::Unknown { kind: 8, content }),
        text(&alice, b"hello").granting(Some(grant(GRANT_EPOCHS_MAX))),
        delivered(1, None),
        delivered(1, Some(grant(1))),
        delivered(DELIVERED_COUNT_MAX, Some(grant(GRANT_EPOCHS_MAX))),
    ] {
        assert_eq!(reopen(&message), Ok(message));
    }
}

#[test]
fn a_flipped_bit_in_a_message_is_refused() {
    let signed = text(&person("alice"), b"hello").sign(&person("alice").device, &binding());
    crate::fixture::each_flip(&signed, |bit, flipped| {
        assert!(Message::open(flipped, &binding()).is_err(), "bit {bit}");
    });
}

/// Opens a wire message that Alice's device signed, whatever it says.
fn open_wire(change: impl FnOnce(&mut g::Message)) -> Result<(), MessageError> {
    let alice = person("alice");
    let mut wire = text(&alice, b"hello").to_wire();
    change(&mut wire);
    let unsigned = wire.encode_to_vec();
    let parts: [&[u8]; 2] = [&binding().bytes(), &unsigned];
    let signature = alice.device.sign(crate::context::SIGN_MESSAGE, &parts);
    wire.signature = signature.as_bytes().to_vec().into();
    Message::open(&wire.encode_to_vec(), &binding()).map(drop)
}

fn says(message: &mut g::Message, kind: u32, what: &impl prost::Message) {
    message.kind = kind;
    message.content = what.encode_to_vec().into();
}

fn says_text(message: &mut g::Message, change: impl FnOnce(&mut g::Text)) {
    let mut text = g::Text::decode(message.content.clone()).unwrap();
    change(&mut text);
    says(message, 1, &text);
}

fn says_delivered<const N: usize>(message: &mut g::Message, ids: &[[u8; N]], read: &[[u8; N]]) {
    let bytes = |ids: &[[u8; N]]| ids.iter().map(|id| Bytes::copy_from_slice(id)).collect();
    let (ids, read) = (bytes(ids), bytes(read));
    says(message, 2, &g::Delivered { ids, read });
}

fn says_reaction(message: &mut g::Message, emoji: String, author: &'static [u8]) {
    let to = Some(g::Reference {
        author: Bytes::from_static(author),
        id: Bytes::from_static(&[1; 16]),
    });
    says(message, 4, &g::Reaction { to, emoji });
}

fn says_recall(message: &mut g::Message, count: usize) {
    let id = |number: usize| Bytes::copy_from_slice(&[u8::try_from(number).unwrap(); 16]);
    let ids = (0..count).map(id).collect();
    says(message, 5, &g::Recall { ids });
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn messages_that_are_signed_well_and_say_nonsense_are_refused() {
    type Change = fn(&mut g::Message);
    let cases: [(Change, WireError); 25] = [
        (|m| m.kind = 0, WireError::Missing("kind")),
        // A grant goes beside what is said.
        (|m| m.kind = 3, WireError::Missing("kind")),
        (
            |m| {
                m.grant = Some(g::Grant {
                    secret: Bytes::from_static(&[1; 31]),
                    first_epoch: 1,
                    mailboxes: vec![g::GrantedMailbox::default()],
                });
            },
            WireError::Length("secret"),
        ),
        (
            |m| says_text(m, |text| text.body = vec![0; BODY_BYTES_MAX + 1].into()),
            WireError::Length("body"),
        ),
        (
            |m| {
                says_text(m, |text| {
                    text.file_name = "n".repeat(FILE_NAME_BYTES_MAX + 1)
                })
            },
            WireError::Length("file_name"),
        ),
        (
            |m| says_text(m, |text| text.replaces = Bytes::from_static(&[1; 15])),
            WireError::Length("replaces"),
        ),
        (
            |m| says_text(m, |text| text.reply_to = Some(g::Reference::default())),
            WireError::Length("author"),
        ),
        (
            |m| says_delivered(m, &[[1; 16]; DELIVERED_COUNT_MAX + 1], &[]),
            WireError::TooMany("ids"),
        ),
        (
            |m| says_delivered(m, &[], &[[1; 16]; DELIVERED_COUNT_MAX + 1]),
            WireError::TooMany("read"),
        ),
        (
            |m| says_delivered(m, &[[1; 15]], &[]),
            WireError::Length("ids"),
        ),
        (
            |m| says_delivered::<16>(m, &[], &[]),
            WireError::Length("ids"),
        ),
        (
            |m| says_delivered(m, &[[1; 16]; 2], &[]),
            WireError::Repeated("ids"),
        ),
        (
            |m| says_delivered(m, &[], &[[1; 16]; 2]),
            WireError::Repeated("read"),
        ),
        (
            |m| says(m, 4, &g::Reaction::default()),
            WireError::Missing("to"),
        ),
        (
            |m| says_reaction(m, "e".repeat(REACTION_BYTES_MAX + 1), &[1; 32]),
            WireError::Length("emoji"),
        ),
        (
            |m| says_reaction(m, "e".to_owned(), &[1; 31]),
            WireError::Length("author"),
        ),
        (|m| says_recall(m, 0), WireError::Missing("ids")),
        (
            |m| says_recall(m, RECALLED_COUNT_MAX + 1),
            WireError::TooMany("ids"),
        ),
        (
            |m| says(m, 6, &g::Invitation::default()),
            WireError::Length("welcome"),
        ),
        (
            |m| says(m, 7, &g::Lost::default()),
            WireError::Length("conversation"),
        ),
        (
            |m| {
                let secret = Bytes::from_static(&[1; 32]);
                let mailboxes = vec![g::GrantedMailbox::default(); GRANT_EPOCHS_MAX + 1];
                m.grant = Some(g::Grant {
                    secret,
                    first_epoch: 1,
                    mailboxes,
                });
            },
            WireError::TooMany("mailboxes"),
        ),
        (
            |m| {
                m.grant = Some(g::Grant {
                    secret: Bytes::from_static(&[1; 32]),
                    first_epoch: 1,
                    mailboxes: Vec::new(),
                });
            },
            WireError::Missing("mailboxes"),
        ),
        (
            |m| m.handle = "4915112345678".to_owned(),
            WireError::Missing("handle"),
        ),
        (|m| m.sent_ms = 0, WireError::Missing("sent_ms")),
        (|m| m.id = Bytes::new(), WireError::Length("id")),
    ];
    for (change, expected) in cases {
        assert_eq!(open_wire(change), Err(MessageError::Wire(expected)));
    }
    assert_eq!(open_wire(|_| {}), Ok(()));
}

#[test]
fn a_message_without_a_signature_is_refused() {
    let no_signature = text(&person("alice"), b"hello").to_wire().encode_to_vec();
    let error = MessageError::Wire(WireError::Length("signature"));
    assert_eq!(Message::open(&no_signature, &binding()), Err(error));
}

#[test]
fn a_grant_opens_the_mailboxes_of_its_epochs_and_no_others() {
    let bob = person("bob");
    let grant = grant(3);
    assert_eq!(grant.last_epoch(), Epoch::new(20_603));
    for epoch in 20_601..=20_603 {
        let epoch = Epoch::new(epoch);
        let (mailbox, capability) = grant.mailbox(epoch).unwrap();
        assert_eq!(mailbox, bob.device_mailbox(epoch, 1));
        assert_eq!(mailbox.rule, Rule::Capability);
        let item = ItemId::new([1; 32]);
        let proof = capability.prove(&mailbox.address(), &item, NOW);
        assert_eq!(proof.verify(&mailbox, &item, NOW), Ok(()));
        let next = bob.device_mailbox(epoch.plus(1), 1);
        assert_eq!(proof.verify(&next, &item, NOW), Err(SignatureError));
    }
    assert!(grant.mailbox(Epoch::new(20_600)).is_none());
    assert!(grant.mailbox(Epoch::new(20_604)).is_none());
}

#[test]
fn a_device_of_a_contact_shows_another_key_in_every_epoch_and_two_devices_never_the_same() {
    let mut holders = Vec::new();
    let (alice, carol) = (person("alice"), person("carol"));
    // One device key under two accounts is two contacts all the same.
    let alice_as_carol = Identity {
        device: alice.device.clone(),
        ..carol.clone()
    };
    for contact in [&alice, &second_device(&alice), &carol, &alice_as_carol] {
        let grant = grant_to(contact, Epoch::new(20_601), 3);
        for epoch in 20_601..=20_603 {
            let (_, capability) = grant.mailbox(Epoch::new(epoch)).unwrap();
            holders.push(capability.holder.public());
        }
    }
    for (place, holder) in holders.iter().enumerate() {
        assert!(!holders[..place].contains(holder));
    }
}

#[test]
fn a_grant_covers_no_more_epochs_than_it_may() {
    let grant = grant(GRANT_EPOCHS_MAX + 5);
    assert_eq!(grant.last_epoch(), Epoch::new(20_601 + 15));
    assert_eq!(Grant::decode(&grant.encode()), Ok(grant.clone()));
    let encode = |count| grant.clone().resized(count).encode();
    assert!(Grant::decode(&encode(1)).is_ok());
    assert_eq!(
        Grant::decode(&encode(0)),
        Err(WireError::Missing("mailboxes"))
    );
    assert_eq!(
        Grant::decode(&encode(GRANT_EPOCHS_MAX + 1)),
        Err(WireError::TooMany("mailboxes"))
    );
}

/// Returns a grant from `first` to `last`.
fn spanning(first: u32, last: u32) -> Grant {
    let epochs = usize::try_from(last - first + 1).unwrap();
    grant_to(&person("alice"), Epoch::new(first), epochs)
}

#[test]
fn a_grant_that_covers_today_comes_first_and_then_the_one_that_lasts_longer() {
    let today = Epoch::new(100);
    let check = |new: (u32, u32), held: Option<(u32, u32)>, expected: bool| {
        let held_grant = held.map(|(first, last)| spanning(first, last));
        let replaces = spanning(new.0, new.1).replaces(held_grant.as_ref(), today);
        assert_eq!(replaces, expected, "{new:?} for {held:?}");
    };
    // Nothing held: all but what begins after tomorrow.
    check((90, 95), None, true);
    check((100, 110), None, true);
    check((101, 110), None, true);
    check((102, 110), None, false);
    // Both cover today, or neither does: the later last epoch.
    check((100, 111), Some((95, 110)), true);
    check((95, 110), Some((100, 111)), false);
    check((95, 110), Some((95, 110)), false);
    check((100, 110), Some((95, 110)), true);
    check((90, 96), Some((90, 95)), true);
    check((90, 95), Some((90, 96)), false);
    check((101, 116), Some((90, 99)), true);
    // One covers today: it stays, or comes.
    check((101, 116), Some((100, 100)), false);
    check((90, 99), Some((100, 100)), false);
    check((100, 100), Some((101, 116)), true);
    check((100, 100), Some((90, 99)), true);
    check((102, 117), Some((90, 99)), false);
}

#[test]
fn contents_and_grants_do_not_print_what_they_hold() {
    let message = text(&person("alice"), b"planted-text");
    let printed = format!("{message:?} {:?}", delivered(1, Some(grant(2))));
    assert!(
        printed.contains("Text(..)") && printed.contains("Delivered(..)"),
        "{printed}"
    );
    assert!(!printed.contains("planted"), "{printed}");
    assert_eq!(format!("{:?}", grant(2)), "Grant(2 epochs)");
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(junk in prop::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(Message::open(&junk, &binding()).is_err());
        if let Ok(grant) = Grant::decode(&junk) {
            prop_assert_eq!(grant.encode(), junk);
        }
    }
}

#[test]
fn a_grant_with_a_certificate_for_another_holder_is_not_valid() {
    assert!(grant(3).is_valid());
    let mut forged = grant(3);
    forged.secret[0] ^= 1;
    assert!(!forged.is_valid());
    let mut moved = grant(3);
    moved.first_epoch = moved.first_epoch.plus(1);
    assert!(!moved.is_valid());
}
