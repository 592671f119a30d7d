//! A small world of addresses, envelopes, cards and chunks, so that random operations meet.

use std::sync::LazyLock;

use bytes::Bytes;
use rand::RngExt as _;
use rand::rngs::StdRng;
use restante_proto::{
    Address, ItemId,
    account::Identity,
    card::{Card, CardRecord},
    context,
    envelope::id_of,
    keeper::{
        AdmissionProof, Budget, Element, ElementKey, ElementKind, HoldingsPage, ItemStore, Replica,
        StoreOp, StoreOutcome,
    },
    keys::{PublicKey, SecretKey, Signature},
    limits::MINUTE_MS,
    mailbox::{AckEntry, CapabilityProof, Mailbox, Rule},
    person::RecordKey,
    stamp::Stamp,
    time::{Epoch, UnixMillis},
};

use crate::fixture::seeded;

pub(super) const START: UnixMillis = UnixMillis::new(1_780_000_000_000);
const ADDRESSES: u8 = 3;
const ENVELOPES: u8 = 8;
const WRITERS: u8 = 10;
const CHUNKS: u8 = 4;
const SIZES: [usize; 3] = [2_048, 8_192, 65_536];

/// Moves and operations as small numbers, which shrink well.
#[derive(Clone, Copy, Debug)]
pub(super) struct Draw {
    pub(super) what: u8,
    pub(super) address: u8,
    pub(super) name: u8,
    pub(super) number: u8,
}

impl Draw {
    pub(super) fn random(rng: &mut StdRng) -> Self {
        let [what, address, name, number] = rng.random::<[u8; 4]>();
        Self {
            what,
            address,
            name,
            number,
        }
    }

    /// Returns the operation this stands for.
    pub(super) fn op(self, now: UnixMillis) -> StoreOp {
        let address = address(self.address);
        let expires =
            now.plus([1, 400, 5_000, MINUTE_MS, 60 * MINUTE_MS][self.number as usize % 5]);
        match self.what % 20 {
            0..=4 => put_envelope(address, self.name, expires, self.number),
            5 | 6 => self.ack(address),
            7 | 8 => {
                let record = Box::new(card(self.address, self.name, self.number % 4, expires));
                StoreOp::PutCard {
                    record,
                    stamped: !self.number.is_multiple_of(5),
                    proof: proof(self.number),
                }
            }
            9 => StoreOp::PutChunk {
                address: chunk_address(self.name),
                bytes: chunk(self.name),
                expires,
                deletion_key: deletion_key(self.number).public(),
                proof: proof(self.number),
            },
            10 => {
                let address = chunk_address(self.name);
                let signed = [address.as_bytes().as_slice()];
                let signature = deletion_key(self.number).sign(context::SIGN_DELETE, &signed);
                StoreOp::DeleteChunk { address, signature }
            }
            11 => StoreOp::List {
                address,
                after: self.id_after(),
            },
            12 => {
                let ids = (0..self.number % 6).map(|n| id_of(&envelope(self.name.wrapping_add(n))));
                StoreOp::Get {
                    address,
                    ids: ids.collect(),
                }
            }
            13 => StoreOp::Offer {
                address,
                id: id_of(&envelope(self.name)),
            },
            14 => StoreOp::Cards { locator: address },
            15 | 16 => StoreOp::ApplyTombstone(Box::new(self.tombstone(expires))),
            17 => StoreOp::Export {
                keys: self.keys().to_vec(),
            },
            18 => {
                let elements = self.keys().map(|key| Element {
                    key,
                    expires,
                    version: u64::from(self.number % 4),
                });
                StoreOp::Lacking {
                    elements: elements.to_vec(),
                }
            }
            _ => StoreOp::Chunk {
                address: chunk_address(self.name),
            },
        }
    }

    fn ack(self, address: Address) -> StoreOp {
        let names = self.name..self.name.saturating_add(self.number % 3 + 1);
        let signature = Signature::new([0; 64]);
        let entries = names
            .map(|name| AckEntry {
                id: id_of(&envelope(name)),
                signature,
            })
            .collect();
        StoreOp::Ack {
            address,
            entries,
            mailbox: mailbox(),
        }
    }

    /// Returns what another keeper may remember.
    fn tombstone(self, until: UnixMillis) -> Replica {
        let id = id_of(&envelope(self.name));
        let deleted = ElementKey::deletion(
            chunk_address(self.name),
            &deletion_key(self.number).public(),
        );
        let key = match self.number % 3 {
            0 => deleted,
            _ => ElementKey::ack(address(self.address), id),
        };
        Replica {
            key,
            until,
            item: Bytes::new(),
            deposited: key.kind == ElementKind::Ack && self.number.is_multiple_of(2),
            proof: proof(self.number),
        }
    }

    /// Returns a key of every kind.
    fn keys(self) -> [ElementKey; 5] {
        let (address, id) = (address(self.address), id_of(&envelope(self.name)));
        let record = card(self.address, self.name, 0, START);
        let key = deletion_key(self.number).public();
        [
            ElementKey::envelope(address, id),
            ElementKey::ack(address, id),
            ElementKey::card(record.locator, &record.writer),
            ElementKey::chunk(chunk_address(self.name)),
            ElementKey::deletion(chunk_address(self.name), &key),
        ]
    }

    fn id_after(self) -> Option<ItemId> {
        (self.number % 2 == 1).then(|| id_of(&envelope(self.name)))
    }
}

pub(super) fn put_envelope(address: Address, name: u8, expires: UnixMillis, budget: u8) -> StoreOp {
    let bytes = envelope(name);
    let budget = match budget % 4 {
        0 => Budget {
            count: 2,
            bytes: 100_000,
            effort: 0,
            shared: true,
        },
        1 => Budget {
            count: 100,
            bytes: 20_000,
            effort: 0,
            shared: true,
        },
        2 => Budget {
            count: 6,
            bytes: 1 << 20,
            effort: 1,
            shared: true,
        },
        _ => Budget {
            count: 100,
            bytes: 1 << 20,
            effort: 0,
            shared: true,
        },
    };
    StoreOp::PutEnvelope {
        address,
        id: id_of(&bytes),
        bytes,
        expires,
        budget,
        proof: proof(name),
    }
}

/// What admitted an item, different for different numbers.
pub(super) fn proof(number: u8) -> Bytes {
    let signature = Signature::new([number; 64]);
    let proof = CapabilityProof {
        holder: PublicKey::new([number % 4 + 1; 32]),
        certificate: signature,
        signature,
    };
    let stamp = Stamp {
        nonce: [number; 32],
        solution: Bytes::from_static(b"solution"),
    };
    let has_stamp = number.is_multiple_of(3);
    let proof = AdmissionProof {
        signature: Some(signature),
        stamp: has_stamp.then_some(stamp),
        capability: (!has_stamp).then_some(proof),
        ..AdmissionProof::default()
    };
    proof.encode()
}

/// The mailbox that acks name; no store looks at it.
pub(super) fn mailbox() -> Mailbox {
    Mailbox {
        owner: PublicKey::new([0; 32]),
        rule: Rule::Capability,
        epoch: Epoch::new(0),
    }
}

pub(super) fn address(number: u8) -> Address {
    Address::new([number % ADDRESSES; 32])
}

pub(super) fn envelope(name: u8) -> Bytes {
    let name = name % ENVELOPES;
    let size = if name == 7 {
        SIZES[2]
    } else {
        SIZES[usize::from(name % 3 == 2)]
    };
    noise(name, size)
}

pub(super) fn chunk(name: u8) -> Bytes {
    noise(
        100 + name % CHUNKS,
        1_000 + 9_000 * usize::from(name % CHUNKS),
    )
}

pub(super) fn chunk_address(name: u8) -> Address {
    Address::new(*id_of(&chunk(name)).as_bytes())
}

pub(super) fn deletion_key(number: u8) -> SecretKey {
    SecretKey::from_seed(&[200 + number % 2; 32])
}

/// A record with a true signature, as a keeper lets in.
pub(super) fn card(at: u8, writer: u8, sequence: u8, expires: UnixMillis) -> CardRecord {
    static WRITERS_OF_CARDS: LazyLock<Vec<Identity>> = LazyLock::new(|| {
        let identity = |seed| {
            Identity::new(
                &SecretKey::from_seed(&[seed; 32]),
                1,
                SecretKey::from_seed(&[seed + 100; 32]),
                "alice".parse().unwrap(),
            )
        };
        (0..WRITERS).map(identity).collect()
    });
    let identity = &WRITERS_OF_CARDS[usize::from(writer % WRITERS)];
    let sequence = [1, 2, 200, 40_000][usize::from(sequence % 4)];
    let card = Card {
        account: identity.account,
        delegation: identity.delegation,
        handle: identity.handle.clone(),
        sequence,
        issued: START,
        expires,
        terminated: sequence == 40_000,
        devices: Vec::new(),
        avatar: None,
    };
    let key = RecordKey::new([7; 32]);
    CardRecord::seal(&card, identity, address(at), &key, &mut seeded(sequence)).unwrap()
}

/// Everything that can be asked about the world.
pub(super) fn questions() -> Vec<StoreOp> {
    let mut ops = Vec::new();
    for at in 0..ADDRESSES {
        let address = address(at);
        ops.push(StoreOp::List {
            address,
            after: None,
        });
        ops.push(StoreOp::Cards { locator: address });
        for name in 0..ENVELOPES {
            let id = id_of(&envelope(name));
            ops.push(StoreOp::Get {
                address,
                ids: vec![id],
            });
            ops.push(StoreOp::Offer { address, id });
        }
    }
    ops.extend((0..CHUNKS).map(|name| StoreOp::Chunk {
        address: chunk_address(name),
    }));
    ops
}

/// Returns all a store answers at one moment.
pub(super) fn picture(
    store: &mut impl ItemStore,
    now: UnixMillis,
) -> (Vec<StoreOutcome>, HoldingsPage) {
    let answers = store.apply(now, questions()).unwrap();
    (answers, store.holdings(now, None, 10_000).unwrap())
}

/// Sweeps until nothing is due.
pub(super) fn sweep_all(store: &mut impl ItemStore, now: UnixMillis, limit: usize) -> (u64, u64) {
    let (mut items, mut bytes) = (0, 0);
    loop {
        let expired = store.sweep(now, limit).unwrap();
        items += expired.items;
        bytes += expired.bytes;
        if !expired.more {
            return (items, bytes);
        }
    }
}

pub(super) fn noise(name: u8, size: usize) -> Bytes {
    let mut bytes = vec![0; size];
    blake3::Hasher::new()
        .update(&[name])
        .finalize_xof()
        .fill(&mut bytes);
    bytes.into()
}
