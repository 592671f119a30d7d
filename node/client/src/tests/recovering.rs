//! Accounts that are brought back by their recovery phrases, and what somebody can do who has the lost device.

use restante_interface::{ContactState, Refusal, Reply, Request as Call};
use restante_proto::card::{Card, CardDevice};
use restante_proto::limits::{CARD_TTL_MS, HOUR_MS, MINUTE_MS, TOMBSTONE_TTL_MS};
use restante_proto::person::IdCost;
use restante_proto::prekey::PrekeySecret;

use super::people::publish;
use super::world::World;
use crate::model::Account;

/// A card that whoever has the device of `account` can make.
fn forged(world: &mut World, account: &Account, sequence: u64, terminated: bool) -> Card {
    let identity = &account.identity;
    let date = world.now(0).date;
    let prekey = PrekeySecret::generate(date, &mut world.rng);
    let device = CardDevice {
        certificate: identity.certificate(),
        prekey: prekey.public().clone(),
        first_contact: identity.first_contact().public(),
    };
    let life_ms = if terminated {
        TOMBSTONE_TTL_MS
    } else {
        CARD_TTL_MS
    };
    Card {
        account: identity.account,
        delegation: identity.delegation,
        handle: identity.handle.clone(),
        sequence,
        issued: date,
        expires: date.plus(life_ms),
        terminated,
        devices: if terminated { Vec::new() } else { vec![device] },
        avatar: None,
    }
}

/// Adds somebody by an ID, which looks it up; returns what came of it.
fn add(world: &mut World, id: &str) -> Result<ContactState, Refusal> {
    let call = Call::ContactAdd {
        who: id.to_owned(),
        petname: None,
    };
    let call = world.call(0, call);
    world.run(2 * MINUTE_MS);
    match world.people[0].replies.get(&call).cloned().unwrap() {
        Ok(Reply::Contact(contact)) => Ok(contact.state),
        Ok(other) => panic!("{other:?}"),
        Err(refusal) => Err(refusal),
    }
}

/// Somebody whose machine is lost gets the account back with the recovery phrase: what is sent goes to the new device,
/// and the lost one is worth nothing.
#[test]
fn an_account_that_is_brought_back_shuts_its_old_devices_out() {
    let mut world = World::friends(11, 2);
    let id = world.id(1);
    let new = world.recover(1);
    assert_eq!(world.id(new), id, "the ID is the same");
    world.run(5 * MINUTE_MS);
    assert!(world.people[new].core.overview(world.now(new)).copy.newest);
    // Whoever has the lost one writes, and nobody listens any more; it still knows whom to write to.
    world.send(0, new, "to the new device");
    world.run(MINUTE_MS);
    assert!(world.texts(new).contains("to the new device"));
    world.send(new, 0, "and back");
    world.run(MINUTE_MS);
    assert!(world.texts(0).contains("and back"));
    world.send(1, 0, "by somebody who has the lost one");
    world.run(MINUTE_MS);
    assert!(!world.texts(0).contains("by somebody who has the lost one"));
    // It finds out, and says so.
    world.run(7 * HOUR_MS);
    let copy = world.people[1].core.overview(world.now(1)).copy;
    assert!(copy.shut_out && !copy.newest);
    let call = world.send(1, 0, "again");
    world.run(MINUTE_MS);
    assert_eq!(
        world.people[1].replies.get(&call),
        Some(&Err(Refusal::ShutOut))
    );
    world.restart(1);
    world.run(MINUTE_MS);
    assert!(world.people[1].core.overview(world.now(1)).copy.shut_out);
    world.send(0, new, "to the new one alone");
    world.run(MINUTE_MS);
    assert!(world.texts(new).contains("to the new one alone"));
    assert!(!world.texts(1).contains("to the new one alone"));
}

/// Whoever has the lost device publishes what nobody seems able to take back, before its owner can do anything.
#[test]
fn what_the_lost_device_has_published_does_not_hide_the_new_one() {
    for terminated in [false, true] {
        let mut world = World::friends(12, 2);
        let id = world.id(1);
        let lost = world.people[1].core.account().clone();
        let forged = forged(&mut world, &lost, u64::MAX, terminated);
        publish(&mut world, &lost, &forged);
        let known = add(&mut world, &id);
        match terminated {
            false => assert_eq!(known, Ok(ContactState::Accepted)),
            true => assert!(
                matches!(known, Err(Refusal::Terminated { .. })),
                "{known:?}"
            ),
        }
        let new = world.recover(1);
        world.run(5 * MINUTE_MS);
        assert_eq!(add(&mut world, &id), Ok(ContactState::Accepted));
        world.send(0, new, "found again");
        world.run(MINUTE_MS);
        assert!(world.texts(new).contains("found again"), "{terminated}");
    }
}

#[test]
fn the_lost_device_passes_for_the_account_under_no_other_handle() {
    let mut world = World::friends(13, 2);
    let id = world.id(1);
    let mut lost = world.people[1].core.account().clone();
    let new = world.recover(1);
    world.run(5 * MINUTE_MS);
    assert_eq!(add(&mut world, &id), Ok(ContactState::Accepted));
    lost.identity.handle = "mynewname".parse().unwrap();
    lost.id = lost.identity.person_id(IdCost::CheapForTests);
    let forged = forged(&mut world, &lost, 1, false);
    publish(&mut world, &lost, &forged);
    let other = lost.id.to_string();
    let refused = add(&mut world, &other);
    assert!(
        matches!(refused, Err(Refusal::UnknownId { .. })),
        "{refused:?}"
    );
    world.send(0, new, "to the new one");
    world.run(MINUTE_MS);
    assert!(world.texts(new).contains("to the new one"));
}
