//! What keepers decide from counts alone: slots, prices, terms, shares (SPEC 8.4, 8.5).

use serde_json::{Value, json};

use crate::{
    card::{Card, CardRecord, RecordKind},
    envelope::id_of,
    fixture::{NOW, card, key, noise_envelope, person, prekey, rng, tombstone},
    keeper::{
        AdmissionProof, ItemStore as _, MemoryStore, StoreOp, StoreOutcome, card_terms,
        mailbox_budget, price_factor,
    },
    keys::{PublicKey, Signature},
    limits::{CARD_TTL_MS, CLOCK_SKEW_MS, DAY_MS, TOMBSTONE_TTL_MS},
    mailbox::{CapabilityProof, Mailbox, Rule},
    person::IdCost,
    request::{Admission, Reason},
    time::UnixMillis,
};

const EXPIRES: UnixMillis = NOW.plus(6 * DAY_MS);

/// Who deposits what at one locator, one after the other, and what a keeper says.
struct Slots {
    store: MemoryStore,
    steps: Vec<Value>,
}

impl Slots {
    /// Deposits the card or the end of a writer.
    fn deposit(&mut self, writer: &str, card: &Card, stamped: bool) {
        let (cost, alice) = (IdCost::CheapForTests, person("alice"));
        let locators = alice.person_id(cost).locators(NOW.salt_epoch(), cost);
        let (locator, key) = (locators.addresses[0], &locators.record_key);
        let (identity, name) = (person(writer), format!("{writer} {}", card.sequence));
        let record = CardRecord::seal(card, &identity, locator, key, &mut rng(&name)).unwrap();
        let kind = record.kind;
        let op = StoreOp::PutCard {
            record: Box::new(record),
            stamped,
            proof: AdmissionProof::default().encode(),
        };
        let outcome = self.store.apply(NOW, vec![op]).unwrap().remove(0);
        let answer = match outcome {
            StoreOutcome::Held { new: true, .. } => "kept",
            StoreOutcome::Held { new: false, .. } => "held already",
            StoreOutcome::Refused(Reason::Sequence) => "refused: sequence",
            StoreOutcome::Refused(Reason::Stamp) => "refused: stamp",
            StoreOutcome::Refused(Reason::Full) => "refused: full",
            other => panic!("{other:?}"),
        };
        self.steps.push(json!({
            "writer": writer,
            "kind": match kind { RecordKind::Card => 1, RecordKind::Tombstone => 2 },
            "sequence": card.sequence,
            "stamp_is_worth_the_price": stamped,
            "answer": answer,
        }));
    }

    fn card(&mut self, writer: &str, sequence: u64, stamped: bool) {
        let card = card(&person(writer), &prekey(writer, NOW), sequence);
        self.deposit(writer, &card, stamped);
    }
}

fn slots() -> Vec<Value> {
    let mut slots = Slots {
        store: MemoryStore::new(u64::MAX),
        steps: Vec::new(),
    };
    slots.card("a", 7, false);
    slots.card("a", 7, true);
    slots.card("a", 7, false);
    slots.card("a", 6, true);
    slots.card("a", 8, false);
    for writer in ["b", "c", "d", "e", "f", "g", "h"] {
        slots.card(writer, 1, true);
    }
    slots.card("i", 99, true);
    slots.card("i", 99, false);
    slots.card("b", 2, false);
    let end = |sequence| tombstone(&person("c"), sequence, NOW);
    slots.deposit("c", &end(1), true);
    slots.deposit("c", &end(2), true);
    slots.deposit("c", &end(2), true);
    slots.card("c", 9, true);
    slots.deposit("c", &end(9), true);
    slots.steps
}

fn prices() -> Vec<Value> {
    let places = [0, 63, 64, 79, 80, 95, 96, 111, 112, 127, 128];
    let mailbox = places.map(|used| (used, 128_u64));
    let disks = [(0, 1_u64 << 30), (511 << 20, 1 << 30), (1 << 29, 1 << 30)];
    let all = mailbox.into_iter().chain(disks);
    all.map(
        |(used, room)| json!({ "used": used, "room": room, "factor": price_factor(used, room) }),
    )
    .collect()
}

fn terms() -> Vec<Value> {
    let lives = [
        1,
        CARD_TTL_MS,
        CARD_TTL_MS + CLOCK_SKEW_MS,
        CARD_TTL_MS + CLOCK_SKEW_MS + 1,
        2 * CARD_TTL_MS + CLOCK_SKEW_MS,
        TOMBSTONE_TTL_MS,
        TOMBSTONE_TTL_MS + CLOCK_SKEW_MS,
    ];
    lives
        .map(|life_ms| {
            let stamps = card_terms(NOW, NOW.plus(life_ms));
            json!({ "life_ms": life_ms, "periods": stamps })
        })
        .to_vec()
}

/// Returns how many envelopes each of some holders gets into a mailbox when they take turns until all are refused.
fn share(holders: u8) -> Vec<u32> {
    let mailbox = Mailbox {
        owner: key("owner").public(),
        rule: Rule::Capability,
        epoch: NOW.epoch(),
    };
    let mut store = MemoryStore::new(u64::MAX);
    let (mut counts, mut refused) = (vec![0; usize::from(holders)], 0);
    for turn in 0_u32.. {
        let holder = u8::try_from(turn % u32::from(holders)).unwrap();
        let bytes = noise_envelope(&format!("share {turn}"), 2_048, EXPIRES);
        let proof = CapabilityProof {
            holder: PublicKey::new([holder + 1; 32]),
            certificate: Signature::new([0; 64]),
            signature: Signature::new([0; 64]),
        };
        let admission = Admission::Capability(proof);
        let op = StoreOp::PutEnvelope {
            address: mailbox.address(),
            id: id_of(&bytes),
            bytes,
            expires: EXPIRES,
            budget: mailbox_budget(Rule::Capability),
            proof: AdmissionProof::of_envelope(mailbox, &admission).encode(),
        };
        match store.apply(NOW, vec![op]).unwrap().remove(0) {
            StoreOutcome::Held { new: true, .. } => {
                counts[usize::from(holder)] += 1;
                refused = 0;
            }
            _ => refused += 1,
        }
        if refused == holders {
            break;
        }
    }
    counts
}

pub(super) fn keepers() -> Value {
    let shares = [1, 2, 3, 7];
    let shares = shares.map(|holders| json!({ "holders": holders, "envelopes": share(holders) }));
    json!({
        "about": "SPEC 8.4, 8.5: card slots, what stamps cost, and the shares of holders in an empty mailbox",
        "slots": slots(),
        "prices": prices(),
        "terms": terms(),
        "shares": shares,
    })
}
