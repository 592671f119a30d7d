//! Whom a person means by a name.

use restante_proto::account::Identity;
use restante_proto::keys::SecretKey;
use restante_proto::person::IdCost;

use super::*;
use crate::model::Account;
use crate::records::Loaded;

fn identity(seed: u8, handle: &str) -> Identity {
    Identity::new(
        &SecretKey::from_seed(&[seed; 32]),
        1,
        SecretKey::from_seed(&[seed ^ 0xff; 32]),
        handle.parse().unwrap(),
    )
}

/// Records with these contacts: handle, private name and how they stand.
fn records(contacts: &[(&str, Option<&str>, ContactState)]) -> Records {
    let own = identity(100, "me");
    let mut records = Records::new(Loaded::of(Account {
        id: own.person_id(IdCost::CheapForTests),
        node: SecretKey::from_seed(&[101; 32]),
        identity: own,
        created: UnixMillis::new(1),
        former: Vec::new(),
        shut_out: false,
    }));
    for ((handle, petname, state), seed) in contacts.iter().zip(1..) {
        let identity = identity(seed, handle);
        let id = identity.person_id(IdCost::CheapForTests);
        let account = identity.account;
        let mut contact = Contact::new(account, id, *state, UnixMillis::new(1));
        contact.petname = petname.map(str::to_owned);
        records.put_contact(contact);
    }
    records
}

/// Returns the handle of whom a text is understood as, or the code of the refusal.
fn meant(records: &Records, text: &str) -> String {
    match addressee(records, text) {
        Ok(who) => who.id.handle.to_string(),
        Err(refusal) => refusal.code().to_owned(),
    }
}

#[test]
fn a_private_name_goes_before_a_handle_and_case_does_not_matter() {
    use ContactState::Accepted;
    let records = records(&[
        ("bob", Some("Robert"), Accepted),
        ("robert", None, Accepted),
        ("carol", Some("\u{c4}rzte \u{fc}ber"), Accepted),
    ]);
    for (text, handle) in [
        ("Robert", "bob"),
        (" ROBERT ", "bob"),
        ("BOB", "bob"),
        ("\u{e4}rzte \u{dc}BER", "carol"),
        ("nobody", "unknown_name"),
        ("", "invalid_id"),
        ("bob.", "invalid_id"),
        ("restante:bob", "invalid_id"),
    ] {
        assert_eq!(meant(&records, text), handle, "{text:?}");
    }
}

#[test]
fn a_name_that_several_have_names_nobody() {
    use ContactState::Accepted;
    let same = |count: usize| vec![("bob", Some("Bob"), Accepted); count];
    let records = records(&same(20));
    match addressee(&records, "bob") {
        Err(Refusal::AmbiguousName { name, ids }) => {
            assert_eq!((name.as_str(), ids.len()), ("bob", NAMESAKES_SHOWN_MAX));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_stranger_does_not_take_a_friends_place() {
    use ContactState::{Accepted, Blocked, Request};
    let friend = [("bob", None, Request), ("bob", None, Accepted)];
    assert_eq!(meant(&records(&friend), "bob"), "bob");
    let stranger = records(&friend[..1]);
    assert_eq!(meant(&stranger, "bob"), "unknown_name");
    // Who accepts or blocks somebody means strangers too.
    assert_eq!(named(&stranger, "bob").unwrap().1.state, Request);
    let blocked = records(&[("bob", None, Blocked)]);
    assert_eq!(meant(&blocked, "bob"), "bob");
}

#[test]
fn a_contact_is_called_by_each_handle_that_its_person_has_used() {
    use ContactState::Accepted;
    let mut records = records(&[("bob", None, Accepted), ("carol", None, Accepted)]);
    let account = identity(1, "bob").account;
    let id = |handle| identity(1, handle).person_id(IdCost::CheapForTests);
    let mut contact = records.contacts()[&account].clone();
    // What bob calls himself is no way into the place of carol.
    contact.hear_under(&id("carol"));
    contact.hear_under(&id("dave"));
    contact.ids.learn(&id("robert"), true);
    records.put_contact(contact);
    let carol = identity(2, "carol").person_id(IdCost::CheapForTests);
    assert_eq!(addressee(&records, "carol").unwrap().id, carol);
    assert_eq!(addressee(&records, "robert").unwrap().id, id("robert"));
    assert_eq!(addressee(&records, "bob").unwrap().id, id("bob"));
    assert_eq!(meant(&records, "dave"), "unknown_name");
}
