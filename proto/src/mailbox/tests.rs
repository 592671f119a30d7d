use proptest::prelude::*;

use super::{AckEntry, Capability, CapabilityProof, Mailbox, OwnerProof, OwnerRequest, Rule};
use crate::{
    ItemId, NodeId,
    fixture::{NOW, bytes, each_flip, key, person},
    keys::{PublicKey, Signature, SignatureError},
    time::Epoch,
};

fn mailbox() -> Mailbox {
    Mailbox {
        owner: key("owner").public(),
        rule: Rule::Capability,
        epoch: Epoch::new(20_601),
    }
}

fn item(label: &str) -> ItemId {
    ItemId::new(bytes(label))
}

fn keeper(label: &str) -> NodeId {
    NodeId::new(*key(label).public().as_bytes())
}

#[test]
fn an_address_commits_to_owner_rule_and_epoch() {
    let addresses = [
        mailbox(),
        Mailbox {
            owner: key("other").public(),
            ..mailbox()
        },
        Mailbox {
            rule: Rule::Stamp,
            ..mailbox()
        },
        Mailbox {
            epoch: Epoch::new(20_602),
            ..mailbox()
        },
    ]
    .map(|mailbox| mailbox.address());
    for (place, address) in addresses.iter().enumerate() {
        assert!(!addresses[..place].contains(address));
    }
}

#[test]
fn mailboxes_of_one_device_do_not_show_that_they_are() {
    let alice = person("alice");
    let epoch = NOW.epoch();
    let mut owners = vec![
        alice.first_contact().public(),
        alice.account,
        alice.device.public(),
        alice.device_mailbox(epoch, 0).owner,
        alice.device_mailbox(epoch, 1).owner,
        alice.device_mailbox(epoch.plus(1), 0).owner,
    ];
    let count = owners.len();
    owners.sort_unstable();
    owners.dedup();
    assert_eq!(owners.len(), count);
    assert_eq!(alice.first_contact_mailbox(epoch).rule, Rule::Stamp);
    assert_eq!(alice.device_mailbox(epoch, 0).rule, Rule::Capability);
}

/// Splits 160 bytes into a capability proof.
fn proof_of(flat: &[u8]) -> CapabilityProof {
    CapabilityProof {
        holder: PublicKey::try_from(&flat[..32]).unwrap(),
        certificate: Signature::try_from(&flat[32..96]).unwrap(),
        signature: Signature::try_from(&flat[96..]).unwrap(),
    }
}

fn flat(proof: &CapabilityProof) -> Vec<u8> {
    let mut flat = proof.holder.as_bytes().to_vec();
    flat.extend_from_slice(proof.certificate.as_bytes());
    flat.extend_from_slice(proof.signature.as_bytes());
    flat
}

#[test]
fn a_capability_admits_one_deposit_of_one_holder_at_one_address() {
    let capability = Capability::issue(&key("owner"), &mailbox(), key("holder"));
    let proof = capability.prove(&mailbox().address(), &item("item"), NOW);
    assert_eq!(proof.verify(&mailbox(), &item("item"), NOW), Ok(()));
    assert_eq!(proof_of(&flat(&proof)), proof);

    assert_eq!(
        proof.verify(&mailbox(), &item("other"), NOW),
        Err(SignatureError)
    );
    assert_eq!(
        proof.verify(&mailbox(), &item("item"), NOW.plus(1)),
        Err(SignatureError)
    );
    for other in [
        Mailbox {
            owner: key("other").public(),
            ..mailbox()
        },
        Mailbox {
            rule: Rule::Stamp,
            ..mailbox()
        },
        Mailbox {
            epoch: Epoch::new(20_602),
            ..mailbox()
        },
    ] {
        assert_eq!(
            proof.verify(&other, &item("item"), NOW),
            Err(SignatureError)
        );
    }
    // Another holder cannot use the certificate, nor an owner who is none issue one.
    let stolen = Capability {
        holder: key("thief"),
        certificate: capability.certificate,
    };
    let stolen = stolen.prove(&mailbox().address(), &item("item"), NOW);
    assert_eq!(
        stolen.verify(&mailbox(), &item("item"), NOW),
        Err(SignatureError)
    );
    let forged = Capability::issue(&key("thief"), &mailbox(), key("thief"));
    let forged = forged.prove(&mailbox().address(), &item("item"), NOW);
    assert_eq!(
        forged.verify(&mailbox(), &item("item"), NOW),
        Err(SignatureError)
    );
}

#[test]
fn every_flipped_bit_in_a_capability_is_refused() {
    let capability = Capability::issue(&key("owner"), &mailbox(), key("holder"));
    let proof = capability.prove(&mailbox().address(), &item("item"), NOW);
    each_flip(&flat(&proof), |bit, flipped| {
        let verified = proof_of(flipped).verify(&mailbox(), &item("item"), NOW);
        assert_eq!(verified, Err(SignatureError), "bit {bit}");
    });
}

#[test]
fn an_owner_proof_is_for_one_keeper_one_time_and_one_request() {
    let (one, two) = (item("one"), item("two"));
    let both = [one, two];
    let swapped = [two, one];
    let requests = [
        OwnerRequest::List(None),
        OwnerRequest::List(Some(&one)),
        OwnerRequest::List(Some(&two)),
        OwnerRequest::Get(&both[..1]),
        OwnerRequest::Get(&both),
        OwnerRequest::Get(&swapped),
        OwnerRequest::Subscribe,
    ];
    let address = mailbox().address();
    for signed in requests {
        let proof = OwnerProof::sign(&key("owner"), &address, &keeper("keeper"), NOW, signed);
        for asked in requests {
            let expected = if signed == asked {
                Ok(())
            } else {
                Err(SignatureError)
            };
            let verified = proof.verify(&mailbox(), &keeper("keeper"), asked);
            assert_eq!(verified, expected, "{signed:?} for {asked:?}");
        }
        assert_eq!(
            proof.verify(&mailbox(), &keeper("other"), signed),
            Err(SignatureError)
        );
        let other = Mailbox {
            epoch: Epoch::new(20_602),
            ..mailbox()
        };
        assert_eq!(
            proof.verify(&other, &keeper("keeper"), signed),
            Err(SignatureError)
        );
        let later = OwnerProof {
            time: NOW.plus(1),
            ..proof
        };
        assert_eq!(
            later.verify(&mailbox(), &keeper("keeper"), signed),
            Err(SignatureError)
        );
    }
}

#[test]
fn every_flipped_bit_in_an_owner_proof_is_refused() {
    let address = mailbox().address();
    let asked = OwnerRequest::Subscribe;
    let proof = OwnerProof::sign(&key("owner"), &address, &keeper("keeper"), NOW, asked);
    each_flip(proof.signature.as_bytes(), |bit, flipped| {
        let proof = OwnerProof {
            signature: Signature::try_from(flipped).unwrap(),
            ..proof
        };
        let verified = proof.verify(&mailbox(), &keeper("keeper"), asked);
        assert_eq!(verified, Err(SignatureError), "bit {bit}");
    });
}

#[test]
fn every_flipped_bit_in_an_ack_is_refused() {
    let entry = AckEntry::sign(&key("owner"), &mailbox().address(), item("item"));
    assert_eq!(entry.verify(&mailbox()), Ok(()));
    each_flip(entry.signature.as_bytes(), |bit, flipped| {
        let entry = AckEntry {
            signature: Signature::try_from(flipped).unwrap(),
            ..entry
        };
        assert_eq!(entry.verify(&mailbox()), Err(SignatureError), "bit {bit}");
    });
    each_flip(entry.id.as_bytes(), |bit, flipped| {
        let entry = AckEntry {
            id: ItemId::try_from(flipped).unwrap(),
            ..entry
        };
        assert_eq!(entry.verify(&mailbox()), Err(SignatureError), "bit {bit}");
    });
    let elsewhere = Mailbox {
        epoch: Epoch::new(20_602),
        ..mailbox()
    };
    assert_eq!(entry.verify(&elsewhere), Err(SignatureError));
}

#[test]
fn a_signature_for_one_purpose_is_worth_nothing_for_another() {
    // Address and item are what an ack signs and, with an expiry, what a deposit signs.
    let entry = AckEntry::sign(&key("owner"), &mailbox().address(), item("item"));
    let proof = CapabilityProof {
        holder: PublicKey::new(*item("item").as_bytes()),
        certificate: entry.signature,
        signature: entry.signature,
    };
    assert_eq!(
        proof.verify(&mailbox(), &item("item"), NOW),
        Err(SignatureError)
    );
}

#[test]
fn a_capability_does_not_print_its_key() {
    let capability = Capability::issue(&key("owner"), &mailbox(), key("holder"));
    assert_eq!(
        format!("{capability:?}"),
        "Capability { holder: SecretKey(..), certificate: Signature(..) }"
    );
}

proptest! {
    #[test]
    fn arbitrary_proofs_never_panic(flat in prop::collection::vec(any::<u8>(), 160)) {
        prop_assert!(proof_of(&flat).verify(&mailbox(), &item("item"), NOW).is_err());
        let entry = AckEntry {
            id: ItemId::try_from(&flat[..32]).unwrap(),
            signature: Signature::try_from(&flat[32..96]).unwrap(),
        };
        let owner = PublicKey::try_from(&flat[96..128]).unwrap();
        let mailbox = Mailbox { owner, ..mailbox() };
        prop_assert!(entry.verify(&mailbox).is_err());
    }
}
