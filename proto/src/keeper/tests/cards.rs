//! Cards at locators: slots, squatters, sequences.

use super::{Office, deposit_card};
use crate::{
    account::Identity,
    card::{Card, CardRecord, Known, choose},
    context,
    fixture::{NOW, card, person, prekey, rng, tombstone},
    limits::{CARD_SLOTS, CARD_TTL_MS, DAY_MS},
    person::{IdCost, Locators, PersonId},
    request::{Reason, Request, Response},
    time::UnixMillis,
};

const CHEAP: IdCost = IdCost::CheapForTests;

/// Alice's ID, and one keeper for each of her locators.
struct Street {
    alice: Identity,
    id: PersonId,
    locators: Locators,
    offices: [Office; 4],
}

impl Street {
    fn new() -> Self {
        let alice = person("alice");
        let id = alice.person_id(CHEAP);
        let locators = id.locators(NOW.salt_epoch(), CHEAP);
        Self {
            alice,
            id,
            locators,
            offices: std::array::from_fn(|_| Office::new()),
        }
    }

    fn card(&self, sequence: u64) -> Card {
        card(&self.alice, &prekey("alice", NOW), sequence)
    }

    /// Seals a card as `writer`, who knows the ID and so the record key.
    fn record(&self, at: usize, card: &Card, writer: &Identity) -> CardRecord {
        let (locator, key) = (self.locators.addresses[at], &self.locators.record_key);
        CardRecord::seal(card, writer, locator, key, &mut rng("record")).unwrap()
    }

    /// Fills `slots` slots at one locator with all that a squatter can think of.
    fn squat(&mut self, at: usize, slots: usize) {
        for slot in 0..slots {
            let squatter = self.squatter(slot);
            let mut forged = card(&squatter, &prekey("squatter", NOW), u64::MAX);
            match slot % 7 {
                // Another account under the same handle, with the highest sequence.
                0 => {}
                // The end of another account.
                1 => forged = tombstone(&squatter, u64::MAX, NOW),
                // Alice's account, signed by the squatter.
                2 => forged.account = self.alice.account,
                // The end of Alice's account, signed by the squatter.
                3 => {
                    forged = tombstone(&squatter, u64::MAX, NOW);
                    forged.account = self.alice.account;
                }
                // A card of Alice's own from before, sealed again by the squatter.
                4 => {
                    let old = self.old_card_by(at, &squatter);
                    self.offices[at].receipt(NOW, &deposit_card(&old, true));
                    continue;
                }
                // Another handle.
                5 => forged.handle = "mallory".parse().unwrap(),
                // The same account as its neighbours at all locators, so that it comes first.
                _ => forged = card(&self.squatter(0), &prekey("squatter", NOW), 5),
            }
            let mut record = self.record(at, &forged, &squatter);
            if slot % 7 == 5 {
                // Noise that opens under no key.
                record.sealed = vec![0x55; record.sealed.len()].into();
                record = signed_by(record, &squatter);
            }
            self.offices[at].receipt(NOW, &deposit_card(&record, true));
        }
    }

    fn squatter(&self, slot: usize) -> Identity {
        Identity {
            handle: self.alice.handle.clone(),
            ..person(&format!("squatter{slot}"))
        }
    }

    fn old_card_by(&self, at: usize, squatter: &Identity) -> CardRecord {
        let genuine = self.card(1);
        let mut record = self.record(at, &genuine, &self.alice);
        // What Alice signed, under the squatter's writer key: an honest copy, as contacts make.
        let writer = squatter.writer(&record.locator);
        record.sealed = reseal(&record, &self.locators, &writer.public());
        signed_by(record, squatter)
    }

    /// Returns what a reader of the ID finds at all locators.
    fn found(&mut self, now: UnixMillis) -> Vec<CardRecord> {
        let mut found = Vec::new();
        for (office, locator) in self.offices.iter_mut().zip(self.locators.addresses) {
            match office.ask(now, &Request::GetCards { locator }) {
                Response::Cards(records) => found.extend(records),
                other => panic!("cards were expected: {other:?}"),
            }
        }
        found
    }

    fn resolve(&mut self, now: UnixMillis, known: Known<'_>) -> Option<Card> {
        let records = self.found(now);
        let key = &self.locators.record_key;
        choose(&records, &self.id, key, now, known, CHEAP).map(|card| card.card().clone())
    }
}

fn signed_by(mut record: CardRecord, writer: &Identity) -> CardRecord {
    let key = writer.writer(&record.locator);
    record.writer = key.public();
    let mut part = vec![match record.kind {
        crate::card::RecordKind::Card => 1,
        crate::card::RecordKind::Tombstone => 2,
    }];
    part.extend_from_slice(record.locator.as_bytes());
    part.extend_from_slice(record.writer.as_bytes());
    part.extend_from_slice(&record.sequence.to_be_bytes());
    part.extend_from_slice(&record.expires.get().to_be_bytes());
    part.extend_from_slice(blake3::hash(&record.sealed).as_bytes());
    record.signature = key.sign(context::SIGN_RECORD, &[&part]);
    record
}

/// Opens a record and seals the same plaintext for another writer.
fn reseal(
    record: &CardRecord,
    locators: &Locators,
    writer: &crate::keys::PublicKey,
) -> bytes::Bytes {
    use chacha20poly1305::{
        KeyInit as _, XChaCha20Poly1305,
        aead::{Aead as _, Payload},
    };
    let cipher = XChaCha20Poly1305::new(locators.record_key.as_bytes().into());
    let data = |writer: &crate::keys::PublicKey| {
        [
            context::CARD_SEAL.as_bytes(),
            record.locator.as_bytes(),
            writer.as_bytes(),
        ]
        .concat()
    };
    let (nonce, sealed) = record.sealed.split_first_chunk::<24>().unwrap();
    let payload = Payload {
        msg: sealed,
        aad: &data(&record.writer),
    };
    let plain = cipher.decrypt(nonce.into(), payload).unwrap();
    let payload = Payload {
        msg: &plain,
        aad: &data(writer),
    };
    [&nonce[..], &cipher.encrypt(nonce.into(), payload).unwrap()]
        .concat()
        .into()
}

#[test]
fn a_squatter_in_all_other_slots_cannot_make_the_lookup_fail() {
    let mut street = Street::new();
    for at in 0..4 {
        street.squat(at, CARD_SLOTS - 1);
        let record = street.record(at, &street.card(2), &street.alice.clone());
        street.offices[at].receipt(NOW, &deposit_card(&record, true));
    }
    assert_eq!(street.found(NOW).len(), 4 * CARD_SLOTS);
    assert_eq!(street.resolve(NOW, Known::default()), Some(street.card(2)));

    // All slots are taken: nobody else gets in, and Alice goes on without a stamp.
    for at in 0..4 {
        let late = person("late");
        let forged = card(&late, &prekey("late", NOW), 1);
        let record = street.record(at, &forged, &late);
        street.offices[at].check(NOW, &deposit_card(&record, true), Reason::Full);
        let record = street.record(at, &street.card(3), &street.alice.clone());
        street.offices[at].receipt(NOW, &deposit_card(&record, false));
    }
    let account = street.alice.account;
    let known = Known {
        account: Some(&account),
        delegation: Some(1),
        sequence: Some(2),
    };
    assert_eq!(street.resolve(NOW, known), Some(street.card(3)));
    assert_eq!(street.resolve(NOW, Known::default()), Some(street.card(3)));
}

#[test]
fn a_squatter_who_came_first_at_three_locators_cannot_make_the_lookup_fail() {
    let mut street = Street::new();
    for at in 0..3 {
        street.squat(at, CARD_SLOTS);
        let record = street.record(at, &street.card(2), &street.alice.clone());
        street.offices[at].check(NOW, &deposit_card(&record, true), Reason::Full);
    }
    street.squat(3, CARD_SLOTS - 1);
    let record = street.record(3, &street.card(2), &street.alice.clone());
    street.offices[3].receipt(NOW, &deposit_card(&record, true));
    assert_eq!(street.resolve(NOW, Known::default()), Some(street.card(2)));
}

#[test]
fn a_record_gives_way_to_a_higher_sequence_of_its_writer_alone() {
    let mut street = Street::new();
    let alice = street.alice.clone();
    let record = |sequence| street.record(0, &street.card(sequence), &alice);
    let [one, two, three] = [1, 2, 3].map(record);
    let mut other_two = two.clone();
    other_two.expires = two.expires.minus(1);
    let other_two = signed_by(other_two, &alice);
    let office = &mut street.offices[0];
    office.receipt(NOW, &deposit_card(&two, true));
    office.receipt(NOW, &deposit_card(&two, false));
    office.check(NOW, &deposit_card(&one, false), Reason::Sequence);
    office.check(NOW, &deposit_card(&one, true), Reason::Sequence);
    office.check(NOW, &deposit_card(&other_two, true), Reason::Sequence);
    office.receipt(NOW, &deposit_card(&three, false));
    assert_eq!(street.found(NOW), [three]);
}

#[test]
fn nothing_replaces_a_tombstone() {
    let mut street = Street::new();
    let alice = street.alice.clone();
    let end = street.record(0, &tombstone(&alice, 5, NOW), &alice);
    let card = street.record(0, &street.card(6), &alice);
    let office = &mut street.offices[0];
    office.receipt(NOW, &deposit_card(&end, true));
    office.check(NOW, &deposit_card(&card, true), Reason::Sequence);
    let later = NOW.plus(3_000 * DAY_MS);
    office.timer(later);
    assert!(street.resolve(later, Known::default()).unwrap().terminated);
}

#[test]
fn a_slot_is_free_again_when_its_record_has_expired() {
    let mut street = Street::new();
    street.squat(0, CARD_SLOTS);
    let end = NOW.plus(CARD_TTL_MS);
    let fresh = card(&street.alice, &prekey("alice", end), 2);
    let record = street.record(0, &fresh, &street.alice.clone());
    street.offices[0].receipt(end, &deposit_card(&record, true));
    assert_eq!(street.resolve(end, Known::default()), Some(fresh));
}

#[test]
fn a_card_that_expires_while_the_disk_works_is_not_served() {
    let mut street = Street::new();
    let record = street.record(0, &street.card(1), &street.alice.clone());
    let (office, locator) = (&mut street.offices[0], record.locator);
    office.receipt(NOW, &deposit_card(&record, true));
    let (last, end) = (record.expires.minus(1), record.expires);
    let request = Request::GetCards { locator };
    assert_eq!(office.ask(last, &request), Response::Cards(vec![record]));
    let outputs = office.begin(last, 0, request.encode());
    assert_eq!(office.finish(last, end, outputs).0, Response::Cards(vec![]));
}
