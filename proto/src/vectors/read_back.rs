//! The other direction: what the files say is opened, verified and decoded.

use serde_json::Value;

use super::{path, refused};
use crate::{
    Address, ItemId, NodeId,
    card::{CardRecord, Known, choose},
    context,
    envelope::{self, Lifetime, OpenError, OpenerIdentity, expires_of, id_of},
    keeper::{Element, ElementKey, card_terms, price_factor},
    keys::{PublicKey, SecretKey, Signature},
    mailbox::{AckEntry, CapabilityProof, Mailbox, OwnerProof, OwnerRequest, Rule},
    message::Said,
    person::{IdCost, PersonId, RecordKey},
    phrase::RecoveryPhrase,
    prekey::{Prekey, PrekeySecret},
    publisher::salt_epochs,
    receipt::{Claim, Receipt},
    repair::{RepairRequest, RepairResponse, sum_of},
    request::{Push, Request, Response},
    routing::{Answer, Point, Question, distance},
    stamp::{Challenge, CheapForTests, Equihash, Stamp, StampScheme as _},
    time::{Epoch, SaltEpoch, UnixMillis},
    wire::generated as g,
};

/// Reads the list `list` of a file; without a name, all of it.
fn read(file: &str, list: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(path(file)).unwrap();
    let value: Value = serde_json::from_str(&text).unwrap();
    if list.is_empty() {
        return vec![value];
    }
    match &value[list] {
        Value::Array(cases) if !cases.is_empty() => cases.clone(),
        Value::Object(_) => vec![value[list].clone()],
        other => panic!("{file}.json has no {list}: {other}"),
    }
}

fn text<'a>(case: &'a Value, field: &str) -> &'a str {
    case[field]
        .as_str()
        .unwrap_or_else(|| panic!("no {field} in {case}"))
}

fn bytes(case: &Value, field: &str) -> Vec<u8> {
    data_encoding::HEXLOWER
        .decode(text(case, field).as_bytes())
        .unwrap()
}

fn array<const N: usize>(case: &Value, field: &str) -> [u8; N] {
    bytes(case, field).try_into().unwrap()
}

fn number(case: &Value, field: &str) -> u64 {
    case[field]
        .as_u64()
        .unwrap_or_else(|| panic!("no {field} in {case}"))
}

fn moment(case: &Value, field: &str) -> UnixMillis {
    UnixMillis::new(number(case, field))
}

fn public(case: &Value, field: &str) -> PublicKey {
    PublicKey::new(array(case, field))
}

fn signature(case: &Value, field: &str) -> Signature {
    Signature::new(array(case, field))
}

fn address(case: &Value, field: &str) -> Address {
    Address::new(array(case, field))
}

fn item(case: &Value, field: &str) -> ItemId {
    ItemId::new(array(case, field))
}

fn mailbox(case: &Value) -> Mailbox {
    let rule = match number(case, "rule") {
        1 => Rule::Stamp,
        2 => Rule::Capability,
        other => panic!("rule {other}"),
    };
    let epoch = Epoch::new(u32::try_from(number(case, "epoch")).unwrap());
    let mailbox = Mailbox {
        owner: public(case, "owner"),
        rule,
        epoch,
    };
    assert_eq!(mailbox.address(), address(case, "address"));
    mailbox
}

#[test]
fn ids_name_their_accounts() {
    for case in read("ids", "ids") {
        let cost = match number(&case["argon2id"], "memory_kib") {
            65_536 => IdCost::Production,
            _ => IdCost::CheapForTests,
        };
        let id: PersonId = text(&case, "id").parse().unwrap();
        assert!(id.names(&public(&case, "account"), cost));
        assert_eq!(id.tag.get().to_string(), text(&case, "tag_number"));
        let epoch = SaltEpoch::new(u32::try_from(number(&case, "salt_epoch")).unwrap());
        assert_eq!(
            id.locators(epoch, cost).record_key.as_bytes(),
            &array(&case, "record_key")
        );
    }
    for case in read("ids", "salt_epochs") {
        let date = moment(&case, "date_ms");
        assert_eq!(
            u64::from(date.salt_epoch().get()),
            number(&case, "looked_up")
        );
        let published = salt_epochs(date);
        let published: Vec<u64> = published.iter().map(|it| it.get().into()).collect();
        assert_eq!(serde_json::json!(published), case["published"]);
    }
    for case in read("ids", "refused") {
        let error = text(&case, "text").parse::<PersonId>().unwrap_err();
        assert_eq!(error.to_string(), text(&case, "error"));
    }
}

#[test]
fn keys_and_signatures_follow_from_their_parts() {
    let parts = |case: &Value| -> Vec<Vec<u8>> {
        let parts = case["parts"].as_array().unwrap().iter();
        parts
            .map(|part| {
                data_encoding::HEXLOWER
                    .decode(part.as_str().unwrap().as_bytes())
                    .unwrap()
            })
            .collect()
    };
    for case in read("keys", "derived") {
        let material = [
            array::<32>(&case, "from_seed").to_vec(),
            parts(&case).concat(),
        ]
        .concat();
        let seed = blake3::derive_key(text(&case, "context"), &material);
        assert_eq!(seed, array::<32>(&case, "seed"));
        assert_eq!(
            SecretKey::from_seed(&seed).public(),
            public(&case, "public")
        );
    }
    for case in read("keys", "phrases") {
        let phrase: RecoveryPhrase = text(&case, "words").parse().unwrap();
        assert!(phrase == RecoveryPhrase::from_entropy(array(&case, "entropy")));
        assert_eq!(*phrase.account().seed(), array::<32>(&case, "account_seed"));
        assert_eq!(phrase.account().public(), public(&case, "account"));
    }
    for case in read("keys", "strict") {
        let digest = blake3::derive_key(text(&case, "context"), &parts(&case).concat());
        assert_eq!(digest, array::<32>(&case, "digest"));
        let verified = public(&case, "public").verify(
            text(&case, "context"),
            &[&parts(&case).concat()],
            &signature(&case, "signature"),
        );
        assert_eq!(Some(verified.is_ok()), case["valid"].as_bool(), "{case}");
    }
    for case in read("keys", "signatures") {
        let context = text(&case, "context");
        assert!(context::ALL.contains(&context));
        let digest = blake3::derive_key(context, &parts(&case).concat());
        assert_eq!(digest, array::<32>(&case, "digest"));
        let joined = parts(&case).concat();
        let verified =
            public(&case, "public").verify(context, &[&joined], &signature(&case, "signature"));
        assert_eq!(verified, Ok(()));
    }
}

#[test]
fn mailboxes_admit_and_obey_what_was_signed() {
    for case in read("mailboxes", "addresses") {
        mailbox(&case);
    }
    let [at] = &read("mailboxes", "mailbox")[..] else {
        panic!()
    };
    let at = mailbox(at);
    let [case] = &read("mailboxes", "capability")[..] else {
        panic!()
    };
    let proof = CapabilityProof {
        holder: public(case, "holder"),
        certificate: signature(case, "certificate"),
        signature: signature(case, "signature"),
    };
    assert_eq!(
        proof.verify(&at, &item(case, "item"), moment(case, "expires_ms")),
        Ok(())
    );
    for case in read("mailboxes", "owner_proofs") {
        let ids: Vec<ItemId> = case["arguments"]
            .as_array()
            .unwrap()
            .iter()
            .map(|id| serde_json::json!({ "id": id }))
            .map(|id| item(&id, "id"))
            .collect();
        let asked = match text(&case, "request") {
            "list" => OwnerRequest::List(ids.first()),
            "get" => OwnerRequest::Get(&ids),
            _ => OwnerRequest::Subscribe,
        };
        let proof = OwnerProof {
            time: moment(&case, "time_ms"),
            signature: signature(&case, "signature"),
        };
        assert_eq!(
            proof.verify(&at, &NodeId::new(array(&case, "keeper")), asked),
            Ok(())
        );
    }
    let [case] = &read("mailboxes", "ack")[..] else {
        panic!()
    };
    let entry = AckEntry {
        id: item(case, "id"),
        signature: signature(case, "signature"),
    };
    assert_eq!(entry.verify(&at), Ok(()));
}

#[test]
fn stamps_solve_their_challenges() {
    let challenges = read("stamps", "challenges");
    let first = &challenges[0];
    let challenge = Challenge::envelope(
        &address(first, "address"),
        &item(first, "item"),
        moment(first, "expires_ms"),
    );
    assert_eq!(challenge.as_bytes(), &array(first, "challenge"));
    for case in read("stamps", "stamps") {
        assert_eq!(challenge.as_bytes(), &array(&case, "challenge"));
        let stamp = Stamp {
            nonce: array(&case, "nonce"),
            solution: bytes(&case, "solution").into(),
        };
        assert_eq!(stamp.effort(), number(&case, "effort"));
        let is_equihash = text(&case, "scheme") == "equihash-200-9";
        assert_eq!(Equihash.verify(&challenge, &stamp, 1), is_equihash);
        assert_eq!(CheapForTests.verify(&challenge, &stamp, 1), !is_equihash);
    }
    for case in read("stamps", "refused") {
        assert_eq!(challenge.as_bytes(), &array(&case, "challenge"));
        let stamp = Stamp {
            nonce: array(&case, "nonce"),
            solution: bytes(&case, "solution").into(),
        };
        let asked = u32::try_from(number(&case, "effort_asked")).unwrap();
        assert!(!Equihash.verify(&challenge, &stamp, asked), "{case}");
    }
}

#[test]
fn chunks_lie_at_their_hash_and_are_deleted_by_their_key() {
    for case in read("chunks", "chunks") {
        let chunk = bytes(&case, "chunk");
        let at = Address::new(*id_of(&chunk).as_bytes());
        assert_eq!(at, address(&case, "address"));
        let owner = public(&case, "deletion_key");
        let challenge = Challenge::chunk(&at, &owner, moment(&case, "expires_ms"));
        assert_eq!(challenge.as_bytes(), &array(&case, "challenge"));
        let stamp = Stamp {
            nonce: array(&case, "nonce"),
            solution: bytes(&case, "solution").into(),
        };
        assert!(CheapForTests.verify(&challenge, &stamp, 1));
        for deletion in case["deletions"].as_array().unwrap() {
            let signed = [at.as_bytes().as_slice()];
            let signature = signature(deletion, "signature");
            let verified = owner.verify(context::SIGN_DELETE, &signed, &signature);
            assert_eq!(Some(verified.is_ok()), deletion["valid"].as_bool());
        }
    }
}

#[test]
fn receipts_are_their_keepers_word() {
    for case in read("receipts", "receipts") {
        let claim = Claim {
            address: address(&case, "address"),
            id: item(&case, "id"),
            nonce: array(&case, "nonce"),
        };
        let receipt = Receipt {
            until: moment(&case, "until_ms"),
            signature: signature(&case, "signature"),
        };
        assert_eq!(
            receipt.verify(&NodeId::new(array(&case, "keeper")), &claim),
            Ok(())
        );
    }
}

fn prekey(case: &Value, seed: &str) -> PrekeySecret {
    let seed = zeroize::Zeroizing::new(array(case, seed));
    PrekeySecret::from_seed(seed, UnixMillis::new(1), UnixMillis::new(u64::MAX)).unwrap()
}

#[test]
fn cards_open_under_their_ids() {
    for case in read("prekeys", "prekeys") {
        assert_eq!(
            prekey(&case, "seed").public().public[..],
            bytes(&case, "public")
        );
    }
    for case in read("prekeys", "refused") {
        let wire = g::Prekey {
            public: bytes(&case, "public").into(),
            issued_ms: 1,
            expires_ms: 2,
        };
        let is_valid = Prekey::from_wire(&wire).is_ok();
        assert_eq!(Some(is_valid), case["valid"].as_bool(), "{case}");
    }
    for case in read("cards", "cards") {
        let record = CardRecord::decode(&bytes(&case, "record")).unwrap();
        assert_eq!(record.encode(), bytes(&case, "record"));
        assert_eq!(record.id(), item(&case, "record_item_id"));
        assert_eq!(record.sealed[..24], bytes(&case, "nonce"));
        let id: PersonId = text(&case, "id_with_cheap_cost").parse().unwrap();
        let key = RecordKey::new(array(&case, "record_key"));
        let opened = record.open(&id, &key, moment(&case, "now_ms"), IdCost::CheapForTests);
        let card = opened.unwrap().card().clone();
        assert_eq!(card.sequence, number(&case, "sequence"));
        let delegate = SecretKey::from_seed(&array(&case, "delegate_seed"));
        assert_eq!(card.sign(&delegate), bytes(&case, "signed_card"));
        assert_eq!(card.delegation.key, delegate.public());
        let listed = case["devices"].as_array().unwrap();
        assert_eq!(card.devices.len(), listed.len());
        for (device, listed) in card.devices.iter().zip(listed) {
            assert_eq!(device.certificate.device, public(listed, "key"));
            assert_eq!(device.first_contact, public(listed, "first_contact"));
            assert_eq!(device.prekey.public[..], bytes(listed, "prekey"));
        }
    }
    for case in read("cards", "refused")
        .iter()
        .chain(&read("cards", "padding"))
    {
        let record = CardRecord::decode(&bytes(case, "record")).unwrap();
        assert_eq!(record.verify(), Ok(()));
        let id: PersonId = text(case, "id_with_cheap_cost").parse().unwrap();
        let key = RecordKey::new(array(case, "record_key"));
        let opened = record.open(&id, &key, moment(case, "now_ms"), IdCost::CheapForTests);
        let error = opened.err().map(|error| error.to_string());
        assert_eq!(error.as_deref(), case["error"].as_str(), "{case}");
    }
}

#[test]
fn the_card_of_an_id_is_chosen_among_all_records() {
    let file = |list| read("choices", list);
    let [about] = &file("")[..] else { panic!() };
    let id: PersonId = text(about, "id_with_cheap_cost").parse().unwrap();
    let key = RecordKey::new(array(about, "record_key"));
    let now = moment(about, "now_ms");
    let listed = file("records");
    let record = |name: &str| {
        let line = listed.iter().find(|line| line["name"] == name).unwrap();
        CardRecord::decode(&bytes(line, "record")).unwrap()
    };
    for case in file("choices") {
        let names = case["found"].as_array().unwrap().iter();
        let found: Vec<CardRecord> = names.map(|name| record(name.as_str().unwrap())).collect();
        let account = case["known_account"]
            .as_str()
            .map(|_| public(&case, "known_account"));
        let known = Known {
            account: account.as_ref(),
            delegation: case["highest_delegation_seen"]
                .as_u64()
                .map(|number| number.try_into().unwrap()),
            sequence: case["highest_sequence_seen"].as_u64(),
        };
        let chosen = choose(&found, &id, &key, now, known, IdCost::CheapForTests);
        let wanted = case["chosen"].as_str().map(record);
        let wanted = wanted.map(|it| it.open(&id, &key, now, IdCost::CheapForTests).unwrap());
        assert_eq!(chosen, wanted, "{}", case["found"]);
    }
}

#[test]
fn keepers_ask_what_is_written() {
    for case in read("keepers", "prices") {
        let factor = price_factor(number(&case, "used"), number(&case, "room"));
        assert_eq!(u64::from(factor), number(&case, "factor"));
    }
    for case in read("keepers", "terms") {
        let now = UnixMillis::new(1_000);
        let periods = card_terms(now, now.plus(number(&case, "life_ms")));
        assert_eq!(u64::from(periods), number(&case, "periods"));
    }
}

#[test]
fn envelopes_that_are_padded_wrongly_do_not_open() {
    for case in read("envelopes", "padding") {
        let lifetime = Lifetime {
            now: moment(&case, "now_ms"),
            expires: moment(&case, "expires_ms"),
        };
        let recipient = OpenerIdentity {
            account: public(&case, "recipient_account"),
            device: public(&case, "recipient_device"),
        };
        let (at, key) = (mailbox(&case["mailbox"]), prekey(&case, "prekey_seed"));
        let sealed = bytes(&case, "envelope");
        let opened = envelope::open(&sealed, &at, lifetime, &recipient, [&key]);
        let error = opened.err().map(|error| error.to_string());
        assert_eq!(error.as_deref(), case["error"].as_str(), "{}", case["name"]);
    }
}

#[test]
fn messages_that_break_a_rule_do_not_open_although_they_are_sealed_well() {
    for case in read("envelopes", "refused_messages") {
        let lifetime = Lifetime {
            now: moment(&case, "now_ms"),
            expires: moment(&case, "expires_ms"),
        };
        let recipient = OpenerIdentity {
            account: public(&case, "recipient_account"),
            device: public(&case, "recipient_device"),
        };
        let (at, key) = (mailbox(&case["mailbox"]), prekey(&case, "prekey_seed"));
        let sealed = bytes(&case, "envelope");
        let opened = envelope::open(&sealed, &at, lifetime, &recipient, [&key]);
        let error = opened.unwrap_err();
        assert!(matches!(error, OpenError::Message(_)), "{error}");
        assert_eq!(error.to_string(), text(&case, "error"));
    }
}

#[test]
fn envelopes_open_with_the_seed_of_the_prekey() {
    for case in read("envelopes", "envelopes") {
        let sealed = bytes(&case, "envelope");
        assert_eq!(id_of(&sealed), item(&case, "id"));
        assert_eq!(expires_of(&sealed), Some(moment(&case, "expires_ms")));
        let at = mailbox(&case["mailbox"]);
        let lifetime = Lifetime {
            now: moment(&case, "now_ms"),
            expires: moment(&case, "expires_ms"),
        };
        let recipient = OpenerIdentity {
            account: public(&case, "recipient_account"),
            device: public(&case, "recipient_device"),
        };
        let key = prekey(&case, "prekey_seed");
        let opened = envelope::open(&sealed, &at, lifetime, &recipient, [&key]).unwrap();
        let device = SecretKey::from_seed(&array(&case, "sender_device_seed"));
        assert_eq!(opened.message().certificate.device, device.public());
        let late = Lifetime {
            now: lifetime.expires,
            ..lifetime
        };
        let opened = envelope::open(&sealed, &at, late, &recipient, [&key]);
        assert_eq!(opened.map(drop), Err(OpenError::Expired));
        if text(&case, "name") != "text" {
            continue;
        }
        for change in read("envelopes", "refused") {
            let mut changed = sealed.clone();
            let byte = usize::try_from(number(&change, "byte")).unwrap();
            changed[byte] ^= u8::try_from(number(&change, "xor")).unwrap();
            let opened = envelope::open(&changed, &at, lifetime, &recipient, [&key]);
            assert_eq!(opened.unwrap_err().to_string(), text(&change, "error"));
        }
    }
}

#[test]
fn messages_decode_and_encode_to_the_same_bytes() {
    for case in read("messages", "messages") {
        let encoding = bytes(&case, "encoding");
        let again = match text(&case, "kind") {
            "Request" => Request::decode(&encoding).unwrap().encode(),
            "Response" => Response::decode(&encoding).unwrap().encode(),
            "Said" => Said::decode(&encoding).unwrap().encode().unwrap().into(),
            _ => Push::decode(&encoding).unwrap().encode(),
        };
        assert_eq!(again, encoding, "{}", text(&case, "name"));
    }
    for case in read("refused", "refused") {
        let encoding = bytes(&case, "encoding");
        let error = refused::decode(text(&case, "kind"), &encoding);
        assert_eq!(error.as_deref(), case["error"].as_str(), "{}", case["name"]);
    }
}

#[test]
fn questions_and_answers_say_what_stands_beside_them() {
    for case in read("routing", "distances") {
        let (node, at) = (NodeId::new(array(&case, "node")), address(&case, "address"));
        let apart = array(&case, "distance");
        assert_eq!(distance(&node, &at).as_bytes(), &apart);
        let points = [
            array(&case, "point_of_node"),
            array(&case, "point_of_address"),
        ];
        let [of_node, of_address] = points.map(Point::new);
        assert_eq!(
            (Point::of_node(&node), Point::of_address(&at)),
            (of_node, of_address)
        );
        assert_eq!(of_node.distance(&of_address).as_bytes(), &apart);
    }
    for case in read("routing", "questions") {
        let question = Question::decode(&bytes(&case, "encoded")).unwrap();
        assert_eq!(question.point, Point::new(array(&case, "point")));
        assert_eq!(question.count as u64, case["count"].as_u64().unwrap());
    }
    for case in read("routing", "answers") {
        let answer = Answer::decode(&bytes(&case, "encoded")).unwrap();
        let listed = case["nodes"].as_array().unwrap();
        assert_eq!(answer.nodes.len(), listed.len());
        for (named, listed) in answer.nodes.iter().zip(listed) {
            assert_eq!(named.node, NodeId::new(array(listed, "node")));
            let written = listed["addresses"].as_array().unwrap().iter();
            let written: Vec<String> = written.map(|text| text.as_str().unwrap().into()).collect();
            let read = named
                .addresses
                .iter()
                .map(|bytes| data_encoding::HEXLOWER.encode(bytes));
            assert_eq!(read.collect::<Vec<_>>(), written);
        }
    }
}

#[test]
fn repair_says_what_stands_beside_it() {
    for case in read("repair", "sums") {
        let salt = array(&case, "salt");
        let listed = case["elements"].as_array().unwrap().iter();
        let elements: Vec<Element> = listed
            .map(|line| Element {
                key: ElementKey::from_bytes(&array(line, "key")).unwrap(),
                expires: UnixMillis::default(),
                version: number(line, "version"),
            })
            .collect();
        let total = |elements: &[Element]| sum_of(&salt, elements).total.to_be_bytes();
        assert_eq!(total(&elements), array(&case, "sum"));
        let lines = case["elements"].as_array().unwrap();
        for (element, line) in elements.iter().zip(lines) {
            assert_eq!(total(&[*element]), array(line, "digest"));
        }
    }
    for case in read("repair", "requests") {
        let encoding = bytes(&case, "encoding");
        assert_eq!(RepairRequest::decode(&encoding).unwrap().encode(), encoding);
    }
    for case in read("repair", "responses") {
        let encoding = bytes(&case, "encoding");
        assert_eq!(
            RepairResponse::decode(&encoding).unwrap().encode(),
            encoding
        );
    }
}
