//! Commits that nobody orders.

use super::{Device, three};
use crate::ConversationError;
use crate::conversation::{Opened, TEXTS_MS, WINDOW_MS, Wanted};
use crate::rows::{self, Change, Row};

/// Has each of two devices commit to the same epoch; returns the commits, the winner first.
fn race(a: &mut Device, b: &mut Device) -> [crate::conversation::Committed; 2] {
    let (one, two) = (a.update(), b.update());
    assert_eq!(one.parent, two.parent);
    a.follow(&two).unwrap();
    b.follow(&one).unwrap();
    assert_eq!(a.head(), b.head());
    if a.head() == one.epoch {
        [one, two]
    } else {
        [two, one]
    }
}

#[test]
fn of_two_commits_all_take_the_same_whichever_comes_first() {
    let [mut a, mut b, mut c] = three();
    let mut d = c.clone();
    let [won, lost] = race(&mut a, &mut b);
    c.follow(&won).unwrap();
    c.follow(&lost).unwrap();
    d.follow(&lost).unwrap();
    d.follow(&won).unwrap();
    for other in [&c, &d] {
        assert_eq!(other.head(), won.epoch);
    }
    assert!(c.conversation.as_ref().unwrap().is_on_chain(&won.parent));
    assert!(!c.conversation.as_ref().unwrap().is_on_chain(&lost.epoch));
    assert_eq!(c.follow(&lost), Ok(Opened::Known));
}

#[test]
fn what_is_said_on_the_side_that_loses_is_read_all_the_same() {
    let [mut a, mut b, mut c] = three();
    let one = a.update();
    let aside = a.seal("said before the other came");
    let two = b.update();
    let beside = b.seal("and on the other side");
    for device in [&mut a, &mut b, &mut c] {
        for committed in [&one, &two] {
            device.follow(committed).unwrap();
        }
    }
    assert_eq!(a.read(&beside).unwrap(), "and on the other side");
    assert_eq!(b.read(&aside).unwrap(), "said before the other came");
    for sealed in [&aside, &beside] {
        c.restart();
        c.read(sealed).unwrap();
    }
}

#[test]
fn a_removal_wins_against_the_commit_of_the_one_it_removes() {
    for turn in 0..8 {
        let [mut a, mut b, mut c] = three();
        // The order of committers is another one in each epoch.
        for _ in 0..turn {
            let update = c.update();
            a.follow(&update).unwrap();
            b.follow(&update).unwrap();
        }
        let wanted = Wanted {
            remove: [b.key()].into(),
            ..Wanted::default()
        };
        let (removal, own) = (a.commit(&wanted), b.update());
        c.follow(&own).unwrap();
        c.follow(&removal).unwrap();
        a.follow(&own).unwrap();
        assert_eq!(a.head(), removal.epoch);
        assert_eq!(c.head(), removal.epoch);
    }
}

#[test]
fn who_commits_first_is_shuffled_by_the_epoch() {
    let [mut a, mut b, mut c] = three();
    let mut won = 0;
    for _ in 0..40 {
        let (one, two) = (a.update(), b.update());
        for device in [&mut a, &mut b, &mut c] {
            device.follow(&one).unwrap();
            device.follow(&two).unwrap();
            // What follows an epoch long left is no race any more.
            device.pass(WINDOW_MS, WINDOW_MS);
        }
        won += usize::from(c.head() == one.epoch);
    }
    assert!((5..=35).contains(&won), "{won} of 40");
}

#[test]
fn whom_the_losing_side_added_is_added_again_and_comes_over() {
    for turn in 0..6 {
        let [mut a, mut b, mut c] = three();
        for _ in 0..turn {
            let update = c.update();
            a.follow(&update).unwrap();
            b.follow(&update).unwrap();
        }
        let (mut new, mut other) = (Device::new(1, 3), Device::new(2, 2));
        let wanted = new.wanted();
        let (one, two) = (a.commit(&wanted), c.commit(&other.wanted()));
        new.try_join(&one.welcome.clone().unwrap()).unwrap();
        other.try_join(&two.welcome.clone().unwrap()).unwrap();
        a.follow(&two).unwrap();
        c.follow(&one).unwrap();
        assert_eq!(a.head(), c.head());
        let [loser, alone, winner] = if a.head() == one.epoch {
            [&mut c, &mut other, &mut a]
        } else {
            [&mut a, &mut new, &mut c]
        };
        let wanted = alone.wanted();
        let unmet = loser.act(|of, _| of.unmet(&wanted).unwrap());
        assert_eq!(unmet.add.len(), 1);
        let again = loser.commit(&unmet);
        winner.follow(&again).unwrap();
        let (packages, welcome) = (alone.packages.clone(), again.welcome.unwrap());
        alone.act(|of, turn| of.join_again(turn, &packages, &welcome).unwrap());
        alone.restart();
        assert_eq!(alone.head(), winner.head());
        let sealed = winner.seal("welcome");
        assert_eq!(alone.read(&sealed).unwrap(), "welcome");
        assert_eq!(loser.members().len(), 5);
    }
}

/// A keeper can have kept what it gave no receipt for, so that a commit stands once it is made.
#[test]
fn a_commit_without_a_receipt_is_sent_again_and_counts_whenever_it_arrives() {
    let [mut a, mut b, mut c] = three();
    let unheard = a.update();
    let said = a.seal("on top of it");
    let other = b.update();
    c.follow(&other).unwrap();
    a.follow(&other).unwrap();
    a.restart();
    // It comes from the keeper now, to its maker as to the others.
    assert_eq!(a.follow(&unheard), Ok(Opened::Known));
    b.follow(&unheard).unwrap();
    c.follow(&unheard).unwrap();
    assert_eq!(a.head(), c.head());
    assert_eq!(b.head(), c.head());
    assert_eq!(b.read(&said).unwrap(), "on top of it");
    // Whoever of the two lost goes on from the winner, with keys that it has not used.
    let next = a.seal("and on");
    assert_eq!(b.read(&next).unwrap(), "and on");
    assert_eq!(c.read(&next).unwrap(), "and on");
}

#[test]
fn a_commit_comes_too_late_and_a_text_does_not() {
    let [mut a, mut b, mut c] = three();
    let late = b.seal("late");
    let update = a.update();
    c.follow(&update).unwrap();
    c.pass(WINDOW_MS - 1, WINDOW_MS);
    let mut in_time = c.clone();
    let second = b.update();
    assert!(in_time.follow(&second).is_ok());
    c.pass(1, WINDOW_MS);
    c.restart();
    assert_eq!(c.follow(&second), Err(ConversationError::TooLate));
    assert_eq!(c.read(&late).unwrap(), "late");
    c.restart();
    assert_eq!(c.read(&late), Err(ConversationError::OpenedBefore));
    c.pass(TEXTS_MS, WINDOW_MS);
    c.restart();
    assert_eq!(c.read(&late), Err(ConversationError::Unknown));
    assert_eq!(c.rows.len(), 4, "{:?}", c.rows.keys());
}

#[test]
fn a_late_text_of_one_who_was_removed_since_is_read() {
    let [mut a, mut b, mut c] = three();
    let late = b.seal("sent while I was in");
    let wanted = Wanted {
        remove: [b.key()].into(),
        ..Wanted::default()
    };
    let removal = a.commit(&wanted);
    c.follow(&removal).unwrap();
    c.pass(2 * WINDOW_MS, WINDOW_MS);
    c.restart();
    assert_eq!(c.read(&late).unwrap(), "sent while I was in");
}

#[test]
fn a_late_text_of_one_who_was_removed_after_its_epoch_had_ended_is_read() {
    let [mut a, mut b, mut c] = three();
    let late = b.seal("sent while I was in");
    let next = a.update();
    c.follow(&next).unwrap();
    c.pass(WINDOW_MS, WINDOW_MS);
    let wanted = Wanted {
        remove: [b.key()].into(),
        ..Wanted::default()
    };
    let removal = a.commit(&wanted);
    c.follow(&removal).unwrap();
    c.restart();
    let Ok(Opened::Text { sender, .. }) = c.open(&late.epoch, &late.message) else {
        panic!("no text");
    };
    assert_eq!(sender, b.member());
}

#[test]
fn late_texts_of_epochs_beside_each_other_are_told_apart() {
    let [mut a, mut b, mut c] = three();
    let (one, two) = (a.update(), b.update());
    let (aside, beside) = (a.seal("aside"), b.seal("beside"));
    for committed in [&one, &two] {
        c.follow(committed).unwrap();
    }
    let next = c.update();
    assert_ne!(next.epoch, one.epoch);
    c.pass(2 * WINDOW_MS, WINDOW_MS);
    assert_eq!(c.read(&aside).unwrap(), "aside");
    c.restart();
    assert_eq!(c.read(&beside).unwrap(), "beside");
}

/// A member can seal one commit twice; whoever has it already does not begin its epoch anew.
#[test]
fn a_commit_that_comes_again_in_other_bytes_sets_nothing_back() {
    let [mut a, mut b, _] = three();
    let update = a.update();
    b.follow(&update).unwrap();
    b.seal("with the first key");
    let state = Row::State(update.epoch);
    let before = b.rows[&state].clone();
    // As if the bytes were others.
    let (id, mut tree) = rows::read(&b.rows).unwrap();
    let node = tree.get_mut(&update.epoch).unwrap();
    node.value.commit = Some([0; 32]);
    let Change::Put(row, bytes) = rows::epoch(node) else {
        panic!("a row");
    };
    b.rows.insert(row, bytes);
    b.restart();
    let again = b.follow(&update);
    let epoch = update.epoch;
    assert_eq!(
        again,
        Ok(Opened::Commit {
            epoch,
            moved: false
        })
    );
    assert_eq!(b.rows[&state], before);
    assert_eq!(b.conversation.as_ref().unwrap().id(), id);
}

#[test]
fn of_a_commit_its_digest_alone_is_kept() {
    let [mut a, mut b, _] = three();
    let made = a.update();
    b.follow(&made).unwrap();
    let (_, end) = made.message.split_last_chunk::<64>().unwrap();
    for device in [&a, &b] {
        let mut kept = device.rows.values();
        assert!(!kept.any(|bytes| bytes.windows(64).any(|part| part == end)));
    }
    b.restart();
    assert_eq!(b.follow(&made), Ok(Opened::Known));
    // So it is once the epoch has ended.
    b.update();
    b.pass(WINDOW_MS, WINDOW_MS);
    b.restart();
    assert_eq!(b.follow(&made), Ok(Opened::Known));
}
