//! Removals against the commits of those they remove.

use std::collections::BTreeSet;

use proptest::prelude::*;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;

use super::{Device, conversation, three};
use crate::ConversationError;
use crate::conversation::{Committed, Opened, WINDOW_MS, Wanted};

/// Three devices of one account, and one of another.
fn four() -> [Device; 4] {
    let devices = [(1, 1), (1, 2), (1, 3), (2, 1)];
    let devices = devices.map(|(account, number)| Device::new(account, number));
    conversation(devices.into()).try_into().ok().unwrap()
}

/// Takes all of these, in this order and again as long as one waits for another.
fn follow_all(device: &mut Device, commits: &[Committed]) {
    for _ in commits {
        for commit in commits {
            match device.follow(commit) {
                Ok(_) | Err(ConversationError::Unknown | ConversationError::OpenedBefore) => {}
                Err(error) => panic!("{error}"),
            }
        }
    }
}

/// Every order of three.
const ORDERS: [[usize; 3]; 6] = [
    [0, 1, 2],
    [0, 2, 1],
    [1, 0, 2],
    [1, 2, 0],
    [2, 0, 1],
    [2, 1, 0],
];

#[test]
fn who_was_removed_wins_nothing_back_by_a_commit_to_an_older_epoch() {
    let [mut a, b, mut c] = three();
    let mut old = b.clone();
    let before = c.update();
    a.follow(&before).unwrap();
    let removal = a.remove(&b);
    // Of the least class, to an epoch in which it was a member.
    let own = old.remove(&a);
    let commits = [before, removal, own];
    for order in ORDERS {
        let mut reader = c.clone();
        follow_all(&mut reader, &order.map(|at| commits[at].clone()));
        reader.restart();
        assert_eq!(reader.head(), commits[1].epoch, "{order:?}");
        assert_eq!(reader.removed_by(), None);
    }
    // The one that is removed sees it too, and so does the one that it wanted to remove.
    assert_eq!(
        a.follow(&commits[2]),
        Ok(Opened::Removed { by: b.member() })
    );
    a.restart();
    assert_eq!(a.removed_by(), None);
    a.seal("goes on");
    follow_all(&mut old, &commits);
    old.restart();
    assert_eq!(old.removed_by(), Some(a.member()));
    let said = old.act(|of, turn| of.seal(turn, b"still here"));
    assert_eq!(said, Err(ConversationError::Removed));
    let done = old.act(|of, turn| of.commit(turn, &Wanted::default()));
    assert_eq!(done, Err(ConversationError::Removed));
}

#[test]
fn of_two_that_remove_each_other_the_one_stays_that_was_there_first() {
    for a_is_early in [false, true] {
        let [mut a, mut b, mut c] = three();
        let (mut early_a, mut early_b) = (a.clone(), b.clone());
        let before = c.update();
        a.follow(&before).unwrap();
        b.follow(&before).unwrap();
        let commits = if a_is_early {
            [before, early_a.remove(&b), b.remove(&a)]
        } else {
            [before, a.remove(&b), early_b.remove(&a)]
        };
        for order in ORDERS {
            let mut reader = c.clone();
            follow_all(&mut reader, &order.map(|at| commits[at].clone()));
            assert_eq!(reader.head(), commits[1].epoch, "{order:?}");
        }
    }
}

#[test]
fn a_removal_by_one_that_is_removed_itself_comes_to_nothing() {
    let [mut a, mut b, mut other, _] = four();
    let (removal, of_its_maker) = (b.remove(&other), a.remove(&b));
    assert_eq!(
        other.follow(&removal),
        Ok(Opened::Removed { by: b.member() })
    );
    other.restart();
    assert_eq!(other.removed_by(), Some(b.member()));
    other.follow(&of_its_maker).unwrap();
    other.restart();
    assert_eq!(other.removed_by(), None);
    assert_eq!(other.head(), of_its_maker.epoch);
    let said = other.seal("still here");
    assert_eq!(a.read(&said).unwrap(), "still here");
    // As an epoch that a commit cannot follow any more it goes like others.
    other.pass(WINDOW_MS, WINDOW_MS);
    other.restart();
    assert_eq!(other.removed_by(), None);
    assert_eq!(other.rows.len(), 6, "{:?}", other.rows.keys());
}

#[test]
fn what_follows_a_removal_counts_though_the_removed_device_is_added_again() {
    let [mut a, b, mut c] = three();
    let removal = a.remove(&b);
    c.follow(&removal).unwrap();
    let again = a.commit(&b.wanted());
    c.follow(&again).unwrap();
    let mut new = Device::new(1, 2);
    new.packages = b.packages.clone();
    new.try_join(again.welcome.as_ref().unwrap()).unwrap();
    let update = new.update();
    c.follow(&update).unwrap();
    assert_eq!(c.head(), update.epoch);
    // Nor is it in the way of one that learns of it after it has come back.
    let mut old = b;
    let (packages, welcome) = (old.packages.clone(), again.welcome.unwrap());
    old.act(|of, turn| of.join_again(turn, &packages, &welcome).unwrap());
    old.follow(&removal).unwrap();
    old.follow(&update).unwrap_err();
    let own = old.update();
    assert_eq!(old.removed_by(), None);
    assert_eq!(old.head(), own.epoch);
}

#[test]
fn a_window_later_the_removal_stands_for_good() {
    let [mut a, b, mut c] = three();
    let mut old = b.clone();
    let removal = a.remove(&b);
    c.follow(&removal).unwrap();
    c.pass(WINDOW_MS, WINDOW_MS);
    let own = old.remove(&a);
    assert_eq!(c.follow(&own), Err(ConversationError::TooLate));
    assert_eq!(c.head(), removal.epoch);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, max_shrink_iters: 0, ..ProptestConfig::default() })]

    /// Whoever knows all commits is in one epoch with all others that are not removed, whatever came first.
    #[test]
    fn all_agree_on_who_is_removed(seed in any::<u64>()) {
        let mut random = StdRng::seed_from_u64(seed);
        let mut devices = four();
        let mut commits: Vec<Committed> = Vec::new();
        let mut removed = BTreeSet::new();
        for _ in 0..10 {
            let by = random.random_range(0..4);
            // It knows some of what there is.
            let mut known = commits.clone();
            known.retain(|_| random.random_ratio(1, 2));
            follow_all(&mut devices[by], &known);
            let whom = random.random_range(0..3);
            let members = devices[by].members();
            let removes = by < 3 && whom != by && random.random_ratio(1, 2)
                && members.contains(&devices[whom].member());
            if devices[by].removed_by().is_some() {
                continue;
            }
            let whom = devices[whom].clone();
            let mut wanted = Wanted::default();
            if removes {
                wanted.remove.insert(whom.key());
            }
            let made = devices[by].act(|of, turn| of.commit(turn, &wanted));
            // Who is removed on another branch alone cannot commit twice to an epoch either.
            let Ok(made) = made else {
                prop_assert_eq!(made, Err(ConversationError::TooManyEpochs));
                continue;
            };
            removed.extend(wanted.remove);
            commits.push(made);
        }
        let mut reader = devices[3].clone();
        let mut heads = BTreeSet::new();
        for _ in 0..4 {
            commits.shuffle(&mut random);
            let mut other = reader.clone();
            follow_all(&mut other, &commits);
            heads.insert(other.head());
        }
        follow_all(&mut reader, &commits);
        heads.insert(reader.head());
        // Whom one removes does not see what comes after it; all others know all.
        for device in devices.iter_mut().filter(|device| !removed.contains(&device.key())) {
            commits.shuffle(&mut random);
            follow_all(device, &commits);
            device.restart();
            prop_assert_eq!(device.removed_by(), None);
            heads.insert(device.head());
        }
        prop_assert_eq!(heads.len(), 1);
    }
}
