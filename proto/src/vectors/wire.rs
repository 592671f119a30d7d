//! One encoding of every request, response and push, and encodings that are refused.

use bytes::Bytes;
use prost::Message as _;
use serde_json::{Value, json};

use super::hex;
use crate::{
    Address, ItemId, NodeId,
    card::CardRecord,
    envelope::id_of,
    fixture::{NOW, bytes, card, key, noise_envelope, person, prekey, rng},
    keys::SecretKey,
    limits::{DAY_MS, PAYLOAD_BYTES_MAX},
    mailbox::{AckEntry, Capability, Mailbox, OwnerProof, OwnerRequest},
    person::IdCost,
    receipt::{Claim, Receipt},
    request::{Admission, Listed, Push, Reason, Refusal, Request, Response, Waiting},
    stamp::{Challenge, CheapForTests, Stamp, StampScheme as _},
    time::UnixMillis,
    wire::generated as g,
};

const EXPIRES: UnixMillis = NOW.plus(6 * DAY_MS);

fn stamp(challenge: &Challenge) -> Stamp {
    CheapForTests
        .solve(challenge, &bytes("stamp"), 1, 10_000)
        .unwrap()
}

fn record() -> CardRecord {
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

fn waiting() -> Waiting {
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
            item: waiting(),
        }
        .encode(),
    ));
    json!({
        "about": "SPEC 7: one encoding of everything; stamps are cheap ones, envelopes are noise",
        "messages": messages,
    })
}

/// Encodes a wire request, whatever it says.
fn wire(request: g::request::Request) -> Vec<u8> {
    g::Request {
        request: Some(request),
    }
    .encode_to_vec()
}

fn blank(length: usize) -> Bytes {
    Bytes::from(vec![7; length])
}

fn mailbox_of(owner: usize, rule: i32) -> g::Mailbox {
    let owner = blank(owner);
    g::Mailbox {
        owner,
        rule,
        epoch: 20_601,
    }
}

fn offer_of(mailbox: impl Into<Option<g::Mailbox>>, id: usize, nonce: usize) -> Vec<u8> {
    let (mailbox, id, nonce) = (mailbox.into(), blank(id), blank(nonce));
    wire(g::request::Request::Offer(g::Offer { mailbox, id, nonce }))
}

fn get_of(count: usize) -> Vec<u8> {
    let proof = Some(g::OwnerProof {
        time_ms: 1,
        signature: blank(64),
    });
    let (mailbox, ids) = (Some(mailbox_of(32, 1)), vec![blank(32); count]);
    wire(g::request::Request::Get(g::Get {
        mailbox,
        proof,
        ids,
    }))
}

fn refused_requests() -> Vec<(&'static str, Vec<u8>)> {
    let good = offer_of(mailbox_of(32, 1), 32, 16);
    assert!(Request::decode(&good).is_ok());
    let with = |tail: &[u8]| [&good[..], tail].concat();
    let mut long_length = good.clone();
    // The length of the offer as a varint of one byte more.
    assert!(good[1] < 128);
    long_length.splice(1..2, [good[1] | 128, 0]);
    let second = wire(g::request::Request::GetCards(g::GetCards {
        locator: blank(32),
    }));
    vec![
        ("nothing", Vec::new()),
        ("noise", vec![255; 20]),
        ("cut short", good[..good.len() - 1].to_vec()),
        ("an unknown field behind", with(&[0x78, 1])),
        ("the same request twice", with(&good)),
        ("a second request behind the first", with(&second)),
        ("a length written in two bytes", long_length),
        ("a zero behind", with(&[0])),
        ("no mailbox", offer_of(None, 32, 16)),
        ("an owner of 31 bytes", offer_of(mailbox_of(31, 1), 32, 16)),
        ("no rule", offer_of(mailbox_of(32, 0), 32, 16)),
        ("an unknown rule", offer_of(mailbox_of(32, 3), 32, 16)),
        (
            "an identifier of 33 bytes",
            offer_of(mailbox_of(32, 1), 33, 16),
        ),
        ("a nonce of 15 bytes", offer_of(mailbox_of(32, 1), 32, 15)),
        ("no identifiers", get_of(0)),
        ("33 identifiers", get_of(33)),
    ]
}

fn refused_responses() -> Vec<(&'static str, Vec<u8>)> {
    let lie = Waiting {
        expires: EXPIRES.plus(1),
        ..waiting()
    };
    let lie = Response::Envelopes(vec![lie]).encode().to_vec();
    let later = g::Refusal {
        reason: 14,
        retry_after_ms: 0,
        effort: 0,
        date_ms: 0,
    };
    let later = g::Response {
        response: Some(g::response::Response::Refusal(later)),
    };
    vec![
        ("an envelope with a false expiry", lie),
        ("a reason of a later version", later.encode_to_vec()),
    ]
}

pub(super) fn refused() -> Value {
    let of = |kind: &str, name: &str, encoding: &[u8], error: String| {
        let encoding = hex(encoding);
        json!({ "kind": kind, "name": name, "encoding": encoding, "error": error })
    };
    let mut refused = Vec::new();
    for (name, encoding) in refused_requests() {
        let error = Request::decode(&encoding).unwrap_err().to_string();
        refused.push(of("Request", name, &encoding, error));
    }
    for (name, encoding) in refused_responses() {
        let error = Response::decode(&encoding).unwrap_err().to_string();
        refused.push(of("Response", name, &encoding, error));
    }
    json!({
        "about": "SPEC 2.1 and 7: encodings that are refused; the error texts are this crate's",
        "longest_payload_bytes": PAYLOAD_BYTES_MAX,
        "refused": refused,
    })
}
