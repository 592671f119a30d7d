//! Whole rounds and brief ones, and what a sleep or a clock that was set makes of them.

use std::collections::BTreeSet;

use super::{END, item, keeper, mailbox, round_of_eight, watching, when_due};
use crate::{
    Address, NodeId,
    collector::{Collector, Input, Output},
    limits::DAY_MS,
    placement::driven::{NOW, now_at},
    request::Listed,
    time::{MonoMillis, Now},
};

/// Lets a keeper list these items in the mailbox.
fn lists(collector: &mut Collector, now: Now, number: u8, items: &[u8]) -> Vec<Output> {
    let line = |item_number: &u8| Listed {
        id: item(*item_number),
        size_bytes: 2_048,
        expires: END,
    };
    let listed = Input::Listed {
        mailbox: mailbox(1).address(),
        keeper: keeper(number),
        items: items.iter().map(line).collect(),
        more: false,
    };
    collector.handle(now, listed)
}

/// A collector whose mailbox was compared with eight keepers, of which two push; and when its next round is due.
fn compared() -> (Collector, Now) {
    let mut collector = watching();
    let now = round_of_eight(&mut collector);
    for number in 0..8 {
        lists(&mut collector, now, number, &[]);
    }
    let due = when_due(&collector);
    assert!(due.mono >= now.mono.plus(480_000), "the round ended well");
    (collector, due)
}

/// Lets the keeper that is asked for its neighbours name these.
fn neighbours(collector: &mut Collector, now: Now, named: &[u8]) -> Vec<Output> {
    let outputs = collector.handle(now, Input::Timer);
    let [Output::AskNeighbours(_, asked)] = outputs[..] else {
        panic!("{outputs:?}");
    };
    assert!(
        (0..2).map(keeper).any(|pushing| asked == pushing),
        "one that pushes"
    );
    let named = named.iter().map(|number| keeper(*number)).collect();
    let at = mailbox(1).address();
    collector.handle(now, Input::Neighbours(at, asked, named))
}

#[test]
fn while_nobody_nearer_is_about_one_keeper_in_turn_is_compared_every_hour() {
    let (mut collector, mut now) = compared();
    for round in 0..24 {
        let outputs = neighbours(&mut collector, now, &[0, 1, 2, 3, 4, 9]);
        let turn = 2 + round / 6;
        let is_asked = round % 6 == 0;
        let lists_at =
            |output: &Output| matches!(output, Output::List(_, k, _) if *k == keeper(turn));
        assert_eq!(outputs.iter().any(lists_at), is_asked, "{outputs:?}");
        // Beside it, only subscriptions that end are renewed.
        let others = outputs.iter().filter(|output| !lists_at(output));
        for output in others {
            let Output::Subscribe(_, renewed) = output else {
                panic!("{output:?}");
            };
            let until = now.date.plus(3_600_000);
            let at = mailbox(1).address();
            collector.handle(now, Input::Subscribed(at, *renewed, until));
            let number = renewed.as_bytes()[0];
            lists(&mut collector, now, number, &[]);
        }
        if is_asked {
            lists(&mut collector, now, turn, &[]);
        }
        let next = when_due(&collector);
        assert!((480_000..=720_000).contains(&next.mono.since(now.mono)));
        now = next;
    }
}

#[test]
fn somebody_nearer_a_silent_keeper_and_what_nobody_pushed_bring_a_whole_round() {
    // Somebody nearer.
    let (mut collector, now) = compared();
    let outputs = neighbours(&mut collector, now, &[0, 1, 9, 2]);
    assert_eq!(outputs, vec![Output::Find(mailbox(1))]);

    // Nobody at all: the keeper did not answer.
    let (mut collector, now) = compared();
    let outputs = neighbours(&mut collector, now, &[]);
    assert_eq!(outputs, vec![Output::Find(mailbox(1))]);

    // A silent keeper.
    let (mut collector, now) = compared();
    neighbours(&mut collector, now, &[1, 2, 3, 4]);
    let at = mailbox(1).address();
    collector.handle(now, Input::NotListed(at, keeper(2)));
    let soon = when_due(&collector);
    assert!(soon.mono <= now.mono.plus(10_000));
    assert_eq!(
        collector.handle(soon, Input::Timer),
        vec![Output::Find(mailbox(1))]
    );

    // Something that those who push did not push.
    let (mut collector, now) = compared();
    neighbours(&mut collector, now, &[1, 2, 3, 4]);
    let outputs = lists(&mut collector, now, 2, &[7]);
    assert_eq!(
        outputs,
        vec![Output::Get(mailbox(1), keeper(2), vec![item(7)])]
    );
    let next = when_due(&collector);
    assert!(next.mono <= now.mono.plus(10_000));
    assert_eq!(
        collector.handle(next, Input::Timer),
        vec![Output::Find(mailbox(1))]
    );
}

/// Lets the collector's process sleep and checks that all keepers are asked anew.
fn resumes(collector: &mut Collector, now: Now) {
    let at = mailbox(1).address();
    let outputs = collector.handle(now, Input::Found(at, (0..8).map(keeper).collect()));
    let asked = |number: u8| match number {
        0..2 => Output::Subscribe(mailbox(1), keeper(number)),
        _ => Output::List(mailbox(1), keeper(number), None),
    };
    assert_eq!(outputs, (0..8).map(asked).collect::<Vec<_>>());
}

#[test]
fn after_a_sleep_all_keepers_are_asked_at_once_and_pushes_subscribed_anew() {
    let (mut collector, due) = compared();
    let now = now_at(MonoMillis::new(due.mono.get() - 60_000));
    assert_eq!(collector.watched(now), (1, 1));
    let outputs = collector.handle(now, Input::Resumed);
    assert_eq!(outputs, vec![Output::Find(mailbox(1))]);
    assert_eq!(collector.watched(now), (1, 0));
    resumes(&mut collector, now);
}

#[test]
fn a_sleep_in_the_middle_of_a_round_makes_it_a_whole_one() {
    // While a neighbour is asked: it answers from before the sleep.
    let (mut collector, now) = compared();
    let outputs = collector.handle(now, Input::Timer);
    let [Output::AskNeighbours(_, asked)] = outputs[..] else {
        panic!("{outputs:?}");
    };
    assert_eq!(collector.handle(now, Input::Resumed), vec![]);
    let at = mailbox(1).address();
    let named = Input::Neighbours(at, asked, (2..6).map(keeper).collect());
    let outputs = collector.handle(now, named);
    assert_eq!(outputs, vec![Output::Find(mailbox(1))]);
    resumes(&mut collector, now);

    // While lists are awaited: the answers that are late end nothing.
    assert_eq!(
        collector.handle(now, Input::Resumed),
        vec![Output::Find(mailbox(1))]
    );
    for number in 0..8 {
        assert_eq!(lists(&mut collector, now, number, &[]), vec![]);
    }
    resumes(&mut collector, now);
}

#[test]
fn a_past_epoch_that_is_present_again_is_compared_at_once() {
    let mut collector = Collector::default();
    let ahead = Now::new(NOW.mono, NOW.date.plus(3 * 86_400_000));
    let outputs = collector.handle(ahead, Input::Watch(vec![mailbox(1)]));
    assert_eq!(outputs, vec![Output::Find(mailbox(1))]);
    let at = mailbox(1).address();
    collector.handle(ahead, Input::Found(at, (0..8).map(keeper).collect()));
    for number in 0..8 {
        lists(&mut collector, ahead, number, &[]);
    }
    assert!(when_due(&collector).mono >= NOW.mono.plus(4 * 3_600_000));
    // The clock is set right, so that other epochs are watched.
    let outputs = collector.handle(NOW, Input::Watch(vec![mailbox(1)]));
    assert_eq!(outputs, vec![Output::Find(mailbox(1))]);
}

/// Watches the mailbox of the epoch of [`NOW`] at another date.
fn watching_later(days: u64) -> (Collector, Now, Address) {
    let mut collector = Collector::default();
    let later = Now::new(NOW.mono, NOW.date.plus(days * DAY_MS));
    let outputs = collector.handle(later, Input::Watch(vec![mailbox(1)]));
    assert_eq!(outputs, vec![Output::Find(mailbox(1))]);
    (collector, later, mailbox(1).address())
}

/// Returns how many keepers are looked up, asked for their neighbours, subscribed to and listed in a day from now on,
/// and which ones are listed.
fn a_day(collector: &mut Collector, from: Now, at: Address) -> ([u32; 4], BTreeSet<NodeId>) {
    let (mut counts, mut now) = ([0; 4], from);
    let mut listed = BTreeSet::new();
    let answer = |output: &Output, now: Now| match output {
        Output::Find(_) => (0, Input::Found(at, (0..8).map(keeper).collect())),
        Output::AskNeighbours(_, asked) => {
            let others = (0..8).map(keeper).filter(|other| other != asked);
            (1, Input::Neighbours(at, *asked, others.collect()))
        }
        Output::Subscribe(_, asked) => (2, Input::Subscribed(at, *asked, now.date.plus(3_600_000))),
        Output::List(_, asked, _) => {
            let nothing = Input::Listed {
                mailbox: at,
                keeper: *asked,
                items: Vec::new(),
                more: false,
            };
            (3, nothing)
        }
        other => panic!("{other:?}"),
    };
    while now.mono.since(from.mono) < DAY_MS {
        let mut outputs = collector.handle(now, Input::Timer);
        while let Some(output) = outputs.pop() {
            if let Output::List(_, keeper, _) = &output {
                listed.insert(*keeper);
            }
            let (kind, input) = answer(&output, now);
            counts[kind] += 1;
            outputs.extend(collector.handle(now, input));
        }
        let due = collector.next_timeout().unwrap();
        // The date stays within the epoch, so that the mailbox is watched as it was.
        now = Now::new(due, from.date);
    }
    (counts, listed)
}

#[test]
fn the_previous_epoch_is_pushed_by_one_keeper_and_listed_at_the_others_and_past_ones_every_six_hours()
 {
    let (mut collector, now, at) = watching_later(1);
    collector.handle(now, Input::Found(at, (0..8).map(keeper).collect()));
    let ([looked_up, asked, subscribed, listed], who) = a_day(&mut collector, now, at);
    assert!(looked_up <= 1, "the first answers were lost: {looked_up}");
    assert!((24..=48).contains(&asked), "{asked}");
    assert!((24..=48).contains(&subscribed), "one an hour: {subscribed}");
    assert!(listed <= subscribed + asked + 8 * looked_up, "{listed}");
    assert_eq!(who.len(), 8, "whoever lies, another one is asked");
    assert_eq!(collector.watched(now), (1, 1));

    let (mut collector, now, at) = watching_later(3);
    collector.handle(now, Input::Found(at, (0..8).map(keeper).collect()));
    for number in 0..8 {
        lists(&mut collector, now, number, &[]);
    }
    let due = when_due(&collector);
    let ([looked_up, asked, subscribed, listed], who) =
        a_day(&mut collector, Now::new(due.mono, now.date), at);
    assert_eq!((looked_up, subscribed), (0, 0));
    assert!(who.len() >= 3, "the two nearest and another one: {who:?}");
    assert!(
        (4..=6).contains(&asked) && listed == asked,
        "{asked} {listed}"
    );
    assert_eq!(collector.pushing(now).len(), 0);
}
