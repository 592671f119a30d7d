//! The library's group at one epoch, and what is taken from it.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use mls_rs::group::proposal::Proposal;
use mls_rs::group::{
    ApplicationMessageDescription, CommitBuilder, CommitEffect, CommitMessageDescription,
    ExportedTree,
};
use mls_rs::{ExtensionList, MlsMessage};
use mls_rs_codec::MlsSize;
use mls_rs_core::crypto::CipherSuiteProvider as _;
use restante_proto::keys::PublicKey;
use restante_proto::time::UnixMillis;
use zeroize::Zeroizing;

use crate::conflict::{Deed, Standing};
use crate::conversation::{MESSAGE_BYTES_MAX, TEXTS_MAX};
use crate::epoch::{Class, EpochName};
use crate::error::ConversationError;
use crate::key_package::{self, OwnKeyPackage};
use crate::label;
use crate::library::{Config, MlsGroup, client, guarded, mls_time};
use crate::member::{Member, MemberError};
use crate::model::{Epoch, Keys, Roster, Turn};
use crate::outer::OuterKeys;
use crate::rules::{self, Accounts};
use crate::storage::{EpochRows, Packages, Secret};
use crate::suite::Suite;

/// The highest number of an epoch that somebody can be invited to.
const EPOCHS_MAX: u64 = 1 << 40;
/// Bytes of a leaf, at most; ours have some 1,450.
const LEAF_BYTES_MAX: usize = 2048;
/// The highest generation of a text: honest members renew their keys long before.
const GENERATION_MAX: u32 = 2 * TEXTS_MAX;

/// Makes a group at its first epoch that has others in it; returns it with what they join with.
pub(crate) fn created(
    turn: &mut Turn<'_>,
    accounts: &Accounts,
    invited: &[Vec<u8>],
) -> Result<(MlsGroup, EpochRows, Option<Vec<u8>>), ConversationError> {
    let mut id = [0; 16];
    turn.rng.fill_bytes(&mut id);
    let rows = EpochRows::default();
    let mut hint = Zeroizing::new([0; 32]);
    turn.rng.fill_bytes(&mut *hint);
    let suite = Suite::new(turn.rng);
    let client = client(turn.identity, suite, rows.clone(), Packages::default());
    let time = mls_time();
    let none = ExtensionList::new();
    let mut group = client
        .create_group_with_id(id.to_vec(), accounts.extensions(&hint), none, Some(time))
        .map_err(|_| ConversationError::State)?;
    let mut builder = group.commit_builder().commit_time(time);
    for package in invited {
        builder = add(builder, package)?;
    }
    let output = builder.build().map_err(|_| ConversationError::Refused)?;
    let applied = group.apply_pending_commit();
    applied.map_err(|_| ConversationError::State)?;
    let welcome = welcome(&output.welcome_messages)?;
    Ok((group, rows, welcome))
}

/// Loads a group.
pub(crate) fn loaded(
    turn: &mut Turn<'_>,
    id: &[u8],
    (state, tree): (&Secret, &[u8]),
) -> Result<(MlsGroup, EpochRows), ConversationError> {
    let rows = EpochRows::of_state(state.clone());
    let suite = Suite::new(turn.rng);
    let client = client(turn.identity, suite, rows.clone(), Packages::default());
    let group = client.load_group_with_ratchet_tree(id, tree_of(tree)?);
    Ok((group.map_err(|_| ConversationError::State)?, rows))
}

/// Has a commit add the device of a key package.
pub(crate) fn add<'a>(
    builder: CommitBuilder<'a, Config>,
    package: &[u8],
) -> Result<CommitBuilder<'a, Config>, ConversationError> {
    let package = key_package::decode(package)?;
    builder
        .add_member(package)
        .map_err(|_| ConversationError::Refused)
}

/// Joins a group that somebody has made or added this device to.
pub(crate) fn joined(
    turn: &mut Turn<'_>,
    own: &[OwnKeyPackage],
    welcome: &[u8],
) -> Result<(MlsGroup, EpochRows), ConversationError> {
    if welcome.len() > MESSAGE_BYTES_MAX {
        return Err(ConversationError::Refused);
    }
    let welcome = MlsMessage::from_bytes(welcome).map_err(|_| ConversationError::Refused)?;
    let rows = EpochRows::default();
    let suite = Suite::new(turn.rng);
    let packages = key_package::packages(own)?;
    let client = client(turn.identity, suite, rows.clone(), packages);
    let time = Some(mls_time());
    let (group, _) = guarded(|| client.join_group(None, &welcome, time))?;
    // The first epoch is its maker's alone; and nobody counts up to the last.
    if group.current_epoch() == 0 || group.current_epoch() > EPOCHS_MAX {
        return Err(ConversationError::Refused);
    }
    check_tree(&group.export_tree(), turn)?;
    let accounts = rules::check(group.context(), &group.roster());
    let accounts = accounts.map_err(|_| ConversationError::Refused)?;
    if !accounts.contain(&turn.identity.account) {
        return Err(ConversationError::Refused);
    }
    Ok((group, rows))
}

/// Encodes the one message that all who are added join with.
pub(crate) fn welcome(messages: &[MlsMessage]) -> Result<Option<Vec<u8>>, ConversationError> {
    let bytes = messages.first().map(MlsMessage::to_bytes);
    bytes.transpose().map_err(|_| ConversationError::State)
}

/// Writes the state of a group, without its tree.
pub(crate) fn save(group: &mut MlsGroup, rows: &EpochRows) -> Result<Secret, ConversationError> {
    let written = group.write_to_storage_without_ratchet_tree().ok();
    let state = written.and_then(|()| rows.take_state());
    state.ok_or(ConversationError::State)
}

fn exported(group: &MlsGroup, label: &[u8]) -> Result<Zeroizing<[u8; 32]>, ConversationError> {
    let secret = group.export_secret(label, &[], 32);
    let secret = secret.map_err(|_| ConversationError::State)?;
    let secret = secret.as_bytes().try_into();
    secret
        .map(Zeroizing::new)
        .map_err(|_| ConversationError::State)
}

/// Returns the name of the epoch that a group is in.
pub(crate) fn name_of(group: &MlsGroup) -> Result<EpochName, ConversationError> {
    exported(group, label::EPOCH_NAME).map(|name| EpochName::new(*name))
}

/// Takes down the epoch that a group is in.
pub(crate) fn epoch_of(
    group: &mut MlsGroup,
    rows: &EpochRows,
    made: UnixMillis,
) -> Result<Epoch, ConversationError> {
    let tree = group.export_tree().to_bytes();
    let tree = tree.map_err(|_| ConversationError::State)?;
    let hint = Accounts::hint_of(group.context());
    let outer = OuterKeys::new(
        exported(group, label::OUTER_KEY)?,
        Zeroizing::new(hint.map_err(|_| ConversationError::State)?),
    );
    Ok(Epoch {
        made,
        sent: 0,
        outer: Some(outer),
        commit: None,
        keys: Keys::Live {
            state: save(group, rows)?,
            tree,
        },
    })
}

/// Decodes a tree of public keys.
pub(crate) fn tree_of(bytes: &[u8]) -> Result<ExportedTree<'static>, ConversationError> {
    ExportedTree::from_bytes(bytes).map_err(|_| ConversationError::State)
}

/// Returns whose a leaf is.
pub(crate) fn member_at(tree: &ExportedTree<'_>, leaf: u32) -> Result<Member, ConversationError> {
    let leaf = tree.roster().member_with_index(leaf);
    let leaf = leaf.map_err(|_| ConversationError::Refused)?;
    Member::of(&leaf.signing_identity).map_err(|_| ConversationError::Refused)
}

/// Returns the members in a tree.
pub(crate) fn roster_of(tree: &ExportedTree<'_>) -> Result<Roster, ConversationError> {
    let roster = tree.roster();
    let members = roster.members_iter();
    let members = members.map(|leaf| Ok((leaf.index, Member::of(&leaf.signing_identity)?)));
    let members = members.collect::<Result<_, MemberError>>();
    members.map_err(|_| ConversationError::State)
}

/// Finds the leaves of devices.
pub(crate) fn leaves_of(group: &MlsGroup, devices: &BTreeSet<PublicKey>) -> Vec<u32> {
    let leaves = group.roster().members_iter();
    let wanted = leaves.filter(|leaf| {
        let member = Member::of(&leaf.signing_identity);
        member.is_ok_and(|member| devices.contains(&member.device))
    });
    wanted.map(|leaf| leaf.index).collect()
}

/// Returns what a commit does, and who has made it; the tree is that before it.
pub(crate) fn deed_of(
    commit: &CommitMessageDescription,
    before: &ExportedTree<'_>,
) -> Result<(Class, Deed), ConversationError> {
    let (CommitEffect::NewEpoch(epoch)
    | CommitEffect::Removed {
        new_epoch: epoch, ..
    }) = &commit.effect
    else {
        return Err(ConversationError::Refused);
    };
    let mut removed = BTreeSet::new();
    let mut class = Class::Update;
    for info in epoch.applied_proposals() {
        match &info.proposal {
            Proposal::Remove(remove) => {
                removed.insert(member_at(before, remove.to_remove())?.device);
            }
            Proposal::Add(_) => class = Class::Addition,
            _ => {}
        }
    }
    if !removed.is_empty() {
        class = Class::Removal;
    }
    let deed = deed_at(before, commit.committer, removed)?;
    Ok((class, deed))
}

/// Returns what the member at a leaf has done that removes these devices.
pub(crate) fn deed_at(
    tree: &ExportedTree<'_>,
    leaf: u32,
    removed: BTreeSet<PublicKey>,
) -> Result<Deed, ConversationError> {
    let found = tree.roster().member_with_index(leaf);
    let found = found.map_err(|_| ConversationError::Refused)?;
    let member = Member::with_delegation(&found.signing_identity);
    let (committer, delegation) = member.map_err(|_| ConversationError::Refused)?;
    let standing = Standing {
        delegation: Reverse(delegation),
        leaf,
        device: committer.device,
    };
    Ok(Deed {
        committer,
        standing,
        removed,
    })
}

/// Tells whether a text has nothing beside it, and was not made to have others keep thousands of keys.
pub(crate) fn is_plain(text: &ApplicationMessageDescription) -> bool {
    let generation = text.unauthenticated_key_generation;
    text.authenticated_data.is_empty() && generation.is_none_or(|at| at <= GENERATION_MAX)
}

/// Tells whether a commit has renewed the keys of its committer.
pub(crate) fn has_renewed(
    before: &ExportedTree<'_>,
    after: &ExportedTree<'_>,
    committer: u32,
) -> bool {
    let place = usize::try_from(committer).unwrap_or(usize::MAX);
    let leaf = |tree: &ExportedTree<'_>| {
        let node = tree.nodes().get(place.saturating_mul(2)).cloned();
        node.flatten().map(|node| node.public_key().clone())
    };
    leaf(after).is_some() && leaf(before) != leaf(after)
}

/// Checks that all keys of a tree are keys, since what cannot be sealed to stops everybody's commits, and that no leaf
/// is longer than leaves are, since the tree has to fit an envelope.
pub(crate) fn check_tree(
    tree: &ExportedTree<'_>,
    turn: &mut Turn<'_>,
) -> Result<(), ConversationError> {
    let suite = Suite::new(turn.rng);
    for node in tree.nodes().iter().flatten() {
        let checked = suite.kem_public_key_validate(node.public_key());
        checked.map_err(|_| ConversationError::Refused)?;
    }
    let leaves = tree.nodes().iter().step_by(2).flatten();
    if leaves
        .map(MlsSize::mls_encoded_len)
        .any(|len| len > LEAF_BYTES_MAX)
    {
        return Err(ConversationError::Refused);
    }
    Ok(())
}
