//! Certificates of capabilities that were found good, so that the next deposit of the same holder costs one signature
//! to check instead of two.

use std::collections::{BTreeSet, VecDeque};

use crate::{
    ItemId,
    keys::SignatureError,
    mailbox::{CapabilityProof, Mailbox},
    time::UnixMillis,
};

/// Certificates remembered, at most; the one remembered for longest goes first.
const CERTIFICATES_MAX: usize = 4_096;

/// What identifies a certificate: the hash of all that its owner signed, and of the signature.
type Name = [u8; 32];

/// Certificates that were found good.
#[derive(Debug, Default)]
pub(super) struct Certificates {
    known: BTreeSet<Name>,
    order: VecDeque<Name>,
}

impl Certificates {
    /// Verifies a proof as [`CapabilityProof::verify`] does.
    pub(super) fn verify(
        &mut self,
        proof: &CapabilityProof,
        mailbox: &Mailbox,
        id: &ItemId,
        expires: UnixMillis,
    ) -> Result<(), SignatureError> {
        let name = name_of(proof, mailbox);
        if self.known.contains(&name) {
            return proof.verify_deposit(mailbox, id, expires);
        }
        proof.verify(mailbox, id, expires)?;
        // Only what was good takes a place, and only with a deposit that its holder signed.
        if self.order.len() >= CERTIFICATES_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        self.known.insert(name);
        self.order.push_back(name);
        Ok(())
    }
}

fn name_of(proof: &CapabilityProof, mailbox: &Mailbox) -> Name {
    let mut hasher = blake3::Hasher::new();
    // The address covers the owner's key, and all of it has fixed lengths.
    hasher.update(mailbox.address().as_bytes());
    hasher.update(proof.holder.as_bytes());
    hasher.update(proof.certificate.as_bytes());
    *hasher.finalize().as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        envelope::id_of,
        keys::{SecretKey, Signature},
        mailbox::{Capability, Rule},
        time::Epoch,
    };

    const EXPIRES: UnixMillis = UnixMillis::new(1_000);

    fn mailbox(owner: u8) -> (SecretKey, Mailbox) {
        let key = SecretKey::from_seed(&[owner; 32]);
        let mailbox = Mailbox {
            owner: key.public(),
            rule: Rule::Capability,
            epoch: Epoch::new(1),
        };
        (key, mailbox)
    }

    fn prove(owner: u8, holder: u8, id: &ItemId) -> (Mailbox, CapabilityProof) {
        let (key, mailbox) = mailbox(owner);
        let holder = SecretKey::from_seed(&[holder; 32]);
        let capability = Capability::issue(&key, &mailbox, holder);
        (mailbox, capability.prove(&mailbox.address(), id, EXPIRES))
    }

    #[test]
    fn a_known_certificate_spares_nobody_the_signature_of_a_deposit() {
        let mut certificates = Certificates::default();
        let (first, second) = (id_of(b"first"), id_of(b"second"));
        let (mailbox, proof) = prove(1, 2, &first);
        let mut check = |proof: &CapabilityProof, mailbox: &Mailbox, id: &ItemId| {
            certificates.verify(proof, mailbox, id, EXPIRES).is_ok()
        };
        assert!(check(&proof, &mailbox, &first));
        assert!(check(&proof, &mailbox, &first));
        assert!(!check(&proof, &mailbox, &second));
        let forged = CapabilityProof {
            signature: Signature::new([3; 64]),
            ..proof
        };
        assert!(!check(&forged, &mailbox, &first));
        assert!(check(&prove(1, 2, &second).1, &mailbox, &second));
    }

    #[test]
    fn a_certificate_is_known_with_its_mailbox_and_its_holder_alone() {
        let mut certificates = Certificates::default();
        let id = id_of(b"envelope");
        let (mailbox, proof) = prove(1, 2, &id);
        certificates.verify(&proof, &mailbox, &id, EXPIRES).unwrap();
        let (other_mailbox, other) = prove(4, 5, &id);
        let borrowed = CapabilityProof {
            certificate: proof.certificate,
            ..other
        };
        let certified = |holder: u8, mailbox: &Mailbox| {
            let capability = Capability {
                holder: SecretKey::from_seed(&[holder; 32]),
                certificate: proof.certificate,
            };
            capability.prove(&mailbox.address(), &id, EXPIRES)
        };
        // A thief of the certificate signs deposits with a key of his own; its holder signs some into another mailbox.
        let (stolen, stretched) = (certified(6, &mailbox), certified(2, &other_mailbox));
        let forged = CapabilityProof {
            certificate: Signature::new([3; 64]),
            ..proof
        };
        for (mailbox, proof) in [
            (&other_mailbox, &proof),
            (&other_mailbox, &borrowed),
            (&mailbox, &borrowed),
            (&mailbox, &stolen),
            (&other_mailbox, &stretched),
            (&mailbox, &forged),
        ] {
            assert!(certificates.verify(proof, mailbox, &id, EXPIRES).is_err());
        }
        assert_eq!(certificates.known.len(), 1);
    }

    #[test]
    fn no_more_are_remembered_than_there_is_room_for() {
        let mut certificates = Certificates::default();
        certificates.order = (0..CERTIFICATES_MAX as u64)
            .map(|number| *blake3::hash(&number.to_be_bytes()).as_bytes())
            .collect();
        certificates.known = certificates.order.iter().copied().collect();
        let id = id_of(b"envelope");
        let (mailbox, proof) = prove(1, 2, &id);
        certificates.verify(&proof, &mailbox, &id, EXPIRES).unwrap();
        assert_eq!(certificates.known.len(), CERTIFICATES_MAX);
        assert_eq!(certificates.order.len(), CERTIFICATES_MAX);
        assert!(certificates.known.contains(&name_of(&proof, &mailbox)));
    }
}
