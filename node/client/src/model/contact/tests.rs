use restante_interface::ContactState;
use restante_proto::account::{Identity, PersonId};
use restante_proto::keys::SecretKey;
use restante_proto::message::Grant;
use restante_proto::person::IdCost;
use restante_proto::time::{Epoch, UnixMillis};

use super::Contact;

const TODAY: Epoch = Epoch::new(20_000);

fn identity(seed: u8) -> Identity {
    Identity::new(
        &SecretKey::from_seed(&[seed; 32]),
        1,
        SecretKey::from_seed(&[seed ^ 0x55; 32]),
        "alice".parse().unwrap(),
    )
}

/// Returns what the device of `seed` grants from an epoch on.
fn grant(seed: u8, first: u32) -> Grant {
    let ours = identity(1);
    let (account, device) = (ours.account, ours.device.public());
    Grant::issue(&identity(seed), &account, &device, 0, Epoch::new(first), 16)
}

fn contact() -> Contact {
    let identity = identity(2);
    let id = identity.person_id(IdCost::CheapForTests);
    Contact::new(
        identity.account,
        id,
        ContactState::Accepted,
        UnixMillis::new(0),
    )
}

#[test]
fn a_grant_is_taken_when_it_is_newer_and_good() {
    let mut contact = contact();
    let device = identity(2).device.public();
    let mut take = |grant| contact.take_grant(TODAY, device, grant);
    assert!(take(grant(2, 19_998)));
    assert!(!take(grant(2, 19_998)), "known already");
    assert!(!take(grant(2, 19_997)), "an older one");
    assert!(take(grant(2, 20_000)));
    assert!(
        !take(grant(2, 20_001)),
        "does not cover today, as the one held does"
    );
    assert!(!take(grant(2, 20_002)), "begins after tomorrow");
    let mut damaged = grant(2, 20_000).encode();
    *damaged.last_mut().unwrap() ^= 1;
    assert!(!take(Grant::decode(&damaged).unwrap()));
}

#[test]
fn a_contact_is_looked_up_under_each_of_its_ids_in_turn() {
    let mut contact = contact();
    assert!(!contact.reach_elsewhere(), "there is one only");
    let first = contact.id().clone();
    let second = PersonId {
        handle: "alicia".parse().unwrap(),
        tag: first.tag,
    };
    contact.hear_under(&second);
    contact.hear_under(&second);
    assert_eq!((contact.id(), &contact.reach), (&first, &second));
    for id in [&first, &second, &first] {
        assert!(contact.reach_elsewhere());
        assert_eq!(contact.reach, *id);
    }
}

#[test]
fn each_device_grants_for_itself() {
    let mut contact = contact();
    for seed in [2, 3] {
        let device = identity(seed).device.public();
        assert!(contact.take_grant(TODAY, device, grant(seed, 20_000)));
    }
    assert_eq!(contact.grants.len(), 2);
}
