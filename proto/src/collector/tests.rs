use proptest::prelude::*;

use super::{Collector, Input, Output, PAGES_MAX, watched_epochs};
use crate::{
    Address, ItemId, NodeId,
    keys::PublicKey,
    limits::EPOCHS_PAST_MAX,
    mailbox::{Mailbox, Rule},
    request::{Listed, Waiting},
    time::{Epoch, UnixMillis},
};

const NOW: UnixMillis = UnixMillis::new(1_800_000_000_000);
const END: UnixMillis = NOW.plus(86_400_000);

fn mailbox(owner: u8) -> Mailbox {
    Mailbox { owner: PublicKey::new([owner; 32]), rule: Rule::Stamp, epoch: NOW.epoch() }
}

fn keeper(number: u8) -> NodeId {
    NodeId::new([number; 32])
}

fn item(number: u8) -> ItemId {
    ItemId::new([number; 32])
}

fn waiting() -> Waiting {
    Waiting { envelope: vec![0; 2_048].into(), expires: END }
}

fn listed(numbers: &[u8], more: bool) -> Input {
    let line = |n: &u8| Listed { id: item(*n), size_bytes: 2_048, expires: END };
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
    let found = Input::Found(mailbox(1).address(), vec![keeper(0), keeper(1), keeper(2)]);
    let outputs = collector.handle(NOW, found);
    assert_eq!(outputs[0], Output::Subscribe(mailbox(1), keeper(0)));
    assert_eq!(outputs[1], Output::Subscribe(mailbox(1), keeper(1)));
    let lists = outputs.iter().filter(|output| matches!(output, Output::List(..)));
    assert_eq!(lists.count(), 3);
    collector
}

#[test]
fn an_envelope_is_opened_once_however_often_it_comes() {
    let mut collector = watching();
    let at = mailbox(1).address();
    let first = collector.handle(NOW, Input::Pushed(at, item(1), waiting()));
    assert_eq!(first, vec![Output::Open(mailbox(1), item(1), waiting())]);
    assert_eq!(collector.handle(NOW, Input::Pushed(at, item(1), waiting())), vec![]);
    assert_eq!(collector.handle(NOW, listed(&[1], false)), vec![]);
    let taken = collector.handle(NOW, Input::Taken(at, vec![(item(1), END)]));
    assert_eq!(taken.len(), 3, "acked at every known keeper");
    assert_eq!(collector.handle(NOW, Input::Pushed(at, item(1), waiting())), vec![]);
}

#[test]
fn nothing_is_acked_before_it_is_taken() {
    let mut collector = watching();
    let at = mailbox(1).address();
    let outputs = collector.handle(NOW, listed(&[1], false));
    assert_eq!(outputs, vec![Output::Get(mailbox(1), keeper(0), vec![item(1)])]);
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
    collector.handle(NOW, Input::Pushed(at, item(1), waiting()));
    collector.handle(NOW, Input::Taken(at, vec![(item(1), END)]));
    let outputs = collector.handle(NOW, listed(&[1], false));
    assert_eq!(outputs, vec![Output::Ack(mailbox(1), keeper(0), vec![item(1)])]);
}

#[test]
fn what_could_not_be_committed_is_tried_again() {
    let mut collector = watching();
    let at = mailbox(1).address();
    collector.handle(NOW, Input::Pushed(at, item(1), waiting()));
    collector.handle(NOW, Input::Deferred(at, item(1)));
    let again = collector.handle(NOW, Input::Pushed(at, item(1), waiting()));
    assert_eq!(again, vec![Output::Open(mailbox(1), item(1), waiting())]);
}

#[test]
fn a_keeper_that_hands_over_one_mailboxs_envelope_as_anothers_takes_nothing_away() {
    let mut collector = Collector::default();
    collector.handle(NOW, Input::Watch(vec![mailbox(1), mailbox(2)]));
    let (a, b) = (mailbox(1).address(), mailbox(2).address());
    collector.handle(NOW, Input::Found(a, vec![keeper(0)]));
    collector.handle(NOW, Input::Found(b, vec![keeper(0)]));
    collector.handle(NOW, Input::Pushed(b, item(1), waiting()));
    collector.handle(NOW, Input::Taken(b, vec![(item(1), END)]));
    let good = collector.handle(NOW, Input::Pushed(a, item(1), waiting()));
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
    let other = Input::Pushed(Address::new([9; 32]), item(1), waiting());
    assert_eq!(collector.handle(NOW, other), vec![]);
}

#[test]
fn a_list_that_never_ends_is_not_followed_for_ever() {
    let mut collector = watching();
    let mut pages = 0;
    loop {
        let outputs = collector.handle(NOW, listed(&[1, 2, 3], true));
        if !outputs.iter().any(|output| matches!(output, Output::List(..))) {
            break;
        }
        pages += 1;
        assert!(pages <= PAGES_MAX);
    }
}

#[test]
fn a_lost_subscription_is_taken_up_again_soon() {
    let mut collector = watching();
    let at = mailbox(1).address();
    collector.handle(NOW, Input::Subscribed(at, keeper(0), NOW.plus(3_600_000)));
    assert_eq!(collector.watched(NOW), (1, 1));
    let before = collector.next_timeout().unwrap();
    collector.handle(NOW, Input::Lost(keeper(0)));
    assert_eq!(collector.watched(NOW), (1, 0));
    let after = collector.next_timeout().unwrap();
    assert!(after < before && after <= NOW.plus(5_000));
    assert_eq!(collector.handle(after, Input::Timer), vec![Output::Find(mailbox(1))]);
}

#[test]
fn after_a_restart_what_was_taken_stays_taken() {
    let mut collector = Collector::new([((mailbox(1).address(), item(1)), END)]);
    collector.handle(NOW, Input::Watch(vec![mailbox(1)]));
    let pushed = Input::Pushed(mailbox(1).address(), item(1), waiting());
    assert_eq!(collector.handle(NOW, pushed), vec![]);
}

#[test]
fn epochs_are_watched_as_far_back_as_an_envelope_can_live() {
    let present = NOW.epoch();
    let all: Vec<Epoch> = watched_epochs(NOW, Epoch::new(0)).collect();
    assert_eq!(all.first(), Some(&present.plus(1)));
    assert_eq!(all.last(), Some(&present.minus(EPOCHS_PAST_MAX)));
    let young: Vec<Epoch> = watched_epochs(NOW, present).collect();
    assert_eq!(young, vec![present.plus(1), present]);
    assert_eq!(watched_epochs(NOW, present.plus(9)).count(), 1);
}

proptest! {
    /// Lookups under way never get stuck, whatever is watched and whatever fails.
    #[test]
    fn every_mailbox_is_looked_up_in_the_end(
        sets in prop::collection::vec(prop::collection::btree_set(0_u8..40, 0..40), 1..6),
        answers in prop::collection::vec(any::<bool>(), 200),
    ) {
        let mut collector = Collector::default();
        let mut open: Vec<Mailbox> = Vec::new();
        let mut now = NOW;
        let mut answers = answers.into_iter();
        let note = |outputs: Vec<Output>, open: &mut Vec<Mailbox>| {
            open.extend(outputs.into_iter().filter_map(|output| match output {
                Output::Find(mailbox) => Some(mailbox),
                _ => None,
            }));
        };
        let last = sets.last().cloned().unwrap_or_default();
        for set in sets {
            let mailboxes = set.iter().map(|owner| mailbox(*owner)).collect();
            note(collector.handle(now, Input::Watch(mailboxes)), &mut open);
            for _ in 0..3 {
                if let Some(found) = open.pop() {
                    let keepers = if answers.next().unwrap_or(true) { vec![keeper(1)] } else { Vec::new() };
                    note(collector.handle(now, Input::Found(found.address(), keepers)), &mut open);
                }
            }
        }
        for _ in 0..400 {
            if let Some(found) = open.pop() {
                note(collector.handle(now, Input::Found(found.address(), vec![keeper(1)])), &mut open);
            } else if collector.has_caught_up() {
                break;
            } else {
                now = now.plus(60_000);
                note(collector.handle(now, Input::Timer), &mut open);
            }
        }
        prop_assert!(collector.has_caught_up());
        prop_assert_eq!(collector.watched(now).0, last.len());
    }
}
