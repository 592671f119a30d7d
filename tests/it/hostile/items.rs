//! Requests that are well formed and wrong.

use bytes::Bytes;
use restante::clock;
use restante_proto::account::Identity;
use restante_proto::card::{Card, CardDevice, CardRecord};
use restante_proto::envelope::id_of;
use restante_proto::keys::{SecretKey, Signature};
use restante_proto::limits::{DAY_MS, ENVELOPE_BYTES, HOUR_MS, MINUTE_MS};
use restante_proto::mailbox::{AckEntry, Capability, Mailbox, OwnerProof, OwnerRequest, Rule};
use restante_proto::person::IdCost;
use restante_proto::prekey::PrekeySecret;
use restante_proto::request::{Admission, Reason, Request, Response};
use restante_proto::stamp::{Challenge, Equihash, Stamp, StampScheme as _};
use restante_proto::time::UnixMillis;
use restante_proto::{Address, NodeId};
use restante_tests::{Letterbox, Peer, Site, envelope, nonce};

use super::{Attack, assert_serves, refusals};

impl Attack<'_> {
    /// Checks that a request is refused for this reason, and that this is counted.
    #[track_caller]
    fn refused(&self, what: &str, reason: Reason, request: &Request) {
        let before = refusals(self.server, reason.name());
        match self.peer.ask(self.node, request) {
            Response::Refusal(refusal) => assert_eq!(refusal.reason, reason, "{what}"),
            other => panic!("{what} was answered with {other:?}"),
        }
        assert_eq!(
            refusals(self.server, reason.name()),
            before + 1,
            "{what} is counted"
        );
    }

    #[track_caller]
    fn receipt(&self, request: &Request) {
        let answer = self.peer.ask(self.node, request);
        assert!(matches!(answer, Response::Receipt(_)), "{answer:?}");
    }
}

#[test]
fn forged_deposits_foreign_acks_and_stale_cards_are_refused_for_their_reason() {
    let site = Site::new();
    let mut server = site.community("server");
    server.run(&[]);
    let peer = Peer::asking();
    let node = peer.meet(&server.address());
    let attack = Attack {
        server: &server,
        peer,
        node,
    };
    deposits(&attack);
    requests_of_others(&attack);
    cards(&attack);
    assert!(
        server.envelopes().len() == 1,
        "only the honest deposit is there"
    );
    assert_serves(&server.address());
    server.assert_alive();
}

fn deposits(attack: &Attack<'_>) {
    let letterbox = Letterbox::new();
    let expires = clock::now().plus(DAY_MS);
    let good = envelope(ENVELOPE_BYTES[0], expires);
    let deposit = |envelope: &Bytes, until| letterbox.deposit(envelope, until, nonce());

    let odd = envelope(ENVELOPE_BYTES[0] + 1, expires);
    attack.refused("a wrong size", Reason::TooLarge, &deposit(&odd, expires));
    let past = clock::now().minus(1);
    attack.refused(
        "an expired item",
        Reason::Expired,
        &deposit(&envelope(2_048, past), past),
    );
    let later = clock::now().plus(30 * DAY_MS + HOUR_MS);
    let eternal = envelope(2_048, later);
    attack.refused(
        "a life too long",
        Reason::Lifetime,
        &deposit(&eternal, later),
    );
    let longer = expires.plus(HOUR_MS);
    attack.refused(
        "another expiry than its own",
        Reason::Malformed,
        &deposit(&good, longer),
    );

    let thief = Letterbox::new();
    let stolen = Capability::issue(
        &thief.owner,
        &letterbox.mailbox,
        thief.capability.holder.clone(),
    );
    let forged = Letterbox {
        capability: stolen,
        ..letterbox.clone()
    };
    let request = forged.deposit(&good, expires, nonce());
    attack.refused(
        "a capability of its own making",
        Reason::Capability,
        &request,
    );
    let moved = with_admission(&deposit(&good, expires), &envelope(2_048, expires));
    attack.refused("a proof for another item", Reason::Capability, &moved);
    let unstamped = admitted(&letterbox, &good, expires, Admission::Stamp(worthless()));
    attack.refused(
        "a stamp where a capability is asked",
        Reason::Capability,
        &unstamped,
    );

    let open = Letterbox {
        mailbox: Mailbox {
            rule: Rule::Stamp,
            ..letterbox.mailbox
        },
        ..letterbox.clone()
    };
    let cheap = admitted(&open, &good, expires, Admission::Stamp(worthless()));
    attack.refused("a stamp without work", Reason::Stamp, &cheap);
    let other = envelope(ENVELOPE_BYTES[0], expires);
    let challenge = Challenge::envelope(&open.mailbox.address(), &id_of(&other), expires);
    let paid = Equihash
        .solve(&challenge, &[7; 24], 1, 1_000)
        .expect("work is rewarded");
    let reused = admitted(&open, &good, expires, Admission::Stamp(paid.clone()));
    attack.refused("a stamp for another item", Reason::Stamp, &reused);
    for (what, epoch) in [
        ("an epoch long past", letterbox.mailbox.epoch.minus(40)),
        ("an epoch ahead", letterbox.mailbox.epoch.plus(3)),
    ] {
        let mailbox = Mailbox {
            epoch,
            ..letterbox.mailbox
        };
        let capability = Capability::issue(
            &letterbox.owner,
            &mailbox,
            letterbox.capability.holder.clone(),
        );
        let there = Letterbox {
            mailbox,
            capability,
            ..letterbox.clone()
        };
        attack.refused(what, Reason::Epoch, &there.deposit(&good, expires, nonce()));
    }
    // And the same work, spent honestly, is worth a receipt.
    attack.receipt(&admitted(&open, &other, expires, Admission::Stamp(paid)));
}

fn requests_of_others(attack: &Attack<'_>) {
    let (letterbox, stranger) = (Letterbox::new(), Letterbox::new());
    let expires = clock::now().plus(DAY_MS);
    let envelope = envelope(ENVELOPE_BYTES[0], expires);
    attack.receipt(&letterbox.deposit(&envelope, expires, nonce()));
    let (id, address) = (id_of(&envelope), letterbox.mailbox.address());

    let foreign = AckEntry::sign(&stranger.owner, &address, id);
    let request = Request::Ack {
        mailbox: letterbox.mailbox,
        entries: vec![foreign],
    };
    attack.refused("a foreign ack", Reason::Signature, &request);
    let elsewhere = AckEntry::sign(&letterbox.owner, &stranger.mailbox.address(), id);
    let request = Request::Ack {
        mailbox: letterbox.mailbox,
        entries: vec![elsewhere],
    };
    attack.refused("an ack for another mailbox", Reason::Signature, &request);
    let now = clock::now();
    let list = |owner: &SecretKey, keeper: &NodeId, time: UnixMillis| Request::List {
        mailbox: letterbox.mailbox,
        proof: OwnerProof::sign(owner, &address, keeper, time, OwnerRequest::List(None)),
        after: None,
    };
    attack.refused(
        "a foreign list",
        Reason::Signature,
        &list(&stranger.owner, &attack.node, now),
    );
    let another = NodeId::new([9; 32]);
    attack.refused(
        "a proof for another keeper",
        Reason::Signature,
        &list(&letterbox.owner, &another, now),
    );
    for (what, time) in [
        ("an old request", now.minus(15 * MINUTE_MS)),
        ("a request ahead of time", now.plus(15 * MINUTE_MS)),
    ] {
        attack.refused(
            what,
            Reason::Clock,
            &list(&letterbox.owner, &attack.node, time),
        );
    }
    let proof = OwnerProof::sign(
        &letterbox.owner,
        &address,
        &attack.node,
        now,
        OwnerRequest::List(None),
    );
    let get = Request::Get {
        mailbox: letterbox.mailbox,
        proof,
        ids: vec![id],
    };
    attack.refused("a list's proof with a fetch", Reason::Signature, &get);
    let subscribe = Request::Subscribe {
        mailbox: letterbox.mailbox,
        proof,
    };
    attack.refused(
        "a list's proof with a subscription",
        Reason::Signature,
        &subscribe,
    );

    // It is all still there for its owner, who acks the other test's envelope never.
    match attack
        .peer
        .ask(attack.node, &letterbox.get(&attack.node, vec![id]))
    {
        Response::Envelopes(items) => assert_eq!(items.len(), 1),
        other => panic!("a fetch was answered with {other:?}"),
    }
    let done = Response::Done { until: None };
    assert_eq!(attack.peer.ask(attack.node, &letterbox.ack([id])), done);
}

fn cards(attack: &Attack<'_>) {
    let alice = identity("alice");
    let mallory = identity("mallory");
    let id = alice.person_id(IdCost::CheapForTests);
    let locators = id.locators(clock::now().salt_epoch(), IdCost::CheapForTests);
    let locator = locators.addresses[0];
    let record = |who: &Identity, sequence| {
        let card = card(who, sequence);
        CardRecord::seal(&card, who, locator, &locators.record_key, &mut rand::rng()).unwrap()
    };
    let stamp = |who: &Identity| pay(&locator, who);
    let deposit = |record: &CardRecord, stamp: Option<&Stamp>| Request::DepositCard {
        record: Box::new(record.clone()),
        stamp: stamp.cloned(),
        nonce: nonce(),
    };
    let first = record(&alice, 10);
    attack.refused(
        "a first card without a stamp",
        Reason::Stamp,
        &deposit(&first, None),
    );
    let paid = stamp(&alice);
    attack.receipt(&deposit(&first, Some(&paid)));

    attack.refused(
        "a lower sequence",
        Reason::Sequence,
        &deposit(&record(&alice, 9), Some(&paid)),
    );
    let same = record(&alice, 10);
    attack.refused(
        "the same sequence",
        Reason::Sequence,
        &deposit(&same, Some(&paid)),
    );
    let other = record(&mallory, 11);
    attack.refused(
        "another writer without a stamp",
        Reason::Stamp,
        &deposit(&other, None),
    );
    attack.refused(
        "another's stamp",
        Reason::Stamp,
        &deposit(&other, Some(&paid)),
    );
    let mut posed = other.clone();
    posed.writer = first.writer;
    attack.refused(
        "another's signature",
        Reason::Signature,
        &deposit(&posed, Some(&paid)),
    );
    let mut unsigned = record(&alice, 12);
    unsigned.signature = Signature::new([1; 64]);
    attack.refused(
        "no signature",
        Reason::Signature,
        &deposit(&unsigned, Some(&paid)),
    );
    let mut old = card(&alice, 13);
    old.expires = clock::now().minus(1);
    let expired = CardRecord::seal(
        &old,
        &alice,
        locator,
        &locators.record_key,
        &mut rand::rng(),
    );
    attack.refused(
        "an expired card",
        Reason::Expired,
        &deposit(&expired.unwrap(), Some(&paid)),
    );

    // Mallory may pay for a slot of its own, which takes nothing from Alice.
    attack.receipt(&deposit(&other, Some(&stamp(&mallory))));
    attack.receipt(&deposit(&record(&alice, 14), None));
    match attack.peer.ask(attack.node, &Request::GetCards { locator }) {
        Response::Cards(records) => {
            let mut sequences: Vec<u64> = records.iter().map(|record| record.sequence).collect();
            sequences.sort_unstable();
            assert_eq!(sequences, [11, 14]);
        }
        other => panic!("a lookup was answered with {other:?}"),
    }
}

fn pay(locator: &Address, who: &Identity) -> Stamp {
    let challenge = Challenge::card(locator, &who.writer(locator).public());
    Equihash
        .solve(&challenge, &[3; 24], 1, 1_000)
        .expect("work is rewarded")
}

fn identity(handle: &str) -> Identity {
    Identity::new(
        &SecretKey::generate(&mut rand::rng()),
        1,
        SecretKey::generate(&mut rand::rng()),
        handle.parse().unwrap(),
    )
}

fn card(identity: &Identity, sequence: u64) -> Card {
    let issued = clock::now();
    let prekey = PrekeySecret::generate(issued, &mut rand::rng());
    Card {
        account: identity.account,
        delegation: identity.delegation,
        handle: identity.handle.clone(),
        sequence,
        issued,
        expires: prekey.public().expires,
        terminated: false,
        devices: vec![CardDevice {
            certificate: identity.certificate(),
            prekey: prekey.public().clone(),
            first_contact: identity.first_contact().public(),
        }],
        avatar: None,
    }
}

fn worthless() -> Stamp {
    Stamp {
        nonce: [0; 32],
        solution: vec![0; 1_344].into(),
    }
}

/// Returns a deposit under any admission.
fn admitted(
    letterbox: &Letterbox,
    envelope: &Bytes,
    expires: UnixMillis,
    admission: Admission,
) -> Request {
    Request::DepositEnvelope {
        mailbox: letterbox.mailbox,
        expires,
        envelope: envelope.clone(),
        nonce: nonce(),
        admission,
    }
}

/// Returns the same deposit with another envelope.
fn with_admission(deposit: &Request, other: &Bytes) -> Request {
    match deposit {
        Request::DepositEnvelope {
            mailbox,
            expires,
            nonce,
            admission,
            ..
        } => Request::DepositEnvelope {
            mailbox: *mailbox,
            expires: *expires,
            envelope: other.clone(),
            nonce: *nonce,
            admission: admission.clone(),
        },
        other => panic!("{other:?} is no deposit"),
    }
}
