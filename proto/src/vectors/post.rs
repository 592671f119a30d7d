//! Mailboxes, receipts, and chunks that are deleted.

use serde_json::{Value, json};

use super::hex;
use crate::{
    Address, ItemId, NodeId, context,
    envelope::id_of,
    fixture::{NOW, bytes, key, person},
    keys::SecretKey,
    limits::DAY_MS,
    mailbox::{AckEntry, Capability, Mailbox, OwnerProof, OwnerRequest, Rule},
    receipt::{Claim, Receipt},
    stamp::{Challenge, CheapForTests, StampScheme as _},
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

pub(super) fn chunks() -> Value {
    let (chunk, owner, other) = (b"a chunk", key("deletion"), key("another"));
    let address = Address::new(*id_of(chunk).as_bytes());
    let challenge = Challenge::chunk(&address, &owner.public(), EXPIRES);
    let stamp = CheapForTests.solve(&challenge, &bytes("stamp"), 1, 10_000);
    let stamp = stamp.unwrap();
    let sign = |by: &SecretKey, context| by.sign(context, &[address.as_bytes()]);
    let deletion = |name: &str, by: &SecretKey, context, is_valid: bool| {
        let signature = sign(by, context);
        let verified =
            owner
                .public()
                .verify(context::SIGN_DELETE, &[address.as_bytes()], &signature);
        assert_eq!(verified.is_ok(), is_valid, "{name}");
        json!({
            "name": name,
            "signature": hex(signature.as_bytes()),
            "valid": is_valid,
        })
    };
    json!({
        "about": "SPEC 2.3, 5.3 and 7.1: a chunk, its price and who may delete it; the stamp is a cheap one",
        "chunks": [{
            "chunk": hex(chunk),
            "address": hex(address.as_bytes()),
            "expires_ms": EXPIRES.get(),
            "deletion_seed": hex(*owner.seed()),
            "deletion_key": hex(owner.public().as_bytes()),
            "challenge": hex(challenge.as_bytes()),
            "nonce": hex(stamp.nonce),
            "solution": hex(&stamp.solution),
            "deletions": [
                deletion("by its deletion key", &owner, context::SIGN_DELETE, true),
                deletion("by another key", &other, context::SIGN_DELETE, false),
                deletion("under the context of acks", &owner, context::SIGN_ACK, false),
            ],
        }],
    })
}
