//! Who is in a conversation, and what they say to each other.

use chacha20::ChaCha20Rng;
use rand::SeedableRng as _;
use restante_proto::Address;

use super::{Device, conversation, three};
use crate::conversation::{Opened, Wanted};
use crate::key_package;
use crate::{Conversation, ConversationError};

#[test]
fn all_devices_of_both_sides_read_what_one_says() {
    let [mut a, mut b, mut c] = three();
    assert_eq!(a.members().len(), 3);
    assert_eq!(a.head(), c.head());
    let sealed = a.seal("hello");
    for reader in [&mut b, &mut c] {
        let opened = reader.open(&sealed.epoch, &sealed.message).unwrap();
        let Opened::Text { sender, body } = opened else {
            panic!("no text");
        };
        assert_eq!(sender, a.member());
        assert_eq!(body.as_slice(), b"hello");
    }
    let answer = c.seal("good day");
    assert_eq!(a.read(&answer).unwrap(), "good day");
    assert_eq!(b.read(&answer).unwrap(), "good day");
}

#[test]
fn what_was_opened_is_not_opened_again_and_ones_own_words_are_known() {
    let [mut a, mut b, _] = three();
    let sealed = a.seal("once");
    b.read(&sealed).unwrap();
    assert_eq!(b.read(&sealed), Err(ConversationError::OpenedBefore));
    b.restart();
    assert_eq!(b.read(&sealed), Err(ConversationError::OpenedBefore));
    assert_eq!(a.read(&sealed), Err(ConversationError::OpenedBefore));
}

#[test]
fn the_order_in_which_texts_come_does_not_matter() {
    let [mut a, mut b, _] = three();
    let sealed: Vec<_> = (0..200).map(|i| a.seal(&i.to_string())).collect();
    for (i, sealed) in sealed.iter().enumerate().rev() {
        assert_eq!(b.read(sealed).unwrap(), i.to_string());
    }
}

#[test]
fn a_device_is_added_and_removed_by_one_of_its_account() {
    let [mut a, mut b, mut c] = three();
    let mut new = Device::new(2, 2);
    let added = c.commit(&new.wanted());
    for other in [&mut a, &mut b] {
        assert!(matches!(
            other.follow(&added),
            Ok(Opened::Commit { moved: true, .. })
        ));
        assert_eq!(other.head(), added.epoch);
    }
    new.try_join(added.welcome.as_ref().unwrap()).unwrap();
    assert_eq!(new.head(), added.epoch);
    let sealed = a.seal("all four");
    for reader in [&mut b, &mut c, &mut new] {
        assert_eq!(reader.read(&sealed).unwrap(), "all four");
    }

    let wanted = Wanted {
        remove: [c.key()].into(),
        ..Wanted::default()
    };
    let removed = new.commit(&wanted);
    let told = c.follow(&removed).unwrap();
    assert_eq!(told, Opened::Removed { by: new.member() });
    for other in [&mut a, &mut b] {
        other.follow(&removed).unwrap();
        assert!(!other.members().contains(&c.member()));
    }
    let sealed = b.seal("three again");
    assert_eq!(new.read(&sealed).unwrap(), "three again");
    // What it has does not open what is said without it.
    assert_eq!(c.read(&sealed), Err(ConversationError::Unknown));
    let parent = removed.parent;
    assert!(c.open(&parent, &sealed.message).is_err());
}

#[test]
fn a_device_that_says_nothing_is_stale_and_one_that_has_renewed_its_keys_is_not() {
    let [mut a, mut b, _] = three();
    let is_stale = |device: &mut Device| device.act(|of, turn| of.is_stale(turn));
    assert!(!is_stale(&mut a), "who makes it has new keys");
    assert!(is_stale(&mut b), "key packages are used more than once");
    let renewed = b.update();
    a.follow(&renewed).unwrap();
    assert!(!is_stale(&mut b));
    b.date = b.date.plus(crate::conversation::RENEW_MS);
    assert!(is_stale(&mut b));
    b.update();
    assert!(!is_stale(&mut b));
    for _ in 0..crate::conversation::TEXTS_MAX {
        b.seal("again");
    }
    assert!(is_stale(&mut b));
}

#[test]
fn an_invitation_for_somebody_else_is_not_taken() {
    let mut a = Device::new(1, 1);
    let (b, mut other) = (Device::new(2, 1), Device::new(3, 1));
    let accounts = crate::Accounts::between(a.account(), b.account());
    let invited = [b.package()];
    let (_, welcome) = a.with_turn(|turn| Conversation::create(turn, &accounts, &invited).unwrap());
    let taken = other.try_join(&welcome.unwrap());
    assert_eq!(taken, Err(ConversationError::Unknown));
    assert_eq!(other.try_join(b"nonsense"), Err(ConversationError::Refused));
}

#[test]
fn a_key_package_names_its_device_and_is_used_twice() {
    let a = Device::new(1, 1);
    let member = key_package::member(&a.package()).unwrap();
    assert_eq!(member, a.member());
    assert!(a.package().len() < 2_900, "{} bytes", a.package().len());
    let twice: Vec<_> = (2..4)
        .map(|other| conversation(vec![Device::new(other, 1), a.clone()]))
        .collect();
    let ids: Vec<_> = twice
        .iter()
        .map(|devices| devices[1].conversation.as_ref().unwrap().id())
        .collect();
    assert_ne!(ids[0], ids[1]);
}

#[test]
fn alone_with_ones_own_devices() {
    let [mut a, mut b] = conversation(vec![Device::new(1, 1), Device::new(1, 2)])
        .try_into()
        .ok()
        .unwrap();
    let sealed = a.seal("a note");
    assert_eq!(b.read(&sealed).unwrap(), "a note");
    let [mut alone] = conversation(vec![Device::new(3, 1)])
        .try_into()
        .ok()
        .unwrap();
    let mut second = Device::new(3, 2);
    let added = alone.commit(&second.wanted());
    second.try_join(&added.welcome.unwrap()).unwrap();
    let sealed = alone.seal("and now two");
    assert_eq!(second.read(&sealed).unwrap(), "and now two");
}

#[test]
fn envelopes_of_an_epoch_have_nothing_in_common_and_open_in_their_mailbox_alone() {
    let [a, b, _] = three();
    let (mailbox, other) = (Address::new([7; 32]), Address::new([8; 32]));
    let keys = |device: &Device| {
        let conversation = device.conversation.clone().unwrap();
        let head = conversation.head();
        let mut keys = conversation.outer_keys();
        keys.find(|(name, _)| *name == head).unwrap().1.clone()
    };
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let mut seal = || {
        keys(&a)
            .seal(&mailbox, b"head", b"inside", &mut rng)
            .unwrap()
    };
    let (one, two) = (seal(), seal());
    assert_ne!(one.hint, two.hint);
    assert_ne!(one.ciphertext, two.ciphertext);
    let theirs = keys(&b);
    assert!(theirs.hints(&one.nonce, &one.hint) && theirs.hints(&two.nonce, &two.hint));
    assert!(!theirs.hints(&one.nonce, &two.hint));
    assert_eq!(*theirs.open(&mailbox, b"head", &one).unwrap(), b"inside");
    assert!(theirs.open(&other, b"head", &one).is_err());
    assert!(theirs.open(&mailbox, b"heap", &one).is_err());
}
