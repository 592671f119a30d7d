use super::{Delegation, DeviceCertificate, Identity, account_hash, verification_code};
use crate::{
    Address,
    fixture::{NOW, each_flip, key, person, second_device},
    keys::{Signature, SignatureError},
};

#[test]
fn the_code_two_people_compare_is_the_same_for_both_and_for_nobody_else() {
    let [alice, bob, mallory] = ["alice", "bob", "mallory"].map(|name| key(name).public());
    let code = verification_code(&alice, &bob);
    assert_eq!(code, verification_code(&bob, &alice));
    assert_ne!(code, verification_code(&alice, &mallory));
    assert_ne!(code, verification_code(&mallory, &bob));
    let groups: Vec<&str> = code.split(' ').collect();
    assert_eq!(groups.len(), 6);
    assert!(
        groups
            .iter()
            .all(|g| g.len() == 5 && g.bytes().all(|b| b.is_ascii_digit()))
    );
}

#[test]
fn a_device_is_the_accounts_only_with_its_certificate() {
    let account = key("account");
    let handle = "somebody".parse().unwrap();
    let identity = Identity::new(&account, 1, key("device"), handle);
    let certificate = identity.certificate();
    assert_eq!(certificate.verify(&account.public()), Ok(()));
    assert_eq!(
        certificate.verify(&key("other").public()),
        Err(SignatureError)
    );
    let other = DeviceCertificate {
        device: key("other").public(),
        ..certificate
    };
    assert_eq!(other.verify(&account.public()), Err(SignatureError));
    each_flip(certificate.signature.as_bytes(), |bit, flipped| {
        let signature = Signature::try_from(flipped).unwrap();
        let flipped = DeviceCertificate {
            signature,
            ..certificate
        };
        assert_eq!(
            flipped.verify(&account.public()),
            Err(SignatureError),
            "bit {bit}"
        );
    });
}

#[test]
fn a_delegation_is_the_accounts_alone_and_each_number_is_another_key() {
    let account = key("account");
    let (delegate, first) = Delegation::make(&account, 1);
    let (_, second) = Delegation::make(&account, 2);
    assert_eq!(delegate.public(), first.key);
    assert_ne!(first.key, second.key);
    assert_eq!(first.verify(&account.public()), Ok(()));
    assert_eq!(first.verify(&key("other").public()), Err(SignatureError));
    for other in [
        Delegation { number: 2, ..first },
        Delegation {
            key: second.key,
            ..first
        },
    ] {
        assert_eq!(other.verify(&account.public()), Err(SignatureError));
    }
    assert_eq!(Delegation::decode(&first.encode()), Ok(first));
    let zero = Delegation { number: 0, ..first };
    assert!(Delegation::decode(&zero.encode()).is_err());
}

#[test]
fn writers_of_different_locators_are_unrelated_keys() {
    let alice = person("alice");
    let keys = [
        alice.writer(&Address::new([1; 32])).public(),
        alice.writer(&Address::new([2; 32])).public(),
        alice.account,
        alice.first_contact().public(),
    ];
    for (place, key) in keys.iter().enumerate() {
        assert!(!keys[..place].contains(key));
    }
}

#[test]
fn two_devices_of_an_account_share_no_mailbox() {
    let first = person("alice");
    let second = second_device(&first);
    let (today, mut seen) = (NOW.epoch(), Vec::new());
    for device in [&first, &second] {
        seen.push(device.first_contact_mailbox(today).address());
        seen.extend([0, 1].map(|index| device.device_mailbox(today, index).address()));
    }
    for (place, address) in seen.iter().enumerate() {
        assert!(!seen[..place].contains(address));
    }
    let locator = Address::new([1; 32]);
    assert_eq!(
        first.writer(&locator).public(),
        second.writer(&locator).public()
    );
}

#[test]
fn an_account_hash_is_another_for_every_account() {
    assert_ne!(
        account_hash(&key("one").public()),
        account_hash(&key("two").public())
    );
}

#[test]
fn an_identity_does_not_print_its_keys() {
    let alice: Identity = person("alice");
    assert_eq!(
        format!("{alice:?}"),
        format!(
            "Identity {{ account: {:?}, delegation: {:?}, delegate: SecretKey(..), device: SecretKey(..), \
             handle: Handle(\"alice\") }}",
            alice.account, alice.delegation
        )
    );
}
