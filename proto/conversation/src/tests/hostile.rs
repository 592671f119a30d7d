//! A member that does what it likes: all it costs is bounded, and the others go on.

use rand::rngs::StdRng;
use rand::{Rng as _, RngExt as _, SeedableRng as _};

use super::{Device, NOW, conversation, three};
use crate::ConversationError;
use crate::conversation::{Committed, DEVICE_LIVE_MAX, Opened, Sealed, WINDOW_MS};
use crate::rows::Row;

/// Returns a commit that `device` makes of the epoch it is in, beside all others that it makes so.
fn fork(device: &Device, seed: u64) -> Committed {
    let mut device = device.clone();
    device.seed = seed;
    device.update()
}

fn bytes(device: &Device) -> usize {
    device.rows.values().map(|row| row.len()).sum()
}

#[test]
fn who_commits_twice_to_one_epoch_has_both_lose() {
    let [a, mut b, mut c] = three();
    let before = c.head();
    let forks = [fork(&a, 1), fork(&a, 2), fork(&a, 3)];
    c.follow(&forks[0]).unwrap();
    assert_eq!(c.head(), forks[0].epoch);
    c.follow(&forks[1]).unwrap();
    assert_eq!(c.head(), before);
    c.restart();
    c.follow(&forks[2]).unwrap();
    assert_eq!(c.head(), before);
    // It is not forgotten when one of them is over before the other.
    c.pass(WINDOW_MS - 1, WINDOW_MS);
    let late = fork(&a, 4);
    c.follow(&late).unwrap();
    c.pass(1, WINDOW_MS);
    c.restart();
    assert_eq!(c.head(), before);
    let update = b.update();
    c.follow(&update).unwrap();
    assert_eq!(c.head(), update.epoch);
}

#[test]
fn a_removal_is_not_undone_by_a_second_commit_to_an_epoch_before_it() {
    let [mut a, b, mut c] = three();
    let mut hostile = b.clone();
    let first = hostile.update();
    a.follow(&first).unwrap();
    let removal = a.remove(&b);
    let second = fork(&b, 9);
    for order in [[0, 1, 2], [0, 2, 1], [2, 0, 1]] {
        let mut reader = c.clone();
        for at in order {
            reader.follow([&first, &removal, &second][at]).unwrap();
        }
        assert_eq!(reader.head(), removal.epoch, "{order:?}");
    }
    // Nor by hundreds of them, at whoever knows of it.
    for committed in [&first, &removal] {
        c.follow(committed).unwrap();
    }
    let mut refused = 0;
    for seed in 100..300 {
        match c.follow(&fork(&b, seed)) {
            Ok(_) => {}
            Err(error) => {
                assert_eq!(error, ConversationError::TooManyEpochs);
                refused += 1;
            }
        }
    }
    assert!(refused > 80, "{refused}");
    c.restart();
    assert_eq!(c.head(), removal.epoch);
    let update = c.update();
    a.follow(&update).unwrap();
    assert_eq!(a.head(), update.epoch);
}

#[test]
fn forks_by_the_hundred_stop_nobody_and_take_no_more_than_their_share() {
    let [a, mut b, mut c] = three();
    let mut d = c.clone();
    let forks: Vec<_> = (0..200).map(|seed| fork(&a, seed)).collect();
    for committed in &forks {
        let _ = c.follow(committed);
    }
    for committed in forks.iter().rev() {
        let _ = d.follow(committed);
    }
    let states = |device: &Device| {
        let states = device
            .rows
            .keys()
            .filter(|row| matches!(row, Row::State(_)));
        states.copied().collect::<Vec<_>>()
    };
    // Its own, and the one that all began in; whatever came first they are the same.
    assert_eq!(states(&c).len(), DEVICE_LIVE_MAX + 1);
    assert_eq!(states(&c), states(&d));
    let one = bytes(&c) / (DEVICE_LIVE_MAX + 1);
    assert!(one < 16_384, "{one} bytes for each");
    for device in [&mut c, &mut d] {
        device.restart();
    }
    let update = b.update();
    c.follow(&update).unwrap();
    d.follow(&update).unwrap();
    assert_eq!((c.head(), d.head()), (update.epoch, update.epoch));
    let said = b.seal("heard");
    assert_eq!(c.read(&said).unwrap(), "heard");
    // And all of it is over in time.
    c.update();
    c.pass(2 * WINDOW_MS, WINDOW_MS);
    assert_eq!(c.date, NOW.plus(2 * WINDOW_MS));
    assert_eq!(states(&c).len(), 1);
    assert!(bytes(&c) < 400_000, "{} bytes", bytes(&c));
}

#[test]
fn a_chain_without_end_stops_at_its_share_and_others_go_on_from_there() {
    let [mut a, mut b, mut c] = three();
    for at in 0..DEVICE_LIVE_MAX + 20 {
        let made = a.act(|of, turn| of.commit(turn, &crate::conversation::Wanted::default()));
        assert_eq!(made.is_ok(), at < DEVICE_LIVE_MAX, "{at}");
        let Ok(committed) = made else { continue };
        for other in [&mut b, &mut c] {
            other.follow(&committed).unwrap();
        }
    }
    assert_eq!(b.head(), a.head());
    // Another device of its account has a share of its own.
    let update = b.update();
    for other in [&mut a, &mut c] {
        other.follow(&update).unwrap();
    }
    assert_eq!((a.head(), c.head()), (b.head(), b.head()));
    let update = c.update();
    a.follow(&update).unwrap();
    b.follow(&update).unwrap();
    assert_eq!((a.head(), b.head()), (c.head(), c.head()));
    let said = a.seal("still here");
    assert_eq!(c.read(&said).unwrap(), "still here");
}

#[test]
fn nonsense_replays_and_wrong_epochs_are_refused_and_change_nothing() {
    let [mut a, mut b, mut c] = three();
    let mut random = StdRng::seed_from_u64(7);
    let (text, update) = (a.seal("once"), a.update());
    c.read(&text).unwrap();
    c.follow(&update).unwrap();
    let later = a.seal("later");
    let rows = c.rows.clone();
    for round in 0..300 {
        let mut bytes = vec![0; random.random_range(0..400)];
        random.fill_bytes(&mut bytes);
        if round % 2 == 0 {
            // With the beginning of a message.
            let head = bytes.len().min(later.message.len() - 1);
            bytes[..head].copy_from_slice(&later.message[..head]);
        }
        for epoch in [text.epoch, update.epoch] {
            assert!(c.open(&epoch, &bytes).is_err());
        }
    }
    let long = vec![1; crate::conversation::MESSAGE_BYTES_MAX + 1];
    assert_eq!(c.open(&text.epoch, &long), Err(ConversationError::Refused));
    // Again, and by the keys of another epoch.
    assert_eq!(c.read(&text), Err(ConversationError::OpenedBefore));
    assert_eq!(c.follow(&update), Ok(Opened::Known));
    assert!(c.open(&update.epoch, &text.message).is_err());
    assert!(c.open(&text.epoch, &later.message).is_err());
    let other = b.update();
    assert!(c.open(&update.epoch, &other.message).is_err());
    assert_eq!(c.rows, rows);
    assert_eq!(c.read(&later).unwrap(), "later");
}

#[test]
fn generations_far_ahead_are_refused_and_what_they_skip_is_bounded() {
    let [mut a, mut b, mut c] = three();
    let texts: Vec<Sealed> = (0..1100).map(|_| a.seal("")).collect();
    let before = bytes(&c);
    assert!(c.read(&texts[1099]).is_err());
    assert!(c.read(&texts[1001]).is_err());
    assert_eq!(bytes(&c), before);
    c.read(&texts[1000]).unwrap();
    let skipped = bytes(&c) - before;
    assert!(skipped < 100_000, "{skipped} bytes for 1,000 skipped");
    // Those of others and the next are read.
    assert!(c.read(&texts[0]).is_ok());
    let said = b.seal("heard");
    assert_eq!(c.read(&said).unwrap(), "heard");
}

/// What a conversation takes with twenty devices, of which one commits as often as it may.
#[test]
fn the_largest_conversation_takes_what_is_said_of_it() {
    let devices = (1..=10).flat_map(|number| [Device::new(1, number), Device::new(2, number)]);
    let mut devices = conversation(devices.collect());
    let mut reader = devices.pop().unwrap();
    let quiet = bytes(&reader);
    for seed in 0..DEVICE_LIVE_MAX as u64 {
        reader.follow(&fork(&devices[0], seed)).unwrap();
    }
    let live = (bytes(&reader) - quiet) / DEVICE_LIVE_MAX;
    let update = reader.update();
    reader.pass(WINDOW_MS, WINDOW_MS);
    assert_eq!(reader.head(), update.epoch);
    let past = (bytes(&reader) - quiet) / (DEVICE_LIVE_MAX + 1);
    let figures = (quiet, live, past);
    assert!(
        quiet < 60_000 && live < 60_000 && past < 6_000,
        "{figures:?}"
    );
}
