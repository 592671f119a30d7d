use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::{
    CANDIDATES, Placement, RETRY_MAX_MS, REVIEW_MIN_MS, REVIEW_MS, REVIEW_SUCCESSOR_MS, Step,
    driven::{Driven, NOW, now_at, settings},
};
use crate::{
    Address, NodeId,
    limits::{DAY_MS, HOUR_MS, MINUTE_MS, REPLICAS},
    time::{MonoMillis, Now, UnixMillis},
};

const END: UnixMillis = NOW.date.plus(6 * 86_400_000);

fn keepers(count: u8) -> Vec<NodeId> {
    (0..count).map(|n| NodeId::new([n; 32])).collect()
}

fn started(found: u8) -> (Placement, Vec<Step>) {
    let mut placement = Placement::new(Address::new([7; 32]), BTreeMap::new());
    assert_eq!(placement.on_timer(NOW), vec![Step::Find]);
    let steps = placement.on_found(NOW, &keepers(found));
    (placement, steps)
}

#[test]
fn an_item_goes_to_the_nearest_keepers() {
    let (placement, steps) = started(8);
    let wanted: Vec<Step> = keepers(5).into_iter().map(Step::Deposit).collect();
    assert_eq!(steps, wanted);
    assert_eq!(placement.standing(NOW).of, REPLICAS);
}

#[test]
fn the_next_nearest_takes_the_place_of_one_that_failed() {
    let (mut placement, _) = started(8);
    let steps = placement.on_failed(NOW, NodeId::new([1; 32]));
    assert_eq!(steps, vec![Step::Deposit(NodeId::new([5; 32]))]);
}

#[test]
fn three_of_five_receipts_make_an_item_stored() {
    let (mut placement, _) = started(5);
    for (number, keeper) in keepers(5).into_iter().enumerate() {
        assert_eq!(placement.standing(NOW).is_stored(), number >= 3);
        assert_eq!(placement.on_receipt(NOW, keeper, END), vec![]);
    }
    let due = placement.next_timeout().unwrap();
    let pause = due.since(NOW.mono);
    assert!((REVIEW_MIN_MS * 4 / 5..=REVIEW_MIN_MS * 6 / 5).contains(&pause));
}

/// Lets a placement be looked at in full as often as it is due, with the same keepers, for a day; returns the pauses.
fn a_day(placement: &mut Placement, mut now: Now) -> Vec<u64> {
    let (mut pauses, began) = (Vec::new(), now.mono);
    loop {
        let due = placement.next_timeout().unwrap();
        if due.since(began) >= DAY_MS {
            return pauses;
        }
        pauses.push(due.since(now.mono));
        now = now_at(due);
        placement.on_timer(now);
        place(placement, now, &keepers(8));
    }
}

/// Lets a lookup find these, which take and hold the item.
fn place(placement: &mut Placement, now: Now, found: &[NodeId]) {
    for step in placement.on_found(now, found) {
        let (Step::Deposit(keeper) | Step::Offer(keeper)) = step else {
            panic!("{step:?}");
        };
        placement.on_receipt(now, keeper, END);
    }
}

#[test]
fn what_takes_the_place_of_an_item_at_the_same_keepers_is_looked_at_as_rarely() {
    let first = || {
        let (mut placement, _) = started(8);
        for keeper in keepers(5) {
            placement.on_receipt(NOW, keeper, END);
        }
        placement
    };
    let mut placement = first();
    let pauses = a_day(&mut placement, NOW);
    assert!(
        pauses[0] <= REVIEW_MIN_MS * 6 / 5 && pauses.len() >= 6,
        "{pauses:?}"
    );
    let later = NOW.plus(DAY_MS);

    let mut successor = placement.succeeded(later);
    assert_eq!(successor.standing(later).with, 0, "it is another item");
    assert_eq!(successor.on_timer(later), vec![Step::Find]);
    place(&mut successor, later, &keepers(8));
    assert_eq!(successor.standing(later).with, 5);
    let pauses = a_day(&mut successor, later);
    let shortest = REVIEW_SUCCESSOR_MS * 4 / 5;
    assert!(pauses.iter().all(|pause| *pause >= shortest), "{pauses:?}");

    // Somebody else has come: the neighbourhood is as good as new.
    let mut successor = placement.succeeded(later);
    assert_eq!(successor.on_timer(later), vec![Step::Find]);
    let mut found = keepers(8);
    found.insert(2, NodeId::new([77; 32]));
    place(&mut successor, later, &found);
    let pause = successor.next_timeout().unwrap().since(later.mono);
    assert!(pause <= REVIEW_MIN_MS * 6 / 5, "{pause}");

    // And so is that of an item that is not where it belongs.
    let (missing, _) = started(8);
    let mut successor = missing.succeeded(later);
    assert_eq!(successor.on_timer(later), vec![Step::Find]);
    place(&mut successor, later, &keepers(8));
    let pause = successor.next_timeout().unwrap().since(later.mono);
    assert!(pause <= REVIEW_MIN_MS * 6 / 5, "{pause}");
}

#[test]
fn fewer_keepers_make_do_with_fewer_receipts() {
    for (found, wanted) in [(1, 1), (2, 2), (3, 2), (4, 3)] {
        let (mut placement, _) = started(found);
        for (number, keeper) in (1..).zip(keepers(found)) {
            placement.on_receipt(NOW, keeper, END);
            assert_eq!(placement.standing(NOW).is_stored(), number >= wanted);
        }
    }
}

#[test]
fn a_receipt_of_a_keeper_that_was_not_asked_counts_for_nothing() {
    let (mut placement, _) = started(5);
    placement.on_receipt(NOW, NodeId::new([99; 32]), END);
    assert_eq!(placement.standing(NOW).with, 0);
    placement.on_receipt(NOW, NodeId::new([0; 32]), END);
    placement.on_receipt(NOW, NodeId::new([0; 32]), END);
    assert_eq!(placement.standing(NOW).with, 1);
}

#[test]
fn a_lookup_that_finds_nobody_is_tried_again_with_growing_pauses() {
    let mut placement = Placement::new(Address::new([7; 32]), BTreeMap::new());
    let (mut now, mut last) = (NOW, 0);
    for _ in 0..20 {
        assert_eq!(placement.on_timer(now), vec![Step::Find]);
        assert_eq!(placement.on_found(now, &[]), vec![]);
        let pause = placement.next_timeout().unwrap().since(now.mono);
        assert!(pause * 3 / 2 >= last, "{pause} after {last}");
        assert!(pause <= RETRY_MAX_MS * 6 / 5);
        (now, last) = (now.plus(pause), pause);
    }
    assert!(last >= RETRY_MAX_MS * 4 / 5);
    let before = now_at(MonoMillis::new(now.mono.get() - 1));
    placement.hurry(before);
    assert_eq!(placement.on_timer(before), vec![Step::Find]);
}

#[test]
fn after_a_restart_keepers_with_receipts_are_offered_and_the_others_get_it() {
    let held = BTreeMap::from([
        (NodeId::new([0; 32]), END),
        (NodeId::new([1; 32]), NOW.date),
    ]);
    let mut placement = Placement::new(Address::new([7; 32]), held);
    assert_eq!(placement.standing(NOW).with, 1);
    placement.on_timer(NOW);
    let steps = placement.on_found(NOW, &keepers(5));
    assert_eq!(steps[0], Step::Offer(NodeId::new([0; 32])));
    assert_eq!(steps[1], Step::Deposit(NodeId::new([1; 32])));
    // The keeper lost it: it gets it again.
    let again = placement.on_unknown(NOW, NodeId::new([0; 32]));
    assert_eq!(again, vec![Step::Deposit(NodeId::new([0; 32]))]);
}

#[test]
fn keepers_that_fail_are_asked_again_at_the_next_try() {
    let (mut placement, _) = started(5);
    for keeper in keepers(5) {
        placement.on_failed(NOW, keeper);
    }
    // The pause is no shorter than the time they are passed over, or it is used up by it.
    let mut now = NOW;
    for _ in 0..10 {
        now = now_at(placement.next_timeout().unwrap());
        assert_eq!(placement.on_timer(now), vec![Step::Find]);
        if !placement.on_found(now, &keepers(5)).is_empty() {
            break;
        }
    }
    let waited = now.mono.since(NOW.mono);
    assert!(waited < 120_000, "asked again after {waited} ms");
}

#[derive(Clone, Debug)]
enum Act {
    Wait(u64),
    Near(Vec<u8>),
    Found(Vec<u8>),
    Receipt(u8),
    Unknown(u8),
    Failed(u8),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        (0_u64..8_000_000).prop_map(Act::Wait),
        prop::collection::btree_set(0_u8..16, 0..10)
            .prop_map(|s| Act::Near(s.into_iter().collect())),
        prop::collection::btree_set(0_u8..12, 0..10)
            .prop_map(|s| Act::Found(s.into_iter().collect())),
        (0_u8..12).prop_map(Act::Receipt),
        (0_u8..12).prop_map(Act::Unknown),
        (0_u8..12).prop_map(Act::Failed),
    ]
}

proptest! {
    /// Whatever happens: nobody is asked twice at once, never more than wanted at once, and it never falls asleep.
    #[test]
    fn a_placement_never_stalls_and_never_asks_twice_at_once(acts in prop::collection::vec(act(), 1..120)) {
        let mut placement = Placement::new(Address::new([7; 32]), BTreeMap::new());
        let mut now = NOW;
        let mut asked: BTreeSet<NodeId> = BTreeSet::new();
        let mut finding = false;
        for act in acts {
            let steps = match act {
                Act::Wait(ms) => {
                    now = now.plus(ms);
                    placement.on_timer(now)
                }
                Act::Near(ids) => placement.on_near(now, &named(&ids)),
                Act::Found(ids) if finding => {
                    finding = false;
                    let found: Vec<NodeId> = ids.iter().map(|n| NodeId::new([*n; 32])).collect();
                    placement.on_found(now, &found)
                }
                Act::Found(_) => continue,
                Act::Receipt(n) => {
                    let keeper = NodeId::new([n; 32]);
                    asked.remove(&keeper);
                    placement.on_receipt(now, keeper, END)
                }
                Act::Unknown(n) => {
                    let keeper = NodeId::new([n; 32]);
                    asked.remove(&keeper);
                    placement.on_unknown(now, keeper)
                }
                Act::Failed(n) => {
                    let keeper = NodeId::new([n; 32]);
                    asked.remove(&keeper);
                    placement.on_failed(now, keeper)
                }
            };
            for step in steps {
                match step {
                    Step::Find => {
                        prop_assert!(!finding);
                        finding = true;
                    }
                    Step::Deposit(keeper) | Step::Offer(keeper) => {
                        prop_assert!(asked.insert(keeper), "{:?} asked twice", keeper);
                    }
                }
            }
            // Those that were near, and those that are.
            prop_assert!(asked.len() <= 2 * CANDIDATES);
            prop_assert!(finding || !asked.is_empty() || placement.next_timeout().is_some());
        }
    }
}

#[test]
fn a_keeper_that_says_unknown_to_a_deposit_has_failed() {
    let (mut placement, _) = started(6);
    let steps = placement.on_unknown(NOW, NodeId::new([0; 32]));
    assert_eq!(steps, vec![Step::Deposit(NodeId::new([5; 32]))]);
    assert_eq!(placement.on_unknown(NOW, NodeId::new([5; 32])), vec![]);
}

#[test]
fn a_lookup_that_found_few_is_soon_followed_by_another() {
    let (mut placement, _) = started(1);
    placement.on_receipt(NOW, NodeId::new([0; 32]), END);
    assert!(placement.standing(NOW).is_stored());
    let first = now_at(placement.next_timeout().unwrap());
    assert!(first.mono.since(NOW.mono) < 60_000);
    assert_eq!(placement.on_timer(first), vec![Step::Find]);
    let steps = placement.on_found(first, &keepers(5));
    assert_eq!(steps.len(), 5, "one offer and four deposits");
}

fn looking() -> Placement {
    let mut placement = Placement::new(Address::new([7; 32]), BTreeMap::new());
    assert_eq!(placement.on_timer(NOW), vec![Step::Find]);
    placement
}

fn named(ids: &[u8]) -> Vec<NodeId> {
    ids.iter().map(|n| NodeId::new([*n; 32])).collect()
}

#[test]
fn an_item_is_stored_before_the_lookup_has_ended() {
    let mut placement = looking();
    let steps = placement.on_near(NOW, &keepers(8));
    let wanted: Vec<Step> = keepers(5).into_iter().map(Step::Deposit).collect();
    assert_eq!(steps, wanted);
    for keeper in &keepers(5)[2..] {
        assert!(!placement.standing(NOW).is_stored());
        assert_eq!(placement.on_receipt(NOW, *keeper, END), vec![]);
    }
    assert!(placement.standing(NOW).is_stored());
    // Nobody else is troubled before the lookup has ended, and nobody is asked twice after.
    assert_eq!(
        placement.on_near(NOW, &named(&[20, 21, 22, 23, 24])),
        vec![]
    );
    assert_eq!(placement.next_timeout(), None);
    assert_eq!(placement.on_found(NOW, &keepers(8)), vec![]);
    for keeper in &keepers(2) {
        placement.on_receipt(NOW, *keeper, END);
    }
    assert_eq!(placement.standing(NOW).with, 5);
    assert!(placement.next_timeout().is_some());
}

#[test]
fn the_lookup_has_the_last_word() {
    let mut placement = looking();
    let far = named(&[20, 21, 22, 23, 24]);
    assert_eq!(placement.on_near(NOW, &far).len(), 5);
    for keeper in &far[..3] {
        placement.on_receipt(NOW, *keeper, END);
    }
    assert!(placement.standing(NOW).is_stored());
    // One of those is the sixth nearest; nobody looks at the others.
    let found = named(&[0, 1, 2, 3, 4, 20, 5, 6]);
    let steps = placement.on_found(NOW, &found);
    let wanted: Vec<Step> = keepers(5).into_iter().map(Step::Deposit).collect();
    assert_eq!(steps, wanted);
    assert_eq!(placement.standing(NOW).with, 1);
    placement.on_receipt(NOW, far[3], END);
    assert_eq!(placement.standing(NOW).with, 1);
    // The next nearest steps in although others are still being asked in vain: the sixth holds it, the seventh gets it.
    assert_eq!(placement.on_failed(NOW, NodeId::new([0; 32])), vec![]);
    let steps = placement.on_failed(NOW, NodeId::new([1; 32]));
    assert_eq!(steps, vec![Step::Deposit(NodeId::new([5; 32]))]);
}

#[test]
fn who_could_not_be_reached_and_was_found_is_asked_again() {
    let mut placement = looking();
    let _asked = placement.on_near(NOW, &keepers(5));
    // Five are all that are known: nobody steps in.
    assert_eq!(placement.on_failed(NOW, NodeId::new([0; 32])), vec![]);
    let steps = placement.on_found(NOW, &keepers(8));
    assert_eq!(steps, vec![Step::Deposit(NodeId::new([0; 32]))]);
    let steps = placement.on_failed(NOW, NodeId::new([0; 32]));
    assert_eq!(steps, vec![Step::Deposit(NodeId::new([5; 32]))]);
}

#[test]
fn receipts_that_no_lookup_has_judged_are_judged_by_the_next() {
    let mut placement = looking();
    let far = named(&[20, 21, 22, 23, 24]);
    let _asked = placement.on_near(NOW, &far);
    for keeper in &far[..3] {
        placement.on_receipt(NOW, *keeper, END);
    }
    assert_eq!(placement.on_found(NOW, &[]), vec![]);
    for keeper in &far[3..] {
        placement.on_failed(NOW, *keeper);
    }
    let due = now_at(placement.next_timeout().unwrap());
    assert_eq!(placement.on_timer(due), vec![Step::Find]);
    assert_eq!(placement.on_found(due, &keepers(8)).len(), 5);
    assert_eq!(placement.standing(due).with, 0);
}

#[test]
fn few_that_are_near_make_nothing_stored() {
    let mut placement = looking();
    assert_eq!(placement.on_near(NOW, &keepers(2)).len(), 2);
    for keeper in keepers(2) {
        placement.on_receipt(NOW, keeper, END);
    }
    // Whether there are more nobody knows before the lookup has ended.
    assert_eq!(placement.standing(NOW).of, 0);
    assert!(!placement.standing(NOW).is_stored());
    assert_eq!(placement.on_found(NOW, &keepers(2)), vec![]);
    assert!(placement.standing(NOW).is_stored());
}

#[test]
fn nearer_ones_are_added_and_their_number_is_limited() {
    let mut placement = looking();
    let mut asked = 0;
    for first in (0..100).rev() {
        let near: Vec<u8> = (first..first + 5).collect();
        asked += placement.on_near(NOW, &named(&near)).len();
    }
    assert_eq!(asked, CANDIDATES);
}

#[test]
fn those_that_stand_in_for_others_are_counted_too() {
    let mut placement = looking();
    let near = |first| named(&(first..first + 8).collect::<Vec<u8>>());
    let mut steps = placement.on_near(NOW, &near(20));
    steps.extend(placement.on_near(NOW, &near(40)));
    let (mut failed, mut asked) = (0, BTreeSet::new());
    while let Some(Step::Deposit(keeper)) = steps.get(failed).copied() {
        assert!(asked.insert(keeper), "asked twice");
        steps.extend(placement.on_failed(NOW, keeper));
        failed += 1;
    }
    assert_eq!(asked.len(), CANDIDATES);
}

#[test]
fn without_a_lookup_nobody_is_near() {
    let (mut placement, _) = started(5);
    assert_eq!(placement.on_near(NOW, &named(&[20, 21])), vec![]);
    let mut placement = looking();
    assert_eq!(placement.on_near(NOW, &[]), vec![]);
}

/// What becomes of a step.
enum Answer {
    Found(Vec<NodeId>),
    Receipt(NodeId),
    Failed(NodeId),
    Unknown(NodeId),
}

/// Draws how the network answers a step, and when; every third stretch of five hours it does not.
fn answer(driven: &mut Driven<Answer>, step: Step) {
    let away = driven.passed() / (5 * HOUR_MS) % 3 == 2;
    let fails = away || driven.draw(8) == 0;
    let soon = 20 + driven.draw(2_000);
    match step {
        Step::Find if fails => driven.later(soon, Answer::Found(Vec::new())),
        Step::Find => {
            let count = if driven.draw(8) == 0 { 3 } else { 8 };
            driven.later(soon, Answer::Found(keepers(count)));
        }
        Step::Deposit(keeper) | Step::Offer(keeper) if fails => {
            driven.later(10_000, Answer::Failed(keeper));
        }
        Step::Offer(keeper) if driven.draw(8) == 0 => driven.later(soon, Answer::Unknown(keeper)),
        Step::Deposit(keeper) | Step::Offer(keeper) => {
            driven.later(soon, Answer::Receipt(keeper));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// However the date is set: while something is missing a try comes every hour, else every six, and never many.
    #[test]
    fn a_placement_neither_stops_nor_spins_while_the_date_is_set(
        settings in settings(),
        seed in any::<u64>(),
    ) {
        let mut placement = Placement::new(Address::new([7; 32]), BTreeMap::new());
        let mut driven = Driven::new(&settings, seed);
        let mut tried = NOW.mono;
        while !driven.has_lasted(4) {
            let event = driven.next(placement.next_timeout());
            let now = driven.now;
            let mut steps = match event {
                Some(Answer::Found(found)) => placement.on_found(now, &found),
                Some(Answer::Receipt(keeper)) => placement.on_receipt(now, keeper, END),
                Some(Answer::Failed(keeper)) => placement.on_failed(now, keeper),
                Some(Answer::Unknown(keeper)) => placement.on_unknown(now, keeper),
                None => Vec::new(),
            };
            steps.extend(placement.on_timer(now));
            prop_assert!(placement.next_timeout().is_none_or(|due| due > now.mono));
            if steps.contains(&Step::Find) {
                tried = now.mono;
            }
            let longest = if placement.failures() > 0 { RETRY_MAX_MS } else { REVIEW_MS };
            let limit = longest * 6 / 5 + 2 * MINUTE_MS;
            prop_assert!(now.mono.since(tried) <= limit, "no try since {:?}", tried);
            driven.count(steps.len(), 2_000);
            for step in steps {
                answer(&mut driven, step);
            }
        }
    }
}

#[test]
fn a_keeper_whose_receipt_is_over_by_the_date_is_not_asked_again_at_once() {
    let (mut placement, _) = started(5);
    // The clock is a week ahead.
    let ahead = Now::new(NOW.mono, END.plus(86_400_000));
    for keeper in keepers(5) {
        assert_eq!(placement.on_receipt(ahead, keeper, END), vec![]);
    }
    assert!(!placement.standing(ahead).is_stored());
    assert!(placement.next_timeout().unwrap() > NOW.mono);
    // It is set right: the receipts count.
    assert!(placement.standing(NOW).is_stored());
}
