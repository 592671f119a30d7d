//! What was said on both sides, and messages about messages (SPEC 10.10).

use restante_interface::{
    Body, ContactChange, ConversationInfo, DeliveryState, HistoryMessage, HistoryRequest,
    MessageCode, Refusal, Reply, Request as Call, SendRequest, StoreTrouble,
};
use restante_proto::limits::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS};
use restante_proto::message::MessageId;

use super::world::World;
use crate::io::CallId;

fn ask(world: &mut World, person: usize, call: Call) -> Result<Reply, Refusal> {
    let call = world.call(person, call);
    world.settle();
    world.people[person].replies.get(&call).unwrap().clone()
}

fn done(world: &mut World, person: usize, call: Call) {
    assert_eq!(ask(world, person, call), Ok(Reply::Done));
}

/// Returns what was said between a person and another, the oldest first.
fn history(world: &mut World, person: usize, other: usize) -> Vec<HistoryMessage> {
    let who = world.id(other);
    let (mut all, mut before) = (Vec::new(), None);
    loop {
        let request = HistoryRequest {
            who: who.clone(),
            before,
            count: Some(2),
        };
        let Ok(Reply::History(page)) = ask(world, person, Call::History(request)) else {
            panic!("the history is not told");
        };
        all.extend(page.messages);
        before = all.last().map(|last: &HistoryMessage| last.id.clone());
        if !page.more {
            break;
        }
    }
    all.reverse();
    all
}

/// Returns the words that a person has, its own marked.
fn words(world: &mut World, person: usize, other: usize) -> Vec<String> {
    let history = history(world, person, other);
    let shown = history.into_iter().map(|it| match (it.own, it.text) {
        (true, Some(text)) => format!("> {}", text.0),
        (false, Some(text)) => format!("< {}", text.0),
        (true, None) => ">".to_owned(),
        (false, None) => "<".to_owned(),
    });
    shown.collect()
}

fn message(to: String, text: &str) -> SendRequest {
    SendRequest {
        to,
        body: Body::new(text.as_bytes().to_vec()),
        ttl_ms: None,
        burn_ms: None,
        file_name: None,
        effort_max: None,
        reply_to: None,
        replaces: None,
        wait: false,
    }
}

fn reply(world: &mut World, from: usize, to: usize, text: &str, reply_to: &str) -> CallId {
    let to = world.id(to);
    let request = SendRequest {
        reply_to: Some(reply_to.to_owned()),
        ..message(to, text)
    };
    world.call(from, Call::Send(request))
}

fn edit(world: &mut World, from: usize, id: &str, text: &str) -> CallId {
    let request = SendRequest {
        replaces: Some(id.to_owned()),
        ..message(String::new(), text)
    };
    let call = world.call(from, Call::Send(request));
    world.run(SECOND_MS);
    call
}

fn react(world: &mut World, person: usize, id: &str, emoji: &str) {
    let (id, emoji) = (id.to_owned(), emoji.to_owned());
    done(world, person, Call::React { id, emoji });
}

fn recall(world: &mut World, person: usize, id: &str) {
    let ids = vec![id.to_owned()];
    done(world, person, Call::Recall { ids });
}

/// Returns the reactions to the last message that a person has.
fn reactions(world: &mut World, person: usize, other: usize) -> Vec<(bool, String)> {
    let last = history(world, person, other).pop().unwrap();
    let reactions = last.reactions.into_iter();
    reactions.map(|it| (it.own, it.emoji)).collect()
}

/// Counts the bodies on a person's disk.
fn bodies(world: &World, person: usize) -> usize {
    let rows = world.people[person].disk.rows();
    let own = rows
        .sent
        .values()
        .filter(|sent| sent.words.slot().is_some());
    let received = rows.inbox.values().filter(|header| header.slot.is_some());
    own.count() + received.count()
}

#[test]
fn both_have_what_both_said_in_its_order() {
    let mut world = World::friends(61, 2);
    for (from, to, text) in [(0, 1, "one"), (1, 0, "two"), (0, 1, "three")] {
        world.send(from, to, text);
        world.run(10 * SECOND_MS);
    }
    world.run(MINUTE_MS);
    let first = history(&mut world, 0, 1);
    let second = first.iter().find(|it| it.text.as_ref().unwrap().0 == "two");
    let second = second.unwrap().id.clone();
    reply(&mut world, 0, 1, "four", &second[..8]);
    world.run(MINUTE_MS);
    let (ours, theirs) = (words(&mut world, 0, 1), words(&mut world, 1, 0));
    let tail = |all: &[String]| all[all.len() - 4..].join(" ");
    assert_eq!(tail(&ours), "> one < two > three > four");
    assert_eq!(tail(&theirs), "< one > two < three < four");
    let last = history(&mut world, 0, 1).pop().unwrap();
    assert_eq!(last.reply_to, Some(second));
    assert_eq!(last.code, Some(MessageCode::Delivered));
    // The other side names its own message by its own name.
    let theirs = history(&mut world, 1, 0);
    let answered = theirs.last().unwrap().reply_to.clone().unwrap();
    let answered = theirs.iter().find(|it| it.id == answered).unwrap();
    assert_eq!(answered.text.as_ref().unwrap().0, "two");
    // A restart changes nothing, and what is over is gone.
    world.restart(0);
    assert_eq!(words(&mut world, 0, 1), ours);
    world.run(7 * DAY_MS);
    assert!(words(&mut world, 0, 1).is_empty() && words(&mut world, 1, 0).is_empty());
    assert_eq!((bodies(&world, 0), bodies(&world, 1)), (0, 0));
}

#[test]
fn an_edit_takes_the_place_of_what_was_said() {
    let mut world = World::friends(62, 2);
    world.send(0, 1, "the frist");
    world.run(MINUTE_MS);
    world.send(0, 1, "after it");
    world.run(MINUTE_MS);
    world.mark_read(1);
    let ours = history(&mut world, 0, 1);
    let of = ours[ours.len() - 2].id.clone();
    edit(&mut world, 0, &of, "the first");
    world.run(MINUTE_MS);
    edit(&mut world, 0, &of[..8], "the very first");
    world.run(MINUTE_MS);
    let (ours, theirs) = (history(&mut world, 0, 1), history(&mut world, 1, 0));
    for all in [&ours, &theirs] {
        let [.., edited, last] = all.as_slice() else {
            panic!()
        };
        assert_eq!(edited.text.as_ref().unwrap().0, "the very first");
        assert!(edited.edited_ms.is_some() && last.edited_ms.is_none());
    }
    // What was read stays read, and nothing of the words before is left.
    assert!(theirs[theirs.len() - 2].read_ms.is_some());
    assert_eq!(bodies(&world, 0), bodies(&world, 1));
    assert_eq!(ours.len(), theirs.len());
    let code = ours[ours.len() - 2].code;
    assert_eq!(code, Some(MessageCode::Delivered));
    // Nobody changes what somebody else said.
    let foreign = theirs.last().unwrap().id.clone();
    let call = edit(&mut world, 1, &foreign, "never said");
    let refused = world.people[1].replies.get(&call).unwrap().clone();
    assert_eq!(refused, Err(Refusal::NoSuchMessage { id: foreign }));
}

/// Who is away gets the words as they are when it comes back, once, and the message counts as delivered.
#[test]
fn an_edit_of_what_was_not_collected_yet_is_all_that_arrives() {
    let mut world = World::friends(63, 2);
    let before = words(&mut world, 1, 0).len();
    let id = world.id(1);
    let away = world.people.remove(1);
    let call = world.send_to(0, &id, "a mistake");
    world.run(MINUTE_MS);
    let sent = world.sent(0, call).unwrap().message_id.clone();
    edit(&mut world, 0, &sent, "as it should be");
    world.run(HOUR_MS);
    world.people.push(away);
    world.restart(1);
    world.run(5 * MINUTE_MS);
    let theirs = words(&mut world, 1, 0);
    assert_eq!(theirs[before..], ["< as it should be"]);
    let ours = history(&mut world, 0, 1).pop().unwrap();
    assert_eq!((ours.id, ours.code), (sent, Some(MessageCode::Delivered)));
}

#[test]
fn what_is_taken_back_is_gone_on_both_sides() {
    let mut world = World::friends(64, 2);
    world.send(0, 1, "regretted");
    world.run(MINUTE_MS);
    let (bodies_before, id) = (
        bodies(&world, 1),
        history(&mut world, 0, 1).pop().unwrap().id,
    );
    react(&mut world, 0, &id, "\u{1f44d}");
    world.run(MINUTE_MS);
    recall(&mut world, 0, &id);
    assert_eq!(words(&mut world, 0, 1).last().unwrap(), ">");
    world.run(MINUTE_MS);
    for (person, other) in [(0, 1), (1, 0)] {
        let last = history(&mut world, person, other).pop().unwrap();
        assert!(last.recalled_ms.is_some() && last.text.is_none());
        assert!(last.reactions.is_empty());
    }
    assert_eq!(bodies(&world, 1), bodies_before - 1);
    assert!(!world.texts(1).contains("regretted"));
    // It cannot be changed any more.
    let call = edit(&mut world, 0, &id, "after all");
    let refused = world.people[0].replies.get(&call).unwrap().clone();
    assert_eq!(refused, Err(Refusal::NoSuchMessage { id }));
    // Nobody takes back what somebody else said.
    let theirs = history(&mut world, 1, 0).pop().unwrap().id;
    let ids = vec![theirs.clone()];
    let refused = ask(&mut world, 1, Call::Recall { ids });
    assert_eq!(refused, Err(Refusal::NoSuchMessage { id: theirs }));
}

#[test]
fn what_is_taken_back_before_it_is_collected_is_never_shown() {
    let mut world = World::friends(65, 2);
    let before = words(&mut world, 1, 0).len();
    let id = world.id(1);
    let away = world.people.remove(1);
    let call = world.send_to(0, &id, "never to be read");
    world.run(MINUTE_MS);
    let sent = world.sent(0, call).unwrap().message_id.clone();
    recall(&mut world, 0, &sent);
    world.run(HOUR_MS);
    world.people.push(away);
    world.restart(1);
    for _ in 0..300 {
        world.run(SECOND_MS);
        assert!(!world.texts(1).contains("never to be read"));
    }
    let theirs = words(&mut world, 1, 0);
    assert!(
        theirs[before..].iter().all(|shown| shown == "<"),
        "{theirs:?}"
    );
    let ours = history(&mut world, 0, 1).pop().unwrap();
    assert_eq!(ours.code, Some(MessageCode::Recalled));
}

#[test]
fn reactions_are_one_of_each_side_and_the_last_counts() {
    let mut world = World::friends(66, 2);
    world.send(0, 1, "what do you say?");
    world.run(MINUTE_MS);
    let theirs = history(&mut world, 1, 0).pop().unwrap().id;
    let ours = history(&mut world, 0, 1).pop().unwrap().id;
    let (up, down) = ("\u{1f44d}", "\u{1f44e}");
    react(&mut world, 1, &theirs, down);
    world.run(SECOND_MS);
    react(&mut world, 1, &theirs, up);
    world.run(MINUTE_MS);
    let one = |own: bool, emoji: &str| (own, emoji.to_owned());
    assert_eq!(reactions(&mut world, 0, 1), [one(false, up)]);
    assert_eq!(reactions(&mut world, 1, 0), [one(true, up)]);
    react(&mut world, 0, &ours, down);
    world.run(MINUTE_MS);
    let mut seen = reactions(&mut world, 1, 0);
    seen.sort();
    assert_eq!(seen, [one(false, down), one(true, up)]);
    react(&mut world, 1, &theirs, "");
    world.run(MINUTE_MS);
    assert_eq!(reactions(&mut world, 0, 1), [one(true, down)]);
    world.run(7 * DAY_MS);
    for person in [0, 1] {
        assert!(world.people[person].disk.rows().reactions.is_empty());
    }
}

#[test]
fn what_was_read_is_told_if_it_burns_or_the_person_says_so() {
    let mut world = World::friends(67, 2);
    world.send(0, 1, "read in silence");
    world.run(MINUTE_MS);
    world.mark_read(1);
    world.run(MINUTE_MS);
    let last = history(&mut world, 0, 1).pop().unwrap();
    assert_eq!(
        (last.code, last.read_ms),
        (Some(MessageCode::Delivered), None)
    );
    let who = world.id(0);
    let change = ContactChange {
        tells_read: Some(true),
        ..ContactChange::default()
    };
    ask(&mut world, 1, Call::ContactSet { who, change }).unwrap();
    world.send(0, 1, "read aloud");
    world.run(MINUTE_MS);
    world.mark_read(1);
    world.run(MINUTE_MS);
    let last = history(&mut world, 0, 1).pop().unwrap();
    assert_eq!(last.code, Some(MessageCode::Read));
    assert!(last.read_ms.is_some());
}

#[test]
fn what_burns_goes_on_both_sides_as_long_after_it_was_read() {
    let mut world = World::friends(68, 2);
    let id = world.id(1);
    world.send_with(0, &id, "burns", Some(30 * SECOND_MS));
    world.run(MINUTE_MS);
    // What burns is sealed until it is opened.
    assert_eq!(words(&mut world, 1, 0).last().unwrap(), "<");
    assert_eq!(words(&mut world, 0, 1).last().unwrap(), "> burns");
    world.mark_read(1);
    world.run(20 * SECOND_MS);
    assert_eq!(words(&mut world, 1, 0).last().unwrap(), "< burns");
    world.run(15 * SECOND_MS);
    for (person, other) in [(0, 1), (1, 0)] {
        let shown = words(&mut world, person, other);
        assert!(
            !shown.iter().any(|words| words.contains("burns")),
            "{shown:?}"
        );
    }
    let rows = world.people[0].disk.rows();
    let mut sent = rows.sent.values();
    assert!(sent.all(|sent| sent.burn_ms == 0 || sent.words.slot().is_none()));
}

#[test]
fn what_is_set_for_a_contact_holds_for_what_is_sent_to_it() {
    let mut world = World::friends(69, 2);
    let who = world.id(1);
    let change = ContactChange {
        petname: Some(" Bob ".to_owned()),
        ttl_ms: Some(DAY_MS),
        burn_ms: Some(HOUR_MS),
        pinned: Some(true),
        ..ContactChange::default()
    };
    let set = Call::ContactSet {
        who: who.clone(),
        change,
    };
    let Ok(Reply::Contact(contact)) = ask(&mut world, 0, set) else {
        panic!()
    };
    assert_eq!(contact.petname.as_deref(), Some("Bob"));
    world.call(0, Call::Send(message("bob".to_owned(), "as usual")));
    let longer = SendRequest {
        ttl_ms: Some(3 * DAY_MS),
        burn_ms: Some(2 * DAY_MS),
        ..message(who, "longer")
    };
    world.call(0, Call::Send(longer));
    world.run(MINUTE_MS);
    let ours = history(&mut world, 0, 1);
    let lives: Vec<_> = ours[ours.len() - 2..]
        .iter()
        .map(|it| (it.expires_ms - it.sent_ms, it.burn_ms))
        .collect();
    assert_eq!(
        lives,
        [(DAY_MS, Some(HOUR_MS)), (3 * DAY_MS, Some(2 * DAY_MS))]
    );
    let after = None;
    let Ok(Reply::Conversations(page)) = ask(&mut world, 1, Call::Conversations { after }) else {
        panic!()
    };
    let unread: Vec<_> = page.conversations.iter().map(|it| it.unread).collect();
    assert_eq!(unread, [world.people[1].disk.rows().inbox.len() as u32]);
}

#[test]
fn conversations_are_ordered_by_what_was_said_last_and_a_removed_one_is_gone() {
    let mut world = World::friends(70, 3);
    let listed = |world: &mut World| -> Vec<ConversationInfo> {
        let after = None;
        match ask(world, 0, Call::Conversations { after }) {
            Ok(Reply::Conversations(page)) => page.conversations,
            other => panic!("{other:?}"),
        }
    };
    let (one, two) = (world.id(1), world.id(2));
    for to in [&one, &two] {
        world.send_to(0, to, &format!("to {to}"));
        world.run(MINUTE_MS);
    }
    let ids = |list: &[ConversationInfo]| -> Vec<String> {
        list.iter().map(|it| it.contact.id.clone()).collect()
    };
    let list = listed(&mut world);
    assert_eq!(ids(&list), [two.clone(), one.clone()]);
    let last = list[0].last.as_ref().unwrap();
    assert_eq!(last.text.as_ref().unwrap().0, format!("to {two}"));
    let change = ContactChange {
        pinned: Some(true),
        ..ContactChange::default()
    };
    let who = one.clone();
    ask(&mut world, 0, Call::ContactSet { who, change }).unwrap();
    assert_eq!(ids(&listed(&mut world)), [one.clone(), two.clone()]);
    done(&mut world, 0, Call::ContactRemove { who: one });
    assert_eq!(ids(&listed(&mut world)), [two]);
    world.restart(0);
    let removed = world.people[1].core.account().identity.account;
    let rows = world.people[0].disk.rows();
    assert!(
        rows.outgoing
            .values()
            .all(|outgoing| outgoing.to != removed)
    );
    assert!(!rows.contacts.contains_key(&removed));
    assert_eq!(bodies(&world, 0), rows.sent.len() + rows.inbox.len());
}

#[test]
fn what_is_destroyed_here_stays_there() {
    let mut world = World::friends(71, 2);
    world.send(0, 1, "mine");
    world.run(MINUTE_MS);
    let id = history(&mut world, 0, 1).pop().unwrap().id;
    let left = words(&mut world, 0, 1).len() - 1;
    let unknown = MessageId::new([9; 16]).to_string();
    let ids = vec![id, unknown];
    done(&mut world, 0, Call::Delete { ids });
    assert_eq!(words(&mut world, 0, 1).len(), left);
    assert_eq!(words(&mut world, 1, 0).last().unwrap(), "< mine");
    let theirs = history(&mut world, 1, 0).pop().unwrap().id;
    let ids = vec![theirs];
    done(&mut world, 1, Call::Delete { ids });
    assert!(!words(&mut world, 1, 0).contains(&"< mine".to_owned()));
}

/// What was read is the message, in whatever form: all its words burn.
#[test]
fn what_burns_and_was_changed_burns_on_both_sides() {
    for is_read_before in [true, false] {
        let mut world = World::friends(72, 2);
        let id = world.id(1);
        let call = world.send_with(0, &id, "burns", Some(2 * MINUTE_MS));
        world.run(SECOND_MS);
        let sent = world.sent(0, call).unwrap().message_id.clone();
        if is_read_before {
            world.mark_read(1);
            world.run(10 * SECOND_MS);
        }
        edit(&mut world, 0, &sent, "burns as well");
        world.run(10 * SECOND_MS);
        world.mark_read(1);
        world.run(30 * SECOND_MS);
        let shown = words(&mut world, 0, 1);
        assert_eq!(shown.last().unwrap(), "> burns as well");
        world.run(3 * MINUTE_MS);
        for (person, other) in [(0, 1), (1, 0)] {
            let shown = words(&mut world, person, other);
            assert!(!shown.iter().any(|it| it.contains("burns")), "{shown:?}");
        }
        let sent = world.people[0].disk.rows().sent.values();
        let mut burning = sent.filter(|sent| sent.burn_ms > 0);
        assert!(burning.all(|sent| sent.words.slot().is_none()));
    }
}

#[test]
fn an_edit_that_the_store_refuses_changes_nothing() {
    let mut world = World::friends(73, 2);
    world.send(0, 1, "as it was");
    world.run(MINUTE_MS);
    let id = history(&mut world, 0, 1).pop().unwrap().id;
    world.people[0].trouble = Some(StoreTrouble::DiskFull);
    let call = edit(&mut world, 0, &id, "otherwise");
    let refused = &world.people[0].replies[&call];
    assert!(matches!(refused, Err(Refusal::NotStored { .. })));
    world.people[0].trouble = None;
    world.run(2 * MINUTE_MS);
    assert_eq!(words(&mut world, 0, 1).last().unwrap(), "> as it was");
    assert_eq!(words(&mut world, 1, 0).last().unwrap(), "< as it was");
    edit(&mut world, 0, &id, "otherwise");
    world.run(MINUTE_MS);
    assert_eq!(words(&mut world, 0, 1).last().unwrap(), "> otherwise");
}

#[test]
fn what_is_taken_back_before_it_arrives_counts_as_delivered_to_nobody() {
    let mut world = World::friends(74, 2);
    let id = world.id(1);
    let away = world.people.remove(1);
    let request = SendRequest {
        wait: true,
        ..message(id, "regretted")
    };
    world.is_cut_off = true;
    let call = world.call(0, Call::Send(request));
    world.run(MINUTE_MS);
    let sent = world.people[0].disk.rows().sent.iter();
    let sent = sent.filter(|(_, sent)| sent.state == DeliveryState::Waiting);
    let sent: Vec<String> = sent.map(|(id, _)| id.to_string()).collect();
    // Named twice, in two ways.
    let ids = vec![sent[0].clone(), sent[0][..9].to_owned()];
    done(&mut world, 0, Call::Recall { ids });
    let told = world.sent(0, call).unwrap();
    assert_eq!(
        (told.state, told.code),
        (DeliveryState::Expired, MessageCode::Recalled)
    );
    world.is_cut_off = false;
    world.people.push(away);
    world.restart(1);
    world.run(30 * MINUTE_MS);
    assert!(!world.texts(1).contains("regretted"));
}

/// What a stranger sends together is what it sent: nothing takes the place of anything.
#[test]
fn a_stranger_changes_nothing_that_it_has_sent() {
    let mut world = World::new(75, 2, 6);
    world.warm_up();
    let id = world.id(1);
    let away = world.people.remove(1);
    let call = world.send_to(0, &id, "one");
    world.run(MINUTE_MS);
    let sent = world.sent(0, call).unwrap().message_id.clone();
    world.people.push(away);
    world.is_cut_off = true;
    edit(&mut world, 0, &sent, "two");
    world.is_cut_off = false;
    world.restart(1);
    world.run(30 * MINUTE_MS);
    let texts = world.texts(1);
    assert!(texts.contains("one") && texts.contains("two"), "{texts:?}");
}
