//! Choosing among the records that are found for an ID (SPEC 4.4).

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::hex;
use crate::{
    account::Identity,
    card::{Card, CardRecord, Known, choose},
    fixture::{NOW, account_key, card, key, person, prekey, rng, tombstone},
    keys::PublicKey,
    limits::DAY_MS,
    person::{IdCost, Locators, PersonId},
};

const COST: IdCost = IdCost::CheapForTests;

struct Found {
    alice: Identity,
    id: PersonId,
    locators: Locators,
    records: BTreeMap<&'static str, CardRecord>,
}

impl Found {
    fn new() -> Self {
        let alice = person("alice");
        let id = alice.person_id(COST);
        let locators = id.locators(NOW.salt_epoch(), COST);
        let records = BTreeMap::new();
        let mut found = Self {
            alice: alice.clone(),
            id,
            locators,
            records,
        };
        let of = |sequence| card(&alice, &prekey("alice", NOW), sequence);
        found.put("card 6", 0, &alice, &of(6));
        found.put("card 7", 1, &alice, &of(7));
        found.put("end 5", 2, &alice, &tombstone(&alice, 5, NOW));
        let device = key("alice second device");
        let later = Identity::new(&account_key("alice"), 2, device, alice.handle.clone());
        let first = card(&later, &prekey("alice", NOW), 1);
        found.put("delegate 2, card 1", 3, &later, &first);
        let expired = card(&alice, &prekey("alice", NOW.minus(31 * DAY_MS)), 9);
        found.put("expired 9", 0, &alice, &expired);
        // Others know the ID, and so the record key.
        let mallory = Identity {
            handle: alice.handle.clone(),
            ..person("mallory")
        };
        let theirs = |sequence| card(&mallory, &prekey("mallory", NOW), sequence);
        found.put("another account 99", 0, &mallory, &theirs(99));
        found.put("another account 98", 1, &mallory, &theirs(98));
        found.put(
            "the end of another account",
            0,
            &mallory,
            &tombstone(&mallory, 99, NOW),
        );
        let of_alice = Card {
            account: alice.account,
            ..theirs(99)
        };
        found.put("Alice's, signed by another", 0, &mallory, &of_alice);
        let other_handle = Identity {
            handle: "alicia".parse().unwrap(),
            ..alice
        };
        let other_handle_card = card(&other_handle, &prekey("alice", NOW), 99);
        found.put("another handle 99", 3, &other_handle, &other_handle_card);
        found
    }

    fn put(&mut self, name: &'static str, at: usize, writer: &Identity, card: &Card) {
        let (locator, key) = (self.locators.addresses[at], &self.locators.record_key);
        let record = CardRecord::seal(card, writer, locator, key, &mut rng(name)).unwrap();
        self.records.insert(name, record);
    }

    fn case(
        &self,
        found: &[&'static str],
        known: Option<(&PublicKey, u32, u64)>,
        chosen: Option<&str>,
    ) -> Value {
        let records: Vec<&CardRecord> = found.iter().map(|name| &self.records[name]).collect();
        let seen = Known {
            account: known.map(|(account, ..)| account),
            delegation: known.map(|(_, delegation, _)| delegation),
            sequence: known.map(|(.., sequence)| sequence),
        };
        let key = &self.locators.record_key;
        let card = choose(records, &self.id, key, NOW, seen, COST);
        let wanted = chosen.map(|name| {
            let record = &self.records[name];
            record.open(&self.id, key, NOW, COST).unwrap()
        });
        assert_eq!(card, wanted, "{found:?}");
        json!({
            "found": found,
            "known_account": known.map(|(account, ..)| hex(account.as_bytes())),
            "highest_delegation_seen": known.map(|(_, delegation, _)| delegation),
            "highest_sequence_seen": known.map(|(.., sequence)| sequence),
            "chosen": chosen,
        })
    }
}

pub(super) fn choices() -> Value {
    let found = Found::new();
    let alice = found.alice.account;
    let seen = |sequence| Some((&alice, 1, sequence));
    let squat = [
        "another account 99",
        "another account 98",
        "the end of another account",
        "Alice's, signed by another",
        "another handle 99",
    ];
    let mut squatted = squat.to_vec();
    squatted.push("card 6");
    let cases = [
        found.case(&["card 6", "card 7"], None, Some("card 7")),
        found.case(&["card 7", "card 6"], seen(6), Some("card 7")),
        found.case(&["card 6"], seen(6), Some("card 6")),
        found.case(&["card 6"], seen(7), None),
        found.case(&["card 7", "end 5"], None, Some("end 5")),
        found.case(&["card 7", "end 5"], seen(7), Some("end 5")),
        found.case(&["expired 9", "card 6"], None, Some("card 6")),
        found.case(&["expired 9"], None, None),
        found.case(&squatted, None, Some("card 6")),
        found.case(&squatted, seen(6), Some("card 6")),
        found.case(&squat, None, None),
        found.case(&squat, seen(6), None),
        found.case(
            &["card 7", "end 5", "delegate 2, card 1"],
            None,
            Some("delegate 2, card 1"),
        ),
        found.case(&["delegate 2, card 1"], seen(1), Some("delegate 2, card 1")),
        found.case(&["card 7", "end 5"], Some((&alice, 2, 1)), None),
        found.case(&[], None, None),
    ];
    let records = found.records.iter();
    let records =
        records.map(|(name, record)| json!({ "name": name, "record": hex(record.encode()) }));
    json!({
        "about": "SPEC 4.4: which of the records found for an ID is its card",
        "id_with_cheap_cost": found.id.to_string(),
        "record_key": hex(found.locators.record_key.as_bytes()),
        "now_ms": NOW.get(),
        "records": records.collect::<Vec<_>>(),
        "choices": cases,
    })
}
