//! Epochs that no commit follows any more: what opens their texts, and nothing else (SPEC 15.4).
//!
//! The library keeps such a record when a commit is applied, so one is made for it and thrown away. It looks a record
//! up by its number, which epochs beside each other share with the head, so that texts are opened by a group that is in
//! no epoch of the conversation at all.

use mls_rs::group::{ExportedTree, Node, NodeVec, ReceivedMessage};
use mls_rs::{ExtensionList, MlsMessage};
use mls_rs_codec::MlsEncode as _;

use crate::conversation::{ConversationId, Opened, Turn};
use crate::error::ConversationError;
use crate::group::is_plain;
use crate::library::{MlsGroup, client, guarded, mls_time};
use crate::model::Roster;
use crate::rules::MEMBERS_MAX;
use crate::storage::{EpochRows, Packages, Secret};
use crate::suite::Suite;

/// Leaves of a group, at most: a new one is made when all are taken.
const LEAVES_MAX: usize = 2 * MEMBERS_MAX;

/// Returns what is left of the epoch that a group is in.
pub(crate) fn record(mut group: MlsGroup, rows: &EpochRows) -> Result<Secret, ConversationError> {
    let number = group.current_epoch();
    let (_, secrets) = group
        .commit_builder()
        .build_detached()
        .map_err(|_| ConversationError::State)?;
    let applied = group.apply_detached_commit(secrets);
    applied.map_err(|_| ConversationError::State)?;
    let written = group.write_to_storage_without_ratchet_tree();
    written.map_err(|_| ConversationError::State)?;
    rows.take_state();
    rows.take_past(number).ok_or(ConversationError::State)
}

/// Returns a tree in which these members have their leaves and signature keys. That is all that the library looks at
/// when it opens a text of an epoch before its own, and it takes none of somebody who is not in the tree.
fn tree_of(
    roster: &Roster,
    own: &ExportedTree<'_>,
) -> Result<ExportedTree<'static>, ConversationError> {
    let Some(Some(Node::Leaf(leaf))) = own.nodes().first() else {
        return Err(ConversationError::State);
    };
    let mut nodes = Vec::new();
    for (at, member) in roster {
        let mut leaf = leaf.clone();
        leaf.signing_identity.signature_key = member.device.as_bytes().to_vec().into();
        let place = usize::try_from(*at).unwrap_or(usize::MAX).saturating_mul(2);
        if place >= 2 * LEAVES_MAX {
            return Err(ConversationError::State);
        }
        nodes.resize(place, None);
        nodes.push(Some(Node::Leaf(leaf)));
    }
    let bytes = NodeVec::from(nodes).mls_encode_to_vec();
    let bytes = bytes.map_err(|_| ConversationError::State)?;
    ExportedTree::from_bytes(&bytes).map_err(|_| ConversationError::State)
}

/// Opens a text of a past epoch; returns it with what is left of the epoch then.
pub(crate) fn open(
    turn: &mut Turn<'_>,
    id: ConversationId,
    (number, record): (u64, &Secret),
    roster: &Roster,
    message: MlsMessage,
) -> Result<(Opened, Secret), ConversationError> {
    let rows = EpochRows::default();
    let suite = Suite::new(turn.rng);
    let client = client(turn.identity, suite, rows.clone(), Packages::default());
    let time = mls_time();
    let none = ExtensionList::new;
    let made = client.create_group_with_id(id.as_bytes().to_vec(), none(), none(), Some(time));
    let mut made = made.map_err(|_| ConversationError::State)?;
    let written = made.write_to_storage_without_ratchet_tree();
    written.map_err(|_| ConversationError::State)?;
    rows.add_past(number, record.clone());
    let mut group = client
        .load_group_with_ratchet_tree(id.as_bytes(), tree_of(roster, &made.export_tree())?)
        .map_err(|_| ConversationError::State)?;
    let received = guarded(|| group.process_incoming_message_with_time(message, time))?;
    let text = match received {
        ReceivedMessage::ApplicationMessage(text) if is_plain(&text) => text,
        ReceivedMessage::ApplicationMessage(_) => return Err(ConversationError::Refused),
        _ => return Err(ConversationError::TooLate),
    };
    let sender = roster.get(&text.sender_index);
    let sender = *sender.ok_or(ConversationError::Refused)?;
    let body = zeroize::Zeroizing::new(text.data().to_vec());
    let written = group.write_to_storage_without_ratchet_tree();
    written.map_err(|_| ConversationError::State)?;
    let record = rows.take_past(number).ok_or(ConversationError::State)?;
    Ok((Opened::Text { sender, body }, record))
}
