use bytes::Bytes;
use proptest::prelude::*;
use prost::Message as _;

use super::{Admission, Listed, Push, Reason, Refusal, Request, Response, Waiting};
use crate::{
    Address, ItemId,
    card::{CardRecord, RecordKind},
    fixture::noise_envelope,
    keys::{PublicKey, Signature},
    limits::{
        ACK_COUNT_MAX, CARD_SLOTS, CHUNK_BYTES_MAX, ENVELOPE_BYTES, GET_COUNT_MAX,
        LISTING_COUNT_MAX, PAYLOAD_BYTES_MAX, SEALED_CARD_BYTES,
    },
    mailbox::{AckEntry, CapabilityProof, Mailbox, OwnerProof, Rule},
    receipt::Receipt,
    stamp::{SOLUTION_BYTES_MAX, Stamp},
    time::{Epoch, UnixMillis},
    wire::{WireError, generated as g},
};

fn moments() -> impl Strategy<Value = UnixMillis> {
    (1..=u64::MAX).prop_map(UnixMillis::new)
}

fn ids() -> impl Strategy<Value = ItemId> {
    any::<[u8; 32]>().prop_map(ItemId::new)
}

fn addresses() -> impl Strategy<Value = Address> {
    any::<[u8; 32]>().prop_map(Address::new)
}

fn keys() -> impl Strategy<Value = PublicKey> {
    any::<[u8; 32]>().prop_map(PublicKey::new)
}

fn signatures() -> impl Strategy<Value = Signature> {
    any::<[u8; 32]>().prop_map(|half| {
        let mut whole = [0; 64];
        whole[..32].copy_from_slice(&half);
        whole[32..].copy_from_slice(&half);
        Signature::new(whole)
    })
}

fn mailboxes() -> impl Strategy<Value = Mailbox> {
    let rules = prop_oneof![Just(Rule::Stamp), Just(Rule::Capability)];
    (keys(), rules, any::<u32>()).prop_map(|(owner, rule, epoch)| Mailbox {
        owner,
        rule,
        epoch: Epoch::new(epoch),
    })
}

fn stamps() -> impl Strategy<Value = Stamp> {
    let solutions = prop::collection::vec(any::<u8>(), 1..=SOLUTION_BYTES_MAX);
    (any::<[u8; 32]>(), solutions).prop_map(|(nonce, solution)| Stamp {
        nonce,
        solution: solution.into(),
    })
}

fn admissions() -> impl Strategy<Value = Admission> {
    let proofs =
        (keys(), signatures(), signatures()).prop_map(|(holder, certificate, signature)| {
            Admission::Capability(CapabilityProof {
                holder,
                certificate,
                signature,
            })
        });
    prop_oneof![stamps().prop_map(Admission::Stamp), proofs]
}

fn owner_proofs() -> impl Strategy<Value = OwnerProof> {
    (moments(), signatures()).prop_map(|(time, signature)| OwnerProof { time, signature })
}

fn noise(length: usize, seed: u64) -> Bytes {
    noise_envelope(&format!("{seed}"), length.max(10), UnixMillis::new(1)).slice(..length)
}

fn records() -> impl Strategy<Value = CardRecord> {
    let kinds = prop_oneof![Just(RecordKind::Card), Just(RecordKind::Tombstone)];
    (
        kinds,
        addresses(),
        keys(),
        any::<u64>(),
        moments(),
        signatures(),
    )
        .prop_map(
            |(kind, locator, writer, sequence, expires, signature)| CardRecord {
                kind,
                locator,
                writer,
                sequence,
                expires,
                sealed: noise(SEALED_CARD_BYTES, sequence),
                signature,
            },
        )
}

fn deposits() -> impl Strategy<Value = Request> {
    let envelope = (
        mailboxes(),
        moments(),
        0_usize..4,
        any::<[u8; 16]>(),
        admissions(),
    )
        .prop_map(
            |(mailbox, expires, size, nonce, admission)| Request::DepositEnvelope {
                mailbox,
                expires,
                envelope: noise(ENVELOPE_BYTES[size], expires.get()),
                nonce,
                admission,
            },
        );
    let card = (records(), prop::option::of(stamps()), any::<[u8; 16]>()).prop_map(
        |(record, stamp, nonce)| Request::DepositCard {
            record: Box::new(record),
            stamp,
            nonce,
        },
    );
    let chunk = (
        1_usize..=CHUNK_BYTES_MAX,
        moments(),
        keys(),
        stamps(),
        any::<[u8; 16]>(),
    )
        .prop_map(
            |(length, expires, deletion_key, stamp, nonce)| Request::DepositChunk {
                chunk: noise(length, expires.get()),
                expires,
                deletion_key,
                stamp,
                nonce,
            },
        );
    prop_oneof![envelope, card, chunk]
}

fn owner_requests() -> impl Strategy<Value = Request> {
    let list = (mailboxes(), owner_proofs(), prop::option::of(ids())).prop_map(
        |(mailbox, proof, after)| Request::List {
            mailbox,
            proof,
            after,
        },
    );
    let get = (
        mailboxes(),
        owner_proofs(),
        prop::collection::vec(ids(), 1..=GET_COUNT_MAX),
    )
        .prop_map(|(mailbox, proof, ids)| Request::Get {
            mailbox,
            proof,
            ids,
        });
    let entry = (ids(), signatures()).prop_map(|(id, signature)| AckEntry { id, signature });
    let ack = (mailboxes(), prop::collection::vec(entry, 1..=ACK_COUNT_MAX))
        .prop_map(|(mailbox, entries)| Request::Ack { mailbox, entries });
    let subscribe = (mailboxes(), owner_proofs())
        .prop_map(|(mailbox, proof)| Request::Subscribe { mailbox, proof });
    prop_oneof![list, get, ack, subscribe]
}

fn requests() -> impl Strategy<Value = Request> {
    let offer = (mailboxes(), ids(), any::<[u8; 16]>())
        .prop_map(|(mailbox, id, nonce)| Request::Offer { mailbox, id, nonce });
    let cards = addresses().prop_map(|locator| Request::GetCards { locator });
    let chunk = addresses().prop_map(|address| Request::GetChunk { address });
    let delete = (addresses(), signatures())
        .prop_map(|(address, signature)| Request::DeleteChunk { address, signature });
    let others = prop_oneof![offer, cards, chunk, delete];
    prop_oneof![deposits(), owner_requests(), others]
}

fn waiting() -> impl Strategy<Value = Waiting> {
    (moments(), 0_usize..2).prop_map(|(expires, size)| Waiting {
        envelope: noise_envelope("waiting", ENVELOPE_BYTES[size], expires),
        expires,
    })
}

fn responses() -> impl Strategy<Value = Response> {
    let receipt = (moments(), signatures())
        .prop_map(|(until, signature)| Response::Receipt(Receipt { until, signature }));
    let reason = (0..Reason::ALL.len()).prop_map(|place| Reason::ALL[place]);
    let facts = (reason, any::<u64>(), 1..=u32::MAX, moments());
    let refusal = facts.prop_map(|(reason, retry, effort, date)| {
        Response::Refusal(Refusal {
            reason,
            retry_after_ms: retry,
            effort: if reason == Reason::Stamp { effort } else { 0 },
            date: (reason == Reason::Clock).then_some(date),
        })
    });
    let lines = prop::collection::btree_map(ids(), (0_usize..4, moments()), 0..=LISTING_COUNT_MAX);
    let listing = (lines, any::<bool>()).prop_map(|(lines, more)| {
        let line = |(id, (size, expires))| Listed {
            id,
            size_bytes: u32::try_from(ENVELOPE_BYTES[size]).unwrap(),
            expires,
        };
        let items: Vec<Listed> = lines.into_iter().map(line).collect();
        let more = more && !items.is_empty();
        Response::Listing { items, more }
    });
    let envelopes = prop::collection::vec(waiting(), 0..=8).prop_map(Response::Envelopes);
    let done = prop::option::of(moments()).prop_map(|until| Response::Done { until });
    let cards = prop::collection::vec(records(), 0..=CARD_SLOTS).prop_map(Response::Cards);
    let chunk =
        (1_usize..=CHUNK_BYTES_MAX, moments()).prop_map(|(length, expires)| Response::Chunk {
            chunk: noise(length, expires.get()),
            expires,
        });
    let unknown = Just(Response::Unknown);
    prop_oneof![
        receipt, refusal, listing, envelopes, done, cards, chunk, unknown
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn every_request_comes_back(request in requests()) {
        let encoded = request.encode();
        prop_assert!(encoded.len() <= PAYLOAD_BYTES_MAX);
        prop_assert_eq!(Request::decode(&encoded), Ok(request));
    }

    #[test]
    fn every_response_comes_back(response in responses()) {
        let encoded = response.encode();
        prop_assert!(encoded.len() <= PAYLOAD_BYTES_MAX);
        prop_assert_eq!(Response::decode(&encoded), Ok(response));
    }

    #[test]
    fn every_push_comes_back(mailbox in addresses(), item in proptest::option::of(waiting())) {
        let push = Push { mailbox, item };
        prop_assert_eq!(Push::decode(&push.encode()), Ok(push));
    }

    /// Whatever a changed encoding still means, it is the one encoding of that.
    #[test]
    fn a_changed_request_is_refused_or_means_what_it_says(
        request in requests(),
        place: prop::sample::Index,
        value: u8,
        cut in 0_usize..4,
    ) {
        let mut changed = request.encode().to_vec();
        let place = place.index(changed.len());
        changed[place] = value;
        changed.truncate(changed.len().saturating_sub(cut));
        if let Ok(decoded) = Request::decode(&changed) {
            prop_assert_eq!(decoded.encode(), changed);
        }
    }

    #[test]
    fn a_changed_response_is_refused_or_means_what_it_says(
        response in responses(),
        place: prop::sample::Index,
        value: u8,
    ) {
        let mut changed = response.encode().to_vec();
        let place = place.index(changed.len());
        changed[place] = value;
        if let Ok(decoded) = Response::decode(&changed) {
            prop_assert_eq!(decoded.encode(), changed);
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(junk in prop::collection::vec(any::<u8>(), 0..600)) {
        if let Ok(decoded) = Request::decode(&junk) {
            prop_assert_eq!(decoded.encode(), junk.clone());
        }
        if let Ok(decoded) = Response::decode(&junk) {
            prop_assert_eq!(decoded.encode(), junk.clone());
        }
        if let Ok(decoded) = Push::decode(&junk) {
            prop_assert_eq!(decoded.encode(), junk);
        }
    }
}

#[test]
fn nothing_larger_than_a_frame_is_looked_at() {
    let junk = vec![0; PAYLOAD_BYTES_MAX + 1];
    let error = WireError::TooLong {
        got: PAYLOAD_BYTES_MAX + 1,
        limit: PAYLOAD_BYTES_MAX,
    };
    assert_eq!(Request::decode(&junk), Err(error));
    assert_eq!(Response::decode(&junk), Err(error));
    assert_eq!(Push::decode(&junk), Err(error));
}

#[test]
fn an_envelope_whose_keeper_names_another_expiry_is_refused() {
    let expires = UnixMillis::new(1_000);
    let envelope = noise_envelope("waiting", ENVELOPE_BYTES[0], expires);
    for (claimed, expected) in [
        (expires, None),
        (
            expires.plus(1),
            Some(WireError::Contradiction("expires_ms")),
        ),
        (
            expires.minus(1),
            Some(WireError::Contradiction("expires_ms")),
        ),
    ] {
        let item = Waiting {
            envelope: envelope.clone(),
            expires: claimed,
        };
        let response = Response::Envelopes(vec![item.clone()]);
        assert_eq!(Response::decode(&response.encode()).err(), expected);
        let push = Push {
            mailbox: Address::new([1; 32]),
            item: Some(item),
        };
        assert_eq!(Push::decode(&push.encode()).err(), expected);
    }
}

#[test]
fn counts_beyond_their_limits_are_refused() {
    let bytes = |length| Bytes::from(vec![1; length]);
    let id = |number: usize| {
        let mut id = vec![1; 32];
        id[..8].copy_from_slice(&(number as u64).to_be_bytes());
        Bytes::from(id)
    };
    let mailbox = Some(g::Mailbox {
        owner: bytes(32),
        rule: 1,
        epoch: 1,
    });
    let proof = Some(g::OwnerProof {
        time_ms: 1,
        signature: bytes(64),
    });
    let request = |request| {
        g::Request {
            request: Some(request),
        }
        .encode_to_vec()
    };
    let get = |count: usize| {
        let ids = (0..count).map(id).collect();
        let get = g::Get {
            mailbox: mailbox.clone(),
            proof: proof.clone(),
            ids,
        };
        Request::decode(&request(g::request::Request::Get(get))).map(drop)
    };
    assert_eq!(get(GET_COUNT_MAX), Ok(()));
    assert_eq!(get(GET_COUNT_MAX + 1), Err(WireError::TooMany("ids")));
    assert_eq!(get(0), Err(WireError::Missing("ids")));
    let ack = |count: usize| {
        let entry = |number| g::AckEntry {
            id: id(number),
            signature: bytes(64),
        };
        let entries = (0..count).map(entry).collect();
        let ack = g::Ack {
            mailbox: mailbox.clone(),
            entries,
        };
        Request::decode(&request(g::request::Request::Ack(ack))).map(drop)
    };
    assert_eq!(ack(ACK_COUNT_MAX), Ok(()));
    assert_eq!(ack(ACK_COUNT_MAX + 1), Err(WireError::TooMany("entries")));
    assert_eq!(ack(0), Err(WireError::Missing("entries")));

    let listing = |count: usize| {
        let line = |number: usize| Listed {
            id: ItemId::new(id(number)[..].try_into().unwrap()),
            size_bytes: 65_536,
            expires: UnixMillis::new(u64::MAX),
        };
        let response = Response::Listing {
            items: (0..count).map(line).collect(),
            more: true,
        };
        Response::decode(&response.encode()).map(drop)
    };
    assert_eq!(listing(0), Err(WireError::Contradiction("more")));
    assert_eq!(listing(LISTING_COUNT_MAX), Ok(()));
    assert_eq!(
        listing(LISTING_COUNT_MAX + 1),
        Err(WireError::TooMany("items"))
    );
}

#[test]
fn enums_of_later_versions_are_refused() {
    let unknown = g::Refusal {
        reason: 14,
        retry_after_ms: 0,
        effort: 0,
        date_ms: 0,
    };
    let unknown = g::Response {
        response: Some(g::response::Response::Refusal(unknown)),
    };
    let decoded = Response::decode(&unknown.encode_to_vec());
    assert_eq!(decoded, Err(WireError::Missing("reason")));
    let mailbox = g::Mailbox {
        owner: vec![1; 32].into(),
        rule: 3,
        epoch: 1,
    };
    assert_eq!(
        Mailbox::from_wire(&mailbox),
        Err(WireError::Missing("rule"))
    );
    assert_eq!(Request::decode(&[]), Err(WireError::Missing("request")));
    assert_eq!(Response::decode(&[]), Err(WireError::Missing("response")));
}

#[test]
fn reasons_have_names_and_numbers_of_their_own() {
    for (place, reason) in Reason::ALL.into_iter().enumerate() {
        let refusal = match reason {
            Reason::Stamp => Refusal::stamp(1),
            Reason::Clock => Refusal::clock(UnixMillis::new(1)),
            reason => Refusal::of(reason),
        };
        let response = Response::Refusal(refusal);
        assert_eq!(Response::decode(&response.encode()), Ok(response));
        assert!(
            Reason::ALL[..place]
                .iter()
                .all(|other| other.name() != reason.name())
        );
    }
}
