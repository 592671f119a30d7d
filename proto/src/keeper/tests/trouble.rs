//! A store that fails: what is asked of the keeper meanwhile, and when it is opened again.

use super::*;
use crate::keeper::{SWEEP_INTERVAL_MS, StoreError, Ticket};
use crate::limits::SECOND_MS;
use crate::pauses::{PAUSE_MAX_MS, PAUSE_MIN_MS};

/// Lets the store fail at the next deposit.
fn fail(office: &mut Office, now: UnixMillis, error: StoreError) {
    let (mailbox, _) = open_box();
    let deposit = stamped(&mailbox, &envelope("lost"));
    let outputs = office.begin(now, 0, deposit.encode());
    let [Output::Store { ticket, .. }] = outputs[..] else {
        panic!("{outputs:?}")
    };
    let result = Err(error);
    let outputs = office
        .keeper
        .handle(both(now), Input::Stored { ticket, result });
    let (response, _) = office.finish(now, now, outputs);
    assert!(matches!(response, Response::Refusal(r) if r.reason == Reason::Unavailable));
}

/// Tells the keeper the time until it wants the store opened again, and returns when that was.
fn until_reopened(office: &mut Office, end: UnixMillis) -> Option<UnixMillis> {
    loop {
        let due = UnixMillis::new(office.keeper.next_timeout().get());
        if due > end {
            return None;
        }
        if office
            .keeper
            .handle(both(due), Input::Timer)
            .contains(&Output::Reopen)
        {
            return Some(due);
        }
    }
}

/// A keeper whose sweeps have begun.
fn office() -> Office {
    let mut office = Office::new();
    let _sweep = office.keeper.handle(both(NOW), Input::Timer);
    office
}

fn reopened(office: &mut Office, now: UnixMillis, result: Result<(), StoreError>) {
    assert_eq!(office.keeper.handle(both(now), Input::Reopened(result)), []);
}

/// Whoever relies on pushes must not rely on a keeper that takes nothing in.
#[test]
fn nobody_is_subscribed_while_the_store_takes_nothing_in() {
    let (mailbox, owner) = open_box();
    let mut office = office();
    fail(&mut office, NOW, StoreError::DiskFull);
    let request = subscribe(&mailbox, &owner, NOW);
    office.check(NOW, &request, Reason::Unavailable);
    assert_eq!(office.keeper.subscriptions(), 0);
    let at = until_reopened(&mut office, NOW.plus(PAUSE_MIN_MS)).unwrap();
    reopened(&mut office, at, Ok(()));
    let subscribed = office.ask(NOW, &request);
    assert!(matches!(subscribed, Response::Done { .. }));
}

#[test]
fn a_store_that_failed_is_opened_again_and_takes_everything_in() {
    let mut office = office();
    fail(&mut office, NOW, StoreError::DiskFull);
    assert_eq!(office.keeper.read_only(), Some(&StoreError::DiskFull));
    assert_eq!(office.keeper.recovered(), None);
    let at = until_reopened(&mut office, NOW.plus(PAUSE_MIN_MS)).unwrap();
    assert_eq!(at, NOW.plus(PAUSE_MIN_MS));
    // While that takes its time it is not asked for again.
    let much_later = at.plus(100 * PAUSE_MAX_MS);
    assert_eq!(until_reopened(&mut office, much_later), None);
    reopened(&mut office, much_later, Ok(()));
    assert_eq!(office.keeper.read_only(), None);
    assert_eq!(office.keeper.recovered(), Some(much_later));
    let (mailbox, owner) = open_box();
    office.receipt(much_later, &stamped(&mailbox, &envelope("kept")));
    assert_eq!(office.listed(much_later, &mailbox, &owner).len(), 1);
    assert_eq!(
        until_reopened(&mut office, much_later.plus(PAUSE_MAX_MS)),
        None
    );
}

#[test]
fn the_pauses_between_tries_grow_and_there_is_no_last_one() {
    let mut office = office();
    fail(&mut office, NOW, StoreError::DiskFull);
    let (mut last, mut pauses) = (NOW, Vec::new());
    for _ in 0..1_000 {
        let at = until_reopened(&mut office, last.plus(PAUSE_MAX_MS)).unwrap();
        pauses.push(at.since(last) / SECOND_MS);
        reopened(
            &mut office,
            at,
            Err(StoreError::Io("no such device".into())),
        );
        last = at;
    }
    assert_eq!(pauses[..6], [1, 2, 4, 8, 16, 30]);
    assert!(pauses[6..].iter().all(|pause| *pause == 30));
    assert_eq!(
        office.keeper.read_only(),
        Some(&StoreError::Io("no such device".into())),
        "what is wrong now is told, not what was"
    );
}

#[test]
fn failures_that_nobody_asked_for_count_and_put_nothing_off() {
    let mut office = office();
    let failed = || Input::StoreFailed(StoreError::DiskFull);
    assert_eq!(office.keeper.handle(both(NOW), failed()), []);
    assert_eq!(office.keeper.read_only(), Some(&StoreError::DiskFull));
    // A sweep fails again and again while the next try is awaited.
    let half = NOW.plus(PAUSE_MIN_MS / 2);
    assert_eq!(office.keeper.handle(both(half), failed()), []);
    let at = until_reopened(&mut office, NOW.plus(SWEEP_INTERVAL_MS));
    assert_eq!(at, Some(NOW.plus(PAUSE_MIN_MS)));
}

#[test]
fn damage_needs_a_person() {
    for error in [StoreError::Damaged("torn".into()), StoreError::Ended] {
        let mut office = office();
        fail(&mut office, NOW, StoreError::DiskFull);
        let at = until_reopened(&mut office, NOW.plus(PAUSE_MIN_MS)).unwrap();
        reopened(&mut office, at, Err(error.clone()));
        assert_eq!(office.keeper.read_only(), Some(&error));
        assert_eq!(until_reopened(&mut office, at.plus(DAY_MS)), None);
        // A lesser failure does not take its place.
        let later = at.plus(DAY_MS);
        let _nothing = office
            .keeper
            .handle(both(later), Input::StoreFailed(StoreError::DiskFull));
        assert_eq!(office.keeper.read_only(), Some(&error));
        let (mailbox, _) = open_box();
        let outputs = office.begin(later, 0, stamped(&mailbox, &envelope("no")).encode());
        let (response, _) = office.finish(later, later, outputs);
        let Response::Refusal(refusal) = response else {
            panic!("{response:?}")
        };
        assert!(refusal.retry_after_ms > PAUSE_MAX_MS);
    }
}

#[test]
fn an_answer_that_nobody_waits_for_changes_nothing() {
    let mut office = office();
    reopened(&mut office, NOW, Err(StoreError::DiskFull));
    assert_eq!(office.keeper.read_only(), None);
    let (ticket, result) = (Ticket(77), Err(StoreError::DiskFull));
    let outputs = office
        .keeper
        .handle(both(NOW), Input::Stored { ticket, result });
    assert_eq!(outputs, []);
    assert_eq!(office.keeper.read_only(), None);
}
