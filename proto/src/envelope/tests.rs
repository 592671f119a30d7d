use bytes::Bytes;
use hpke::{
    Deserializable as _, Kem, OpModeS, Serializable as _, aead::ChaCha20Poly1305, kdf::HkdfSha256,
    kem::XWing,
};
use proptest::prelude::*;

use super::{
    Envelope, Lifetime, OVERHEAD_BYTES, OpenError, OpenerIdentity, Recipient, SUITE, SealError,
    VERSION, associated_data, expires_of, info, open, pad, seal, unpad, with_grant,
};
use crate::{
    account::{DeviceCertificate, Identity},
    fixture::{NOW, noise_envelope, person, prekey, rng, sealed, text},
    keys::SignatureError,
    limits::{
        BODY_BYTES_MAX, CLOCK_SKEW_MS, DAY_MS, ENVELOPE_BYTES, ENVELOPE_BYTES_MAX,
        GRANT_EPOCHS_MAX, MESSAGE_TTL_MAX_MS,
    },
    mailbox::Mailbox,
    message::{Binding, Content, Grant, Message, MessageError, Reference},
    prekey::PrekeySecret,
    time::UnixMillis,
};

const EXPIRES: UnixMillis = NOW.plus(6 * DAY_MS);
const LIFETIME: Lifetime = Lifetime {
    now: NOW,
    expires: EXPIRES,
};

fn to_bob() -> Mailbox {
    person("bob").first_contact_mailbox(NOW.epoch())
}

fn bob_key() -> PrekeySecret {
    prekey("bob", NOW)
}

fn from_alice(body: &[u8]) -> Envelope {
    sealed(&person("alice"), &person("bob"), &bob_key(), to_bob(), body)
}

fn open_as(identity: &OpenerIdentity, bytes: &[u8], mailbox: &Mailbox) -> Result<(), OpenError> {
    open(bytes, mailbox, LIFETIME, identity, [&bob_key()]).map(drop)
}

fn open_by_bob(bytes: &[u8]) -> Result<Bytes, OpenError> {
    let keys = [prekey("older", NOW), bob_key()];
    let opened = open(bytes, &to_bob(), LIFETIME, &(&person("bob")).into(), &keys)?;
    match opened.into_message().content {
        Content::Text(text) => Ok(text.body),
        _ => panic!("a text was sent"),
    }
}

#[test]
fn a_sealed_message_opens_with_all_it_said() {
    let envelope = from_alice("Gr\u{fc}\u{df}e \u{1f600}".as_bytes());
    assert_eq!(expires_of(&envelope.bytes), Some(EXPIRES));
    let keys = [bob_key()];
    let opened = open(
        &envelope.bytes,
        &to_bob(),
        LIFETIME,
        &(&person("bob")).into(),
        &keys,
    )
    .unwrap();
    assert_eq!(
        *opened.message(),
        text(&person("alice"), "Gr\u{fc}\u{df}e \u{1f600}".as_bytes())
    );
    assert_eq!(opened.expires(), EXPIRES);
}

#[test]
fn a_text_of_500_bytes_with_the_longest_handle_fits_the_smallest_envelope() {
    let mut alice = person("alice");
    alice.handle = "z".repeat(32).parse().unwrap();
    let size = |length: usize| {
        let body = vec![b'x'; length];
        sealed(&alice, &person("bob"), &bob_key(), to_bob(), &body)
            .bytes
            .len()
    };
    assert_eq!(size(500), 2_048);
    // SPEC 6.2 says this number.
    let largest = (500..700).rfind(|length| size(*length) == 2_048);
    assert_eq!(largest, Some(519));
}

#[test]
fn a_grant_goes_with_a_text_unless_one_of_the_larger_envelopes_were_needed_for_it() {
    let mut alice = person("alice");
    alice.handle = "z".repeat(32).parse().unwrap();
    let bob = person("bob");
    let (account, device) = (bob.account, bob.device.public());
    let grant = Grant::issue(&alice, &account, &device, 0, NOW.epoch(), GRANT_EPOCHS_MAX);
    let goes = |length: usize| {
        let message = with_grant(text(&alice, &vec![b'x'; length]), grant.clone());
        message.grant.is_some()
    };
    // What an envelope has room for beside the longest handle, with a grant and without.
    let (last, first) = (4_990, 6_664);
    assert!(goes(0) && goes(last) && !goes(last + 1));
    assert!(!goes(first - 1) && goes(first));
    // The same of the next two sizes.
    assert!(goes(29_000) && !goes(31_000) && goes(BODY_BYTES_MAX));
}

#[test]
fn the_largest_body_with_a_file_name_fits_the_largest_envelope() {
    let mut alice = person("alice");
    alice.handle = "z".repeat(32).parse().unwrap();
    let mut message = text(&alice, &vec![7; BODY_BYTES_MAX]);
    let Content::Text(said) = &mut message.content else {
        panic!()
    };
    said.burn_ms = u64::MAX;
    said.file_name = "n".repeat(255);
    said.replaces = Some(message.id);
    said.reply_to = Some(Reference {
        author: alice.account,
        id: message.id,
    });
    let bob = person("bob");
    let key = bob_key();
    let recipient = Recipient {
        account: bob.account,
        device: bob.device.public(),
        prekey: key.public(),
    };
    let envelope = seal(
        &message,
        &alice,
        &recipient,
        to_bob(),
        LIFETIME,
        &mut rng("seal"),
    );
    let envelope = envelope.unwrap();
    assert_eq!(envelope.bytes.len(), ENVELOPE_BYTES_MAX);
    let opened = open(&envelope.bytes, &to_bob(), LIFETIME, &(&bob).into(), [&key]).unwrap();
    assert_eq!(opened.into_message(), message);
}

#[test]
fn a_flipped_bit_in_any_byte_is_refused() {
    let bytes = from_alice(b"hello").bytes.to_vec();
    let mut flipped = bytes.clone();
    for byte in 0..bytes.len() {
        // The head is short and every bit of it is looked at.
        let bits = if byte < 18 {
            0..8
        } else {
            byte % 8..byte % 8 + 1
        };
        for bit in bits {
            flipped[byte] ^= 1 << bit;
            let error = open_by_bob(&flipped).unwrap_err();
            let expected = match byte {
                0 | 1 => matches!(error, OpenError::Version(..)),
                2..10 => error == OpenError::OtherExpiry,
                10..18 => error == OpenError::NoPrekey,
                _ => error == OpenError::Sealed,
            };
            assert!(expected, "byte {byte} bit {bit}: {error:?}");
            flipped[byte] ^= 1 << bit;
        }
    }
}

#[test]
fn an_envelope_opens_at_its_own_mailbox_alone() {
    let envelope = from_alice(b"hello");
    let bob = OpenerIdentity::from(&person("bob"));
    assert_eq!(open_as(&bob, &envelope.bytes, &to_bob()), Ok(()));
    let other_epoch = Mailbox {
        epoch: to_bob().epoch.plus(1),
        ..to_bob()
    };
    let other_owner = person("carol").first_contact_mailbox(NOW.epoch());
    for other in [other_epoch, other_owner] {
        // The hint does not fit; who puts the fitting one there breaks the seal.
        assert_eq!(
            open_as(&bob, &envelope.bytes, &other),
            Err(OpenError::NoPrekey)
        );
        let mut moved = envelope.bytes.to_vec();
        moved[10..18].copy_from_slice(&bob_key().public().hint(&other.address()));
        assert_eq!(open_as(&bob, &moved, &other), Err(OpenError::Sealed));
    }
}

#[test]
fn an_envelope_opens_with_its_own_expiry_alone() {
    let envelope = from_alice(b"hello");
    let bob = OpenerIdentity::from(&person("bob"));
    let claim = |expires| {
        let lifetime = Lifetime { now: NOW, expires };
        open(&envelope.bytes, &to_bob(), lifetime, &bob, [&bob_key()]).map(drop)
    };
    assert_eq!(claim(EXPIRES), Ok(()));
    assert_eq!(claim(EXPIRES.plus(1)), Err(OpenError::OtherExpiry));
    let later = EXPIRES.plus(1);
    let mut changed = envelope.bytes.to_vec();
    changed[2..10].copy_from_slice(&later.get().to_be_bytes());
    let lifetime = Lifetime {
        now: NOW,
        expires: later,
    };
    let opened = open(&changed, &to_bob(), lifetime, &bob, [&bob_key()]);
    assert_eq!(opened.map(drop), Err(OpenError::Sealed));
}

#[test]
fn an_envelope_opens_for_its_own_recipient_alone() {
    let envelope = from_alice(b"hello");
    let bob = OpenerIdentity::from(&person("bob"));
    let carol = OpenerIdentity::from(&person("carol"));
    for other in [
        OpenerIdentity {
            account: carol.account,
            ..bob
        },
        OpenerIdentity {
            device: carol.device,
            ..bob
        },
    ] {
        assert_eq!(
            open_as(&other, &envelope.bytes, &to_bob()),
            Err(OpenError::Sealed)
        );
    }
    let no_key = open(
        &envelope.bytes,
        &to_bob(),
        LIFETIME,
        &bob,
        [&prekey("older", NOW)],
    );
    assert_eq!(no_key.map(drop), Err(OpenError::NoPrekey));
}

#[test]
fn an_expired_envelope_does_not_open() {
    let envelope = from_alice(b"hello");
    let bob = OpenerIdentity::from(&person("bob"));
    let open_at = |now| {
        let lifetime = Lifetime {
            now,
            expires: EXPIRES,
        };
        open(&envelope.bytes, &to_bob(), lifetime, &bob, [&bob_key()]).map(drop)
    };
    assert_eq!(open_at(EXPIRES.minus(1)), Ok(()));
    assert_eq!(open_at(EXPIRES), Err(OpenError::Expired));
    let earliest = EXPIRES.minus(MESSAGE_TTL_MAX_MS + CLOCK_SKEW_MS);
    assert_eq!(open_at(earliest), Ok(()));
    assert_eq!(open_at(earliest.minus(1)), Err(OpenError::Expired));
}

#[test]
fn what_cannot_be_delivered_is_not_sealed() {
    let (alice, bob, key) = (person("alice"), person("bob"), bob_key());
    let seal_at = |now, expires, body: &[u8]| {
        let recipient = Recipient {
            account: bob.account,
            device: bob.device.public(),
            prekey: key.public(),
        };
        let lifetime = Lifetime { now, expires };
        let message = text(&alice, body);
        seal(
            &message,
            &alice,
            &recipient,
            to_bob(),
            lifetime,
            &mut rng("seal"),
        )
        .map(drop)
    };
    assert_eq!(seal_at(NOW, NOW.plus(1), b""), Ok(()));
    assert_eq!(seal_at(NOW, NOW, b""), Err(SealError::Lifetime));
    assert_eq!(seal_at(NOW, NOW.plus(MESSAGE_TTL_MAX_MS), b""), Ok(()));
    assert_eq!(
        seal_at(NOW, NOW.plus(MESSAGE_TTL_MAX_MS + 1), b""),
        Err(SealError::Lifetime)
    );
    let last = key.public().expires;
    assert_eq!(seal_at(last.minus(1), last.plus(1), b""), Ok(()));
    assert_eq!(
        seal_at(last, last.plus(1), b""),
        Err(SealError::PrekeyExpired)
    );
    let limit = ENVELOPE_BYTES_MAX - OVERHEAD_BYTES;
    let error = seal_at(NOW, EXPIRES, &[0; 65_536]).unwrap_err();
    assert!(matches!(error, SealError::TooLong { got, limit: l } if got > limit && l == limit));
}

#[test]
fn messages_are_padded_to_the_smallest_of_four_sizes() {
    let mut last = 0;
    for (place, size) in ENVELOPE_BYTES.into_iter().enumerate() {
        let room = size - OVERHEAD_BYTES;
        for length in [last, last + 1, room - 1, room] {
            let message = vec![9; length];
            let plain = pad(&message, OVERHEAD_BYTES - 4).unwrap();
            let expected = if length == last {
                ENVELOPE_BYTES[place.max(1) - 1]
            } else {
                size
            };
            assert_eq!(plain.len() + OVERHEAD_BYTES - 4, expected, "{length}");
            assert_eq!(unpad(&plain), Ok(&message[..]));
        }
        last = room;
    }
    assert!(pad(&vec![0; last + 1], OVERHEAD_BYTES - 4).is_err());
}

/// Seals any plaintext as an attacker with Bob's card would.
fn seal_raw(plain: &[u8], to: &Identity, key: &PrekeySecret, mailbox: &Mailbox) -> Vec<u8> {
    let public = <XWing as Kem>::PublicKey::from_bytes(&*key.public().public).unwrap();
    let (encapsulated, mut sealer) =
        hpke::setup_sender_with_rng::<ChaCha20Poly1305, HkdfSha256, XWing>(
            &OpModeS::Base,
            &public,
            &info(&to.account, &to.device.public()),
            &mut rng("raw"),
        )
        .unwrap();
    let mut bytes = vec![VERSION, SUITE];
    bytes.extend_from_slice(&EXPIRES.get().to_be_bytes());
    bytes.extend_from_slice(&key.public().hint(&mailbox.address()));
    let data = associated_data(&bytes, &mailbox.address());
    bytes.extend_from_slice(&encapsulated.to_bytes());
    bytes.extend_from_slice(&sealer.seal(plain, &data).unwrap());
    bytes
}

fn binding(to: &Identity, mailbox: &Mailbox, expires: UnixMillis) -> Binding {
    Binding {
        recipient: to.account,
        device: to.device.public(),
        address: mailbox.address(),
        epoch: mailbox.epoch,
        expires,
    }
}

#[test]
fn a_message_sealed_again_for_somebody_else_is_not_the_senders() {
    let (alice, bob, carol) = (person("alice"), person("bob"), person("carol"));
    let carols = carol.first_contact_mailbox(NOW.epoch());
    let message = text(&alice, b"hello Bob");
    let check = |binding: &Binding, expected: Result<(), OpenError>| {
        let plain = pad(&message.sign(&alice.device, binding), OVERHEAD_BYTES - 4).unwrap();
        let key = prekey("carol", NOW);
        let envelope = seal_raw(&plain, &carol, &key, &carols);
        let opened = open(&envelope, &carols, LIFETIME, &(&carol).into(), [&key]);
        assert_eq!(opened.map(drop), expected);
    };
    let not_hers = Err(OpenError::Message(MessageError::Signature(SignatureError)));
    let right = binding(&carol, &carols, EXPIRES);
    check(&right, Ok(()));
    check(&binding(&bob, &to_bob(), EXPIRES), not_hers);
    for wrong in [
        Binding {
            recipient: bob.account,
            ..right
        },
        Binding {
            device: bob.device.public(),
            ..right
        },
        Binding {
            address: to_bob().address(),
            ..right
        },
        Binding {
            epoch: right.epoch.plus(1),
            ..right
        },
        Binding {
            expires: EXPIRES.plus(1),
            ..right
        },
    ] {
        check(&wrong, not_hers);
    }
}

#[test]
fn nobody_writes_in_anothers_name() {
    let (alice, bob, mallory) = (person("alice"), person("bob"), person("mallory"));
    let bound = binding(&bob, &to_bob(), EXPIRES);
    let forge = |message: &Message| {
        let plain = pad(&message.sign(&mallory.device, &bound), OVERHEAD_BYTES - 4).unwrap();
        open_by_bob(&seal_raw(&plain, &bob, &bob_key(), &to_bob()))
    };
    let refused = Err(OpenError::Message(MessageError::Signature(SignatureError)));
    // Alice's certificate with a signature that her device did not make.
    assert_eq!(forge(&text(&alice, b"give")), refused);
    // Mallory's device with a certificate that Alice did not make.
    let device = mallory.device.public();
    let stolen = DeviceCertificate {
        device,
        ..alice.certificate()
    };
    assert_eq!(
        forge(&Message {
            certificate: stolen,
            ..text(&alice, b"give")
        }),
        refused
    );
    let own = mallory.certificate();
    let under_hers = DeviceCertificate {
        delegation: alice.delegation,
        ..own
    };
    for certificate in [own, under_hers] {
        assert_eq!(
            forge(&Message {
                certificate,
                ..text(&alice, b"give")
            }),
            refused
        );
    }
    // In his own name he may.
    assert_eq!(
        forge(&text(&mallory, b"give")),
        Ok(Bytes::from_static(b"give"))
    );
}

#[test]
fn wrong_padding_is_refused_although_it_is_sealed_well() {
    let bob = person("bob");
    let good = text(&person("alice"), b"hello")
        .sign(&person("alice").device, &binding(&bob, &to_bob(), EXPIRES));
    let check = |change: fn(&mut Vec<u8>), expected: Result<(), OpenError>| {
        let mut plain = pad(&good, OVERHEAD_BYTES - 4).unwrap().to_vec();
        change(&mut plain);
        let envelope = seal_raw(&plain, &bob, &bob_key(), &to_bob());
        assert_eq!(open_by_bob(&envelope).map(drop), expected);
    };
    check(|_| {}, Ok(()));
    check(
        |plain| *plain.last_mut().unwrap() = 1,
        Err(OpenError::Padding),
    );
    check(|plain| plain[0] = 255, Err(OpenError::Padding));
    check(
        |plain| plain[..4].copy_from_slice(&u32::MAX.to_be_bytes()),
        Err(OpenError::Padding),
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_body_comes_back(body in prop::collection::vec(any::<u8>(), 0..10_000)) {
        let envelope = from_alice(&body);
        prop_assert!(ENVELOPE_BYTES.contains(&envelope.bytes.len()));
        prop_assert_eq!(open_by_bob(&envelope.bytes).unwrap(), body);
    }

    #[test]
    fn arbitrary_bytes_never_panic(
        junk in prop::collection::vec(any::<u8>(), 0..3_000),
        size in 0_usize..3,
        seed: u64,
    ) {
        prop_assert!(open_by_bob(&junk).is_err());
        let noise = noise_envelope(&format!("{seed}"), ENVELOPE_BYTES[size], EXPIRES);
        prop_assert_eq!(open_by_bob(&noise), Err(OpenError::NoPrekey));
        let mut hinted = noise.to_vec();
        let hint = bob_key().public().hint(&to_bob().address());
        hinted[10..18].copy_from_slice(&hint);
        prop_assert_eq!(open_by_bob(&hinted), Err(OpenError::Sealed));
    }
}

#[test]
fn what_was_opened_does_not_print_its_text() {
    let envelope = from_alice(b"planted-text");
    let keys = [bob_key()];
    let opened = open(
        &envelope.bytes,
        &to_bob(),
        LIFETIME,
        &(&person("bob")).into(),
        &keys,
    )
    .unwrap();
    let printed = format!("{opened:?}");
    assert!(
        printed.contains("Text(..)") && !printed.contains("planted"),
        "{printed}"
    );
    assert!(!printed.contains("112, 108, 97"), "{printed}");
}
