//! One encoding of every request, response and push.

use bytes::Bytes;
use serde_json::{Value, json};

use super::hex;
use crate::{
    Address, ItemId, NodeId,
    card::CardRecord,
    envelope::id_of,
    fixture::{NOW, bytes, card, key, noise_envelope, person, prekey, rng},
    keys::SecretKey,
    limits::DAY_MS,
    mailbox::{AckEntry, Capability, Mailbox, OwnerProof, OwnerRequest},
    message::{Content, Grant, MessageId, Reference, Said, Text, What},
    person::IdCost,
    receipt::{Claim, Receipt},
    request::{Admission, Listed, Push, Reason, Refusal, Request, Response, Waiting},
    stamp::{Challenge, CheapForTests, Stamp, StampScheme as _},
    time::UnixMillis,
};

pub(super) const EXPIRES: UnixMillis = NOW.plus(6 * DAY_MS);

fn stamp(challenge: &Challenge) -> Stamp {
    CheapForTests
        .solve(challenge, &bytes("stamp"), 1, 10_000)
        .unwrap()
}

pub(super) fn record() -> CardRecord {
    let alice = person("alice");
    let cost = IdCost::CheapForTests;
    let locators = alice.person_id(cost).locators(NOW.salt_epoch(), cost);
    let card = card(&alice, &prekey("alice", NOW), 7);
    let (at, key) = (locators.addresses[0], &locators.record_key);
    CardRecord::seal(&card, &alice, at, key, &mut rng("record")).unwrap()
}

fn nonce() -> [u8; 16] {
    bytes("receipt nonce")
}

fn deposits() -> Vec<(&'static str, Request)> {
    let bob = person("bob");
    let open = bob.first_contact_mailbox(NOW.epoch());
    let closed = bob.device_mailbox(NOW.epoch(), 0);
    let envelope = noise_envelope("envelope", 2_048, EXPIRES);
    let id = id_of(&envelope);
    let owner = bob.device_mailbox_owner(NOW.epoch(), 0);
    let capability = Capability::issue(&owner, &closed, key("holder"));
    let proof = capability.prove(&closed.address(), &id, EXPIRES);
    let challenge = Challenge::envelope(&open.address(), &id, EXPIRES);
    let deposit = |mailbox, admission| Request::DepositEnvelope {
        mailbox,
        expires: EXPIRES,
        envelope: envelope.clone(),
        nonce: nonce(),
        admission,
    };
    let record = record();
    let card = |stamp| Request::DepositCard {
        record: Box::new(record.clone()),
        stamp,
        nonce: nonce(),
    };
    let chunk = Bytes::from_static(b"a chunk");
    let deletion_key = key("deletion").public();
    let at = Address::new(*id_of(&chunk).as_bytes());
    let chunk = Request::DepositChunk {
        chunk,
        expires: EXPIRES,
        deletion_key,
        stamp: stamp(&Challenge::chunk(&at, &deletion_key, EXPIRES)),
        nonce: nonce(),
    };
    vec![
        (
            "deposit of an envelope with a stamp",
            deposit(open, Admission::Stamp(stamp(&challenge))),
        ),
        (
            "deposit of an envelope with a capability",
            deposit(closed, Admission::Capability(proof)),
        ),
        (
            "deposit of a card by a new writer",
            card(Some(stamp(&Challenge::card(
                &record.locator,
                &record.writer,
            )))),
        ),
        ("deposit of a card by a known writer", card(None)),
        ("deposit of a chunk", chunk),
    ]
}

fn owners(mailbox: Mailbox, owner: &SecretKey) -> Vec<(&'static str, Request)> {
    let keeper = NodeId::new(*key("keeper").public().as_bytes());
    let [one, two] = ["item one", "item two"].map(|label| ItemId::new(bytes(label)));
    let both = [one, two];
    let address = mailbox.address();
    let sign = |asked: OwnerRequest<'_>| OwnerProof::sign(owner, &address, &keeper, NOW, asked);
    let entries = both.map(|id| AckEntry::sign(owner, &address, id)).to_vec();
    let list = |after: Option<&ItemId>| Request::List {
        mailbox,
        proof: sign(OwnerRequest::List(after)),
        after: after.copied(),
    };
    let get = Request::Get {
        mailbox,
        proof: sign(OwnerRequest::Get(&both)),
        ids: both.to_vec(),
    };
    vec![
        ("list from the start", list(None)),
        ("list after an identifier", list(Some(&one))),
        ("get of two envelopes", get),
        ("ack of two envelopes", Request::Ack { mailbox, entries }),
        (
            "subscribe",
            Request::Subscribe {
                mailbox,
                proof: sign(OwnerRequest::Subscribe),
            },
        ),
    ]
}

fn requests() -> Vec<(&'static str, Request)> {
    let bob = person("bob");
    let mailbox = bob.first_contact_mailbox(NOW.epoch());
    let address = Address::new(bytes("address"));
    let signature = key("deletion").sign(crate::context::SIGN_DELETE, &[address.as_bytes()]);
    let id = ItemId::new(bytes("item one"));
    let mut requests = deposits();
    requests.push((
        "offer",
        Request::Offer {
            mailbox,
            id,
            nonce: nonce(),
        },
    ));
    requests.extend(owners(mailbox, &bob.first_contact()));
    requests.push(("get of cards", Request::GetCards { locator: address }));
    requests.push(("get of a chunk", Request::GetChunk { address }));
    requests.push((
        "deletion of a chunk",
        Request::DeleteChunk { address, signature },
    ));
    requests
}

pub(super) fn waiting() -> Waiting {
    Waiting {
        envelope: noise_envelope("envelope", 2_048, EXPIRES),
        expires: EXPIRES,
    }
}

fn responses() -> Vec<(&'static str, Response)> {
    let address = Address::new(bytes("address"));
    let id = ItemId::new(bytes("item one"));
    let claim = Claim {
        address,
        id,
        nonce: nonce(),
    };
    let line = Listed {
        id,
        size_bytes: 2_048,
        expires: EXPIRES,
    };
    let chunk = Bytes::from_static(b"a chunk");
    vec![
        (
            "receipt",
            Response::Receipt(Receipt::sign(&key("keeper"), &claim, EXPIRES)),
        ),
        (
            "refusal for want of a stamp",
            Response::Refusal(Refusal::stamp(4)),
        ),
        (
            "refusal for want of room",
            Response::Refusal(Refusal::until(Reason::Full, 600_000)),
        ),
        (
            "listing with more to come",
            Response::Listing {
                items: vec![line],
                more: true,
            },
        ),
        (
            "empty listing",
            Response::Listing {
                items: vec![],
                more: false,
            },
        ),
        ("envelopes", Response::Envelopes(vec![waiting()])),
        ("done", Response::Done { until: None }),
        (
            "done with a subscription",
            Response::Done {
                until: Some(EXPIRES),
            },
        ),
        ("cards", Response::Cards(vec![record()])),
        (
            "chunk",
            Response::Chunk {
                chunk,
                expires: EXPIRES,
            },
        ),
        ("unknown", Response::Unknown),
    ]
}

/// Whatever a member says in a conversation.
fn said() -> Vec<(&'static str, Said)> {
    let (alice, bob) = (person("alice"), person("bob"));
    let of = |what| Said {
        id: MessageId::new(bytes("said")),
        sent: NOW,
        expires: EXPIRES,
        what,
    };
    let file = Text {
        body: Bytes::from_static(b"hello"),
        burn_ms: 30_000,
        file_name: "hello.txt".to_owned(),
        ..Text::default()
    };
    let to = Reference {
        author: bob.account,
        id: MessageId::new(bytes("one before")),
    };
    let answer = Text {
        body: Bytes::from_static(b"an answer"),
        reply_to: Some(to),
        ..Text::default()
    };
    let edit = Text {
        body: Bytes::from_static(b"better"),
        replaces: Some(MessageId::new(bytes("worse"))),
        ..Text::default()
    };
    let ids = vec![MessageId::new(bytes("delivered one"))];
    let read = vec![MessageId::new(bytes("read one"))];
    let delivered = Content::Delivered { ids, read };
    let emoji = "\u{1f44d}".to_owned();
    let recalled = vec![MessageId::new(bytes("regretted"))];
    let (account, epoch) = (&bob.account, NOW.epoch());
    let grant = Grant::issue(&alice, account, account, 0, epoch, 2);
    let unknown = Content::Unknown {
        kind: 1_000,
        content: Bytes::from_static(b"of another version"),
    };
    let content = |content| of(What::Content(content));
    vec![
        ("text that is a file", content(Content::Text(file))),
        ("text that is an answer", content(Content::Text(answer))),
        ("text that replaces another", content(Content::Text(edit))),
        ("delivered", content(delivered)),
        ("grant", of(What::Grant(grant))),
        ("reaction", content(Content::Reaction { to, emoji })),
        ("recall", content(Content::Recall { ids: recalled })),
        ("something unknown", content(unknown)),
    ]
}

pub(super) fn messages() -> Value {
    let of = |kind: &str, name: &str, encoding: &[u8]| {
        let encoding = hex(encoding);
        json!({ "kind": kind, "name": name, "encoding": encoding })
    };
    let mut messages = Vec::new();
    for (name, request) in requests() {
        messages.push(of("Request", name, &request.encode()));
    }
    for (name, response) in responses() {
        messages.push(of("Response", name, &response.encode()));
    }
    let mailbox = person("bob").first_contact_mailbox(NOW.epoch()).address();
    messages.push(of(
        "Push",
        "push",
        &Push {
            mailbox,
            item: Some(waiting()),
        }
        .encode(),
    ));
    messages.push(of(
        "Push",
        "push of a subscription",
        &Push {
            mailbox,
            item: None,
        }
        .encode(),
    ));
    for (name, said) in said() {
        messages.push(of("Said", name, &said.encode().unwrap()));
    }
    json!({
        "about": "SPEC 7 and 15.8: one encoding of everything; stamps are cheap ones, envelopes are noise",
        "messages": messages,
    })
}
