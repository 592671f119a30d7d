//! Which requests a keeper passes on to its store (SPEC 8.2).

use super::certificates::Certificates;
use crate::{
    Address, NodeId,
    envelope::{expires_of, id_of},
    keeper::{AdmissionProof, Budget, Policy, StoreOp, mailbox_budget},
    limits::{
        CARD_TTL_MS, CHUNK_BYTES_MAX, CLOCK_SKEW_MS, ENVELOPE_BYTES, EPOCHS_AHEAD_MAX,
        EPOCHS_PAST_MAX, MESSAGE_TTL_MAX_MS, SECOND_MS,
    },
    mailbox::{AckEntry, Mailbox, OwnerProof, OwnerRequest, Rule},
    request::{self, Reason, Refusal, Request},
    stamp::{Challenge, Stamp, StampScheme},
    time::UnixMillis,
};

/// What a request is judged by.
pub(super) struct Admission<'a> {
    pub(super) now: UnixMillis,
    pub(super) node: &'a NodeId,
    pub(super) policy: &'a Policy,
    pub(super) scheme: &'a dyn StampScheme,
    /// By how much stamps are dearer because the store fills.
    pub(super) price_factor: u32,
    pub(super) certificates: &'a mut Certificates,
}

impl Admission<'_> {
    /// Turns an admissible request into the store operation it asks for.
    pub(super) fn admit(&mut self, request: Request) -> Result<StoreOp, Refusal> {
        match request {
            Request::DepositEnvelope {
                mailbox,
                expires,
                envelope,
                admission,
                ..
            } => self.envelope(mailbox, expires, envelope, &admission),
            Request::DepositCard { record, stamp, .. } => self.card(record, stamp.as_ref()),
            Request::DepositChunk {
                chunk,
                expires,
                deletion_key,
                stamp,
                ..
            } => self.chunk(chunk, expires, deletion_key, &stamp),
            Request::Offer { mailbox, id, .. } => {
                self.epoch(&mailbox)?;
                Ok(StoreOp::Offer {
                    address: mailbox.address(),
                    id,
                })
            }
            Request::List {
                mailbox,
                proof,
                after,
            } => {
                let asked = OwnerRequest::List(after.as_ref());
                owner(self.now, self.node, &mailbox, &proof, asked)?;
                Ok(StoreOp::List {
                    address: mailbox.address(),
                    after,
                })
            }
            Request::Get {
                mailbox,
                proof,
                ids,
            } => {
                let asked = OwnerRequest::Get(&ids);
                owner(self.now, self.node, &mailbox, &proof, asked)?;
                Ok(StoreOp::Get {
                    address: mailbox.address(),
                    ids,
                })
            }
            Request::Ack { mailbox, entries } => ack(mailbox, entries),
            Request::GetCards { locator } => Ok(StoreOp::Cards { locator }),
            Request::GetChunk { address } => Ok(StoreOp::Chunk { address }),
            Request::DeleteChunk { address, signature } => {
                Ok(StoreOp::DeleteChunk { address, signature })
            }
            // The engine answers subscriptions itself, before this.
            Request::Subscribe { .. } => Err(Refusal::of(Reason::Malformed)),
        }
    }

    fn envelope(
        &mut self,
        mailbox: Mailbox,
        expires: UnixMillis,
        bytes: bytes::Bytes,
        admission: &request::Admission,
    ) -> Result<StoreOp, Refusal> {
        if !ENVELOPE_BYTES.contains(&bytes.len()) {
            return Err(Refusal::of(Reason::TooLarge));
        }
        if expires_of(&bytes) != Some(expires) {
            return Err(Refusal::of(Reason::Malformed));
        }
        self.life(expires, MESSAGE_TTL_MAX_MS)?;
        self.epoch(&mailbox)?;
        let address = mailbox.address();
        let id = id_of(&bytes);
        let mut budget = mailbox_budget(mailbox.rule);
        match (mailbox.rule, admission) {
            (Rule::Stamp, request::Admission::Stamp(stamp)) => {
                let challenge = Challenge::envelope(&address, &id, expires);
                self.stamp(&challenge, stamp, self.price(self.policy.envelope_effort))?;
                // What the mailbox's own crowding adds to that, the store knows.
                budget = Budget {
                    effort: self.policy.envelope_effort,
                    ..budget
                };
            }
            (Rule::Capability, request::Admission::Capability(proof)) => {
                let verified = self.certificates.verify(proof, &mailbox, &id, expires);
                verified.map_err(|_| Refusal::of(Reason::Capability))?;
            }
            (Rule::Stamp, _) => {
                return Err(Refusal::stamp(self.price(self.policy.envelope_effort)));
            }
            (Rule::Capability, _) => return Err(Refusal::of(Reason::Capability)),
        }
        let proof = AdmissionProof::of_envelope(mailbox, admission).encode();
        Ok(StoreOp::PutEnvelope {
            address,
            id,
            bytes,
            expires,
            budget,
            proof,
        })
    }

    fn card(
        &self,
        record: Box<crate::card::CardRecord>,
        stamp: Option<&Stamp>,
    ) -> Result<StoreOp, Refusal> {
        self.life(record.expires, record.life_ms_max())?;
        let terms = card_terms(self.now, record.expires);
        let effort = self.policy.card_effort.saturating_mul(terms);
        match stamp {
            Some(stamp) => {
                let challenge = Challenge::card(&record.locator, &record.writer);
                self.stamp(&challenge, stamp, effort)?;
            }
            // A slot of its own spares a writer the stamp for the life of a card, and not for ten
            // years.
            None if terms > 1 => return Err(Refusal::stamp(effort)),
            None => {}
        }
        record
            .verify()
            .map_err(|_| Refusal::of(Reason::Signature))?;
        // The price of a slot follows the store; a writer that has one, for a price that was right once,
        // keeps it.
        let price = u64::from(self.price(effort));
        let stamped = stamp.is_some_and(|stamp| terms > 1 || stamp.effort() >= price);
        Ok(StoreOp::PutCard {
            record,
            stamped,
            proof: AdmissionProof::of_card(stamp).encode(),
        })
    }

    fn chunk(
        &self,
        bytes: bytes::Bytes,
        expires: UnixMillis,
        deletion_key: crate::keys::PublicKey,
        stamp: &Stamp,
    ) -> Result<StoreOp, Refusal> {
        if bytes.is_empty() || bytes.len() > CHUNK_BYTES_MAX {
            return Err(Refusal::of(Reason::TooLarge));
        }
        self.life(expires, MESSAGE_TTL_MAX_MS)?;
        let address = Address::new(*id_of(&bytes).as_bytes());
        let challenge = Challenge::chunk(&address, &deletion_key, expires);
        self.stamp(&challenge, stamp, self.price(self.policy.chunk_effort))?;
        Ok(StoreOp::PutChunk {
            address,
            bytes,
            expires,
            deletion_key,
            proof: AdmissionProof::of_chunk(deletion_key, stamp).encode(),
        })
    }

    pub(super) fn life(&self, expires: UnixMillis, max_ms: u64) -> Result<(), Refusal> {
        if expires <= self.now {
            return Err(Refusal::of(Reason::Expired));
        }
        if expires > self.now.plus(max_ms).plus(CLOCK_SKEW_MS) {
            return Err(Refusal::of(Reason::Lifetime));
        }
        Ok(())
    }

    pub(super) fn epoch(&self, mailbox: &Mailbox) -> Result<(), Refusal> {
        let first = self.now.minus(CLOCK_SKEW_MS).epoch().minus(EPOCHS_PAST_MAX);
        let last = self.now.plus(CLOCK_SKEW_MS).epoch().plus(EPOCHS_AHEAD_MAX);
        if (first..=last).contains(&mailbox.epoch) {
            return Ok(());
        }
        Err(Refusal::of(Reason::Epoch))
    }

    fn price(&self, effort: u32) -> u32 {
        effort.saturating_mul(self.price_factor)
    }

    pub(super) fn stamp(
        &self,
        challenge: &Challenge,
        stamp: &Stamp,
        effort: u32,
    ) -> Result<(), Refusal> {
        if self.scheme.verify(challenge, stamp, effort) {
            return Ok(());
        }
        Err(Refusal::stamp(effort))
    }
}

/// Returns how many lives of a card a record's life begins, at least one.
pub(crate) fn card_terms(now: UnixMillis, expires: UnixMillis) -> u32 {
    let life_ms = expires.since(now.plus(CLOCK_SKEW_MS));
    u32::try_from(life_ms.div_ceil(CARD_TTL_MS).max(1)).unwrap_or(u32::MAX)
}

fn ack(mailbox: Mailbox, entries: Vec<AckEntry>) -> Result<StoreOp, Refusal> {
    for entry in &entries {
        let verified = entry.verify(&mailbox);
        verified.map_err(|_| Refusal::of(Reason::Signature))?;
    }
    Ok(StoreOp::Ack {
        address: mailbox.address(),
        entries,
        mailbox,
    })
}

/// Checks that the owner of `mailbox` asks `node`, and asks now.
pub(super) fn owner(
    now: UnixMillis,
    node: &NodeId,
    mailbox: &Mailbox,
    proof: &OwnerProof,
    asked: OwnerRequest<'_>,
) -> Result<(), Refusal> {
    // Two honest clocks differ by so much; the request itself takes a moment.
    let tolerance = CLOCK_SKEW_MS + 30 * SECOND_MS;
    if now.since(proof.time) > tolerance || proof.time.since(now) > tolerance {
        return Err(Refusal::clock(now));
    }
    proof
        .verify(mailbox, node, asked)
        .map_err(|_| Refusal::of(Reason::Signature))
}
