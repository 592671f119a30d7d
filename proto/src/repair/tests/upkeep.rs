//! Items stay at those who should have them, at no greater cost than must be.

use super::*;
use crate::card::CardRecord;

fn placed(world: &mut World, count: usize) -> Vec<ElementKey> {
    (0..count)
        .map(|number| world.place(number, &format!("letter {number}")))
        .collect()
}

#[test]
fn a_keeper_that_comes_takes_what_it_should_have_once() {
    let mut world = World::new(14);
    world.set_up(13, false);
    world.run(10 * MINUTE_MS);
    let keys = placed(&mut world, 120);
    world.offices[13] = office(13);
    let before = world.copied();
    world.set_up(13, true);
    world.run(AFTER_A_START_MS);
    world.is_whole(&keys);
    let owed = keys
        .iter()
        .filter(|key| world.nearest(&key.address).contains(&13))
        .count();
    assert!(owed > 20, "{owed}");
    assert_eq!(world.copied() - before, owed as u64);
}

#[test]
fn what_a_lost_keeper_had_is_copied_once_when_it_stays_away() {
    let mut world = World::new(16);
    let keys = placed(&mut world, 120);
    let lost = keys
        .iter()
        .filter(|key| world.nearest(&key.address).contains(&3))
        .count();
    let before = world.copied();
    world.set_up(3, false);
    world.run(4 * MINUTE_MS);
    assert_eq!(world.copied(), before, "it may come back");
    world.run(AFTER_A_LOSS_MS - 4 * MINUTE_MS);
    world.is_whole(&keys);
    assert_eq!(world.copied() - before, lost as u64);
}

#[test]
fn a_keeper_that_comes_back_soon_costs_nothing() {
    let mut world = World::new(16);
    let keys = placed(&mut world, 60);
    let before = world.copied();
    world.set_up(3, false);
    world.run(3 * MINUTE_MS);
    world.set_up(3, true);
    world.run(90 * MINUTE_MS);
    world.is_whole(&keys);
    assert_eq!(world.copied(), before);
}

#[test]
fn items_outlive_any_number_of_keepers_one_after_another() {
    let mut world = World::new(24);
    let keys = placed(&mut world, 60);
    for gone in 0..12 {
        world.set_up(gone, false);
        world.run(AFTER_A_LOSS_MS);
        world.is_whole(&keys);
    }
}

#[test]
fn an_ack_at_one_keeper_reaches_the_others_and_wins() {
    let mut world = World::new(12);
    let keys = placed(&mut world, 30);
    let acked: Vec<ElementKey> = keys.iter().take(10).copied().collect();
    for (number, key) in acked.iter().enumerate() {
        let at = world.nearest(&key.address)[number % REPLICAS];
        let request = ack(number, key);
        let now = world.now;
        world.offices[at].deposit(now, &request);
    }
    world.run(3 * 60 * MINUTE_MS);
    for key in &acked {
        let tombstone = ElementKey::ack(key.address, ItemId::new(key.name));
        for at in 0..world.offices.len() {
            assert!(!world.holds(at, key), "{at} still has what was acked");
        }
        world.is_whole(&[tombstone]);
    }
    world.is_whole(&keys[10..]);
}

#[test]
fn an_old_card_gives_way_to_a_newer_one() {
    let mut world = World::new(8);
    let identity = crate::fixture::person("bob");
    let id = identity.person_id(crate::person::IdCost::CheapForTests);
    let locators = id.locators(NOW.salt_epoch(), crate::person::IdCost::CheapForTests);
    let locator = locators.addresses[0];
    let card = |sequence, stamped| {
        let record = {
            let prekey = crate::fixture::prekey("bob", NOW);
            let card = crate::fixture::card(&identity, &prekey, sequence);
            let mut rng = crate::fixture::rng("record");
            CardRecord::seal(&card, &identity, locator, &locators.record_key, &mut rng).unwrap()
        };
        let challenge = crate::stamp::Challenge::card(&record.locator, &record.writer);
        let stamp = crate::stamp::StampScheme::solve(
            &CheapForTests,
            &challenge,
            &bytes("stamp"),
            1,
            1 << 20,
        );
        Request::DepositCard {
            record: Box::new(record),
            stamp: stamp.filter(|_| stamped),
            nonce: [7; NONCE_BYTES],
        }
    };
    let nearest = world.nearest(&locator);
    let now = world.now;
    for at in &nearest {
        world.offices[*at].deposit(now, &card(1, true));
    }
    // The newer one comes without a stamp, and the stamp of the first goes along with it.
    world.offices[nearest[0]].deposit(now, &card(2, false));
    world.set_up(nearest[4], false);
    world.run(3 * 60 * MINUTE_MS);
    for at in world.nearest(&locator) {
        let page = world.offices[at]
            .store
            .elements(world.now.date, None, 9)
            .unwrap();
        let versions: Vec<u64> = page
            .elements
            .iter()
            .map(|element| element.version)
            .collect();
        assert_eq!(versions, [2], "at {at}");
    }
}

#[test]
fn a_keeper_that_leaves_waits_until_others_have_what_it_had() {
    let mut world = World::new(16);
    let keys = placed(&mut world, 120);
    let before = world.copied();
    let owed = keys
        .iter()
        .filter(|key| world.nearest(&key.address).contains(&5))
        .count();
    world.post.push_back(Post::Repair(5, Input::Leave));
    world.deliver();
    assert_eq!(world.left, [5]);
    assert_eq!(world.copied() - before, owed as u64);
    world.set_up(5, false);
    world.is_whole(&keys);
    world.run(60 * MINUTE_MS);
    assert_eq!(
        world.copied() - before,
        owed as u64,
        "nothing is left to be done"
    );
}

#[test]
fn a_keeper_that_leaves_waits_for_nobody_who_says_nothing() {
    let mut world = World::new(8);
    let _keys = placed(&mut world, 40);
    world.silent = vec![0, 1, 2];
    world.post.push_back(Post::Repair(5, Input::Leave));
    world.deliver();
    assert!(world.left.is_empty(), "three are still waited for");
    world.run(2_999);
    assert!(world.left.is_empty());
    world.run(1);
    assert_eq!(world.left, [5]);
}

#[test]
fn keepers_that_leave_together_wait_for_no_other() {
    let mut world = World::new(6);
    let _keys = placed(&mut world, 40);
    let before = world.copied();
    for at in 0..6 {
        world.post.push_back(Post::Repair(at, Input::Leave));
    }
    world.deliver();
    world.left.sort_unstable();
    assert_eq!(world.left, [0, 1, 2, 3, 4, 5]);
    assert_eq!(world.copied(), before);
}

#[test]
fn two_keepers_find_a_small_difference_among_much() {
    let mut world = World::new(2);
    let count = 3_000;
    for number in 0..count {
        world.place(number % 400, &format!("letter {number}"));
    }
    let mut odd = Vec::new();
    for number in 0..4 {
        let (key, request) = deposit(1_000 + number, &format!("odd {number}"));
        let now = world.now;
        world.offices[number % 2].deposit(now, &request);
        odd.push(key);
    }
    let before = world.bytes;
    world.run(130 * MINUTE_MS);
    world.is_whole(&odd);
    // Four envelopes and their surroundings, each end asking twice; all of them would be 6 MiB, their list 200 KiB.
    let spent = world.bytes - before;
    assert!(spent < 80_000, "{spent} bytes");
}

#[test]
fn a_crowded_mailbox_is_copied_as_well() {
    let mut world = World::new(7);
    // What one holder had before others came is more than it would be given now.
    let mut place = |holder: &str, number| world.place(1, &format!("{holder} {number}"));
    let mut keys: Vec<ElementKey> = (0..500).map(|number| place("first", number)).collect();
    keys.extend((0..200).map(|number| place("second", number)));
    let gone = world.nearest(&keys[0].address)[0];
    world.set_up(gone, false);
    world.run(AFTER_A_LOSS_MS + MINUTE_MS);
    world.is_whole(&keys);
}

#[test]
fn nothing_is_copied_that_ends_too_soon_to_be_worth_it() {
    let mut world = World::new(7);
    let keys = placed(&mut world, 20);
    world.run(6 * DAY_MS - 10 * MINUTE_MS - world.now.date.since(NOW));
    let before = world.copied();
    world.set_up(world.nearest(&keys[0].address)[0], false);
    world.run(AFTER_A_LOSS_MS);
    assert_eq!(world.copied(), before);
}
