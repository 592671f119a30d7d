//! Each rule about letters, broken once.

use bytes::Bytes;
use restante_interface::{MessageCode, Redacted};

use super::*;

const NOW: Instant = Instant(1_000);
const CLOCK: UnixMillis = UnixMillis::new(1_800_000_000_000);
const END: UnixMillis = CLOCK.plus(3_600_000);

/// Two letters, both from p0 to p1, which p0's node has taken.
fn ledger() -> Ledger {
    let letter = |_| workload::Letter {
        at: NOW,
        from: 0,
        to: 1,
        body: Bytes::new(),
        ttl_ms: 3_600_000,
        burn_ms: None,
    };
    let letters: Vec<workload::Letter> = (0..2).map(letter).collect();
    let mut ledger = Ledger::new(&letters);
    for number in 0..2 {
        ledger.on_written(NOW, number);
        let again = ledger.on_sent(NOW, number, Ok(sent(number, DeliveryState::Waiting, 0)));
        assert!(!again);
    }
    ledger
}

fn sent(number: usize, state: DeliveryState, with: u32) -> SendResult {
    SendResult {
        message_id: format!("id{number}"),
        state,
        stored_with: with,
        stored_of: 5,
        until_ms: END.get(),
        effort_asked: None,
        code: MessageCode::Placing,
        obstacles: Vec::new(),
        next_try_ms: None,
    }
}

fn shown(number: usize) -> InboxMessage {
    InboxMessage {
        id: format!("id{number}"),
        from: "p0".to_owned(),
        known_as: None,
        contact: true,
        blocked: false,
        read: false,
        received_ms: 7,
        sent_ms: 1,
        expires_ms: END.get(),
        burn_ms: None,
        text: Some(Redacted(format!("m{number}."))),
        base64: None,
        file_name: None,
        reply_to: None,
        edited_ms: None,
        unknown: false,
    }
}

fn outbox(number: usize, state: DeliveryState) -> OutboxEntry {
    OutboxEntry {
        message_id: format!("id{number}"),
        to: "p1".to_owned(),
        state,
        stored_with: 5,
        stored_of: 5,
        until_ms: END.get(),
        effort_asked: None,
        code: MessageCode::Placing,
        obstacles: Vec::new(),
        attempts: 1,
        next_try_ms: None,
    }
}

#[track_caller]
fn breaks(ledger: &Ledger, rule: Option<&str>) {
    let broken = ledger.violation().map(|violation| &*violation.rule);
    assert_eq!(broken, rule);
}

fn standing<'a>(clocks: &'a [UnixMillis], present: &'a [bool]) -> Standing<'a> {
    static NOBODY: BTreeSet<usize> = BTreeSet::new();
    Standing {
        clocks,
        present,
        unsound: &NOBODY,
        liars: &NOBODY,
        witness: None,
    }
}

#[test]
fn what_arrives_as_it_was_written_breaks_no_rule() {
    let mut ledger = ledger();
    for number in 0..2 {
        let seen = (Some(0), 1);
        assert_eq!(
            ledger.on_shown(NOW, seen, CLOCK, shown(number)),
            Some(number)
        );
        // Once more before it is marked read.
        ledger.on_shown(NOW, seen, CLOCK, shown(number));
    }
    ledger.on_outbox(NOW, 0, (&[outbox(0, DeliveryState::Delivered)], 1));
    breaks(&ledger, None);
    let counts = ledger.counts(&[CLOCK; 2]);
    assert_eq!(
        (counts.shown, counts.delivered, counts.duplicates),
        (2, 1, 0)
    );
}

#[test]
fn what_nobody_wrote_breaks_a_rule() {
    let mut ledger = ledger();
    let mut other = shown(0);
    other.text = Some(Redacted("m0?".to_owned()));
    assert_eq!(ledger.on_shown(NOW, (Some(0), 1), CLOCK, other), None);
    breaks(&ledger, Some("true-text"));
}

#[test]
fn a_message_under_another_name_breaks_a_rule() {
    for from in [Some(1), None] {
        let mut ledger = ledger();
        ledger.on_shown(NOW, (from, 1), CLOCK, shown(0));
        breaks(&ledger, Some("true-sender"));
    }
}

#[test]
fn a_message_shown_to_somebody_else_breaks_a_rule() {
    let mut ledger = ledger();
    ledger.on_shown(NOW, (Some(0), 2), CLOCK, shown(0));
    breaks(&ledger, Some("right-person"));
}

#[test]
fn a_message_shown_after_its_end_breaks_a_rule() {
    let mut ledger = ledger();
    ledger.on_shown(NOW, (Some(0), 1), END.minus(1), shown(0));
    breaks(&ledger, None);
    ledger.on_shown(NOW, (Some(0), 1), END, shown(1));
    breaks(&ledger, Some("late"));
}

#[test]
fn a_message_shown_again_breaks_a_rule() {
    let mut received_again = ledger();
    received_again.on_shown(NOW, (Some(0), 1), CLOCK, shown(0));
    let mut copy = shown(0);
    copy.received_ms += 1;
    received_again.on_shown(NOW, (Some(0), 1), CLOCK, copy);
    breaks(&received_again, Some("once"));

    let mut read = ledger();
    read.on_shown(NOW, (Some(0), 1), CLOCK, shown(0));
    read.on_read(1, vec!["id0".to_owned()]);
    read.on_shown(NOW, (Some(0), 1), CLOCK, shown(0));
    breaks(&read, Some("once"));
    assert_eq!(read.counts(&[CLOCK; 2]).duplicates, 1);
}

#[test]
fn a_message_stored_with_nobody_breaks_a_rule() {
    let mut ledger = ledger();
    ledger.on_sent(NOW, 0, Ok(sent(0, DeliveryState::Stored, 0)));
    breaks(&ledger, Some("receipts-counted"));
}

#[test]
fn a_refusal_that_no_network_explains_breaks_a_rule() {
    let mut ledger = ledger();
    assert!(ledger.on_sent(NOW, 0, Err(Refusal::Offline)), "asked again");
    breaks(&ledger, None);
    let id = "p1".to_owned();
    assert!(!ledger.on_sent(NOW, 0, Err(Refusal::StaleKeys { id })));
    breaks(&ledger, Some("send"));
}

#[test]
fn what_has_not_arrived_is_lost_unless_somebody_is_away() {
    let mut ledger = ledger();
    let rule = |ledger: &Ledger, present: [bool; 2], clock| {
        let clocks = [clock; 2];
        let unsettled = ledger.unsettled(&standing(&clocks, &present));
        unsettled.map(|(rule, _)| rule)
    };
    assert_eq!(rule(&ledger, [true, true], CLOCK), Some("lost"));
    assert_eq!(rule(&ledger, [true, false], CLOCK), None, "nobody reads");
    assert_eq!(
        rule(&ledger, [false, true], CLOCK),
        None,
        "it was never stored"
    );
    assert_eq!(rule(&ledger, [true, true], END), None, "its time is over");
    for number in 0..2 {
        ledger.on_sent(NOW, number, Ok(sent(number, DeliveryState::Stored, 3)));
    }
    assert_eq!(rule(&ledger, [false, true], CLOCK), Some("lost"), "stored");
    let lost = ledger.lost(&standing(&[CLOCK; 2], &[true; 2]));
    assert_eq!(lost, 2);
    for number in 0..2 {
        ledger.on_shown(NOW, (Some(0), 1), CLOCK, shown(number));
    }
    assert_eq!(rule(&ledger, [true, true], CLOCK), Some("converged"));
    assert_eq!(rule(&ledger, [false, true], CLOCK), None, "nobody to hear");
    let delivered = [0, 1].map(|number| outbox(number, DeliveryState::Delivered));
    ledger.on_outbox(NOW, 0, (&delivered, 0));
    assert_eq!(rule(&ledger, [true, true], CLOCK), None);
}

#[test]
fn a_message_lost_with_all_its_keepers_and_its_sender_is_excused() {
    let mut ledger = ledger();
    for number in 0..2 {
        ledger.on_sent(NOW, number, Ok(sent(number, DeliveryState::Stored, 3)));
    }
    let gone: BTreeSet<usize> = (0..=GONE_MAX).collect();
    let standing = Standing {
        unsound: &gone,
        ..standing(&[CLOCK; 2], &[false, true])
    };
    assert!(ledger.unsettled(&standing).is_none());
}
