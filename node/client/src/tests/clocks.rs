//! Clocks set back and forward, and processes that slept.

use proptest::prelude::*;
use restante_interface::{ClockInfo, DeliveryState, Refusal, Reply, State};
use restante_proto::NodeId;
use restante_proto::dates::DateStanding;
use restante_proto::limits::{DAY_MS, HOUR_MS, MINUTE_MS};
use restante_proto::request::Response;
use restante_proto::time::{MonoMillis, Now};

use crate::dates::Dates;

use super::world::{START, World};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    /// A clock that is set back or forward, by anything up to three days, and right again: mail comes within minutes,
    /// and nobody spins.
    #[test]
    fn a_clock_that_was_wrong_for_a_while_stops_nothing(
        seed: u64,
        jumps in prop::collection::vec((-72_i64..72, 1_u64..180), 1..4),
        person in 0_usize..2,
    ) {
        let mut world = World::new(seed, 2, 6);
        world.warm_up();
        for (hours, minutes) in jumps {
            world.people[person].ahead_ms = hours * i64::try_from(HOUR_MS).unwrap();
            world.run(minutes * MINUTE_MS);
        }
        world.people[person].ahead_ms = 0;
        // The next card is a minute away at most, and the next round ten.
        world.run(25 * MINUTE_MS);
        world.send(0, 1, "to");
        world.send(1, 0, "fro");
        world.run(25 * MINUTE_MS);
        prop_assert!(world.texts(1).contains("to"));
        prop_assert!(world.texts(0).contains("fro"));
        prop_assert_eq!(world.spins, 0);
    }
}

#[test]
fn a_delivery_receipt_is_looked_after_for_a_day_and_not_for_its_life() {
    let mut world = World::friends(3, 2);
    let under_way = |world: &World| {
        let disks = world.people.iter().map(|person| &person.disk);
        disks.map(|disk| disk.rows().outgoing.len()).sum::<usize>()
    };
    world.run(12 * HOUR_MS);
    assert!(under_way(&world) > 0, "receipts are looked after");
    // The next look comes within six hours and a fifth of that.
    world.run(20 * HOUR_MS);
    assert_eq!(under_way(&world), 0);
}

#[test]
fn an_account_made_with_its_clock_ahead_takes_mail_of_the_present() {
    let mut world = World::new(7, 2, 6);
    world.people[1].disk = {
        let mut account = world.people[1].disk.rows().account.clone();
        account.created = START.plus(40 * DAY_MS);
        crate::memory::MemoryDisk::new(account)
    };
    world.restart(1);
    world.warm_up();
    world.send(0, 1, "now");
    world.run(MINUTE_MS);
    assert!(world.texts(1).contains("now"));
    // Mail of yesterday waits in yesterday's mailbox.
    let gone = world.people.remove(1);
    let to = gone.core.account().id.to_string();
    world.send_to(0, &to, "yesterday");
    world.run(DAY_MS);
    world.people.push(gone);
    world.restart(1);
    world.run(HOUR_MS);
    assert!(world.texts(1).contains("yesterday"));
}

#[test]
fn a_card_made_with_a_clock_set_back_is_taken_by_keepers() {
    let mut world = World::new(8, 2, 6);
    // Ten minutes ahead are within what clocks may differ.
    world.people[1].ahead_ms = i64::try_from(9 * MINUTE_MS).unwrap();
    world.warm_up();
    let before = world.people[1].disk.rows().card.clone().unwrap();
    world.run(DAY_MS - 30 * MINUTE_MS);
    world.people[1].ahead_ms = 0;
    world.run(2 * HOUR_MS);
    let after = world.people[1].disk.rows().card.clone().unwrap();
    assert!(after.sequence > before.sequence);
    let published = world.people[1].core.overview(world.now(1)).card_published;
    assert!(published.is_some_and(|at| at >= after.issued));
    world.send(0, 1, "found");
    world.run(MINUTE_MS);
    assert!(world.texts(1).contains("found"));
}

#[test]
fn a_month_asleep_ends_with_the_next_breath() {
    let mut world = World::new(9, 2, 6);
    world.warm_up();
    // The timers stand still while the date goes on; keepers go by the date too.
    world.sleep(1, 30 * DAY_MS);
    world.run(5 * MINUTE_MS);
    world.send(0, 1, "good morning");
    world.run(2 * MINUTE_MS);
    assert!(world.texts(1).contains("good morning"));
    assert_eq!(world.spins, 0);
}

/// What runs in the same node goes by the same clock, and vouches for nothing.
#[test]
fn a_nodes_own_keeper_does_not_confirm_its_date() {
    let mut world = World::friends(14, 2);
    world.send(0, 1, "unread");
    world.run(MINUTE_MS);
    world.add_keeper();
    let own = world.keepers.last().unwrap().node;
    world.people[1].settings.own_keeper = Some(own);
    world.is_cut_off = true;
    world.people[1].ahead_ms = i64::try_from(40 * DAY_MS).unwrap();
    world.restart(1);
    world.run(10 * MINUTE_MS);
    let clock = world.people[1].core.overview(world.now(1)).clock;
    assert_eq!(clock, ClockInfo::Unconfirmed);
    world.people[1].ahead_ms = 0;
    world.is_cut_off = false;
    world.restart(1);
    world.run(5 * MINUTE_MS);
    assert!(world.texts(1).contains("unread"));
}

#[test]
fn a_clock_that_keepers_contradict_destroys_and_publishes_nothing() {
    for days in [-400_i64, -8, 8, 400] {
        let mut world = World::new(13, 2, 6);
        world.warm_up();
        world.send(0, 1, "unread");
        world.run(MINUTE_MS);
        let id = world.id(1);
        // At a start, and while it runs.
        for is_start in [true, false] {
            let before = world.people[1].disk.rows().clone();
            world.people[1].ahead_ms = days * i64::try_from(DAY_MS).unwrap();
            if is_start {
                world.restart(1);
            }
            world.run(3 * MINUTE_MS);
            let now = world.people[1].disk.rows();
            let sequence = |rows: &crate::records::Loaded| rows.card.as_ref().unwrap().sequence;
            assert_eq!(sequence(now), sequence(&before), "{days} {is_start}");
            assert_eq!(now.prekeys.len(), before.prekeys.len(), "{days} {is_start}");
            assert_eq!(now.inbox.len(), 1, "{days} {is_start}");
            let clock = world.people[1].core.overview(world.now(1)).clock;
            assert!(
                matches!(clock, ClockInfo::Contradicted { ahead_ms, keepers: 1.. }
                    if (ahead_ms > 0) == (days > 0)),
                "{days} {is_start}: {clock:?}"
            );
            let call = world.read(1);
            world.settle();
            let page = &world.people[1].replies[&call];
            assert!(
                matches!(page, Ok(Reply::Inbox(page))
                    if matches!(page.deaf, Some(State::ClockContradicted { .. }))),
                "{page:?}"
            );
            let to = world.id(0);
            let call = world.send_to(1, &to, "from another time");
            world.run(1_000);
            let reply = &world.people[1].replies[&call];
            assert!(
                matches!(reply, Err(Refusal::WrongClock { .. })),
                "{reply:?}"
            );
            world.people[1].ahead_ms = 0;
            world.run(3 * MINUTE_MS);
            assert!(world.texts(1).contains("unread"), "{days} {is_start}");
            let clock = world.people[1].core.overview(world.now(1)).clock;
            assert_eq!(clock, ClockInfo::Sure);
        }
        world.send_to(0, &id, "found");
        world.run(MINUTE_MS);
        assert!(world.texts(1).contains("found"), "{days}");
        assert_eq!(world.spins, 0, "{days}");
    }
}

#[test]
fn a_clock_that_leaps_while_no_keeper_is_in_reach_ends_no_message() {
    for days in [25_u64, 365] {
        let mut world = World::friends(15, 2);
        world.is_cut_off = true;
        let call = world.send(0, 1, "waits");
        world.run(MINUTE_MS);
        world.people[0].ahead_ms = i64::try_from(days * DAY_MS).unwrap();
        world.run(5 * MINUTE_MS);
        assert_eq!(world.state(0, call), DeliveryState::Waiting, "{days}");
        world.people[0].ahead_ms = 0;
        world.run(MINUTE_MS);
        world.is_cut_off = false;
        // As long as a pause between two tries has become by then.
        world.run(25 * MINUTE_MS);
        assert!(world.texts(1).contains("waits"), "{days}");
    }
}

#[test]
fn an_inbox_that_hides_what_a_doubtful_date_ends_says_so() {
    let mut world = World::friends(16, 2);
    world.send(0, 1, "unread");
    world.run(MINUTE_MS);
    world.is_cut_off = true;
    world.people[1].ahead_ms = i64::try_from(20 * DAY_MS).unwrap();
    world.run(5 * MINUTE_MS);
    let call = world.read(1);
    world.settle();
    let page = &world.people[1].replies[&call];
    assert!(
        matches!(page, Ok(Reply::Inbox(page))
            if page.messages.is_empty() && page.deaf == Some(State::ClockUnconfirmed)),
        "{page:?}"
    );
}

/// An unread message, and a clock that leaps a year at a start while one keeper alone is in reach, whose clock is as
/// wrong: its word does not count for so much.
#[test]
fn one_keeper_that_agrees_with_a_leap_of_a_year_destroys_nothing() {
    let mut dates = restante_proto::dates::Dates::new(at(0, 365), at(0, 0).date);
    let keeper = |number| NodeId::new([number; 32]);
    dates.on_heard(at(1, 365), keeper(1), at(1, 365).date);
    assert_eq!(dates.standing(at(1, 365)), DateStanding::Unconfirmed);
    assert!(dates.settled(at(30, 365)) < at(31, 0).date);
    // A second one, or a day without anybody who denies it.
    dates.on_heard(at(2, 365), keeper(2), at(2, 365).date);
    assert_eq!(dates.standing(at(2, 365)), DateStanding::Sure);
}

/// Seconds after reading need no calendar.
#[test]
fn what_was_read_burns_in_its_time_though_the_clock_is_a_day_behind() {
    for is_restart in [false, true] {
        let mut world = World::friends(18, 2);
        let to = world.id(1);
        world.send_with(0, &to, "burns", Some(15_000));
        world.run(MINUTE_MS);
        assert!(world.texts(1).contains("burns"));
        world.mark_read(1);
        world.run(2_000);
        world.people[1].ahead_ms = -i64::try_from(DAY_MS).unwrap();
        if is_restart {
            world.restart(1);
        }
        world.run(5_000);
        assert!(world.texts(1).contains("burns"), "{is_restart}");
        world.run(12_000);
        assert!(!world.texts(1).contains("burns"), "{is_restart}");
        let rows = world.people[1].disk.rows();
        assert!(rows.inbox.values().all(|header| header.burn_ms == 0));
    }
}

/// Questions that were under way when the clock leapt carried the date before, and their answers say nothing of the one
/// after.
#[test]
fn answers_that_were_under_way_when_the_date_leapt_do_not_confirm_it() {
    let world = World::friends(17, 2);
    let mut dates = Dates::new(world.now(0), world.people[0].disk.rows());
    let made = world.now(0);
    let later = |ms: u64, days: u64| {
        let date = made.date.plus(ms + days * DAY_MS);
        Now::new(made.mono.plus(ms), date)
    };
    let answer = Response::Envelopes(Vec::new());
    let keeper = |number| NodeId::new([number; 32]);
    for number in [1, 2] {
        dates.on_answer(later(100, 0), (keeper(number), made), Some(&answer));
    }
    assert!(dates.is_sure(later(200, 0)));
    assert!(dates.look(later(300, 20)));
    for number in [1, 2] {
        let asked = (keeper(number), later(250, 0));
        dates.on_answer(later(400, 20), asked, Some(&answer));
    }
    assert!(!dates.is_sure(later(500, 20)));
    for number in [1, 2] {
        let asked = (keeper(number), later(600, 20));
        dates.on_answer(later(700, 20), asked, Some(&answer));
    }
    assert!(dates.is_sure(later(800, 20)));
}

#[test]
fn hours_without_a_word_leave_a_date_as_it_was() {
    let keeper = |number| NodeId::new([number; 32]);
    let mut right = restante_proto::dates::Dates::new(at(0, 0), at(0, 0).date);
    right.on_heard(at(1, 0), keeper(1), at(1, 0).date);
    assert_eq!(right.standing(at(200, 0)), DateStanding::Sure);
    // A lone contradiction among those that agree is no majority an hour later either.
    right.on_heard(at(201, 0), keeper(2), at(201, 1).date);
    right.on_heard(at(201, 0), keeper(3), at(201, 0).date);
    assert_eq!(right.standing(at(300, 0)), DateStanding::Sure);

    let start = Now::new(at(0, 0).mono, at(120, 0).date);
    let mut wrong = restante_proto::dates::Dates::new(start, at(0, 0).date);
    let ahead = |minutes: u64| Now::new(at(minutes, 0).mono, at(minutes + 120, 0).date);
    wrong.on_heard(ahead(1), keeper(1), at(1, 0).date);
    assert!(matches!(
        wrong.standing(ahead(2)),
        DateStanding::Contradicted { .. }
    ));
    assert_eq!(wrong.standing(ahead(200)), DateStanding::Unconfirmed);
}

/// Some minutes after the start of the world, by a clock that is so many days ahead.
fn at(minutes: u64, days: u64) -> Now {
    let ms = minutes * MINUTE_MS;
    Now::new(MonoMillis::new(ms), START.plus(ms + days * DAY_MS))
}

#[test]
fn a_prekey_is_destroyed_at_its_time_and_not_before() {
    let mut world = World::new(14, 1, 6);
    world.run(3 * MINUTE_MS);
    let prekey = world.people[0].disk.rows().prekeys[0].clone();
    let is_there = |world: &World| {
        let kept = &world.people[0].disk.rows().prekeys;
        kept.iter()
            .any(|kept| kept.public().issued == prekey.public().issued)
    };
    let left_ms = prekey.destroy_at().since(world.now(0).date);
    // So long a sleep is believed after an hour.
    world.sleep(0, left_ms - 2 * HOUR_MS);
    world.run(2 * HOUR_MS - 1);
    assert!(
        is_there(&world),
        "an envelope sealed to it may still be alive"
    );
    world.run(1);
    assert!(!is_there(&world));
    assert_eq!(world.spins, 0);
}
