use std::collections::BTreeMap;

use super::{Input, OUTBOX_COUNT_MAX, Outbox, OutboxFull, Outgoing, Output};
use crate::{
    ItemId, NodeId,
    keys::PublicKey,
    mailbox::{Mailbox, Rule},
    message::MessageId,
    time::{Epoch, MonoMillis, Now, UnixMillis},
};

const NOW: Now = Now::new(
    MonoMillis::new(5_000_000),
    UnixMillis::new(1_800_000_000_000),
);
const END: UnixMillis = NOW.date.plus(60_000);

fn outgoing(number: u16) -> Outgoing {
    let mut id = [0; 32];
    id[..2].copy_from_slice(&number.to_be_bytes());
    let mut message = [0; 16];
    message[..2].copy_from_slice(&number.to_be_bytes());
    Outgoing {
        message: MessageId::new(message),
        envelope: ItemId::new(id),
        mailbox: Mailbox {
            owner: PublicKey::new([1; 32]),
            rule: Rule::Stamp,
            epoch: Epoch::new(1),
        },
        expires: END,
        receipts: BTreeMap::new(),
    }
}

fn keepers(count: u8) -> Vec<NodeId> {
    (0..count).map(|n| NodeId::new([n; 32])).collect()
}

#[test]
fn an_envelope_stays_until_its_recipients_word() {
    let mut outbox = Outbox::default();
    let out = outgoing(1);
    let (id, message) = (out.envelope, out.message);
    assert_eq!(
        outbox.add(NOW, out.clone()).unwrap(),
        vec![Output::Find(id, out.mailbox)]
    );
    outbox.handle(NOW, Input::Found(id, keepers(5)));
    for keeper in keepers(5) {
        let outputs = outbox.handle(NOW, Input::Receipt(id, keeper, END));
        assert!(matches!(outputs[..], [Output::Standing(..)]), "{outputs:?}");
    }
    assert_eq!(outbox.len(), 1);
    let outputs = outbox.handle(NOW, Input::Delivered(message));
    assert_eq!(outputs, vec![Output::Delivered(id, message)]);
    assert!(outbox.is_empty());
    // A second word, or an answer that comes late, changes nothing.
    assert_eq!(outbox.handle(NOW, Input::Delivered(message)), vec![]);
    assert_eq!(
        outbox.handle(NOW, Input::Receipt(id, keepers(1)[0], END)),
        vec![]
    );
}

#[test]
fn an_envelope_that_expires_is_given_up_once_and_said_so() {
    let mut outbox = Outbox::default();
    let out = outgoing(1);
    let _asked = outbox.add(NOW, out.clone()).unwrap();
    let end = NOW.plus(60_000);
    assert!(outbox.next_timeout(NOW).unwrap() <= end.mono);
    assert_eq!(outbox.handle(NOW.plus(59_999), Input::Timer).len(), 0);
    let outputs = outbox.handle(end, Input::Timer);
    assert_eq!(outputs, vec![Output::Expired(out.envelope, out.message)]);
    assert_eq!(outbox.handle(end, Input::Timer), vec![]);
    assert_eq!(outbox.next_timeout(end), None);
}

#[test]
fn a_word_for_another_message_changes_nothing() {
    let mut outbox = Outbox::default();
    let _asked = outbox.add(NOW, outgoing(1)).unwrap();
    assert_eq!(
        outbox.handle(NOW, Input::Delivered(MessageId::new([9; 16]))),
        vec![]
    );
    assert_eq!(outbox.len(), 1);
}

#[test]
fn the_outbox_is_bounded() {
    let mut outbox = Outbox::default();
    for number in 0..OUTBOX_COUNT_MAX {
        let _asked = outbox
            .add(NOW, outgoing(u16::try_from(number).unwrap()))
            .unwrap();
    }
    assert_eq!(outbox.add(NOW, outgoing(u16::MAX)), Err(OutboxFull));
    // One that is there already is no new one.
    assert!(outbox.add(NOW, outgoing(0)).is_ok());
}

#[test]
fn receipts_from_before_a_restart_count() {
    let mut outbox = Outbox::default();
    let mut out = outgoing(1);
    out.receipts = keepers(3).into_iter().map(|keeper| (keeper, END)).collect();
    let id = out.envelope;
    let _asked = outbox.add(NOW, out).unwrap();
    let outputs = outbox.handle(NOW, Input::Found(id, keepers(5)));
    let offers = outputs
        .iter()
        .filter(|output| matches!(output, Output::Offer(..)))
        .count();
    let deposits = outputs
        .iter()
        .filter(|output| matches!(output, Output::Deposit(..)))
        .count();
    assert_eq!((offers, deposits), (3, 2));
    assert!(outbox.standing(NOW, &id).unwrap().0.is_stored());
}
