//! What somebody has who has copied all that a device has.

use std::collections::BTreeMap;

use super::{Device, three};
use crate::conversation::{Committed, Sealed, TEXTS_MS, WINDOW_MS};
use crate::rows::{self, Change, Row};
use crate::{Conversation, ConversationError, EpochName};

/// Returns the device as it would be if it had been in this epoch all the time.
fn as_of(copy: &Device, epoch: EpochName) -> Device {
    let id = copy.conversation.as_ref().unwrap().id();
    let is_of =
        |row: &Row| matches!(row, Row::Epoch(of) | Row::State(of) | Row::Tree(of) if *of == epoch);
    let rows = copy.rows.iter().filter(|(row, _)| is_of(row));
    let mut rows: BTreeMap<_, _> = rows.map(|(row, bytes)| (*row, bytes.clone())).collect();
    let Change::Put(row, bytes) = rows::conversation(&id, epoch, epoch) else {
        panic!("a row");
    };
    rows.insert(row, bytes);
    let mut device = copy.clone();
    device.conversation = Some(Conversation::load(&rows).unwrap());
    device.rows = rows;
    device
}

/// Tells whether a text opens for somebody who has all rows of a device and everything that ever came by, and begins at
/// each epoch anew.
fn opens(copy: &Device, commits: &[Committed], text: &Sealed) -> bool {
    let live = copy.rows.keys().filter_map(|row| match row {
        Row::State(epoch) => Some(*epoch),
        _ => None,
    });
    let mut thieves: Vec<Device> = live.map(|epoch| as_of(copy, epoch)).collect();
    thieves.push(copy.clone());
    thieves.into_iter().any(|mut thief| {
        for _ in commits {
            for committed in commits {
                let _ = thief.follow(committed);
            }
        }
        thief.read(text).is_ok()
    })
}

#[test]
fn a_copy_opens_nothing_that_was_read_and_is_older_than_the_window() {
    let [mut a, mut b, _] = three();
    let renewed = a.update();
    b.follow(&renewed).unwrap();
    let read = a.seal("read and burned");
    b.read(&read).unwrap();
    let next = a.update();
    b.follow(&next).unwrap();
    let commits = [renewed, next];
    // What the window costs: the state before the epoch makes its keys again.
    assert!(opens(&b, &commits, &read));
    b.pass(WINDOW_MS - 1, WINDOW_MS);
    assert!(opens(&b, &commits, &read));
    b.pass(1, WINDOW_MS);
    assert!(!opens(&b, &commits, &read));
}

#[test]
fn a_text_that_comes_after_the_window_cannot_be_opened_again_at_once() {
    let [mut a, mut b, _] = three();
    let renewed = a.update();
    b.follow(&renewed).unwrap();
    b.pass(WINDOW_MS, WINDOW_MS);
    let read = a.seal("later than the window");
    assert!(opens(&b, std::slice::from_ref(&renewed), &read));
    b.read(&read).unwrap();
    assert!(!opens(&b, &[renewed], &read));
}

#[test]
fn what_is_left_of_a_past_epoch_opens_what_was_not_read_alone_and_not_for_ever() {
    let [mut a, mut b, _] = three();
    let (read, late) = (a.seal("read"), a.seal("late"));
    b.read(&read).unwrap();
    let renewed = b.update();
    b.pass(WINDOW_MS, WINDOW_MS);
    let commits = [renewed];
    assert!(opens(&b, &commits, &late));
    assert!(!opens(&b, &commits, &read));
    b.pass(TEXTS_MS, WINDOW_MS);
    assert!(!opens(&b, &commits, &late));
}

#[test]
fn a_copy_opens_nothing_that_is_said_after_its_device_has_renewed_its_keys() {
    let [mut a, mut b, _] = three();
    let copy = b.clone();
    let said = a.seal("before");
    assert!(opens(&copy, &[], &said));
    let renewed = b.update();
    a.follow(&renewed).unwrap();
    let said = a.seal("after");
    assert!(!opens(&copy, std::slice::from_ref(&renewed), &said));
    // Nor what others do on top of it.
    let next = a.update();
    let said = a.seal("and on");
    assert!(!opens(&copy, &[renewed, next], &said));
}

#[test]
fn an_older_copy_of_a_state_uses_its_keys_again() {
    let [mut a, mut b, _] = three();
    let mut old = b.clone();
    let first = b.seal("with the first key");
    a.read(&first).unwrap();
    // Which is why a copy of a home never goes on as the same device.
    let again = old.seal("with the first key again");
    assert_eq!(a.read(&again), Err(ConversationError::OpenedBefore));
}
