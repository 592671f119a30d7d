//! Each rule, broken on purpose: a checker that finds nothing proves nothing.

use bytes::Bytes;
use restante_proto::{
    ItemId,
    account::Identity,
    envelope::{self, Envelope, Lifetime, Recipient},
    keys::SecretKey,
    limits::{DAY_MS, HOUR_MS, MINUTE_MS, STAMP_MAILBOX_COUNT_MAX},
    mailbox::{AckEntry, Mailbox, OwnerProof, OwnerRequest},
    message::{Content, Message, MessageId},
    placement::Standing,
    prekey::PrekeySecret,
    receipt::Receipt,
    request::{Listed, Request, Response, Waiting},
    time::UnixMillis,
};

use super::Checker;
use crate::{
    clock::{Clock, Instant},
    host::Host,
    person::{Disk, Fact, Person},
    random::Random,
    scenario::{self, Disk as DiskOptions, Ms},
};

const START: UnixMillis = UnixMillis::new(1_780_000_000_000);
const NOW: Instant = Instant(HOUR_MS);
const NAME: MessageId = MessageId::new([7; 16]);
const TEXT: &[u8] = b"see you at eight";

/// Two people, a keeper, and a message from the first to the second.
struct Scene {
    checker: Checker,
    people: Vec<Person>,
    host: Host,
    envelope: Envelope,
    random: Random,
}

impl Scene {
    fn new() -> Self {
        let mut random = Random::of(1, "checker");
        let clock = Clock::new(START, 0, 0);
        let people: Vec<Person> = ["alice", "bob", "carol"]
            .map(|handle| {
                let identity = Identity {
                    account: SecretKey::generate(&mut random),
                    device: SecretKey::generate(&mut random),
                    handle: handle.parse().unwrap(),
                };
                let mut disk = Disk::new(identity, START);
                disk.prekeys
                    .push(PrekeySecret::generate(START, &mut random));
                Person::new(clock, disk, Random::of(1, handle))
            })
            .into();
        let options = DiskOptions {
            latency: Ms(1),
            cap: scenario::Bytes(1 << 20),
        };
        let host = Host::new(clock, options, Random::of(1, "host"));
        let envelope = sealed(&people[0], &people[1], &mut random);
        let mut scene = Self {
            checker: Checker::default(),
            people,
            host,
            envelope,
            random,
        };
        let to = scene.people[1].account();
        let body = Bytes::from_static(TEXT);
        scene.tell(
            0,
            Fact::Written {
                message: NAME,
                to,
                body,
            },
        );
        scene
    }

    fn tell(&mut self, person: usize, fact: Fact) {
        self.checker.on_fact(NOW, person, &self.people, &fact);
    }

    fn shown(&mut self, person: usize, sender: usize, body: &'static [u8], expires: UnixMillis) {
        let sender = self.people[sender].account();
        let body = Bytes::from_static(body);
        self.tell(
            person,
            Fact::Shown {
                sender,
                message: NAME,
                body,
                expires,
            },
        );
    }

    fn list(&self, mailbox: Mailbox) -> Request {
        let owner = self.people[1].disk.identity.first_contact();
        let asked = OwnerRequest::List(None);
        let proof = OwnerProof::sign(&owner, &mailbox.address(), &self.host.node, START, asked);
        Request::List {
            mailbox,
            proof,
            after: None,
        }
    }

    /// Lets the keeper list the envelope.
    fn serve(&mut self, now: Instant) {
        let Envelope {
            mailbox, expires, ..
        } = self.envelope;
        let item = Listed {
            id: self.envelope.id(),
            size_bytes: 2_048,
            expires,
        };
        let listing = Response::Listing {
            items: vec![item],
            more: false,
        };
        let request = self.list(mailbox);
        self.checker
            .on_response(now, 0, &mut self.host, &request, &listing);
    }

    #[track_caller]
    fn breaks(mut self, rule: &str) {
        let violation = self.checker.violation().expect("nothing was found");
        assert_eq!(violation.rule, rule, "{}", violation.what);
    }

    #[track_caller]
    fn passes(mut self) {
        assert_eq!(self.checker.violation(), None);
    }
}

fn sealed(from: &Person, to: &Person, random: &mut Random) -> Envelope {
    let body = Bytes::from_static(TEXT);
    let content = Content::Text {
        body,
        burn_ms: 0,
        file_name: String::new(),
    };
    let message = Message::new(&from.disk.identity, NAME, START, content);
    let prekey = to.disk.prekeys[0].public();
    let identity = &to.disk.identity;
    let recipient = Recipient {
        account: to.account(),
        device: identity.device.public(),
        prekey,
    };
    let mailbox = identity.first_contact_mailbox(START.epoch());
    let times = Lifetime {
        now: START,
        expires: START.plus(DAY_MS),
    };
    envelope::seal(
        &message,
        &from.disk.identity,
        &recipient,
        mailbox,
        times,
        random,
    )
    .unwrap()
}

#[test]
fn a_message_shown_once_to_the_right_person_is_fine() {
    let mut scene = Scene::new();
    let (to, envelope) = (scene.people[1].account(), scene.envelope.clone());
    scene.tell(
        0,
        Fact::Sealed {
            message: NAME,
            to,
            text: true,
            envelope,
        },
    );
    scene.serve(NOW);
    scene.shown(1, 0, TEXT, START.plus(DAY_MS));
    scene.tell(0, Fact::Delivered { message: NAME });
    scene.passes();
}

#[test]
fn a_message_shown_twice_is_found() {
    let mut scene = Scene::new();
    scene.shown(1, 0, TEXT, START.plus(DAY_MS));
    scene.shown(1, 0, TEXT, START.plus(DAY_MS));
    scene.breaks("once");
}

#[test]
fn an_envelope_opened_again_is_found() {
    let mut scene = Scene::new();
    scene.tell(
        1,
        Fact::Opening {
            envelope: ItemId::new([1; 32]),
            known: true,
        },
    );
    scene.breaks("once");
}

#[test]
fn a_message_shown_to_another_is_found() {
    let mut scene = Scene::new();
    scene.shown(2, 0, TEXT, START.plus(DAY_MS));
    scene.breaks("right-person");
}

#[test]
fn another_text_or_another_sender_is_found() {
    let mut scene = Scene::new();
    scene.shown(1, 0, b"see you at nine", START.plus(DAY_MS));
    scene.breaks("true-text");
    let mut scene = Scene::new();
    scene.shown(1, 2, TEXT, START.plus(DAY_MS));
    scene.breaks("true-text");
}

#[test]
fn a_message_shown_after_its_end_is_found() {
    let mut scene = Scene::new();
    scene.shown(1, 0, TEXT, START.plus(HOUR_MS));
    scene.breaks("late");
}

#[test]
fn an_envelope_that_others_can_open_or_read_is_found() {
    let mut scene = Scene::new();
    let (from, carol) = (&scene.people[0], &scene.people[2]);
    let envelope = sealed(from, carol, &mut scene.random);
    let to = scene.people[1].account();
    scene.tell(
        0,
        Fact::Sealed {
            message: NAME,
            to,
            text: true,
            envelope,
        },
    );
    scene.breaks("right-person");

    let mut scene = Scene::new();
    let mut bytes = scene.envelope.bytes.to_vec();
    bytes[1_500..1_500 + TEXT.len()].copy_from_slice(TEXT);
    let envelope = Envelope {
        bytes: bytes.into(),
        ..scene.envelope.clone()
    };
    let to = scene.people[1].account();
    scene.tell(
        0,
        Fact::Sealed {
            message: NAME,
            to,
            text: true,
            envelope,
        },
    );
    scene.breaks("right-person");
}

#[test]
fn a_word_for_a_message_that_nobody_saw_is_found() {
    let mut scene = Scene::new();
    scene.tell(0, Fact::Delivered { message: NAME });
    scene.breaks("lost");
}

#[test]
fn receipts_that_nobody_gave_are_found() {
    let mut scene = Scene::new();
    let standing = Standing {
        with: 3,
        of: 5,
        until: None,
    };
    let envelope = scene.envelope.id();
    scene.tell(
        0,
        Fact::Standing {
            message: NAME,
            envelope,
            standing,
        },
    );
    scene.breaks("receipts-counted");
}

#[test]
fn an_item_served_at_its_end_or_kept_after_it_is_found() {
    let mut scene = Scene::new();
    scene.serve(Instant(DAY_MS - 1));
    scene.passes();
    let mut scene = Scene::new();
    scene.serve(Instant(DAY_MS));
    scene.breaks("expiry");
    let mut scene = Scene::new();
    let Envelope {
        mailbox,
        expires,
        bytes,
    } = scene.envelope.clone();
    let item = Waiting {
        envelope: bytes,
        expires: expires.plus(HOUR_MS),
    };
    let date = START.plus(DAY_MS);
    // The keeper's own word counts for nothing: the bytes name the end.
    scene
        .checker
        .on_handed_over(Instant(DAY_MS), 0, date, mailbox.address(), &item);
    scene.breaks("expiry");
}

#[test]
fn an_acked_item_served_again_is_found() {
    let mut scene = Scene::new();
    let mailbox = scene.envelope.mailbox;
    let (address, id) = (mailbox.address(), scene.envelope.id());
    let owner = scene.people[1].disk.identity.first_contact();
    let entries = vec![AckEntry::sign(&owner, &address, id)];
    let ack = restante_proto::keeper::StoreOp::Ack {
        address,
        entries,
        mailbox,
    };
    scene.checker.on_durable(1, &ack);
    scene.serve(NOW);
    assert!(
        !scene.checker.is_violated(),
        "it was acked at another keeper"
    );
    scene.checker.on_durable(0, &ack);
    scene.serve(NOW);
    scene.breaks("acked");
}

#[test]
fn a_receipt_for_what_is_not_on_the_disk_is_found() {
    let mut scene = Scene::new();
    let mailbox = scene.envelope.mailbox;
    let request = Request::Offer {
        mailbox,
        id: scene.envelope.id(),
        nonce: [0; 16],
    };
    let key = SecretKey::from_seed(&[1; 32]);
    let claim = restante_proto::receipt::Claim {
        address: mailbox.address(),
        id: scene.envelope.id(),
        nonce: [0; 16],
    };
    let receipt = Response::Receipt(Receipt::sign(&key, &claim, START.plus(DAY_MS)));
    scene
        .checker
        .on_response(NOW, 0, &mut scene.host, &request, &receipt);
    scene.breaks("durable-receipt");
}

#[test]
fn expired_items_on_a_disk_and_a_mailbox_over_its_budget_are_found() {
    let mut scene = Scene::new();
    let Envelope {
        mailbox,
        expires,
        bytes,
    } = scene.envelope.clone();
    scene.host.start(Instant(0));
    scene
        .host
        .put_for_tests(START, mailbox.address(), bytes, expires);
    scene.checker.audit(NOW, 0, &mut scene.host);
    assert!(!scene.checker.is_violated());
    scene
        .checker
        .audit(Instant(DAY_MS + MINUTE_MS), 0, &mut scene.host);
    scene.breaks("expiry");

    let mut scene = Scene::new();
    let Envelope {
        mailbox, expires, ..
    } = scene.envelope;
    scene.checker.rules.insert(mailbox.address(), mailbox.rule);
    for number in 0..=STAMP_MAILBOX_COUNT_MAX {
        assert!(!scene.checker.is_violated(), "{number}");
        let bytes = Bytes::from(number.to_be_bytes().to_vec());
        scene
            .host
            .put_for_tests(START, mailbox.address(), bytes, expires);
        scene.checker.audit(NOW, 0, &mut scene.host);
    }
    scene.breaks("budget");
}
