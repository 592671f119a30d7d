//! What the protocol costs: sealing, opening, stamps, IDs, signatures.
//!
//! `cargo bench -p restante-proto`; with `-- --test` every benchmark runs once, as a test.

use std::hint::black_box;

use bytes::Bytes;
use criterion::{Criterion, criterion_group, criterion_main};
use rand::{SeedableRng as _, rngs::StdRng};
use restante_proto::{
    ItemId, NodeId,
    account::Identity,
    card::{Card, CardDevice, CardRecord, Known, choose},
    envelope::{self, Envelope, Lifetime, OpenerIdentity, Recipient},
    keys::SecretKey,
    limits::{CARD_TTL_MS, DAY_MS},
    mailbox::{Capability, Mailbox},
    message::{Content, Message, MessageId, Text},
    person::{IdCost, PersonId, Tag},
    prekey::PrekeySecret,
    receipt::{Claim, Receipt},
    stamp::{Challenge, Equihash, StampScheme as _},
    time::UnixMillis,
};

const NOW: UnixMillis = UnixMillis::new(1_780_000_000_000);
const LIFETIME: Lifetime = Lifetime {
    now: NOW,
    expires: NOW.plus(6 * DAY_MS),
};

fn rng() -> StdRng {
    StdRng::seed_from_u64(7)
}

fn person(handle: &str, number: u8) -> Identity {
    let [account, device] = [number, number + 100].map(|seed| SecretKey::from_seed(&[seed; 32]));
    Identity::new(&account, 1, device, handle.parse().expect("a handle"))
}

/// Alice, Bob, and a message between them that fills an envelope of one size.
struct Post {
    alice: Identity,
    bob: Identity,
    prekeys: Vec<PrekeySecret>,
    mailbox: Mailbox,
    message: Message,
}

impl Post {
    fn new(body: usize) -> Self {
        let (alice, bob) = (person("alice", 1), person("bob", 2));
        let prekeys = (0..60)
            .map(|_| PrekeySecret::generate(NOW, &mut rng()))
            .collect();
        let mailbox = bob.first_contact_mailbox(NOW.epoch());
        let text = Content::Text(Text {
            body: Bytes::from(vec![b'x'; body]),
            ..Text::default()
        });
        let message = Message::new(&alice, MessageId::new([7; 16]), NOW, text);
        Self {
            alice,
            bob,
            prekeys,
            mailbox,
            message,
        }
    }

    fn seal(&self, rng: &mut StdRng) -> Envelope {
        let recipient = Recipient {
            account: self.bob.account,
            device: self.bob.device.public(),
            prekey: self.prekeys[59].public(),
        };
        envelope::seal(
            &self.message,
            &self.alice,
            &recipient,
            self.mailbox,
            LIFETIME,
            rng,
        )
        .expect("the message fits")
    }

    fn open(&self, envelope: &Envelope) -> Message {
        let bob = OpenerIdentity::from(&self.bob);
        envelope::open(
            &envelope.bytes,
            &self.mailbox,
            LIFETIME,
            &bob,
            &self.prekeys,
        )
        .expect("the envelope opens")
        .into_message()
    }
}

fn envelopes(c: &mut Criterion) {
    for (body, name) in [(500, "2 KiB"), (6_500, "8 KiB"), (61_440, "64 KiB")] {
        let post = Post::new(body);
        let mut rng = rng();
        c.bench_function(&format!("seal {name}"), |b| b.iter(|| post.seal(&mut rng)));
        let envelope = post.seal(&mut rng);
        c.bench_function(&format!("open {name} among 60 prekeys"), |b| {
            b.iter(|| post.open(black_box(&envelope)));
        });
    }
}

fn stamps(c: &mut Criterion) {
    let mailbox = person("bob", 2).first_contact_mailbox(NOW.epoch());
    let challenge = Challenge::envelope(&mailbox.address(), &ItemId::new([7; 32]), NOW);
    let stamp = Equihash
        .solve(&challenge, &[7; 24], 1, 100)
        .expect("one in a hundred attempts");
    let mut attempt = 0;
    let mut group = c.benchmark_group("stamp");
    group.sample_size(10);
    group.bench_function("one attempt", |b| {
        b.iter(|| {
            attempt += 1;
            Equihash.attempt(&challenge, &[7; 24], attempt, 1)
        });
    });
    group.finish();
    c.bench_function("stamp verify", |b| {
        b.iter(|| assert!(Equihash.verify(&challenge, black_box(&stamp), 1)));
    });
}

fn record(identity: &Identity, id: &PersonId, at: usize, cost: IdCost) -> CardRecord {
    let locators = id.locators(NOW.salt_epoch(), cost);
    let prekey = PrekeySecret::generate(NOW, &mut rng());
    let card = Card {
        account: identity.account,
        delegation: identity.delegation,
        handle: identity.handle.clone(),
        sequence: 1,
        issued: NOW,
        expires: NOW.plus(CARD_TTL_MS),
        terminated: false,
        devices: vec![CardDevice {
            certificate: identity.certificate(),
            prekey: prekey.public().clone(),
            first_contact: identity.first_contact().public(),
        }],
        avatar: None,
    };
    let (locator, key) = (locators.addresses[at], &locators.record_key);
    CardRecord::seal(&card, identity, locator, key, &mut rng()).expect("the card fits")
}

fn cards(c: &mut Criterion) {
    let cost = IdCost::Production;
    let alice = person("alice", 1);
    let id = alice.person_id(cost);
    let mut group = c.benchmark_group("card");
    group.sample_size(10);
    group.bench_function("tag", |b| {
        b.iter(|| Tag::compute(&alice.account, &alice.handle, cost));
    });
    group.bench_function("locators", |b| {
        b.iter(|| id.locators(NOW.salt_epoch(), cost))
    });
    // At each locator: the true record from three keepers, and one of a squatter.
    let squatter = Identity {
        handle: alice.handle.clone(),
        ..person("mallory", 3)
    };
    let mut records = Vec::new();
    for at in 0..4 {
        let own = record(&alice, &id, at, cost);
        records.extend([
            own.clone(),
            own.clone(),
            own,
            record(&squatter, &id, at, cost),
        ]);
    }
    let key = id.locators(NOW.salt_epoch(), cost).record_key;
    let resolve = |known: Known<'_>| {
        choose(&records, &id, &key, NOW, known, cost).expect("the card is there")
    };
    group.bench_function("choose among 16 records, stranger", |b| {
        b.iter(|| resolve(Known::default()));
    });
    let account = alice.account;
    group.bench_function("choose among 16 records, contact", |b| {
        b.iter(|| {
            resolve(Known {
                account: Some(&account),
                delegation: Some(1),
                sequence: Some(1),
            })
        });
    });
    group.finish();
}

fn signatures(c: &mut Criterion) {
    let bob = person("bob", 2);
    let mailbox = bob.device_mailbox(NOW.epoch(), 0);
    let owner = bob.device_mailbox_owner(NOW.epoch(), 0);
    let item = ItemId::new([7; 32]);
    let capability = Capability::issue(&owner, &mailbox, SecretKey::from_seed(&[9; 32]));
    let proof = capability.prove(&mailbox.address(), &item, NOW);
    c.bench_function("capability verify", |b| {
        b.iter(|| {
            black_box(&proof)
                .verify(&mailbox, &item, NOW)
                .expect("it is right")
        });
    });
    let keeper = SecretKey::from_seed(&[8; 32]);
    let node = NodeId::new(*keeper.public().as_bytes());
    let claim = Claim {
        address: mailbox.address(),
        id: item,
        nonce: [7; 16],
    };
    c.bench_function("receipt sign", |b| {
        b.iter(|| Receipt::sign(&keeper, &claim, NOW))
    });
    let receipt = Receipt::sign(&keeper, &claim, NOW);
    c.bench_function("receipt verify", |b| {
        b.iter(|| {
            black_box(&receipt)
                .verify(&node, &claim)
                .expect("it is right")
        });
    });
}

criterion_group!(benches, envelopes, stamps, cards, signatures);
criterion_main!(benches);
