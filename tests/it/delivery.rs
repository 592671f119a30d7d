//! A message reaches somebody who is offline, although its sender goes away.

use std::collections::BTreeSet;

use restante_interface::{ContactState, DeliveryState, InboxMessage, SendResult};
use restante_tests::{Cluster, Node, eventually};

/// Longest body of one message, in bytes.
const BODY_BYTES_MAX: usize = 61_440;

#[test]
fn everything_arrives_once_and_byte_for_byte_although_both_were_never_online_together() {
    let cluster = Cluster::of_people(7);
    let mut bob = cluster.person("bob");
    Cluster::await_card(&bob);
    let bob_id = bob.id();
    bob.stop();

    let mut alice = cluster.person("alice");
    let alice_id = alice.id();
    let short_lived = alice.send(&bob_id, b"gone before you are back", &["--ttl", "30s"]);
    assert_eq!(short_lived.state, DeliveryState::Stored, "{short_lived:?}");
    for body in bodies() {
        let sent = alice.send(&bob_id, &body, &[]);
        assert_eq!(sent.state, DeliveryState::Stored, "{sent:?}");
        assert_eq!(sent.stored_of, 5, "{sent:?}");
    }
    eventually("the short-lived message is over", || {
        (restante::clock::now().get() > short_lived.until_ms).then_some(())
    });
    alice.stop();
    assert!(
        held(&cluster) >= 3 * bodies().len(),
        "the keepers hold the envelopes"
    );

    bob.run(&[]);
    let got = bob.inbox_until(bodies().len());
    assert_same(&got, &bodies());
    assert!(
        got.iter()
            .all(|message| message.from == alice_id && !message.contact)
    );
    eventually("no keeper holds an envelope any more", || {
        (held(&cluster) == 0).then_some(())
    });
    assert_eq!(bob.inbox(0), []);
}

#[test]
fn a_sender_learns_of_delivery_once_the_recipient_has_accepted() {
    let cluster = Cluster::of_servers(5);
    let mut alice = cluster.person("alice");
    let mut bob = cluster.person("bob");
    Cluster::await_card(&bob);
    let (alice_id, bob_id) = (alice.id(), bob.id());
    bob.stop();
    Cluster::await_card(&alice);
    let sent = alice.send(&bob_id, b"are you there?", &[]);
    alice.stop();

    bob.run(&[]);
    assert_eq!(bob.inbox_until(1).len(), 1);
    let request = contact(&bob, &alice_id).expect("a stranger who wrote is a request");
    assert_eq!(request, ContactState::Request);
    eventually("no keeper holds an envelope any more", || {
        (held(&cluster) == 0).then_some(())
    });
    bob.say(&["contact", "accept", &alice_id]).done();
    assert_eq!(contact(&bob, &alice_id), Some(ContactState::Accepted));
    // Beside it an invitation: her message has offered the keys for that.
    eventually("the word for alice lies at five keepers", || {
        (held(&cluster) == 10).then_some(())
    });
    bob.stop();

    alice.run(&[]);
    await_delivery(&alice, &sent);
    // The word is not a message, and is not shown as one.
    assert_eq!(alice.inbox(0), []);
    alice.say(&["contact", "verify", &bob_id]).done();
    answer_comes_back(&alice, &mut bob, &alice_id);
}

/// The second message needs no stamp and no request: both know each other.
fn answer_comes_back(alice: &Node, bob: &mut Node, alice_id: &str) {
    bob.run(&[]);
    let sent = bob.send(alice_id, b"I am", &[]);
    let got = alice.inbox_until(1);
    assert_same(&got, &[b"I am".to_vec()]);
    assert!(got.iter().all(|message| message.contact));
    await_delivery(bob, &sent);
}

#[track_caller]
fn await_delivery(sender: &Node, sent: &SendResult) {
    sender.until("the message is delivered", |status| {
        let mut outbox = status.outbox.iter();
        let entry = outbox.find(|entry| entry.message_id == sent.message_id);
        entry.is_some_and(|entry| entry.state == DeliveryState::Delivered)
    });
}

/// Returns the texts of the test: short, tiny, as long as can be, and such that something in between
/// might want to change them.
fn bodies() -> Vec<Vec<u8>> {
    let long = (0..BODY_BYTES_MAX).map(|index| b'a' + u8::try_from(index % 26).unwrap());
    let binary = (0..=255_u8).rev().cycle().take(3_000);
    vec![
        b"See you at eight.".to_vec(),
        b"1".to_vec(),
        long.collect(),
        "\u{1f4ee} gr\u{fc}\u{df}e \u{2014} \u{5b57}\u{1f469}\u{200d}\u{1f680}\n".into(),
        b"nul\0in\0the\0middle\0and at the end\0".to_vec(),
        binary.collect(),
        b"  \r\n\tspace around \x1b[31mand colour\x1b[0m \r\n".to_vec(),
    ]
}

#[track_caller]
fn assert_same(got: &[InboxMessage], expected: &[Vec<u8>]) {
    let got: Vec<Vec<u8>> = got.iter().map(body).collect();
    assert_eq!(got.len(), expected.len(), "each message once");
    let (got, expected): (BTreeSet<_>, BTreeSet<_>) =
        (got.iter().collect(), expected.iter().collect());
    assert!(got == expected, "each message byte for byte");
}

fn body(message: &InboxMessage) -> Vec<u8> {
    match (&message.text, &message.base64) {
        (Some(text), None) => text.0.clone().into_bytes(),
        (None, Some(bytes)) => bytes.as_bytes().to_vec(),
        both => panic!("exactly one of text and base64 is there: {both:?}"),
    }
}

fn held(cluster: &Cluster) -> usize {
    cluster.nodes().map(|node| node.envelopes().len()).sum()
}

fn contact(node: &Node, id: &str) -> Option<ContactState> {
    let mut contacts = node.contacts().into_iter();
    contacts
        .find(|contact| contact.id == id)
        .map(|contact| contact.state)
}
