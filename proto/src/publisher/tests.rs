use proptest::prelude::*;

use super::{Input, MAKE_AGAIN_MS, MAKE_MIN_MS, Output, Publisher, salt_epochs};
use crate::{
    Address, NodeId,
    limits::{CARD_TTL_MS, CLOCK_SKEW_MS, PREKEY_ROTATION_MS, SALT_EPOCH_MS},
    placement::driven::{Driven, NOW, now_at, settings},
    time::{MonoMillis, Now, UnixMillis},
};

const END: UnixMillis = NOW.date.plus(CARD_TTL_MS);

fn locators(from: u8) -> Vec<Address> {
    (from..from + 4).map(|n| Address::new([n; 32])).collect()
}

fn keepers() -> Vec<NodeId> {
    (0..5).map(|n| NodeId::new([n; 32])).collect()
}

fn made(publisher: &mut Publisher) {
    let made = Input::Made {
        issued: NOW.date,
        present: locators(0),
        next: locators(4),
    };
    assert_eq!(publisher.handle(NOW, made), vec![]);
}

#[test]
fn the_first_thing_is_to_make_a_card_and_once() {
    let mut publisher = Publisher::default();
    assert_eq!(publisher.handle(NOW, Input::Timer), vec![Output::Make]);
    assert_eq!(publisher.handle(NOW, Input::Timer), vec![]);
}

#[test]
fn a_locator_is_published_once_its_stamp_is_there() {
    let mut publisher = Publisher::default();
    made(&mut publisher);
    let at = Address::new([1; 32]);
    assert_eq!(
        publisher.handle(NOW, Input::Stamped(at)),
        vec![Output::Find(at)]
    );
    assert_eq!(
        publisher.handle(NOW, Input::Stamped(Address::new([77; 32]))),
        vec![]
    );
    let deposits = publisher.handle(NOW, Input::Found(at, keepers()));
    assert_eq!(deposits.len(), 5);
    publisher.handle(NOW, Input::Receipt(at, keepers()[0], END));
    publisher.handle(NOW, Input::Receipt(at, keepers()[1], END));
    let third = publisher.handle(NOW, Input::Receipt(at, keepers()[2], END));
    assert_eq!(third, vec![Output::Published { locators: 1, of: 4 }]);
}

#[test]
fn only_present_locators_count_as_published() {
    let mut publisher = Publisher::default();
    made(&mut publisher);
    let next = Address::new([5; 32]);
    publisher.handle(NOW, Input::Stamped(next));
    publisher.handle(NOW, Input::Found(next, keepers()));
    for keeper in keepers() {
        publisher.handle(NOW, Input::Receipt(next, keeper, END));
    }
    assert_eq!(publisher.published(NOW), (0, 4));
}

/// Publishes at the first locator with five receipts; returns when it is reviewed.
fn placed(publisher: &mut Publisher) -> Now {
    let at = Address::new([0; 32]);
    made(publisher);
    publisher.handle(NOW, Input::Stamped(at));
    publisher.handle(NOW, Input::Found(at, keepers()));
    for keeper in keepers() {
        publisher.handle(NOW, Input::Receipt(at, keeper, END));
    }
    now_at(publisher.next_timeout(NOW).unwrap())
}

fn answer(publisher: &mut Publisher, now: Now, of: u8, named: &[u8]) -> Vec<Output> {
    let named = named.iter().map(|n| NodeId::new([*n; 32])).collect();
    let of = NodeId::new([of; 32]);
    publisher.handle(now, Input::Neighbours(Address::new([0; 32]), of, named))
}

#[test]
fn reviews_ask_two_keepers_whether_others_have_come() {
    let at = Address::new([0; 32]);
    let asked = [0, 1].map(|n| Output::AskNeighbours(at, NodeId::new([n; 32])));
    let mut publisher = Publisher::default();
    let mut due = placed(&mut publisher);
    for _ in 0..6 {
        assert_eq!(publisher.handle(due, Input::Timer), asked);
        // Once is enough.
        assert_eq!(publisher.handle(due, Input::Timer), vec![]);
        assert!(publisher.next_timeout(due).unwrap() > due.mono);
        // The fifth of those that are named is out of the keepers' range, whoever it is.
        assert_eq!(answer(&mut publisher, due, 0, &[1, 2, 3, 4, 77]), vec![]);
        assert_eq!(answer(&mut publisher, due, 0, &[77]), vec![]);
        assert_eq!(answer(&mut publisher, due, 1, &[0, 2, 3, 4]), vec![]);
        let next = publisher.next_timeout(due).unwrap();
        assert!(next > due.mono);
        due = now_at(next);
    }
}

#[test]
fn a_review_becomes_a_whole_one_when_somebody_has_come_or_gone() {
    let at = Address::new([0; 32]);
    let named: [&[u8]; 3] = [&[2, 77, 3, 4], &[77], &[]];
    for named in named {
        let mut publisher = Publisher::default();
        let due = placed(&mut publisher);
        publisher.handle(due, Input::Timer);
        assert_eq!(answer(&mut publisher, due, 0, &[1, 2, 3, 4]), vec![]);
        let find = vec![Output::Find(at)];
        assert_eq!(answer(&mut publisher, due, 1, named), find);
        let mut found = keepers();
        found[4] = NodeId::new([77; 32]);
        let deposits = publisher.handle(due, Input::Found(at, found));
        assert_eq!(deposits.len(), 5);
        // The first answer that says so is enough, and the second changes nothing.
        let mut publisher = Publisher::default();
        let due = placed(&mut publisher);
        publisher.handle(due, Input::Timer);
        assert_eq!(answer(&mut publisher, due, 0, named), find);
        assert_eq!(answer(&mut publisher, due, 1, named), vec![]);
    }
}

#[test]
fn a_card_that_takes_the_place_of_another_at_the_same_keepers_is_left_alone_for_longer() {
    let at = Address::new([0; 32]);
    let mut publisher = Publisher::default();
    let mut due = placed(&mut publisher);
    let first = due.mono.since(NOW.mono);
    for _ in 0..6 {
        publisher.handle(due, Input::Timer);
        answer(&mut publisher, due, 0, &[1, 2, 3, 4]);
        answer(&mut publisher, due, 1, &[0, 2, 3, 4]);
        due = now_at(publisher.next_timeout(due).unwrap());
    }
    let now = due;
    let made = Input::Made {
        issued: now.date,
        present: locators(0),
        next: Vec::new(),
    };
    assert_eq!(publisher.handle(now, made), vec![]);
    let outputs = publisher.handle(now, Input::Stamped(at));
    assert_eq!(outputs, vec![Output::Find(at)]);
    let deposits = publisher.handle(now, Input::Found(at, keepers()));
    assert_eq!(deposits.len(), 5, "the new card goes to all of them");
    for keeper in keepers() {
        publisher.handle(now, Input::Receipt(at, keeper, END));
    }
    let next = publisher.next_timeout(now).unwrap().since(now.mono);
    assert!(next > 100 * first, "{next} after {first}");
}

#[test]
fn the_prekey_is_renewed_every_day() {
    let mut publisher = Publisher::default();
    made(&mut publisher);
    let due = NOW.plus(PREKEY_ROTATION_MS);
    assert!(publisher.next_timeout(NOW).unwrap() <= due.mono);
    let before = NOW.plus(PREKEY_ROTATION_MS - 1);
    assert_eq!(publisher.handle(before, Input::Timer), vec![]);
    assert_eq!(publisher.handle(due, Input::Timer), vec![Output::Make]);
}

#[test]
fn before_the_salt_epoch_changes_a_card_is_published_under_both() {
    let change = UnixMillis::new(SALT_EPOCH_MS * 57);
    assert_eq!(salt_epochs(change.minus(CARD_TTL_MS + 1)).len(), 1);
    let both = salt_epochs(change.minus(CARD_TTL_MS));
    assert_eq!(both.len(), 2);
    assert_eq!(both[1], change.salt_epoch());
    assert_eq!(salt_epochs(change).len(), 1);
}

#[test]
fn a_card_that_could_not_be_made_is_made_later_and_the_old_one_stays_up() {
    let mut publisher = Publisher::default();
    made(&mut publisher);
    let at = Address::new([1; 32]);
    publisher.handle(NOW, Input::Stamped(at));
    let due = NOW.plus(PREKEY_ROTATION_MS);
    publisher.handle(due, Input::Timer);
    assert_eq!(publisher.handle(due, Input::MakeFailed), vec![]);
    let again = publisher.next_timeout(due).unwrap();
    assert!(again > due.mono, "no busy loop");
    publisher.handle(due, Input::Found(at, keepers()));
    let outputs = publisher.handle(due.plus(600_000), Input::Timer);
    assert!(outputs.contains(&Output::Make));
}

#[test]
fn a_card_from_ahead_of_time_is_made_again_at_once() {
    let mut publisher = Publisher::default();
    let issued = NOW.date.plus(86_400_000);
    let made = Input::Made {
        issued,
        present: locators(0),
        next: locators(4),
    };
    assert_eq!(publisher.handle(NOW, made), vec![Output::Make]);
}

/// Draws how making, stamping and the network answer, and when.
fn respond(driven: &mut Driven<Input>, output: Output) {
    let fails = driven.draw(8) == 0;
    let soon = 20 + driven.draw(2_000);
    match output {
        Output::Make if fails => driven.later(10 * soon, Input::MakeFailed),
        Output::Make => {
            let soon = 10 * soon;
            let issued = driven.now.date;
            let (present, next) = (locators(0), locators(4));
            for at in present.iter().chain(&next) {
                let stamped = driven.draw(60_000);
                driven.later(soon + stamped, Input::Stamped(*at));
            }
            let made = Input::Made {
                issued,
                present,
                next,
            };
            driven.later(soon, made);
        }
        Output::Find(at) => {
            let found = if fails { Vec::new() } else { keepers() };
            driven.later(soon, Input::Found(at, found));
        }
        Output::AskNeighbours(at, keeper) => {
            let named = keepers().into_iter().filter(|other| *other != keeper);
            driven.later(soon, Input::Neighbours(at, keeper, named.collect()));
        }
        Output::Deposit(at, keeper) if fails => driven.later(soon, Input::Failed(at, keeper)),
        Output::Deposit(at, keeper) => {
            let until = driven.true_date().plus(CARD_TTL_MS);
            driven.later(soon, Input::Receipt(at, keeper, until));
        }
        Output::Published { .. } => {}
    }
}

/// A publisher that is driven, and what is known of its card.
struct World {
    publisher: Publisher,
    driven: Driven<Input>,
    issued: Option<UnixMillis>,
    /// Since when a card is wanted that nobody makes.
    wanted: Option<MonoMillis>,
    making: bool,
    make_failed: Option<MonoMillis>,
    cards: usize,
    failures: usize,
}

impl World {
    fn step(&mut self) {
        let due = self.publisher.next_timeout(self.driven.now);
        let input = self.driven.next(due);
        let now = self.driven.now;
        match &input {
            Some(Input::Made { issued, .. }) => {
                self.issued = Some(*issued);
                self.making = false;
            }
            Some(Input::MakeFailed) => {
                self.making = false;
                self.make_failed = Some(now.mono);
                self.failures += 1;
            }
            _ => {}
        }
        let mut outputs = input.map_or_else(Vec::new, |input| self.publisher.handle(now, input));
        if self.is_due() {
            outputs.extend(self.publisher.handle(now, Input::Timer));
            assert!(!self.is_due(), "due again at once");
        }
        self.driven.count(outputs.len(), 8_000);
        for output in outputs {
            if output == Output::Make {
                self.making = true;
                self.cards += 1;
            }
            respond(&mut self.driven, output);
        }
    }

    fn is_due(&self) -> bool {
        let now = self.driven.now;
        let due = self.publisher.next_timeout(now);
        due.is_some_and(|due| due <= now.mono)
    }

    /// A card is made within a minute after it is wanted, or ten after it could not be made.
    fn check(&mut self) {
        let now = self.driven.now;
        let is_wanted = self.issued.is_none_or(|issued| {
            let is_ahead = issued > now.date.plus(CLOCK_SKEW_MS);
            is_ahead || issued.plus(PREKEY_ROTATION_MS) <= now.date
        });
        if !is_wanted || self.making {
            self.wanted = None;
            return;
        }
        let since = *self.wanted.get_or_insert(now.mono);
        let again = self.make_failed.unwrap_or_default().plus(MAKE_AGAIN_MS);
        let latest = since.plus(MAKE_MIN_MS).max(again);
        assert!(now.mono <= latest, "no card since {since:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// However the date is set: a card that is a day old or from ahead of time is replaced within a minute, and once.
    #[test]
    fn a_card_is_replaced_by_the_date_and_once(settings in settings(), seed in any::<u64>()) {
        let mut world = World {
            publisher: Publisher::default(),
            driven: Driven::new(&settings, seed),
            issued: None,
            wanted: None,
            making: false,
            make_failed: None,
            cards: 0,
            failures: 0,
        };
        while !world.driven.has_lasted(5) {
            world.step();
            world.check();
        }
        // One a day; and each setting makes one card too old or too new, and spoils one that is being made.
        let most = 1 + 5 + 2 * settings.len() + world.failures;
        prop_assert!(world.cards <= most, "{} cards, {} at most", world.cards, most);
    }
}
