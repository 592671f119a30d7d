use bytes::Bytes;
use chacha20poly1305::{
    KeyInit as _, XChaCha20Poly1305,
    aead::{Aead as _, Payload},
};
use proptest::prelude::*;
use prost::Message as _;

use super::{
    Card, CardError, CardRecord, Known, PLAIN_BYTES, PROTOCOL_VERSION, RecordKind, choose,
    fault_of, seal_data,
};
use crate::{
    Address,
    account::{DeviceCertificate, Identity},
    context,
    fixture::{NOW, account_key, bytes, card, card_device, key, person, prekey, rng, tombstone},
    keys::{SecretKey, Signature, SignatureError},
    limits::{CARD_TTL_MS, CLOCK_SKEW_MS, DAY_MS, DEVICES_MAX, SEALED_CARD_BYTES, VERSIONS_MAX},
    person::{IdCost, Locators, PersonId},
    wire::{WireError, generated as g},
};

const CHEAP: IdCost = IdCost::CheapForTests;
const NOBODY: Known<'static> = Known {
    account: None,
    delegation: None,
    sequence: None,
};

/// Alice with everything a reader of her ID can compute.
struct Alice {
    identity: Identity,
    id: PersonId,
    locators: Locators,
}

fn alice() -> Alice {
    let identity = person("alice");
    let id = identity.person_id(CHEAP);
    let locators = id.locators(NOW.salt_epoch(), CHEAP);
    Alice {
        identity,
        id,
        locators,
    }
}

impl Alice {
    fn record(&self, card: &Card, at: usize) -> CardRecord {
        self.record_by(card, &self.identity, at)
    }

    /// Seals a card as another person would who knows this ID.
    fn record_by(&self, card: &Card, identity: &Identity, at: usize) -> CardRecord {
        let (locator, key) = (self.locators.addresses[at], &self.locators.record_key);
        CardRecord::seal(card, identity, locator, key, &mut rng("record")).unwrap()
    }

    fn card(&self, sequence: u64) -> Card {
        card(&self.identity, &prekey("alice", NOW), sequence)
    }

    /// Seals any signed bytes under any length, and signs the record properly.
    fn record_of(&self, signed: &[u8], length: u32, like: &Card) -> CardRecord {
        let locator = self.locators.addresses[0];
        let writer = self.identity.writer(&locator);
        let mut plain = length.to_be_bytes().to_vec();
        plain.extend_from_slice(signed);
        plain.resize(PLAIN_BYTES, 0);
        let data = seal_data(&locator, &writer.public());
        let cipher = XChaCha20Poly1305::new(self.locators.record_key.as_bytes().into());
        let nonce = bytes::<24>("nonce");
        let payload = Payload {
            msg: &plain,
            aad: &data,
        };
        let mut sealed = nonce.to_vec();
        sealed.extend_from_slice(&cipher.encrypt((&nonce).into(), payload).unwrap());
        let mut record = self.record(like, 0);
        record.sealed = sealed.into();
        sign(record, &writer)
    }

    fn open(&self, record: &CardRecord) -> Result<Card, CardError> {
        let opened = record.open(&self.id, &self.locators.record_key, NOW, CHEAP);
        opened.map(|card| card.card().clone())
    }

    fn choose(&self, records: &[CardRecord], known: Known<'_>) -> Option<Card> {
        let chosen = choose(
            records,
            &self.id,
            &self.locators.record_key,
            NOW,
            known,
            CHEAP,
        );
        chosen.map(|card| card.card().clone())
    }
}

fn sign(mut record: CardRecord, writer: &SecretKey) -> CardRecord {
    record.writer = writer.public();
    record.signature = writer.sign(context::SIGN_RECORD, &[&record.signed_part()]);
    record
}

#[test]
fn a_card_opens_under_its_id() {
    let alice = alice();
    let card = alice.card(7);
    for at in 0..4 {
        let record = alice.record(&card, at);
        assert_eq!(record.sealed.len(), SEALED_CARD_BYTES);
        assert_eq!(alice.open(&record), Ok(card.clone()));
        assert_eq!(CardRecord::decode(&record.encode()), Ok(record));
    }
}

/// Returns the card of an account with so many devices, as large as it can be.
fn card_of_devices(identity: &Identity, count: usize) -> Card {
    let prekey = prekey("alice", NOW);
    let device = |number| Identity {
        device: key(&format!("device {number}")),
        ..identity.clone()
    };
    Card {
        avatar: Some(Address::new([9; 32])),
        devices: (0..count)
            .map(|number| card_device(&device(number), &prekey))
            .collect(),
        ..card(identity, &prekey, u64::MAX)
    }
}

#[test]
fn the_most_devices_with_the_longest_handle_and_the_most_versions_fit() {
    let mut identity = person("alice");
    identity.handle = "z".repeat(32).parse().unwrap();
    let card = card_of_devices(&identity, DEVICES_MAX);
    let versions: u32 = VERSIONS_MAX.try_into().unwrap();
    let mut wire = card.to_wire();
    wire.versions = (u32::MAX - versions + 2..=u32::MAX)
        .chain([PROTOCOL_VERSION])
        .collect();
    let signed = sign_wire(&wire, &identity.delegate);
    assert!(signed.len() <= PLAIN_BYTES - 4);
    assert_eq!(Card::open(&signed), Ok(card));
}

#[test]
fn counts_below_and_above_their_bounds_and_repetitions_are_refused() {
    let alice = alice();
    let good = card_of_devices(&alice.identity, 2).to_wire();
    let most = card_of_devices(&alice.identity, DEVICES_MAX + 1).to_wire();
    let check = |change: &dyn Fn(&mut g::Card), expected: Result<(), WireError>| {
        let mut wire = good.clone();
        change(&mut wire);
        assert_eq!(Card::from_wire(&wire).map(drop), expected);
    };
    check(&|_| {}, Ok(()));
    check(
        &|card| card.devices.clear(),
        Err(WireError::Missing("devices")),
    );
    check(
        &|card| card.devices.clone_from(&most.devices),
        Err(WireError::TooMany("devices")),
    );
    check(
        &|card| card.devices[1].key = card.devices[0].key.clone(),
        Err(WireError::Repeated("devices")),
    );
    check(
        &|card| card.terminated = true,
        Err(WireError::TooMany("devices")),
    );
    check(
        &|card| {
            card.terminated = true;
            card.devices.clear();
        },
        Ok(()),
    );
    check(
        &|card| card.versions.clear(),
        Err(WireError::Missing("versions")),
    );
    check(
        &|card| card.versions.push(PROTOCOL_VERSION),
        Err(WireError::Repeated("versions")),
    );
    check(&|card| card.versions.extend(2..=16), Ok(()));
    check(
        &|card| card.versions.extend(2..=17),
        Err(WireError::TooMany("versions")),
    );
    check(
        &|card| card.devices[0].first_contact = Bytes::new(),
        Err(WireError::Length("first_contact")),
    );
}

#[test]
fn a_prekey_that_lives_longer_than_a_card_is_refused() {
    let alice = alice();
    let check = |life_ms: u64, expected: Result<(), WireError>| {
        let mut card = alice.card(7);
        card.devices[0].prekey.expires = NOW.plus(life_ms);
        assert_eq!(Card::from_wire(&card.to_wire()).map(drop), expected);
    };
    check(CARD_TTL_MS, Ok(()));
    check(1, Ok(()));
    for wrong in [0, CARD_TTL_MS + 1] {
        check(wrong, Err(WireError::Contradiction("expires_ms")));
    }
}

fn sign_wire(card: &g::Card, delegate: &SecretKey) -> Vec<u8> {
    let card = card.encode_to_vec();
    let signature = delegate.sign(context::SIGN_CARD, &[&card]);
    let signed = g::SignedCard {
        card: card.into(),
        signature: signature.as_bytes().to_vec().into(),
    };
    signed.encode_to_vec()
}

#[test]
fn a_flipped_bit_outside_the_sealed_part_is_refused() {
    let alice = alice();
    let encoded = alice.record(&alice.card(7), 0).encode();
    let sealed_from = encoded.len() - 66 - SEALED_CARD_BYTES;
    let mut flipped = encoded.clone();
    for byte in (0..sealed_from).chain(sealed_from + SEALED_CARD_BYTES..encoded.len()) {
        for bit in 0..8 {
            flipped[byte] ^= 1 << bit;
            let record = CardRecord::decode(&flipped);
            assert!(
                record.is_err() || record.unwrap().verify().is_err(),
                "byte {byte} bit {bit}"
            );
            flipped[byte] ^= 1 << bit;
        }
    }
}

#[test]
fn a_sealed_part_that_was_changed_and_signed_again_does_not_open() {
    let alice = alice();
    let record = alice.record(&alice.card(7), 0);
    let writer = alice.identity.writer(&alice.locators.addresses[0]);
    for byte in (0..SEALED_CARD_BYTES).step_by(37) {
        let mut other = record.clone();
        let mut sealed = record.sealed.to_vec();
        sealed[byte] ^= 1 << (byte % 8);
        other.sealed = sealed.into();
        assert_eq!(other.verify(), Err(SignatureError), "byte {byte}");
        let other = sign(other, &writer);
        assert_eq!(alice.open(&other), Err(CardError::Sealed), "byte {byte}");
    }
}

#[test]
fn a_record_moved_to_another_locator_or_writer_does_not_open() {
    let alice = alice();
    let record = alice.record(&alice.card(7), 0);
    let mut moved = record.clone();
    moved.locator = alice.locators.addresses[1];
    let moved = sign(moved, &alice.identity.writer(&alice.locators.addresses[0]));
    assert_eq!(alice.open(&moved), Err(CardError::Sealed));
    let stolen = sign(record, &key("thief"));
    assert_eq!(alice.open(&stolen), Err(CardError::Sealed));
}

#[test]
fn a_record_that_says_something_else_than_its_card_is_no_card() {
    let alice = alice();
    let record = alice.record(&alice.card(7), 0);
    let writer = alice.identity.writer(&record.locator);
    for change in [
        (|record| record.sequence = 8) as fn(&mut CardRecord),
        |record| record.expires = record.expires.minus(1),
        |record| record.kind = RecordKind::Tombstone,
    ] {
        let mut other = record.clone();
        change(&mut other);
        assert_eq!(alice.open(&sign(other, &writer)), Err(CardError::OtherId));
    }
}

#[test]
fn wrong_padding_and_lengths_are_refused() {
    let alice = alice();
    let card = alice.card(7);
    let signed = card.sign(&alice.identity.delegate);
    let length = u32::try_from(signed.len()).unwrap();
    let check = |signed: &[u8], length: u32, expected: Result<(), WireError>| {
        let opened = alice.open(&alice.record_of(signed, length, &card));
        assert_eq!(
            opened.map(drop),
            expected.map_err(CardError::Wire),
            "length {length}"
        );
    };
    check(&signed, length, Ok(()));
    let mut padded = signed.to_vec();
    padded.push(1);
    check(&padded, length, Err(WireError::NotCanonical));
    check(&signed, length + 1, Err(WireError::Undecodable));
    check(
        &signed,
        u32::try_from(PLAIN_BYTES).unwrap(),
        Err(WireError::Length("card")),
    );
    check(&signed, u32::MAX, Err(WireError::Length("card")));
}

#[test]
fn a_card_for_later_versions_alone_is_told_apart() {
    let alice = alice();
    let mut wire = alice.card(7).to_wire();
    wire.versions = vec![2, 3];
    let signed = sign_wire(&wire, &alice.identity.delegate);
    let record = alice.record_of(
        &signed,
        u32::try_from(signed.len()).unwrap(),
        &alice.card(7),
    );
    assert_eq!(alice.open(&record), Err(CardError::Version));
}

#[test]
fn a_device_that_the_account_did_not_certify_is_refused() {
    let alice = alice();
    let mut card = alice.card(7);
    // Somebody with a delegate of its own cannot pass a device off as one of hers.
    let spy = person("mallory").certificate();
    card.devices[0].certificate = DeviceCertificate {
        delegation: card.delegation,
        ..spy
    };
    let record = alice.record(&card, 0);
    assert_eq!(
        alice.open(&record),
        Err(CardError::Signature(SignatureError))
    );
}

#[test]
fn a_card_lives_from_its_making_to_its_expiry() {
    let alice = alice();
    let record = alice.record(&alice.card(7), 0);
    let open_at = |now| {
        let opened = record.open(&alice.id, &alice.locators.record_key, now, CHEAP);
        opened.map(drop)
    };
    assert_eq!(open_at(NOW.plus(CARD_TTL_MS - 1)), Ok(()));
    assert_eq!(open_at(NOW.plus(CARD_TTL_MS)), Err(CardError::Expired));
    assert_eq!(open_at(NOW.minus(CLOCK_SKEW_MS)), Ok(()));
    assert_eq!(
        open_at(NOW.minus(CLOCK_SKEW_MS + 1)),
        Err(CardError::Expired)
    );
}

#[test]
fn a_card_from_ahead_of_time_is_refused_however_soon_it_ends() {
    let alice = alice();
    let open = |ahead_ms: u64| {
        let made = prekey("alice", NOW.plus(ahead_ms));
        let card = Card {
            expires: NOW.plus(DAY_MS),
            ..card(&alice.identity, &made, 7)
        };
        alice.open(&alice.record(&card, 0)).map(drop)
    };
    assert_eq!(open(CLOCK_SKEW_MS), Ok(()));
    assert_eq!(open(CLOCK_SKEW_MS + 1), Err(CardError::Expired));
}

#[test]
fn a_rollback_is_refused() {
    let alice = alice();
    let account = alice.identity.account;
    let old = alice.record(&alice.card(6), 0);
    let new = alice.record(&alice.card(7), 1);
    let sequence = |records: &[CardRecord], seen| {
        let known = Known {
            account: Some(&account),
            delegation: None,
            sequence: seen,
        };
        alice.choose(records, known).map(|card| card.sequence)
    };
    assert_eq!(sequence(&[old.clone(), new.clone()], None), Some(7));
    assert_eq!(sequence(&[new, old.clone()], None), Some(7));
    assert_eq!(sequence(std::slice::from_ref(&old), Some(6)), Some(6));
    assert_eq!(sequence(&[old], Some(7)), None);
}

#[test]
fn a_later_delegate_wins_over_everything_that_an_earlier_one_says() {
    let alice = alice();
    let account = alice.identity.account;
    let device = key("alice second device");
    let handle = alice.identity.handle.clone();
    let later = Identity::new(&account_key("alice"), 2, device, handle);
    let card = card(&later, &prekey("second", NOW), 1);
    let card = alice.record_by(&card, &later, 0);
    let earlier = [
        alice.record(&alice.card(u64::MAX), 1),
        alice.record(&tombstone(&alice.identity, 9, NOW), 2),
    ];
    let delegation = |records: &[CardRecord], seen| {
        let known = Known {
            account: Some(&account),
            delegation: seen,
            sequence: None,
        };
        let chosen = alice.choose(records, known);
        chosen.map(|card| card.delegation.number)
    };
    let all: Vec<_> = earlier.iter().chain([&card]).cloned().collect();
    assert_eq!(delegation(&all, None), Some(2));
    assert_eq!(delegation(&earlier, None), Some(1));
    assert_eq!(delegation(&earlier, Some(2)), None);
    assert_eq!(delegation(std::slice::from_ref(&card), Some(2)), Some(2));
    // However high the sequences were that the earlier one has used.
    let known = Known {
        account: Some(&account),
        delegation: Some(1),
        sequence: Some(u64::MAX),
    };
    let chosen = alice.choose(&[card], known).unwrap();
    assert_eq!(chosen.delegation.number, 2);
}

#[test]
fn a_tombstone_wins_over_every_card_and_outlives_them() {
    let alice = alice();
    let account = alice.identity.account;
    let end = alice.record(&tombstone(&alice.identity, 3, NOW), 0);
    assert_eq!(end.kind, RecordKind::Tombstone);
    let card = alice.record(&alice.card(u64::MAX), 1);
    let known = Known {
        account: Some(&account),
        delegation: None,
        sequence: Some(u64::MAX),
    };
    for records in [[end.clone(), card.clone()], [card, end]] {
        assert!(alice.choose(&records, known).unwrap().terminated);
        assert!(alice.choose(&records, NOBODY).unwrap().terminated);
        let later = NOW.plus(3_649 * DAY_MS);
        let key = &alice.locators.record_key;
        let chosen = choose(&records, &alice.id, key, later, NOBODY, CHEAP).unwrap();
        assert!(chosen.card().terminated);
    }
}

#[test]
fn nobody_else_can_end_an_account() {
    let alice = alice();
    let mallory = Identity {
        handle: alice.identity.handle.clone(),
        ..person("mallory")
    };
    let mut end = tombstone(&mallory, u64::MAX, NOW);
    let forged = alice.record_by(&end, &mallory, 0);
    assert_eq!(alice.open(&forged), Err(CardError::OtherId));
    end.account = alice.identity.account;
    let forged = alice.record_by(&end, &mallory, 0);
    assert_eq!(
        alice.open(&forged),
        Err(CardError::Signature(SignatureError))
    );
    let true_card = alice.record(&alice.card(1), 1);
    assert!(
        !alice
            .choose(&[forged, true_card], NOBODY)
            .unwrap()
            .terminated
    );
}

#[test]
fn a_known_account_is_chosen_without_looking_at_the_others() {
    let alice = alice();
    let mallory = Identity {
        handle: alice.identity.handle.clone(),
        ..person("mallory")
    };
    let account = mallory.account;
    // Who verified another account under this ID would be shown that one: the caller vouches.
    let record = alice.record_by(&card(&mallory, &prekey("mallory", NOW), 1), &mallory, 0);
    let known = Known {
        account: Some(&account),
        delegation: None,
        sequence: None,
    };
    assert_eq!(
        alice
            .choose(std::slice::from_ref(&record), known)
            .unwrap()
            .account,
        account
    );
    assert_eq!(alice.choose(&[record], NOBODY), None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// The attacker knows the ID, and with it locators and record key, and may write what it likes.
    #[test]
    fn a_card_for_another_key_never_verifies_under_an_id(
        seed: [u8; 32],
        sequence: u64,
        terminated: bool,
        claims_account: bool,
        replays_signature: bool,
        at in 0_usize..4,
    ) {
        let alice = alice();
        let key = SecretKey::from_seed(&seed);
        let mallory = Identity::new(&key, 1, key.clone(), alice.identity.handle.clone());
        let mut forged = card(&mallory, &prekey("mallory", NOW), sequence);
        forged.terminated = terminated;
        if claims_account {
            forged.account = alice.identity.account;
            forged.delegation = alice.identity.delegation;
            forged.devices[0].certificate = alice.identity.certificate();
        }
        let mut record = alice.record_by(&forged, &mallory, at);
        if replays_signature {
            record.signature = alice.record(&alice.card(sequence), at).signature;
        }
        prop_assert!(alice.open(&record).is_err());
        let records = [record, alice.record(&alice.card(1), at)];
        prop_assert_eq!(alice.choose(&records[..1], NOBODY), None);
        prop_assert_eq!(alice.choose(&records, NOBODY), Some(alice.card(1)));
    }

    #[test]
    fn arbitrary_records_never_panic(
        junk in prop::collection::vec(any::<u8>(), 0..400),
        place in 0_usize..SEALED_CARD_BYTES,
        value: u8,
    ) {
        let _ = CardRecord::decode(&junk);
        prop_assert!(Card::open(&junk).is_err());
        let alice = alice();
        let mut encoded = alice.record(&alice.card(7), 0).encode();
        encoded[place] = value;
        if let Ok(record) = CardRecord::decode(&encoded) {
            let _ = alice.open(&record);
            prop_assert_eq!(record.encode(), encoded);
        }
        // Junk where the signed card should be, in a record that is otherwise right.
        let length = u32::try_from(junk.len()).unwrap();
        prop_assert!(alice.open(&alice.record_of(&junk, length, &alice.card(7))).is_err());
    }
}

#[test]
fn a_record_that_its_writer_did_not_sign_is_passed_over() {
    let alice = alice();
    let mut record = alice.record(&alice.card(7), 0);
    record.signature = Signature::new([0; 64]);
    assert_eq!(record.verify(), Err(SignatureError));
    assert_eq!(
        alice.open(&record),
        Err(CardError::Signature(SignatureError))
    );
    assert_eq!(alice.choose(&[record], NOBODY), None);
}

#[test]
fn what_is_wrong_with_the_owners_records_is_told_and_those_of_strangers_say_nothing() {
    let alice = alice();
    let fault = |records: &[CardRecord]| {
        let key = &alice.locators.record_key;
        fault_of(records, &alice.id, key, NOW)
    };
    let good = alice.record(&alice.card(7), 0);
    let bare = Card {
        devices: Vec::new(),
        ..alice.card(8)
    };
    let bare = alice.record(&bare, 0);
    let mut wire = alice.card(9).to_wire();
    wire.versions = vec![2];
    let signed = sign_wire(&wire, &alice.identity.delegate);
    let length = u32::try_from(signed.len()).unwrap();
    let later = alice.record_of(&signed, length, &alice.card(9));
    let mut noise = good.clone();
    noise.sealed = vec![7; SEALED_CARD_BYTES].into();
    let noise = sign(noise, &key("somebody"));
    let devices = CardError::Wire(WireError::Missing("devices"));
    assert_eq!(fault(&[]), None);
    assert_eq!(fault(&[good, noise.clone()]), None);
    assert_eq!(fault(&[noise, bare.clone()]), Some(devices));
    assert_eq!(fault(&[bare, later]), Some(CardError::Version));
}
