//! What keepers say to each other, and what they add up.

use serde_json::{Value, json};

use super::hex;
use crate::{
    Address, ItemId,
    fixture::{NOW, bytes, key},
    keeper::{AdmissionProof, Element, ElementKey, Replica},
    mailbox::{AckEntry, Mailbox, Rule},
    repair::{Part, Range, RangeAnswer, RepairRequest, RepairResponse, Sum, Terms, sum_of},
    request::{Reason, Refusal},
    routing::Point,
};

fn elements() -> [Element; 3] {
    let at = |label: &str| Address::new(bytes(label));
    let element = |key, version| Element {
        key,
        expires: NOW,
        version,
    };
    [
        element(
            ElementKey::card(at("a locator"), &key("a writer").public()),
            7,
        ),
        element(
            ElementKey::envelope(at("a mailbox"), ItemId::new(bytes("an envelope"))),
            0,
        ),
        element(
            ElementKey::ack(at("a mailbox"), ItemId::new(bytes("another envelope"))),
            0,
        ),
    ]
}

fn requests() -> [(&'static str, RepairRequest); 3] {
    let [card, envelope, _] = elements();
    let terms = Terms {
        salt: bytes("salt"),
        points: vec![Point::new(bytes("one point")), Point::new(bytes("another"))],
        alive: NOW,
        leaving: false,
    };
    let first = Range {
        after: None,
        to: Some(card.key),
    };
    let rest = Range {
        after: Some(envelope.key),
        to: None,
    };
    let ranges = vec![(first, Sum { count: 1, total: 5 }), (rest, Sum::default())];
    let keys = vec![card.key, envelope.key];
    [
        ("compare", RepairRequest::Compare { terms, ranges }),
        ("copy", RepairRequest::Copy { keys }),
        ("leave", RepairRequest::Leave),
    ]
}

fn responses() -> [(&'static str, RepairResponse); 4] {
    let [card, envelope, ack] = elements();
    let part = |to, count| Part {
        to,
        sum: Sum { count, total: 9 },
    };
    let compared = vec![
        RangeAnswer::Equal,
        RangeAnswer::Parts(vec![part(Some(card.key), 40), part(None, 2)]),
        RangeAnswer::Elements(vec![card, envelope]),
    ];
    let owner = key("an owner");
    let mailbox = Mailbox {
        owner: owner.public(),
        rule: Rule::Capability,
        epoch: NOW.epoch(),
    };
    let signed = AckEntry::sign(&owner, &mailbox.address(), ItemId::new(ack.key.name));
    let replica = Replica {
        key: ElementKey::ack(mailbox.address(), signed.id),
        until: NOW,
        item: Vec::new().into(),
        deposited: true,
        proof: AdmissionProof::of_ack(mailbox, signed.signature).encode(),
    };
    let refusal = Refusal::until(Reason::Unavailable, 60_000);
    [
        (
            "compared",
            RepairResponse::Compared {
                ranges: compared,
                date: NOW,
            },
        ),
        ("replicas", RepairResponse::Replicas(vec![replica])),
        ("done", RepairResponse::Done),
        ("refusal", RepairResponse::Refusal(refusal)),
    ]
}

pub(super) fn repair() -> Value {
    let salt = bytes("salt");
    let lines = elements().map(|element| {
        json!({
            "key": hex(element.key.to_bytes()),
            "version": element.version,
            "digest": hex(sum_of(&salt, &[element]).total.to_be_bytes()),
        })
    });
    let message = |name: &str, encoding: &[u8]| json!({ "name": name, "encoding": hex(encoding) });
    let requests = requests();
    let requests = requests
        .iter()
        .map(|(name, request)| message(name, &request.encode()));
    let responses = responses();
    let responses = responses
        .iter()
        .map(|(name, response)| message(name, &response.encode()));
    json!({
        "about": "SPEC 8.8: sums of elements, and an encoding of every message between keepers",
        "sums": [{
            "salt": hex(salt),
            "elements": lines,
            "sum": hex(sum_of(&salt, &elements()).total.to_be_bytes()),
        }],
        "requests": requests.collect::<Vec<_>>(),
        "responses": responses.collect::<Vec<_>>(),
    })
}
