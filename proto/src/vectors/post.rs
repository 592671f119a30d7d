//! Mailboxes, stamps and receipts.

use serde_json::{Value, json};

use super::hex;
use crate::{
    Address, ItemId, NodeId,
    fixture::{NOW, bytes, key, person},
    limits::DAY_MS,
    mailbox::{AckEntry, Capability, Mailbox, OwnerProof, OwnerRequest, Rule},
    receipt::{Claim, Receipt},
    stamp::{Challenge, CheapForTests, Equihash, StampScheme},
    time::UnixMillis,
};

const EXPIRES: UnixMillis = NOW.plus(6 * DAY_MS);

pub(super) fn mailbox_json(mailbox: &Mailbox) -> Value {
    json!({
        "owner": hex(mailbox.owner.as_bytes()),
        "rule": match mailbox.rule { Rule::Stamp => 1, Rule::Capability => 2 },
        "epoch": mailbox.epoch.get(),
        "address": hex(mailbox.address().as_bytes()),
    })
}

pub(super) fn mailboxes() -> Value {
    let bob = person("bob");
    let epoch = NOW.epoch();
    let owner = bob.device_mailbox_owner(epoch, 0);
    let mailbox = bob.device_mailbox(epoch, 0);
    let address = mailbox.address();
    let [one, two] = ["item one", "item two"].map(|label| ItemId::new(bytes(label)));
    let capability = Capability::issue(&owner, &mailbox, key("holder"));
    let proof = capability.prove(&address, &one, EXPIRES);
    let keeper = NodeId::new(*key("keeper").public().as_bytes());
    let both = [one, two];
    let owner_proof = |name: &str, asked: OwnerRequest<'_>, arguments: Vec<ItemId>| {
        let proof = OwnerProof::sign(&owner, &address, &keeper, NOW, asked);
        json!({
            "request": name,
            "arguments": arguments.iter().map(|id| hex(id.as_bytes())).collect::<Vec<_>>(),
            "keeper": hex(keeper.as_bytes()),
            "time_ms": NOW.get(),
            "signature": hex(proof.signature.as_bytes()),
        })
    };
    json!({
        "about": "SPEC 5: addresses, capabilities, owner proofs, acks",
        "addresses": [
            mailbox_json(&bob.first_contact_mailbox(epoch)),
            mailbox_json(&mailbox),
            mailbox_json(&bob.device_mailbox(epoch.plus(1), 0)),
        ],
        "mailbox": mailbox_json(&mailbox),
        "owner_seed": hex(*owner.seed()),
        "capability": {
            "holder_seed": hex(*capability.holder.seed()),
            "holder": hex(proof.holder.as_bytes()),
            "certificate": hex(proof.certificate.as_bytes()),
            "item": hex(one.as_bytes()),
            "expires_ms": EXPIRES.get(),
            "signature": hex(proof.signature.as_bytes()),
        },
        "owner_proofs": [
            owner_proof("list", OwnerRequest::List(None), vec![]),
            owner_proof("list", OwnerRequest::List(Some(&one)), vec![one]),
            owner_proof("get", OwnerRequest::Get(&both), both.to_vec()),
            owner_proof("subscribe", OwnerRequest::Subscribe, vec![]),
        ],
        "ack": {
            "id": hex(one.as_bytes()),
            "signature": hex(AckEntry::sign(&owner, &address, one).signature.as_bytes()),
        },
    })
}

pub(super) fn stamps() -> Value {
    let address = Address::new(bytes("address"));
    let item = ItemId::new(bytes("item one"));
    let (writer, deletion) = (key("writer").public(), key("deletion").public());
    let envelope = Challenge::envelope(&address, &item, EXPIRES);
    let stamp = |scheme: &dyn StampScheme, name: &str| {
        let stamp = scheme.solve(&envelope, &bytes("stamp"), 1, 1_000).unwrap();
        json!({
            "scheme": name,
            "challenge": hex(envelope.as_bytes()),
            "nonce": hex(stamp.nonce),
            "solution": hex(&stamp.solution),
            "effort": stamp.effort(),
        })
    };
    json!({
        "about": "SPEC 5.3: challenges and stamps; cheap stamps are for tests and never accepted",
        "challenges": [
            {
                "for": "envelope",
                "address": hex(address.as_bytes()),
                "item": hex(item.as_bytes()),
                "expires_ms": EXPIRES.get(),
                "challenge": hex(envelope.as_bytes()),
            },
            {
                "for": "card",
                "locator": hex(address.as_bytes()),
                "writer": hex(writer.as_bytes()),
                "challenge": hex(Challenge::card(&address, &writer).as_bytes()),
            },
            {
                "for": "chunk",
                "address": hex(address.as_bytes()),
                "deletion_key": hex(deletion.as_bytes()),
                "expires_ms": EXPIRES.get(),
                "challenge": hex(Challenge::chunk(&address, &deletion, EXPIRES).as_bytes()),
            },
        ],
        "stamps": [stamp(&Equihash, "equihash-200-9"), stamp(&CheapForTests, "cheap-for-tests")],
    })
}

pub(super) fn receipts() -> Value {
    let claim = Claim {
        address: Address::new(bytes("address")),
        id: ItemId::new(bytes("item one")),
        nonce: bytes("receipt nonce"),
    };
    let receipt = Receipt::sign(&key("keeper"), &claim, EXPIRES);
    json!({
        "about": "SPEC 7.4: receipts",
        "receipts": [{
            "keeper_seed": hex(*key("keeper").seed()),
            "keeper": hex(key("keeper").public().as_bytes()),
            "address": hex(claim.address.as_bytes()),
            "id": hex(claim.id.as_bytes()),
            "nonce": hex(claim.nonce),
            "until_ms": EXPIRES.get(),
            "signature": hex(receipt.signature.as_bytes()),
        }],
    })
}
