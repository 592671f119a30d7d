//! What two people say to each other, at the command line: both sides have it, and what one does to it the other sees.

use restante_interface::{ContactInfo, ConversationInfo, HistoryMessage, MessageCode, SendResult};
use restante_tests::{Cluster, Node, eventually};
use serde::de::DeserializeOwned;

/// Two people who have accepted each other and are in a conversation.
fn friends(cluster: &Cluster) -> (Node, Node) {
    let (alice, bob) = (cluster.person("alice"), cluster.person("bob"));
    Cluster::await_card(&alice);
    Cluster::await_card(&bob);
    alice
        .say(&["contact", "add", &bob.id(), "--name", "Bob"])
        .done();
    alice.send(&bob.id(), b"hello", &[]);
    assert_eq!(bob.inbox_until(1).len(), 1);
    bob.say(&["contact", "accept", &alice.id()]).done();
    bob.send(&alice.id(), b"hello yourself", &[]);
    assert_eq!(alice.inbox_until(1).len(), 1);
    (alice, bob)
}

/// Reads what a command prints as JSON, a value a line.
fn told<T: DeserializeOwned>(node: &Node, arguments: &[&str]) -> Vec<T> {
    let said = node.say(&[arguments, &["--json"]].concat()).done();
    let lines = said.lines().map(serde_json::from_str);
    lines.collect::<Result<_, _>>().expect("lines of JSON")
}

fn history(node: &Node, who: &str) -> Vec<HistoryMessage> {
    told(node, &["history", who])
}

/// Returns the only message of a person's that says this, waiting for it.
fn awaited(node: &Node, who: &str, text: &str) -> HistoryMessage {
    eventually(text, || {
        let history = history(node, who).into_iter();
        let mut said = history.filter(|it| it.text.as_ref().is_some_and(|it| it.0 == text));
        let found = said.next()?;
        assert!(said.next().is_none(), "{text} is there twice");
        Some(found)
    })
}

#[test]
fn both_sides_see_answers_edits_reactions_and_what_was_taken_back() {
    let cluster = Cluster::of_servers(5);
    let (alice, bob) = friends(&cluster);
    let (alice_id, bob_id) = (alice.id(), bob.id());

    // An answer names what it answers, by the beginning of its id.
    let first = awaited(&bob, &alice_id, "hello");
    bob.say(&["send", &alice_id, "--reply-to", &first.id[..8], "to that"])
        .done();
    let answer = awaited(&alice, "Bob", "to that");
    let said = history(&alice, "Bob");
    let answered = said
        .iter()
        .find(|it| Some(&it.id) == answer.reply_to.as_ref());
    assert_eq!(answered.unwrap().text.as_ref().unwrap().0, "hello");

    // An edit takes the place of what it changes.
    let sent = alice.send(&bob_id, b"see you at ate", &[]);
    awaited(&bob, &alice_id, "see you at ate");
    let edit = ["edit", &sent.message_id[..10], "see you at eight"];
    let edited: Vec<SendResult> = told(&alice, &edit);
    assert_ne!(edited[0].message_id, sent.message_id);
    let theirs = awaited(&bob, &alice_id, "see you at eight");
    assert!(theirs.edited_ms.is_some());
    let texts = |node: &Node, who: &str| -> Vec<String> {
        let history = history(node, who).into_iter();
        history.filter_map(|it| it.text).map(|it| it.0).collect()
    };
    let expected = ["hello", "hello yourself", "to that", "see you at eight"];
    assert_eq!(texts(&alice, "Bob"), expected);
    assert_eq!(texts(&bob, &alice_id), expected);

    // A reaction is seen by both, and taken back by who made it.
    bob.say(&["react", &theirs.id, "\u{1f44d}"]).done();
    let reactions = |node: &Node, who: &str| history(node, who).pop().unwrap().reactions;
    eventually("the reaction is there", || {
        let reactions = reactions(&alice, "Bob");
        (reactions.len() == 1 && !reactions[0].own).then_some(())
    });
    let shown = alice.say(&["history", "Bob"]).done();
    assert!(shown.contains("(\u{1f44d} Bob)"), "{shown}");
    bob.say(&["react", &theirs.id, "--remove"]).done();
    eventually("the reaction is gone", || {
        reactions(&alice, "Bob").is_empty().then_some(())
    });

    // What is taken back is gone on both sides.
    alice.say(&["recall", &sent.message_id]).done();
    let last = history(&alice, "Bob").pop().unwrap();
    assert_eq!((last.text, last.code), (None, Some(MessageCode::Recalled)));
    eventually("it is gone there too", || {
        let last = history(&bob, &alice_id).pop().unwrap();
        (last.recalled_ms.is_some() && last.text.is_none()).then_some(())
    });
    let again = alice.say(&["edit", &sent.message_id, "after all"]);
    again.refused(1, &["no message"]);
}

#[test]
fn what_burns_goes_on_both_sides_and_what_is_set_for_a_contact_holds() {
    let cluster = Cluster::of_servers(5);
    let (alice, mut bob) = friends(&cluster);
    let alice_id = alice.id();
    let set = [
        "contact", "set", "Bob", "--burn", "3s", "--ttl", "1h", "--pin", "on",
    ];
    let set: Vec<ContactInfo> = told(&alice, &set);
    let [set] = set.as_slice() else {
        panic!("{set:?}");
    };
    let times = (set.burn_ms, set.ttl_ms, set.pinned);
    assert_eq!(times, (Some(3_000), Some(3_600_000), true));
    alice.say(&["send", "Bob", "for your eyes"]).done();
    let sealed = |node: &Node| {
        let last = history(node, &alice_id).pop().unwrap();
        (last.burn_ms == Some(3_000)).then_some(last)
    };
    let before = eventually("it has arrived", || sealed(&bob));
    assert_eq!((before.text, before.read_ms), (None, None));
    let listed: Vec<ConversationInfo> = told(&bob, &["conversations"]);
    assert_eq!((listed.len(), listed[0].unread), (1, 1));
    assert_eq!(bob.inbox_until(1).len(), 1);
    for (node, who) in [(&alice, "Bob"), (&bob, alice_id.as_str())] {
        eventually("it has burned", || {
            let history = history(node, who);
            history.iter().all(|it| it.burn_ms.is_none()).then_some(())
        });
    }
    // It stays so.
    bob.restart(&[]);
    assert!(
        history(&bob, &alice_id)
            .iter()
            .all(|it| it.burn_ms.is_none())
    );
    let shown = alice.say(&["contact", "rename", "Bob", "Robert"]).done();
    assert!(shown.contains("called Robert"), "{shown}");
    alice.say(&["contact", "remove", "Robert"]).done();
    let gone = alice.say(&["history", &bob.id()]);
    gone.refused(1, &["not among the contacts"]);
    assert_eq!(alice.contacts(), []);
}
