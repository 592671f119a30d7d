//! What nobody may do.

use mls_rs::client_builder::PaddingMode;
use mls_rs::mls_rules::{CommitOptions, DefaultMlsRules, EncryptionOptions};
use proptest::prelude::*;

use super::{Device, conversation, three};
use crate::conversation::{Opened, Wanted};
use crate::group::tree_of;
use crate::library::{client, mls_time};
use crate::model::Keys;
use crate::storage::{EpochRows, Packages};
use crate::suite::Suite;
use crate::{Accounts, Conversation, ConversationError};

#[test]
fn nobody_changes_the_devices_of_another_account() {
    let [mut a, _, c] = three();
    let new = Device::new(2, 2);
    for wanted in [
        new.wanted(),
        Wanted {
            remove: [c.key()].into(),
            ..Wanted::default()
        },
    ] {
        let refused = a.act(|of, turn| of.commit(turn, &wanted));
        assert_eq!(refused, Err(ConversationError::Refused));
    }
}

#[test]
fn nobody_brings_in_a_third_account() {
    let [mut a, ..] = three();
    let stranger = Device::new(3, 1);
    let refused = a.act(|of, turn| of.commit(turn, &stranger.wanted()));
    assert_eq!(refused, Err(ConversationError::Refused));
    let accounts = Accounts::between(a.account(), Device::new(2, 1).account());
    let invited = [stranger.package()];
    let refused = a.with_turn(|turn| Conversation::create(turn, &accounts, &invited).map(|_| ()));
    assert_eq!(refused, Err(ConversationError::Refused));
}

#[test]
fn there_are_no_more_members_than_may_be() {
    let devices = (1..=10).flat_map(|number| [Device::new(1, number), Device::new(2, number)]);
    let mut devices: Vec<_> = devices.collect();
    devices.swap(1, 19);
    let mut devices = conversation(devices);
    assert_eq!(devices[0].members().len(), 20);
    let one_more = Device::new(1, 11);
    let refused = devices[0].act(|of, turn| of.commit(turn, &one_more.wanted()));
    assert_eq!(refused, Err(ConversationError::Refused));
}

/// What a member with other code commits.
enum Forgery {
    Add(Vec<u8>),
    AddWithoutPath(Vec<u8>),
    Remove(u32),
    Accounts(Accounts),
}

/// Returns a commit that `device` makes by no rules of ours.
fn forged(device: &mut Device, forgery: Forgery) -> Vec<u8> {
    let head = device.head();
    let (id, tree) = crate::rows::read(&device.rows).unwrap();
    let Keys::Live { state, tree } = tree.get(&head).unwrap().value.keys.clone() else {
        panic!("the head is live");
    };
    let time = mls_time();
    device.with_turn(|turn| {
        let rows = EpochRows::of_state(state);
        let suite = Suite::new(turn.rng);
        let has_path = !matches!(forgery, Forgery::AddWithoutPath(_));
        let rules = DefaultMlsRules::new()
            .with_commit_options(CommitOptions::new().with_path_required(has_path))
            .with_encryption_options(EncryptionOptions::new(true, PaddingMode::None));
        let client = client(turn.identity, suite, rows, Packages::default());
        let client = client.to_builder(Some(time)).mls_rules(rules).build();
        let tree = tree_of(&tree).unwrap();
        let group = client.load_group_with_ratchet_tree(id.as_bytes(), tree);
        let mut group = group.unwrap();
        let builder = group.commit_builder().commit_time(time);
        let builder = match forgery {
            Forgery::Add(package) | Forgery::AddWithoutPath(package) => {
                let package = crate::key_package::decode(&package);
                builder.add_member(package.unwrap())
            }
            Forgery::Remove(leaf) => builder.remove_member(leaf),
            Forgery::Accounts(accounts) => {
                builder.set_group_context_ext(accounts.extensions(&[7; 32]))
            }
        };
        let output = builder.unwrap().build().unwrap();
        output.commit_message.to_bytes().unwrap()
    })
}

#[test]
fn a_commit_against_the_rules_is_refused_by_whoever_gets_it() {
    let [mut a, mut b, _] = three();
    let (head, account) = (a.head(), a.account());
    let stranger = Device::new(3, 1);
    let accounts = Accounts::between(account, stranger.account());
    for forgery in [
        Forgery::Add(Device::new(2, 2).package()),
        Forgery::Add(stranger.package()),
        Forgery::AddWithoutPath(Device::new(1, 3).package()),
        Forgery::Remove(2),
        Forgery::Accounts(accounts),
    ] {
        let commit = forged(&mut a, forgery);
        assert_eq!(b.open(&head, &commit), Err(ConversationError::Refused));
    }
    // It is the rules that refuse, not the way that these are made.
    let commit = forged(&mut a, Forgery::Add(Device::new(1, 3).package()));
    let taken = b.open(&head, &commit);
    assert!(matches!(taken, Ok(Opened::Commit { .. })), "{taken:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever a keeper or a member makes of a message, it is refused, and the conversation goes on.
    #[test]
    fn what_is_changed_on_the_way_is_refused(
        place in any::<prop::sample::Index>(),
        change in 1..=255_u8,
        cut in any::<prop::sample::Index>(),
    ) {
        let [mut a, mut b, _] = three();
        let (sealed, committed) = (a.seal("as it was"), a.update());
        let head = sealed.epoch;
        for message in [&sealed.message, &committed.message] {
            let mut changed = message.clone();
            let at = place.index(changed.len());
            changed[at] ^= change;
            prop_assert!(b.open(&head, &changed).is_err());
            let cut = &message[..cut.index(message.len())];
            prop_assert!(b.open(&head, cut).is_err());
        }
        prop_assert_eq!(b.read(&sealed).unwrap(), "as it was");
        b.follow(&committed).unwrap();
        prop_assert_eq!(b.head(), a.head());
    }
}
