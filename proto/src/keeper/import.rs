//! What a keeper takes over from another one (SPEC 8.8).
//!
//! Nothing is believed because a keeper says it: an item is admitted by what admitted it there.

use std::collections::BTreeMap;

use super::{
    AdmissionProof, Budget, CallId, ElementKind, Keeper, Output, Pending, Replica, Source, StoreOp,
    Then, Ticket,
    admission::{Admission, card_terms},
    mailbox_budget,
};
use crate::{
    Address, ItemId,
    card::CardRecord,
    context,
    envelope::{expires_of, id_of},
    keys::PublicKey,
    limits::{CHUNK_BYTES_MAX, ENVELOPE_BYTES, MESSAGE_TTL_MAX_MS, STORE_OPS_MAX},
    mailbox::{AckEntry, Rule},
    request::{Push, Reason, Refusal, Waiting},
    stamp::{Challenge, EFFORT_DEFAULT},
    time::Now,
};

/// Whose operations these are: no source's share.
const IMPORTS: Source = Source(u64::MAX - 1);

/// Replicas that were handed in together and are on their way to the disk.
#[derive(Debug, Default)]
pub(super) struct Imports {
    waiting: BTreeMap<CallId, Import>,
}

#[derive(Debug, Default)]
struct Import {
    left: usize,
    taken: u64,
}

impl Imports {
    /// Notes that one more is done; returns how many were taken when it was the last.
    pub(super) fn on_done(&mut self, call: CallId, is_taken: bool) -> Option<u64> {
        let import = self.waiting.get_mut(&call)?;
        import.left = import.left.saturating_sub(1);
        import.taken += u64::from(is_taken);
        if import.left > 0 {
            return None;
        }
        self.waiting.remove(&call).map(|import| import.taken)
    }
}

impl Keeper {
    /// Takes over what another keeper has handed over.
    pub(super) fn import(&mut self, now: Now, call: CallId, replicas: Vec<Replica>) -> Vec<Output> {
        let has_room = self.pending.len() + replicas.len() <= STORE_OPS_MAX;
        let takes = has_room && self.trouble.error().is_none();
        let mut outputs = Vec::new();
        for replica in replicas.into_iter().filter(|_| takes) {
            let Ok((op, push)) = self.admission(now.date).replica(replica) else {
                continue;
            };
            let ticket = Ticket(self.next_ticket);
            self.next_ticket += 1;
            let then = Then::Import { push };
            let pending = Pending {
                call,
                source: IMPORTS,
                then,
                charge: None,
            };
            self.begin(now.mono, ticket, pending);
            outputs.push(Output::Store { ticket, op });
        }
        if outputs.is_empty() {
            return vec![Output::Imported { call, taken: 0 }];
        }
        let (left, taken) = (outputs.len(), 0);
        self.imports.waiting.insert(call, Import { left, taken });
        outputs
    }
}

impl Admission<'_> {
    /// Turns what another keeper hands over into the store operation it stands for.
    fn replica(&self, replica: Replica) -> Result<(StoreOp, Option<Push>), Refusal> {
        let malformed = Refusal::of(Reason::Malformed);
        let proof = AdmissionProof::decode(&replica.proof).map_err(|_| malformed)?;
        let kind = replica.key.kind;
        if !proof.is_of(kind)
            || replica.deposited && kind != ElementKind::Ack
            || kind.is_tombstone() != replica.item.is_empty()
        {
            return Err(malformed);
        }
        match kind {
            ElementKind::Envelope => {
                let push = Push {
                    mailbox: replica.key.address,
                    item: Some(Waiting {
                        envelope: replica.item.clone(),
                        expires: replica.until,
                    }),
                };
                Ok((self.envelope_replica(replica, &proof)?, Some(push)))
            }
            ElementKind::Card => Ok((self.card_replica(replica, &proof)?, None)),
            ElementKind::Chunk => Ok((self.chunk_replica(replica, &proof)?, None)),
            ElementKind::Ack => Ok((self.ack_replica(replica, &proof)?, None)),
            ElementKind::Deletion => Ok((self.deletion_replica(replica, &proof)?, None)),
        }
    }

    fn envelope_replica(
        &self,
        replica: Replica,
        proof: &AdmissionProof,
    ) -> Result<StoreOp, Refusal> {
        let (address, id) = (replica.key.address, ItemId::new(replica.key.name));
        let mailbox = proof.mailbox.filter(|mailbox| mailbox.address() == address);
        let mailbox = mailbox.ok_or(Refusal::of(Reason::Malformed))?;
        let bytes = replica.item;
        let is_itself = ENVELOPE_BYTES.contains(&bytes.len())
            && id_of(&bytes) == id
            && expires_of(&bytes) == Some(replica.until);
        if !is_itself {
            return Err(Refusal::of(Reason::Malformed));
        }
        self.life(replica.until, MESSAGE_TTL_MAX_MS)?;
        self.epoch(&mailbox)?;
        let expires = replica.until;
        match (mailbox.rule, &proof.stamp, &proof.capability) {
            // What the sender paid was enough where it was deposited.
            (Rule::Stamp, Some(stamp), None) => {
                let challenge = Challenge::envelope(&address, &id, expires);
                self.stamp(&challenge, stamp, EFFORT_DEFAULT)?;
            }
            (Rule::Capability, None, Some(proof)) => {
                let verified = proof.verify(&mailbox, &id, expires);
                verified.map_err(|_| Refusal::of(Reason::Capability))?;
            }
            _ => return Err(Refusal::of(Reason::Malformed)),
        }
        Ok(StoreOp::PutEnvelope {
            address,
            id,
            bytes,
            expires,
            // What another keeper took stays taken, whatever came here before it.
            budget: Budget {
                shared: false,
                ..mailbox_budget(mailbox.rule)
            },
            proof: replica.proof,
        })
    }

    fn card_replica(&self, replica: Replica, proof: &AdmissionProof) -> Result<StoreOp, Refusal> {
        let malformed = Refusal::of(Reason::Malformed);
        let record = CardRecord::decode(&replica.item).map_err(|_| malformed)?;
        let is_itself = record.locator == replica.key.address
            && *record.writer.as_bytes() == replica.key.name
            && record.expires == replica.until;
        if !is_itself {
            return Err(malformed);
        }
        self.life(record.expires, record.life_ms_max())?;
        if let Some(stamp) = &proof.stamp {
            let effort = EFFORT_DEFAULT.saturating_mul(card_terms(self.now, record.expires));
            let challenge = Challenge::card(&record.locator, &record.writer);
            self.stamp(&challenge, stamp, effort)?;
        } else if card_terms(self.now, record.expires) > 1 {
            return Err(Refusal::of(Reason::Stamp));
        }
        let verified = record.verify();
        verified.map_err(|_| Refusal::of(Reason::Signature))?;
        Ok(StoreOp::PutCard {
            record: Box::new(record),
            stamped: proof.stamp.is_some(),
            proof: replica.proof,
        })
    }

    fn chunk_replica(&self, replica: Replica, proof: &AdmissionProof) -> Result<StoreOp, Refusal> {
        let malformed = Refusal::of(Reason::Malformed);
        let (address, bytes) = (replica.key.address, replica.item);
        let (Some(deletion_key), Some(stamp)) = (proof.deletion_key, &proof.stamp) else {
            return Err(malformed);
        };
        let fits = (1..=CHUNK_BYTES_MAX).contains(&bytes.len());
        if !fits || Address::new(*id_of(&bytes).as_bytes()) != address {
            return Err(malformed);
        }
        self.life(replica.until, MESSAGE_TTL_MAX_MS)?;
        let challenge = Challenge::chunk(&address, &deletion_key, replica.until);
        self.stamp(&challenge, stamp, EFFORT_DEFAULT)?;
        Ok(StoreOp::PutChunk {
            address,
            bytes,
            expires: replica.until,
            deletion_key,
            proof: replica.proof,
        })
    }

    fn ack_replica(&self, replica: Replica, proof: &AdmissionProof) -> Result<StoreOp, Refusal> {
        let address = replica.key.address;
        let mailbox = proof.mailbox.filter(|mailbox| mailbox.address() == address);
        let (Some(mailbox), Some(signature)) = (mailbox, proof.signature) else {
            return Err(Refusal::of(Reason::Malformed));
        };
        let id = ItemId::new(replica.key.name);
        let verified = AckEntry { id, signature }.verify(&mailbox);
        verified.map_err(|_| Refusal::of(Reason::Signature))?;
        self.tombstone(replica)
    }

    fn deletion_replica(
        &self,
        replica: Replica,
        proof: &AdmissionProof,
    ) -> Result<StoreOp, Refusal> {
        let signature = proof.signature.ok_or(Refusal::of(Reason::Malformed))?;
        let signed = [replica.key.address.as_bytes().as_slice()];
        let verified =
            PublicKey::new(replica.key.name).verify(context::SIGN_DELETE, &signed, &signature);
        verified.map_err(|_| Refusal::of(Reason::Signature))?;
        self.tombstone(replica)
    }

    fn tombstone(&self, replica: Replica) -> Result<StoreOp, Refusal> {
        self.life(replica.until, MESSAGE_TTL_MAX_MS)?;
        Ok(StoreOp::ApplyTombstone(Box::new(replica)))
    }
}
