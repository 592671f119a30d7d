use proptest::prelude::*;

use super::{Collector, Input, Output, PAGES_MAX, watched_epochs, watched_until};
use crate::{
    Address, ItemId, NodeId,
    keys::PublicKey,
    limits::{CLOCK_SKEW_MS, EPOCHS_PAST_MAX},
    mailbox::{Mailbox, Rule},
    placement::driven::{NOW, now_at},
    request::{Listed, Waiting},
    time::{Epoch, Now, UnixMillis},
};

mod driven;
mod rounds;

const END: UnixMillis = NOW.date.plus(86_400_000);

/// When the collector's timer is due.
fn when_due(collector: &Collector) -> Now {
    now_at(collector.next_timeout().unwrap())
}

fn mailbox(owner: u8) -> Mailbox {
    Mailbox {
        owner: PublicKey::new([owner; 32]),
        rule: Rule::Stamp,
        epoch: NOW.date.epoch(),
    }
}

fn keeper(number: u8) -> NodeId {
    NodeId::new([number; 32])
}

fn item(number: u8) -> ItemId {
    ItemId::new([number; 32])
}

fn waiting() -> Waiting {
    Waiting {
        envelope: vec![0; 2_048].into(),
        expires: END,
    }
}

fn listed(numbers: &[u8], more: bool) -> Input {
    let line = |n: &u8| Listed {
        id: item(*n),
        size_bytes: 2_048,
        expires: END,
    };
    Input::Listed {
        mailbox: mailbox(1).address(),
        keeper: keeper(0),
        items: numbers.iter().map(line).collect(),
        more,
    }
}

/// A collector that watches one mailbox with three known keepers.
fn watching() -> Collector {
    let mut collector = Collector::default();
    let outputs = collector.handle(NOW, Input::Watch(vec![mailbox(1)]));
    assert_eq!(outputs, vec![Output::Find(mailbox(1))]);
    let at = mailbox(1).address();
    let found = Input::Found(at, vec![keeper(0), keeper(1), keeper(2)]);
    let outputs = collector.handle(NOW, found);
    assert_eq!(
        outputs,
        vec![
            Output::Subscribe(mailbox(1), keeper(0)),
            Output::Subscribe(mailbox(1), keeper(1)),
            Output::Subscribe(mailbox(1), keeper(2)),
        ]
    );
    for number in 0..3 {
        let until = NOW.date.plus(3_600_000);
        let outputs = collector.handle(NOW, Input::Subscribed(at, keeper(number), until));
        assert_eq!(
            outputs,
            vec![Output::List(mailbox(1), keeper(number), None)]
        );
    }
    collector
}

#[test]
fn an_envelope_is_opened_once_however_often_it_comes() {
    let mut collector = watching();
    let at = mailbox(1).address();
    let first = collector.handle(NOW, Input::Pushed(at, keeper(0), item(1), waiting()));
    assert_eq!(first, vec![Output::Open(mailbox(1), item(1), waiting())]);
    assert_eq!(
        collector.handle(NOW, Input::Pushed(at, keeper(0), item(1), waiting())),
        vec![]
    );
    assert_eq!(collector.handle(NOW, listed(&[1], false)), vec![]);
    let taken = collector.handle(NOW, Input::Taken(at, vec![(item(1), END)]));
    assert_eq!(taken.len(), 3, "acked at every known keeper");
    assert_eq!(
        collector.handle(NOW, Input::Pushed(at, keeper(0), item(1), waiting())),
        vec![Output::Ack(mailbox(1), keeper(0), vec![item(1)])],
        "it was deposited there after the ack"
    );
}

#[test]
fn nothing_is_acked_before_it_is_taken() {
    let mut collector = watching();
    let at = mailbox(1).address();
    let outputs = collector.handle(NOW, listed(&[1], false));
    assert_eq!(
        outputs,
        vec![Output::Get(mailbox(1), keeper(0), vec![item(1)])]
    );
    let got = Input::Got {
        mailbox: at,
        keeper: keeper(0),
        asked: vec![item(1)],
        items: vec![(item(1), waiting())],
    };
    let outputs = collector.handle(NOW, got);
    assert_eq!(outputs, vec![Output::Open(mailbox(1), item(1), waiting())]);
}

#[test]
fn a_keeper_that_missed_an_ack_is_told_again() {
    let mut collector = watching();
    let at = mailbox(1).address();
    collector.handle(NOW, Input::Pushed(at, keeper(0), item(1), waiting()));
    collector.handle(NOW, Input::Taken(at, vec![(item(1), END)]));
    let outputs = collector.handle(NOW, listed(&[1], false));
    assert_eq!(
        outputs,
        vec![Output::Ack(mailbox(1), keeper(0), vec![item(1)])]
    );
}

#[test]
fn what_could_not_be_committed_is_tried_again() {
    let mut collector = watching();
    let at = mailbox(1).address();
    collector.handle(NOW, Input::Pushed(at, keeper(0), item(1), waiting()));
    collector.handle(NOW, Input::Deferred(at, item(1)));
    let again = collector.handle(NOW, Input::Pushed(at, keeper(0), item(1), waiting()));
    assert_eq!(again, vec![Output::Open(mailbox(1), item(1), waiting())]);
}

#[test]
fn a_keeper_that_hands_over_one_mailboxs_envelope_as_anothers_takes_nothing_away() {
    let mut collector = Collector::default();
    collector.handle(NOW, Input::Watch(vec![mailbox(1), mailbox(2)]));
    let (a, b) = (mailbox(1).address(), mailbox(2).address());
    for at in [a, b] {
        collector.handle(NOW, Input::Found(at, vec![keeper(0)]));
        collector.handle(NOW, Input::Subscribed(at, keeper(0), END));
    }
    collector.handle(NOW, Input::Pushed(b, keeper(0), item(1), waiting()));
    collector.handle(NOW, Input::Taken(b, vec![(item(1), END)]));
    let good = collector.handle(NOW, Input::Pushed(a, keeper(0), item(1), waiting()));
    assert_eq!(good, vec![Output::Open(mailbox(1), item(1), waiting())]);
}

#[test]
fn what_was_not_asked_for_is_not_opened() {
    let mut collector = watching();
    let got = Input::Got {
        mailbox: mailbox(1).address(),
        keeper: keeper(0),
        asked: vec![item(1)],
        items: vec![(item(2), waiting())],
    };
    assert_eq!(collector.handle(NOW, got), vec![]);
    let other = Input::Pushed(Address::new([9; 32]), keeper(0), item(1), waiting());
    assert_eq!(collector.handle(NOW, other), vec![]);
}

#[test]
fn a_list_that_never_ends_is_not_followed_for_ever() {
    let mut collector = watching();
    let mut pages = 0;
    loop {
        let outputs = collector.handle(NOW, listed(&[1, 2, 3], true));
        if !outputs
            .iter()
            .any(|output| matches!(output, Output::List(..)))
        {
            break;
        }
        pages += 1;
        assert!(pages <= PAGES_MAX);
    }
}

#[test]
fn a_lost_subscription_is_taken_up_again_soon() {
    let mut collector = watching();
    assert_eq!(collector.watched(NOW), (1, 1));
    let before = when_due(&collector);
    for number in 0..3 {
        collector.handle(NOW, Input::Lost(keeper(number)));
    }
    assert_eq!(collector.watched(NOW), (1, 0));
    let after = when_due(&collector);
    assert!(after.mono < before.mono && after.mono <= NOW.mono.plus(5_000));
    assert_eq!(
        collector.handle(after, Input::Timer),
        vec![Output::Find(mailbox(1))]
    );
}

#[test]
fn after_a_restart_what_was_taken_stays_taken() {
    let mut collector = Collector::new([((mailbox(1).address(), item(1)), END)]);
    let at = mailbox(1).address();
    collector.handle(NOW, Input::Watch(vec![mailbox(1)]));
    collector.handle(NOW, Input::Found(at, vec![keeper(0)]));
    collector.handle(NOW, Input::Subscribed(at, keeper(0), END));
    let pushed = |number| Input::Pushed(at, keeper(0), item(number), waiting());
    let again = Output::Ack(mailbox(1), keeper(0), vec![item(1)]);
    assert_eq!(collector.handle(NOW, pushed(1)), vec![again]);
    let opened = Output::Open(mailbox(1), item(2), waiting());
    assert_eq!(collector.handle(NOW, pushed(2)), vec![opened]);
}

#[test]
fn epochs_are_watched_as_far_back_as_an_envelope_can_live() {
    let present = NOW.date.epoch();
    let all: Vec<Epoch> = watched_epochs(NOW.date, Epoch::new(0)).collect();
    assert_eq!(all.first(), Some(&present));
    assert_eq!(all.last(), Some(&present.minus(EPOCHS_PAST_MAX)));
    let young: Vec<Epoch> = watched_epochs(NOW.date, present).collect();
    assert_eq!(young, vec![present]);
    assert_eq!(watched_epochs(NOW.date, present.plus(9)).count(), 1);
}

#[test]
fn the_next_epoch_is_watched_before_any_clock_can_be_in_it() {
    let present = NOW.date.epoch();
    let next = present.plus(1);
    let first = |date| watched_epochs(date, present).next();
    let from = watched_until(NOW.date);
    // Two clocks may differ by ten minutes, one behind and one ahead.
    assert_eq!(from, next.start().minus(2 * CLOCK_SKEW_MS));
    assert_eq!(first(from.minus(1)), Some(present));
    assert_eq!(first(from), Some(next));
    assert_eq!(watched_until(from), next.start());
    assert_eq!(first(next.start()), Some(next));
    let after = watched_epochs(next.start(), present);
    assert_eq!(after.collect::<Vec<_>>(), [next, present]);
}

proptest! {
    /// Lookups under way never get stuck, whatever is watched and whatever fails.
    #[test]
    fn every_mailbox_is_looked_up_in_the_end(
        sets in prop::collection::vec(prop::collection::btree_set(0_u8..40, 0..40), 1..6),
        answers in prop::collection::vec(any::<bool>(), 200),
    ) {
        let mut collector = Collector::default();
        let mut now = NOW;
        let mut answers = answers.into_iter();
        let last = sets.last().cloned().unwrap_or_default();
        // Plays the network: lookups and lists that sometimes fail, each answered once.
        let serve = |collector: &mut Collector, outputs: Vec<Output>, open: &mut Vec<Output>, now, good: bool| {
            open.extend(outputs);
            let Some(output) = open.pop() else { return false };
            let more = match output {
                Output::Find(mailbox) => {
                    let keepers = if good { (0..5).map(keeper).collect() } else { Vec::new() };
                    collector.handle(now, Input::Found(mailbox.address(), keepers))
                }
                Output::Subscribe(mailbox, keeper) => {
                    collector.handle(now, Input::NotSubscribed(mailbox.address(), keeper))
                }
                Output::List(mailbox, keeper, _) if good => collector.handle(now, Input::Listed {
                    mailbox: mailbox.address(),
                    keeper,
                    items: Vec::new(),
                    more: false,
                }),
                Output::List(mailbox, keeper, _) => {
                    collector.handle(now, Input::NotListed(mailbox.address(), keeper))
                }
                _ => Vec::new(),
            };
            open.extend(more);
            true
        };
        let mut open: Vec<Output> = Vec::new();
        for set in sets {
            let mailboxes = set.iter().map(|owner| mailbox(*owner)).collect();
            let outputs = collector.handle(now, Input::Watch(mailboxes));
            serve(&mut collector, outputs, &mut open, now, answers.next().unwrap_or(true));
            for _ in 0..20 {
                serve(&mut collector, Vec::new(), &mut open, now, answers.next().unwrap_or(true));
            }
        }
        for _ in 0..4_000 {
            if serve(&mut collector, Vec::new(), &mut open, now, true) {
                continue;
            }
            if collector.has_caught_up() {
                break;
            }
            now = now.plus(60_000);
            open.extend(collector.handle(now, Input::Timer));
        }
        prop_assert!(collector.has_caught_up());
        prop_assert_eq!(collector.watched(now).0, last.len());
    }
}

#[test]
fn what_one_keeper_sends_is_not_asked_of_another() {
    let mut collector = watching();
    let first = collector.handle(NOW, listed(&[1, 2], false));
    assert_eq!(first.len(), 1);
    let other = Input::Listed {
        mailbox: mailbox(1).address(),
        keeper: keeper(1),
        items: vec![Listed {
            id: item(1),
            size_bytes: 2_048,
            expires: END,
        }],
        more: false,
    };
    assert_eq!(collector.handle(NOW, other), vec![]);
}

#[test]
fn a_keeper_that_lists_and_does_not_hand_over_is_passed_over_in_the_next_round() {
    let mut collector = watching();
    let at = mailbox(1).address();
    collector.handle(NOW, listed(&[1], false));
    collector.handle(NOW, Input::NotGot(at, keeper(0), vec![item(1)]));
    let soon = when_due(&collector);
    assert!(soon.mono <= NOW.mono.plus(5_000));
    assert_eq!(
        collector.handle(soon, Input::Timer),
        vec![Output::Find(mailbox(1))]
    );
    collector.handle(
        soon,
        Input::Found(at, vec![keeper(0), keeper(1), keeper(2)]),
    );
    assert_eq!(collector.handle(soon, listed(&[1], false)), vec![]);
    let other = Input::Listed {
        mailbox: at,
        keeper: keeper(1),
        items: vec![Listed {
            id: item(1),
            size_bytes: 2_048,
            expires: END,
        }],
        more: false,
    };
    let outputs = collector.handle(soon, other);
    assert_eq!(
        outputs,
        vec![Output::Get(mailbox(1), keeper(1), vec![item(1)])]
    );
}

#[test]
fn when_too_few_keepers_list_a_mailbox_it_is_looked_at_again_soon() {
    let mut collector = watching();
    let at = mailbox(1).address();
    for number in 0..3 {
        collector.handle(NOW, Input::NotListed(at, keeper(number)));
    }
    assert!(!collector.has_caught_up());
    assert!(when_due(&collector).mono <= NOW.mono.plus(10_000));
}

#[test]
fn answers_of_the_farther_keepers_do_not_stand_for_those_that_were_silent() {
    let mut collector = watching();
    let at = mailbox(1).address();
    let due = when_due(&collector);
    assert_eq!(
        collector.handle(due, Input::Timer),
        vec![Output::Find(mailbox(1))]
    );
    collector.handle(due, Input::Found(at, (0..8).map(keeper).collect()));
    for number in 0..8 {
        let answer = if number < 3 {
            Input::NotListed(at, keeper(number))
        } else {
            Input::Listed {
                mailbox: at,
                keeper: keeper(number),
                items: Vec::new(),
                more: false,
            }
        };
        collector.handle(due, answer);
    }
    // The three may have been those with receipts.
    assert!(!collector.has_caught_up());
    assert!(collector.next_timeout().unwrap() <= due.mono.plus(10_000));
}

/// Starts a round with eight keepers and returns when that is.
fn round_of_eight(collector: &mut Collector) -> Now {
    let now = when_due(collector);
    let at = mailbox(1).address();
    assert_eq!(
        collector.handle(now, Input::Timer),
        vec![Output::Find(mailbox(1))]
    );
    collector.handle(now, Input::Found(at, (0..8).map(keeper).collect()));
    now
}

/// Lets these keepers answer, the first of them with an item.
fn answers(collector: &mut Collector, now: Now, numbers: std::ops::Range<u8>) {
    for number in numbers {
        let size_bytes = 2_048;
        let held = Listed {
            id: item(1),
            size_bytes,
            expires: END,
        };
        let items = if number == 0 { vec![held] } else { Vec::new() };
        let (mailbox, keeper) = (mailbox(1).address(), keeper(number));
        collector.handle(
            now,
            Input::Listed {
                mailbox,
                keeper,
                items,
                more: false,
            },
        );
    }
}

#[test]
fn a_round_that_ends_well_does_not_put_off_what_was_not_handed_over() {
    let mut collector = watching();
    let now = round_of_eight(&mut collector);
    answers(&mut collector, now, 0..7);
    let at = mailbox(1).address();
    collector.handle(now, Input::NotGot(at, keeper(0), vec![item(1)]));
    assert!(when_due(&collector).mono <= now.mono.plus(10_000));
    answers(&mut collector, now, 7..8);
    assert!(when_due(&collector).mono <= now.mono.plus(10_000));
}

#[test]
fn late_answers_do_not_end_a_round_whose_lookup_failed() {
    let mut collector = watching();
    let at = mailbox(1).address();
    let now = round_of_eight(&mut collector);
    answers(&mut collector, now, 0..6);
    collector.handle(now, Input::NotGot(at, keeper(0), vec![item(1)]));
    let soon = when_due(&collector);
    assert_eq!(
        collector.handle(soon, Input::Timer),
        vec![Output::Find(mailbox(1))]
    );
    collector.handle(soon, Input::Found(at, Vec::new()));
    for number in 6..8 {
        collector.handle(soon, Input::NotListed(at, keeper(number)));
    }
    assert!(when_due(&collector).mono <= soon.mono.plus(10_000));
}

#[test]
fn a_push_of_a_keeper_that_was_not_asked_to_is_passed_over() {
    let mut collector = watching();
    let push = Input::Pushed(mailbox(1).address(), keeper(3), item(1), waiting());
    assert_eq!(collector.handle(NOW, push), vec![]);
}
