use super::{Claim, Receipt};
use crate::{
    Address, ItemId, NodeId,
    fixture::{NOW, bytes, each_flip, key},
    keys::{Signature, SignatureError},
};

fn claim() -> Claim {
    Claim {
        address: Address::new(bytes("address")),
        id: ItemId::new(bytes("item")),
        nonce: bytes("nonce"),
    }
}

fn keeper(label: &str) -> NodeId {
    NodeId::new(*key(label).public().as_bytes())
}

#[test]
fn a_receipt_is_one_keepers_word_on_one_deposit() {
    let receipt = Receipt::sign(&key("keeper"), &claim(), NOW);
    assert_eq!(receipt.verify(&keeper("keeper"), &claim()), Ok(()));
    assert_eq!(
        receipt.verify(&keeper("other"), &claim()),
        Err(SignatureError)
    );
    for other in [
        Claim {
            address: Address::new(bytes("elsewhere")),
            ..claim()
        },
        Claim {
            id: ItemId::new(bytes("other item")),
            ..claim()
        },
        Claim {
            nonce: bytes("later nonce"),
            ..claim()
        },
    ] {
        assert_eq!(
            receipt.verify(&keeper("keeper"), &other),
            Err(SignatureError),
            "{other:?}"
        );
    }
    let longer = Receipt {
        until: NOW.plus(1),
        ..receipt
    };
    assert_eq!(
        longer.verify(&keeper("keeper"), &claim()),
        Err(SignatureError)
    );
}

#[test]
fn every_flipped_bit_in_a_receipt_is_refused() {
    let receipt = Receipt::sign(&key("keeper"), &claim(), NOW);
    each_flip(receipt.signature.as_bytes(), |bit, flipped| {
        let receipt = Receipt {
            signature: Signature::try_from(flipped).unwrap(),
            ..receipt
        };
        let verified = receipt.verify(&keeper("keeper"), &claim());
        assert_eq!(verified, Err(SignatureError), "bit {bit}");
    });
}
