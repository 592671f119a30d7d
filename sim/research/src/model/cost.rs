//! How many bytes each exchange takes, measured on the protocol's own encoding.

use bytes::Bytes;
use restante_proto::{
    ItemId,
    keys::{PublicKey, SIGNATURE_BYTES, Signature},
    limits::ENVELOPE_BYTES,
    mailbox::{AckEntry, CapabilityProof, Mailbox, OwnerProof, Rule},
    receipt::{NONCE_BYTES, Receipt},
    request::{Admission, Listed, Push, Request, Response, Waiting},
    time::UnixMillis,
};

/// Bytes of payloads: what the frames, the transport and its encryption add is not in them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cost {
    /// A deposit and its receipt, for each size of envelope.
    pub(crate) deposit: [u64; ENVELOPE_BYTES.len()],
    /// An offer and its answer.
    pub(crate) offer: u64,
    /// A subscription and its answer.
    pub(crate) subscribe: u64,
    /// A list that names nothing, and one that names one envelope.
    pub(crate) list: [u64; 2],
    /// A request for one envelope, and the envelope, for each size.
    pub(crate) get: [u64; ENVELOPE_BYTES.len()],
    /// A push, for each size of envelope.
    pub(crate) push: [u64; ENVELOPE_BYTES.len()],
    /// An ack of one envelope and its answer.
    pub(crate) ack: u64,
}

impl Cost {
    pub(crate) fn measure() -> Self {
        let sample = Sample::default();
        Self {
            deposit: ENVELOPE_BYTES.map(|size| sample.deposit(size)),
            offer: sample.offer(),
            subscribe: sample.subscribe(),
            list: [sample.list(0), sample.list(1)],
            get: ENVELOPE_BYTES.map(|size| sample.get(size)),
            push: ENVELOPE_BYTES.map(|size| sample.push(size)),
            ack: sample.ack(),
        }
    }
}

/// What the requests and answers that are measured are made of.
struct Sample {
    now: UnixMillis,
    id: ItemId,
    signature: Signature,
    mailbox: Mailbox,
    proof: OwnerProof,
    nonce: [u8; NONCE_BYTES],
}

impl Default for Sample {
    fn default() -> Self {
        let now = UnixMillis::new(1 << 40);
        let signature = Signature::new([7; SIGNATURE_BYTES]);
        Self {
            now,
            id: ItemId::new([7; 32]),
            signature,
            mailbox: Mailbox {
                owner: PublicKey::new([7; 32]),
                rule: Rule::Capability,
                epoch: now.epoch(),
            },
            proof: OwnerProof {
                time: now,
                signature,
            },
            nonce: [7; NONCE_BYTES],
        }
    }
}

impl Sample {
    fn waiting(&self, size: usize) -> Waiting {
        Waiting {
            envelope: Bytes::from(vec![7; size]),
            expires: self.now,
        }
    }

    const fn receipt(&self) -> Response {
        Response::Receipt(Receipt {
            until: self.now,
            signature: self.signature,
        })
    }

    fn deposit(&self, size: usize) -> u64 {
        let admission = Admission::Capability(CapabilityProof {
            holder: self.mailbox.owner,
            certificate: self.signature,
            signature: self.signature,
        });
        let request = Request::DepositEnvelope {
            mailbox: self.mailbox,
            expires: self.now,
            envelope: self.waiting(size).envelope,
            nonce: self.nonce,
            admission,
        };
        both(&request, &self.receipt())
    }

    fn offer(&self) -> u64 {
        let request = Request::Offer {
            mailbox: self.mailbox,
            id: self.id,
            nonce: self.nonce,
        };
        both(&request, &self.receipt())
    }

    fn subscribe(&self) -> u64 {
        let request = Request::Subscribe {
            mailbox: self.mailbox,
            proof: self.proof,
        };
        let until = Some(self.now);
        both(&request, &Response::Done { until })
    }

    fn list(&self, count: usize) -> u64 {
        let request = Request::List {
            mailbox: self.mailbox,
            proof: self.proof,
            after: None,
        };
        let listed = Listed {
            id: self.id,
            size_bytes: ENVELOPE_BYTES[0] as u32,
            expires: self.now,
        };
        let items = vec![listed; count];
        both(&request, &Response::Listing { items, more: false })
    }

    fn get(&self, size: usize) -> u64 {
        let request = Request::Get {
            mailbox: self.mailbox,
            proof: self.proof,
            ids: vec![self.id],
        };
        both(&request, &Response::Envelopes(vec![self.waiting(size)]))
    }

    fn push(&self, size: usize) -> u64 {
        let push = Push {
            mailbox: self.mailbox.address(),
            item: Some(self.waiting(size)),
        };
        push.encode().len() as u64
    }

    fn ack(&self) -> u64 {
        let entry = AckEntry {
            id: self.id,
            signature: self.signature,
        };
        let request = Request::Ack {
            mailbox: self.mailbox,
            entries: vec![entry],
        };
        both(&request, &Response::Done { until: None })
    }
}

fn both(request: &Request, response: &Response) -> u64 {
    (request.encode().len() + response.encode().len()) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exchange_takes_what_it_carries_and_little_more() {
        let cost = Cost::measure();
        for (place, size) in ENVELOPE_BYTES.into_iter().enumerate() {
            for bytes in [cost.deposit[place], cost.get[place], cost.push[place]] {
                let more = bytes - size as u64;
                assert!((40..500).contains(&more), "{more}");
            }
        }
        for bytes in [cost.offer, cost.subscribe, cost.list[0], cost.ack] {
            assert!((100..400).contains(&bytes), "{bytes}");
        }
        assert!((30..80).contains(&(cost.list[1] - cost.list[0])));
    }
}
