//! What two people say to each other, at the command line: both sides have it, and what one does to it the other sees.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Stdio};
use std::sync::mpsc;
use std::thread;

use restante_interface::{ContactInfo, ConversationInfo, HistoryMessage, MessageCode, SendResult};
use restante_tests::{Cluster, Node, PATIENCE, eventually};
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

/// A conversation as it goes on: each of two pipes shows what both say, once.
#[test]
fn a_chat_shows_what_both_say_as_they_say_it() {
    let cluster = Cluster::of_servers(5);
    let (alice, bob) = friends(&cluster);
    let (mut here, mut there) = (Chat::of(&alice, "Bob"), Chat::of(&bob, &alice.id()));
    here.until("> hello yourself");
    there.until("> hello yourself");
    here.type_line("see you at ate");
    let number = number_in(&there.until("> see you at ate"));
    let own = number_in(&here.until("you> see you at ate"));
    here.type_line(&format!("/edit {own} see you at eight"));
    there.until(&format!("changed {number}> see you at eight"));
    there.type_line(&format!("/react {number} \u{1f44d}"));
    here.until(&format!("reacted to {own} with \u{1f44d}"));
    there.type_line(&format!("/reply {number} with pleasure"));
    here.until(&format!("(to {own})> with pleasure"));
    here.type_line("/dance");
    here.until("there is no /dance");
    here.type_line(&format!("/recall {own}"));
    there.until(&format!("took {number} back"));
    // What is typed is sent, in its order, although the chat ends; what was shown is read.
    for number in 0..5 {
        there.type_line(&format!("number {number}"));
    }
    there.type_line("/quit");
    let shown = there.end();
    assert_eq!(shown.matches("> see you at ate").count(), 1, "{shown}");
    here.until("> number 4");
    let shown = here.end();
    let numbers: Vec<_> = shown.matches("> number ").collect();
    assert_eq!(numbers.len(), 5, "{shown}");
    let place = |number: usize| shown.find(&format!("> number {number}")).unwrap();
    assert!(
        (0..4).all(|number| place(number) < place(number + 1)),
        "{shown}"
    );
    assert_eq!(shown.matches("with pleasure").count(), 1, "{shown}");
    assert_eq!((alice.status().unread, bob.status().unread), (0, 0));
}

/// Returns the number of the message that a line shows.
fn number_in(line: &str) -> usize {
    let number = line.split_whitespace().next().unwrap();
    number.parse().unwrap_or_else(|_| panic!("{line}"))
}

/// `restante chat` at a pipe.
struct Chat {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: mpsc::Receiver<String>,
    shown: String,
}

impl Chat {
    fn of(node: &Node, who: &str) -> Self {
        let mut child = node
            .command(&["chat", who])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (told, lines) = mpsc::sync_channel(1_024);
        let stdout = BufReader::new(child.stdout.take().unwrap());
        thread::spawn(move || {
            let lines = stdout.lines().map_while(Result::ok);
            lines.for_each(|line| drop(told.send(line)));
        });
        Self {
            stdin: child.stdin.take(),
            child,
            lines,
            shown: String::new(),
        }
    }

    fn type_line(&mut self, line: &str) {
        writeln!(self.stdin.as_mut().unwrap(), "{line}").unwrap();
    }

    /// Reads on to a line that has this in it, and returns that.
    #[track_caller]
    fn until(&mut self, text: &str) -> String {
        loop {
            let line = self.lines.recv_timeout(PATIENCE);
            let line = line.unwrap_or_else(|_| panic!("{text} is not in\n{}", self.shown));
            self.shown.push_str(&line);
            self.shown.push('\n');
            if line.contains(text) {
                return line;
            }
        }
    }

    /// Ends it, and returns all that was shown.
    fn end(mut self) -> String {
        drop(self.stdin.take());
        let status = self.child.wait().unwrap();
        assert!(status.success(), "{status}");
        while let Ok(line) = self.lines.recv_timeout(PATIENCE) {
            self.shown.push_str(&line);
            self.shown.push('\n');
        }
        self.shown
    }
}
