//! Encodings that are refused, of every message that has a count, a length or an order to get wrong.

use bytes::Bytes;
use prost::Message as _;
use serde_json::{Value, json};

use super::{
    hex,
    wire::{EXPIRES, record, waiting},
};
use crate::{
    card::Card,
    fixture::{NOW, person},
    limits::{ACK_COUNT_MAX, CARD_SLOTS, GET_COUNT_MAX, LISTING_COUNT_MAX, PAYLOAD_BYTES_MAX},
    message::{Binding, Message as Letter},
    repair::{RepairRequest, RepairResponse},
    request::{Push, Request, Response},
    routing::{Answer, Question},
    wire::{WireError, generated as g},
};

mod between;
mod inside;

/// Decodes an encoding of a kind; what is in the way, if something is.
pub(super) fn decode(kind: &str, encoding: &[u8]) -> Option<String> {
    let wire = |result: Result<(), WireError>| result.err().map(|error| error.to_string());
    match kind {
        "Request" => wire(Request::decode(encoding).map(drop)),
        "Response" => wire(Response::decode(encoding).map(drop)),
        "Push" => wire(Push::decode(encoding).map(drop)),
        "FindNodes" => wire(Question::decode(encoding).map(drop)),
        "FoundNodes" => wire(Answer::decode(encoding).map(drop)),
        "RepairRequest" => wire(RepairRequest::decode(encoding).map(drop)),
        "RepairResponse" => wire(RepairResponse::decode(encoding).map(drop)),
        "SignedCard" => Card::open(encoding).err().map(|error| error.to_string()),
        "Message" => {
            let opened = Letter::open(encoding, &binding());
            opened.err().map(|error| error.to_string())
        }
        other => panic!("{other} is no kind"),
    }
}

/// The envelope that messages here are signed for.
fn binding() -> Binding {
    let bob = person("bob");
    let mailbox = bob.first_contact_mailbox(NOW.epoch());
    Binding {
        recipient: bob.account,
        device: bob.device.public(),
        address: mailbox.address(),
        epoch: mailbox.epoch,
        expires: EXPIRES,
    }
}

fn blank(length: usize) -> Bytes {
    Bytes::from(vec![7; length])
}

/// Returns bytes that no other number gives, in ascending order.
fn numbered(number: usize, length: usize) -> Bytes {
    let mut bytes = vec![7; length];
    bytes[..8].copy_from_slice(&(number as u64).to_be_bytes());
    bytes.into()
}

/// Encodes a wire request, whatever it says.
fn wire(request: g::request::Request) -> Vec<u8> {
    let request = Some(request);
    g::Request { request }.encode_to_vec()
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

fn get_of(ids: Vec<Bytes>) -> Vec<u8> {
    let proof = Some(g::OwnerProof {
        time_ms: 1,
        signature: blank(64),
    });
    let mailbox = Some(mailbox_of(32, 1));
    wire(g::request::Request::Get(g::Get {
        mailbox,
        proof,
        ids,
    }))
}

fn ack_of(ids: Vec<Bytes>) -> Vec<u8> {
    let entry = |id| g::AckEntry {
        id,
        signature: blank(64),
    };
    let mailbox = Some(mailbox_of(32, 1));
    let entries = ids.into_iter().map(entry).collect();
    wire(g::request::Request::Ack(g::Ack { mailbox, entries }))
}

fn many(count: usize) -> Vec<Bytes> {
    (0..count).map(|number| numbered(number, 32)).collect()
}

type Case = (&'static str, Vec<u8>);

fn forms() -> Vec<Case> {
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
    ]
}

fn requests() -> Vec<Case> {
    let twice = vec![blank(32); 2];
    assert!(Request::decode(&get_of(many(GET_COUNT_MAX))).is_ok());
    assert!(Request::decode(&ack_of(many(ACK_COUNT_MAX))).is_ok());
    let envelope = g::DepositEnvelope {
        mailbox: Some(mailbox_of(32, 1)),
        expires_ms: EXPIRES.get(),
        envelope: waiting().envelope,
        nonce: blank(16),
        proof: None,
    };
    let chunk = g::DepositChunk {
        chunk: blank(10),
        expires_ms: EXPIRES.get(),
        deletion_key: blank(32),
        stamp: None,
        nonce: blank(16),
    };
    let mut requests = forms();
    requests.extend([
        ("no mailbox", offer_of(None, 32, 16)),
        ("an owner of 31 bytes", offer_of(mailbox_of(31, 1), 32, 16)),
        ("no rule", offer_of(mailbox_of(32, 0), 32, 16)),
        ("an unknown rule", offer_of(mailbox_of(32, 3), 32, 16)),
        (
            "an identifier of 33 bytes",
            offer_of(mailbox_of(32, 1), 33, 16),
        ),
        ("a nonce of 15 bytes", offer_of(mailbox_of(32, 1), 32, 15)),
        ("no identifiers", get_of(Vec::new())),
        ("33 identifiers", get_of(many(GET_COUNT_MAX + 1))),
        ("an identifier twice", get_of(twice.clone())),
        ("an ack of nothing", ack_of(Vec::new())),
        ("an ack of 257", ack_of(many(ACK_COUNT_MAX + 1))),
        ("an ack of one twice", ack_of(twice)),
        (
            "a deposit of an envelope without a proof",
            wire(g::request::Request::DepositEnvelope(envelope)),
        ),
        (
            "a deposit of a chunk without a stamp",
            wire(g::request::Request::DepositChunk(chunk)),
        ),
    ]);
    requests
}

fn answer(response: g::response::Response) -> Vec<u8> {
    let response = Some(response);
    g::Response { response }.encode_to_vec()
}

fn refusal(reason: i32, effort: u32) -> g::Refusal {
    g::Refusal {
        reason,
        retry_after_ms: 0,
        effort,
        date_ms: 0,
    }
}

fn listing(lines: Vec<g::Listed>, more: bool) -> Vec<u8> {
    answer(g::response::Response::Listing(g::Listing {
        items: lines,
        more,
    }))
}

fn line(id: usize, size_bytes: u32) -> g::Listed {
    g::Listed {
        id: numbered(id, 32),
        size_bytes,
        expires_ms: 9,
    }
}

#[expect(clippy::too_many_lines, reason = "a table")]
fn responses() -> Vec<Case> {
    use g::response::Response as R;
    let item = g::Waiting {
        envelope: waiting().envelope,
        expires_ms: EXPIRES.get(),
    };
    let lie = g::Waiting {
        expires_ms: EXPIRES.get() + 1,
        ..item.clone()
    };
    let envelopes = |items: Vec<g::Waiting>| answer(R::Envelopes(g::Envelopes { items }));
    let record = record().to_wire();
    let cards = |count: usize| {
        let record = |number| g::CardRecord {
            writer: numbered(number, 32),
            ..record.clone()
        };
        let records = (0..count).map(record).collect();
        answer(R::Cards(g::Cards { records }))
    };
    assert!(Response::decode(&cards(CARD_SLOTS)).is_ok());
    let same = vec![record.clone(); 2];
    let lines = |count| (0..count).map(|id| line(id, 2_048)).collect::<Vec<_>>();
    assert!(Response::decode(&listing(lines(LISTING_COUNT_MAX), true)).is_ok());
    let stamp = g::Reason::Stamp.into();
    let full = g::Reason::Full.into();
    let chunk = |bytes| {
        answer(R::Chunk(g::Chunk {
            chunk: bytes,
            expires_ms: 9,
        }))
    };
    vec![
        ("an envelope with a false expiry", envelopes(vec![lie])),
        ("an envelope twice", envelopes(vec![item; 2])),
        (
            "a reason of a later version",
            answer(R::Refusal(refusal(14, 0))),
        ),
        (
            "no effort where a stamp is asked for",
            answer(R::Refusal(refusal(stamp, 0))),
        ),
        (
            "an effort where none is",
            answer(R::Refusal(refusal(full, 1))),
        ),
        (
            "no date with a clock that differs",
            answer(R::Refusal(refusal(g::Reason::Clock.into(), 0))),
        ),
        (
            "a date with another reason",
            answer(R::Refusal(g::Refusal {
                date_ms: 9,
                ..refusal(full, 0)
            })),
        ),
        (
            "a listing of 1,001",
            listing(lines(LISTING_COUNT_MAX + 1), true),
        ),
        (
            "a listing out of order",
            listing(vec![line(2, 2_048), line(1, 2_048)], false),
        ),
        (
            "a line twice",
            listing(vec![line(1, 2_048), line(1, 2_048)], false),
        ),
        (
            "a listing with more behind nothing",
            listing(Vec::new(), true),
        ),
        (
            "an envelope of a size that does not exist",
            listing(vec![line(1, 2_049)], false),
        ),
        ("nine records", cards(CARD_SLOTS + 1)),
        (
            "two records of one writer",
            answer(R::Cards(g::Cards { records: same })),
        ),
        ("an empty chunk", chunk(Bytes::new())),
    ]
}

fn pushes() -> Vec<Case> {
    let item = g::Waiting {
        envelope: waiting().envelope,
        expires_ms: EXPIRES.get(),
    };
    let push = |mailbox, item| g::Push { mailbox, item }.encode_to_vec();
    assert!(Push::decode(&push(blank(32), Some(item.clone()))).is_ok());
    let changed = |envelope, expires_ms| {
        let item = g::Waiting {
            envelope,
            expires_ms,
        };
        push(blank(32), Some(item))
    };
    vec![
        ("a mailbox of 31 bytes", push(blank(31), Some(item.clone()))),
        (
            "an envelope of 2,047 bytes",
            changed(item.envelope.slice(..2_047), EXPIRES.get()),
        ),
        (
            "an envelope with a false expiry",
            changed(item.envelope.clone(), EXPIRES.get() - 1),
        ),
        ("no expiry", changed(item.envelope, 0)),
    ]
}

pub(super) fn refused() -> Value {
    let kinds = [
        ("Request", requests()),
        ("Response", responses()),
        ("Push", pushes()),
        ("SignedCard", inside::cards()),
        ("Message", inside::letters()),
        ("FindNodes", between::questions()),
        ("FoundNodes", between::found()),
        ("RepairRequest", between::repair_requests()),
        ("RepairResponse", between::repair_responses()),
    ];
    let mut refused = Vec::new();
    for (kind, cases) in kinds {
        for (name, encoding) in cases {
            let error = decode(kind, &encoding);
            let error = error.unwrap_or_else(|| panic!("{kind}: {name} is taken"));
            let encoding = hex(encoding);
            refused
                .push(json!({ "kind": kind, "name": name, "encoding": encoding, "error": error }));
        }
    }
    json!({
        "about": "SPEC 2.1, 4, 6.3, 7, 8.8, 9.4: encodings that are refused; the error texts are this crate's",
        "longest_payload_bytes": PAYLOAD_BYTES_MAX,
        "message_binding": hex(binding().bytes()),
        "refused": refused,
    })
}
