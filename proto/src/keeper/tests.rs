//! A keeper and its store in one hand, and what strangers try with them.

use std::sync::Arc;

use bytes::Bytes;

use super::{CallId, ConnId, Input, ItemStore as _, Keeper, MemoryStore, Output, Policy, Source};
use crate::{
    ItemId, NodeId,
    card::{CardRecord, RecordKind},
    envelope::id_of,
    fixture::{NOW, bytes, key, noise_envelope, person},
    keys::{PublicKey, SecretKey},
    limits::DAY_MS,
    mailbox::{AckEntry, Capability, Mailbox, OwnerProof, OwnerRequest},
    receipt::{Claim, NONCE_BYTES, Receipt},
    request::{Admission, Push, Reason, Refusal, Request, Response, Waiting},
    stamp::{Challenge, CheapForTests, Stamp, StampScheme as _},
    time::{MonoMillis, Now, UnixMillis},
};

mod cards;
mod clocks;
mod mail;
mod model;
mod quotas;
mod refusals;
mod trouble;

const EXPIRES: UnixMillis = NOW.plus(6 * DAY_MS);

/// Returns both times of a moment, while nobody sets the clock.
const fn both(date: UnixMillis) -> Now {
    Now::new(MonoMillis::new(date.get()), date)
}

/// A keeper with its store.
struct Office {
    keeper: Keeper,
    store: MemoryStore,
    calls: u64,
    /// Where requests come from.
    source: u64,
}

impl Office {
    fn new() -> Self {
        Self::with(Policy::default(), u64::MAX)
    }

    fn with(policy: Policy, cap_bytes: u64) -> Self {
        let keeper = Keeper::new(key("keeper"), policy, Arc::new(CheapForTests));
        Self {
            keeper,
            store: MemoryStore::new(cap_bytes),
            calls: 0,
            source: 0,
        }
    }

    /// Hands in bytes by connection `conn` and does nothing of what the keeper then wants done.
    fn begin(&mut self, now: UnixMillis, conn: u64, payload: Bytes) -> Vec<Output> {
        self.calls += 1;
        let (call, conn) = (CallId(self.calls), ConnId(conn));
        self.keeper.handle(
            both(now),
            Input::Request {
                conn,
                call,
                source: Source(self.source),
                payload,
            },
        )
    }

    /// Does what the keeper wants done, with the store at `now` and the answer at `then`.
    fn finish(
        &mut self,
        now: UnixMillis,
        then: UnixMillis,
        outputs: Vec<Output>,
    ) -> (Response, Vec<(ConnId, Push)>) {
        let (mut answer, mut pushes) = (None, Vec::new());
        let mut outputs = outputs;
        while !outputs.is_empty() {
            for output in std::mem::take(&mut outputs) {
                match output {
                    Output::Respond { call, response } => {
                        assert_eq!(call, CallId(self.calls));
                        assert_eq!(answer.replace(response), None, "answered twice");
                    }
                    Output::Store { ticket, op } => {
                        let result = self.store.apply(now, vec![op]);
                        let result = result.map(|mut outcomes| outcomes.remove(0));
                        outputs.extend(
                            self.keeper
                                .handle(both(then), Input::Stored { ticket, result }),
                        );
                    }
                    Output::Push { conn, push } => pushes.push((conn, push)),
                    Output::Imported { .. } => unreachable!("nothing was handed over"),
                    Output::Sweep(date) => drop(self.store.sweep(date, usize::MAX).unwrap()),
                    Output::Reopen => unreachable!("the store has not failed"),
                }
            }
        }
        (answer.expect("every request is answered"), pushes)
    }

    fn ask_by(
        &mut self,
        now: UnixMillis,
        conn: u64,
        request: &Request,
    ) -> (Response, Vec<(ConnId, Push)>) {
        let outputs = self.begin(now, conn, request.encode());
        let (response, pushes) = self.finish(now, now, outputs);
        assert_eq!(Response::decode(&response.encode()).as_ref(), Ok(&response));
        (response, pushes)
    }

    fn ask(&mut self, now: UnixMillis, request: &Request) -> Response {
        self.ask_by(now, 0, request).0
    }

    #[track_caller]
    fn check(&mut self, now: UnixMillis, request: &Request, expected: Reason) -> Refusal {
        let before = self
            .keeper
            .counters()
            .refusals
            .get(&expected)
            .copied()
            .unwrap_or(0);
        let Response::Refusal(refusal) = self.ask(now, request) else {
            panic!("{expected:?} was expected, and it was done");
        };
        assert_eq!(refusal.reason, expected);
        assert_eq!(
            refusal.retry_after_ms > 0,
            expected.may_pass(),
            "{refusal:?}"
        );
        assert_eq!(self.keeper.counters().refusals[&expected], before + 1);
        refusal
    }

    #[track_caller]
    fn receipt(&mut self, now: UnixMillis, request: &Request) -> Receipt {
        match self.ask(now, request) {
            Response::Receipt(receipt) => receipt,
            other => panic!("a receipt was expected: {other:?}"),
        }
    }

    /// Returns the identifiers that the owner sees in `mailbox`.
    fn listed(&mut self, now: UnixMillis, mailbox: &Mailbox, owner: &SecretKey) -> Vec<ItemId> {
        let request = list(mailbox, owner, now, None);
        match self.ask(now, &request) {
            Response::Listing { items, .. } => items.iter().map(|item| item.id).collect(),
            other => panic!("a listing was expected: {other:?}"),
        }
    }

    fn got(&mut self, now: UnixMillis, request: &Request) -> Vec<Waiting> {
        match self.ask(now, request) {
            Response::Envelopes(items) => items,
            other => panic!("envelopes were expected: {other:?}"),
        }
    }

    fn timer(&mut self, now: UnixMillis) {
        let outputs = self.keeper.handle(both(now), Input::Timer);
        for output in outputs {
            let Output::Sweep(date) = output else {
                panic!("{output:?}")
            };
            self.store.sweep(date, usize::MAX).unwrap();
        }
    }
}

fn node() -> NodeId {
    NodeId::new(*key("keeper").public().as_bytes())
}

/// Bob's first-contact mailbox, and the key that owns it.
fn open_box() -> (Mailbox, SecretKey) {
    (
        person("bob").first_contact_mailbox(NOW.epoch()),
        person("bob").first_contact(),
    )
}

/// Bob's device mailbox, and the key that owns it.
fn closed_box() -> (Mailbox, SecretKey) {
    let bob = person("bob");
    (
        bob.device_mailbox(NOW.epoch(), 0),
        bob.device_mailbox_owner(NOW.epoch(), 0),
    )
}

fn envelope(label: &str) -> Bytes {
    noise_envelope(label, 2_048, EXPIRES)
}

fn solve(challenge: &Challenge) -> Stamp {
    solve_worth(challenge, 1)
}

fn solve_worth(challenge: &Challenge, effort: u32) -> Stamp {
    CheapForTests
        .solve(challenge, &bytes("stamp"), effort, 1_000_000)
        .unwrap()
}

fn stamped_until(mailbox: &Mailbox, envelope: &Bytes, expires: UnixMillis) -> Request {
    stamped_worth(mailbox, envelope, expires, 1)
}

fn stamped_worth(mailbox: &Mailbox, envelope: &Bytes, expires: UnixMillis, effort: u32) -> Request {
    let challenge = Challenge::envelope(&mailbox.address(), &id_of(envelope), expires);
    Request::DepositEnvelope {
        mailbox: *mailbox,
        expires,
        envelope: envelope.clone(),
        nonce: [7; NONCE_BYTES],
        admission: Admission::Stamp(solve_worth(&challenge, effort)),
    }
}

fn stamped(mailbox: &Mailbox, envelope: &Bytes) -> Request {
    stamped_until(mailbox, envelope, EXPIRES)
}

fn admitted(mailbox: &Mailbox, owner: &SecretKey, envelope: &Bytes) -> Request {
    admitted_to(mailbox, owner, envelope, "holder")
}

fn admitted_to(mailbox: &Mailbox, owner: &SecretKey, envelope: &Bytes, holder: &str) -> Request {
    let capability = Capability::issue(owner, mailbox, key(holder));
    let proof = capability.prove(&mailbox.address(), &id_of(envelope), EXPIRES);
    Request::DepositEnvelope {
        mailbox: *mailbox,
        expires: EXPIRES,
        envelope: envelope.clone(),
        nonce: [7; NONCE_BYTES],
        admission: Admission::Capability(proof),
    }
}

/// What ten years cost: a stamp for each thirty days.
const TOMBSTONE_EFFORT: u32 = 122;

fn deposit_card(record: &CardRecord, stamped: bool) -> Request {
    let effort = match record.kind {
        RecordKind::Card => 1,
        RecordKind::Tombstone => TOMBSTONE_EFFORT,
    };
    deposit_card_worth(record, stamped.then_some(effort))
}

fn deposit_card_worth(record: &CardRecord, effort: Option<u32>) -> Request {
    let challenge = Challenge::card(&record.locator, &record.writer);
    Request::DepositCard {
        record: Box::new(record.clone()),
        stamp: effort.map(|effort| solve_worth(&challenge, effort)),
        nonce: [7; NONCE_BYTES],
    }
}

fn deposit_chunk(chunk: &Bytes, deletion_key: PublicKey) -> Request {
    let address = crate::Address::new(*id_of(chunk).as_bytes());
    Request::DepositChunk {
        chunk: chunk.clone(),
        expires: EXPIRES,
        deletion_key,
        stamp: solve(&Challenge::chunk(&address, &deletion_key, EXPIRES)),
        nonce: [7; NONCE_BYTES],
    }
}

fn list(mailbox: &Mailbox, owner: &SecretKey, at: UnixMillis, after: Option<ItemId>) -> Request {
    let asked = OwnerRequest::List(after.as_ref());
    let proof = OwnerProof::sign(owner, &mailbox.address(), &node(), at, asked);
    Request::List {
        mailbox: *mailbox,
        proof,
        after,
    }
}

fn get(mailbox: &Mailbox, owner: &SecretKey, at: UnixMillis, ids: &[ItemId]) -> Request {
    let proof = OwnerProof::sign(
        owner,
        &mailbox.address(),
        &node(),
        at,
        OwnerRequest::Get(ids),
    );
    Request::Get {
        mailbox: *mailbox,
        proof,
        ids: ids.to_vec(),
    }
}

fn subscribe(mailbox: &Mailbox, owner: &SecretKey, at: UnixMillis) -> Request {
    let asked = OwnerRequest::Subscribe;
    let proof = OwnerProof::sign(owner, &mailbox.address(), &node(), at, asked);
    Request::Subscribe {
        mailbox: *mailbox,
        proof,
    }
}

fn ack(mailbox: &Mailbox, owner: &SecretKey, ids: &[ItemId]) -> Request {
    let address = mailbox.address();
    let entries = ids
        .iter()
        .map(|id| AckEntry::sign(owner, &address, *id))
        .collect();
    Request::Ack {
        mailbox: *mailbox,
        entries,
    }
}

fn offer(mailbox: &Mailbox, id: ItemId) -> Request {
    Request::Offer {
        mailbox: *mailbox,
        id,
        nonce: [8; NONCE_BYTES],
    }
}

fn claim(mailbox: &Mailbox, envelope: &[u8], nonce: u8) -> Claim {
    Claim {
        address: mailbox.address(),
        id: id_of(envelope),
        nonce: [nonce; NONCE_BYTES],
    }
}
