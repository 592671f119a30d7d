//! Homes that have been elsewhere in time: restored backups, old copies, machines set back, the same home twice.

use proptest::prelude::*;
use restante_interface::{DeliveryState, MessageCode, Request as Call, StoreTrouble};
use restante_proto::envelope::{self, Envelope, Lifetime, Recipient};
use restante_proto::limits::{DAY_MS, HOUR_MS, MINUTE_MS};
use restante_proto::mailbox::Mailbox;
use restante_proto::message::{Content, Message, MessageId};
use restante_proto::pauses::PAUSE_MAX_MS;
use restante_proto::prekey::PrekeySecret;
use restante_proto::request::{Reason, Refusal, Request, Response};

use super::super::memory::MemoryDisk;
use super::person::Person;
use super::world::World;

/// Ends a person's process and starts it on what its disk held once.
fn set_back(world: &mut World, person: usize, disk: &MemoryDisk) {
    world.people[person].disk = disk.clone();
    // It has forgotten what it was shown since.
    world.shown.retain(|(by, _), _| *by != person);
    world.restart(person);
}

fn device(world: &World, person: usize) -> restante_proto::keys::PublicKey {
    let account = world.people[person].core.account();
    account.identity.device.public()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4))]

    /// A home that is set back by days: everything sent from then on arrives, although the sender sealed to a card
    /// that was right an hour ago; and no sequence and no prekey is used twice.
    #[test]
    fn a_home_that_was_set_back_receives_what_is_sent_from_then_on(
        seed: u64,
        days in 2_u64..6,
        hours in 0_u64..24,
        met_before: bool,
    ) {
        let mut world = if met_before { World::friends(seed, 2) } else { World::new(seed, 2, 6) };
        if !met_before {
            world.warm_up();
        }
        let backup = world.people[1].disk.clone();
        let before = device(&world, 1);
        let sequence = |world: &World| world.people[1].disk.rows().card.as_ref().unwrap().sequence;
        world.run(days * DAY_MS + hours * HOUR_MS);
        world.send(0, 1, "known to be read");
        world.run(MINUTE_MS);
        prop_assert!(world.texts(1).contains("known to be read"));
        let last = sequence(&world);
        set_back(&mut world, 1, &backup);
        world.run(2 * MINUTE_MS);
        prop_assert!(device(&world, 1) != before, "it goes on as another device");
        prop_assert!(sequence(&world) > last);
        world.send(0, 1, "from then on");
        world.run(15 * MINUTE_MS);
        prop_assert!(world.texts(1).contains("from then on"));
        world.send(1, 0, "and back");
        world.run(MINUTE_MS);
        prop_assert!(world.texts(0).contains("and back"));
        let copy = world.people[1].core.overview(world.now(1)).copy;
        prop_assert!(copy.newest && copy.renewed_ms.is_some() && copy.others == 1);
        prop_assert_eq!(world.spins, 0);
    }

    /// An old copy that runs for a while acks nothing, however old it is: the newer one has published when it last
    /// started.
    #[test]
    fn an_old_copy_that_runs_by_mistake_destroys_nothing(
        seed: u64,
        days in 0_u64..6,
        minutes in 1_u64..1_440,
        seconds in 1_u64..120,
    ) {
        let mut world = World::friends(seed, 2);
        let old = world.people[1].disk.clone();
        world.run(days * DAY_MS + minutes * MINUTE_MS);
        world.restart(1);
        world.run(2 * MINUTE_MS);
        let new = world.people[1].disk.clone();
        // Nobody is there when it is sent.
        let id = world.id(1);
        let away = world.people.remove(1);
        world.send_to(0, &id, "precious");
        world.run(MINUTE_MS);
        world.people.push(away);
        set_back(&mut world, 1, &old);
        world.run(seconds * 1_000);
        set_back(&mut world, 1, &new);
        world.run(2 * MINUTE_MS);
        prop_assert!(world.texts(1).contains("precious"));
    }

    /// One home that runs twice at once: both go on as devices, and both get everything from then on.
    #[test]
    fn one_home_that_runs_twice_becomes_two_devices(seed: u64, hours in 0_u64..40) {
        let mut world = World::friends(seed, 2);
        world.run(hours * HOUR_MS);
        let mut twin = Person::new(world.now(1), world.people[1].core.account().clone());
        twin.disk = world.people[1].disk.clone();
        world.people.push(twin);
        world.restart(2);
        // The second publishes as it starts, and the first hears that somebody else reads its mailboxes.
        world.run(10 * MINUTE_MS);
        prop_assert!(device(&world, 1) != device(&world, 2));
        for (number, from) in [(1, 0), (2, 0)] {
            world.send(from, 1, &format!("to both {number}"));
            world.run(15 * MINUTE_MS);
        }
        for person in [1, 2] {
            let texts = world.texts(person);
            prop_assert!(texts.contains("to both 1") && texts.contains("to both 2"), "{person}: {texts:?}");
        }
        prop_assert_eq!(world.spins, 0);
    }
}

#[test]
fn what_was_under_way_is_sealed_again_for_the_new_device() {
    let mut world = World::new(5, 2, 6);
    world.warm_up();
    // From before they met.
    let backup = world.people[1].disk.clone();
    for (from, to) in [(0, 1), (1, 0)] {
        world.send(from, to, "hello");
        world.run(MINUTE_MS);
    }
    world.run(3 * DAY_MS);
    let id = world.id(1);
    let away = world.people.remove(1);
    let call = world.send_to(0, &id, "sealed for a key that is lost");
    world.run(MINUTE_MS);
    let message = world.sent(0, call).unwrap().message_id.clone();
    world.people.push(away);
    set_back(&mut world, 1, &backup);
    world.run(2 * MINUTE_MS);
    assert!(!world.texts(1).contains("sealed for a key that is lost"));
    world.run(7 * HOUR_MS);
    assert!(world.texts(1).contains("sealed for a key that is lost"));
    let id = world.id(0);
    world.call(1, Call::ContactAccept { who: id });
    world.run(MINUTE_MS);
    let outbox = world.people[0].core.overview(world.now(0)).outbox;
    let entry = outbox.iter().find(|entry| entry.message_id == message);
    assert_eq!(entry.unwrap().code, MessageCode::Delivered);
}

#[test]
fn a_home_that_is_set_back_onto_a_full_disk_goes_on_once_there_is_room() {
    let mut world = World::friends(10, 2);
    let backup = world.people[1].disk.clone();
    let before = device(&world, 1);
    world.run(3 * DAY_MS);
    world.people[1].trouble = Some(StoreTrouble::DiskFull);
    set_back(&mut world, 1, &backup);
    world.run(20 * MINUTE_MS);
    assert_eq!(device(&world, 1), before);
    world.people[1].trouble = None;
    world.run(PAUSE_MAX_MS + MINUTE_MS);
    assert_ne!(device(&world, 1), before, "it is a device of its own");
    world.send(0, 1, "once there is room");
    world.run(2 * MINUTE_MS);
    assert!(world.texts(1).contains("once there is room"));
}

/// When the disk takes nothing in at the moment the message is sealed for the new device, that is done again.
#[test]
fn a_message_that_could_not_be_sealed_for_a_new_device_is_sealed_later() {
    let mut world = World::friends(8, 2);
    let backup = world.people[0].disk.clone();
    world.run(3 * DAY_MS);
    world.send(1, 0, "has the card looked up");
    world.run(MINUTE_MS);
    set_back(&mut world, 0, &backup);
    world.send(1, 0, "sealed for the device before");
    world.run(10_000);
    world.people[1].trouble = Some(StoreTrouble::DiskFull);
    world.run(5 * MINUTE_MS);
    assert!(!world.texts(0).contains("sealed for the device before"));
    world.people[1].trouble = None;
    world.run(30 * MINUTE_MS);
    assert!(world.texts(0).contains("sealed for the device before"));
}

/// Somebody who looks the account up between the start of a second copy and the moment at which the first one has
/// become a device of its own has a card that shows one of the two, and would go by it for a day.
/// The recipient cannot be looked up, and is another device by the time the network is back.
#[test]
fn what_was_sealed_by_an_old_card_for_want_of_a_network_reaches_the_new_device() {
    let mut world = World::friends(6, 2);
    let backup = world.people[0].disk.clone();
    world.run(3 * DAY_MS);
    world.send(1, 0, "has the card looked up");
    world.run(2 * DAY_MS);
    world.is_cut_off = true;
    world.send(1, 0, "written without a network");
    world.run(2 * MINUTE_MS);
    world.is_cut_off = false;
    let writer = world.people.remove(1);
    set_back(&mut world, 0, &backup);
    world.run(10 * MINUTE_MS);
    world.people.push(writer);
    world.run(15 * MINUTE_MS);
    assert!(world.texts(0).contains("written without a network"));
}

#[test]
fn contacts_hear_of_a_copy_that_has_become_another_device() {
    let mut world = World::friends(9, 2);
    world.run(30 * HOUR_MS);
    let mut twin = Person::new(world.now(1), world.people[1].core.account().clone());
    twin.disk = world.people[1].disk.clone();
    world.people.push(twin);
    world.restart(2);
    world.run(10_000);
    world.send(0, 1, "looked up too early");
    world.run(10 * MINUTE_MS);
    assert!(device(&world, 1) != device(&world, 2));
    world.send(0, 1, "from then on");
    world.run(MINUTE_MS);
    for person in [1, 2] {
        let texts = world.texts(person);
        assert!(texts.contains("from then on"), "{person}: {texts:?}");
    }
}

#[test]
fn a_home_that_was_set_back_and_writes_first_has_word_of_it() {
    let mut world = World::friends(5, 2);
    let backup = world.people[1].disk.clone();
    world.run(3 * DAY_MS);
    world.send(0, 1, "sealed to the card that is known");
    world.run(MINUTE_MS);
    set_back(&mut world, 1, &backup);
    world.run(MINUTE_MS);
    let id = world.id(0);
    let call = world.send_to(
        1,
        &id,
        "from a device that the card known to them does not show",
    );
    world.run(MINUTE_MS);
    let message = world.sent(1, call).unwrap().message_id.clone();
    let outbox = world.people[1].core.overview(world.now(1)).outbox;
    let entry = outbox.iter().find(|entry| entry.message_id == message);
    assert_eq!(entry.unwrap().state, DeliveryState::Delivered);
}

/// What a node keeps itself says nothing about the network: with nobody else in sight nothing is known of other copies.
#[test]
fn a_keeper_does_not_take_its_own_word_for_the_networks() {
    let mut world = World::friends(8, 2);
    let backup = world.people[1].disk.clone();
    world.run(3 * DAY_MS);
    world.add_keeper();
    let own = world.keepers.last().unwrap().node;
    world.people[1].settings.own_keeper = Some(own);
    world.is_cut_off = true;
    set_back(&mut world, 1, &backup);
    world.run(MINUTE_MS);
    let copy = |world: &World| world.people[1].core.overview(world.now(1)).copy;
    assert!(!copy(&world).newest);
    let unknown = world.send_to(1, "nobody.0000-0000-0000", "hello");
    world.run(MINUTE_MS);
    let refusal = world.people[1].replies[&unknown].as_ref().unwrap_err();
    assert_eq!(*refusal, restante_interface::Refusal::Offline);
    world.is_cut_off = false;
    world.run(15 * MINUTE_MS);
    assert!(copy(&world).newest && copy(&world).renewed_ms.is_some());
}

#[test]
fn a_restart_alone_changes_no_device() {
    let mut world = World::friends(6, 2);
    let before = device(&world, 1);
    for _ in 0..3 {
        world.restart(1);
        world.run(30 * MINUTE_MS);
        world.run(DAY_MS);
    }
    assert_eq!(device(&world, 1), before);
    let copy = world.people[1].core.overview(world.now(1)).copy;
    assert!(copy.newest && copy.renewed_ms.is_none() && copy.others == 0);
}

/// Each start shows in a new card, until a day has seen too many of them.
#[test]
fn a_home_that_is_started_over_and_over_does_not_publish_each_time() {
    let mut world = World::friends(7, 2);
    let sequence = |world: &World| world.people[1].disk.rows().card.as_ref().unwrap().sequence;
    let mut cards = std::collections::BTreeSet::from([sequence(&world)]);
    for start in 0..20 {
        world.restart(1);
        world.run(MINUTE_MS);
        let is_new = cards.insert(sequence(&world));
        assert_eq!(is_new, start < 7, "start {start}");
    }
    world.run(2 * DAY_MS);
    world.restart(1);
    world.run(MINUTE_MS);
    assert!(cards.insert(sequence(&world)));
}

/// Returns an envelope in a mailbox that is sealed to a key which nobody holds.
fn sealed_to_nobody(world: &mut World, person: usize, mailbox: Mailbox) -> Envelope {
    let date = world.now(person).date;
    let me = world.people[person].core.account().identity.clone();
    let lost = PrekeySecret::generate(date, &mut world.rng);
    let recipient = Recipient {
        account: me.account,
        device: me.device.public(),
        prekey: lost.public(),
    };
    let times = Lifetime {
        now: date,
        expires: date.plus(DAY_MS),
    };
    let content = Content::Delivered {
        ids: vec![MessageId::new([1; 16])],
        read: Vec::new(),
    };
    let message = Message::new(&me, MessageId::new([2; 16]), date, content);
    envelope::seal(&message, &me, &recipient, mailbox, times, &mut world.rng).unwrap()
}

#[test]
fn what_opens_nowhere_is_acked_by_a_home_that_knows_to_be_the_newest() {
    let mut world = World::friends(7, 2);
    let me = world.people[1].core.account().identity.clone();
    let mailbox = me.first_contact_mailbox(world.now(1).date.epoch());
    let envelope = sealed_to_nobody(&mut world, 1, mailbox);
    // Keepers that hold no card of its own: nobody says whether it is the newest.
    for keeper in &mut world.keepers {
        keeper.lie = Some(|_, request, response| match request {
            Request::GetCards { .. } => Response::Refusal(Refusal::until(Reason::Busy, 1_000)),
            _ => response,
        });
    }
    world.restart(1);
    for keeper in 0..6 {
        world.deposit(keeper, &envelope);
    }
    world.run(15 * MINUTE_MS);
    assert!(!world.has_taken(1, &envelope));
    assert_eq!(world.people[1].core.overview(world.now(1)).copy.left, 1);
    for keeper in &mut world.keepers {
        keeper.lie = None;
    }
    world.run(15 * MINUTE_MS);
    assert!(world.has_taken(1, &envelope));
    assert_eq!(world.people[1].core.overview(world.now(1)).copy.left, 0);
}
