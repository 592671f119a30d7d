//! Epochs that no commit follows any more: what opens their texts, and nothing else (SPEC 15.4).
//!
//! The library keeps such a record when a commit is applied, so one is made for it and thrown away. It looks a record
//! up by its number, which epochs beside each other share with the head, so that texts are opened by a group that is in
//! no epoch of the conversation at all.

use mls_rs::group::ReceivedMessage;
use mls_rs::{ExtensionList, MlsMessage};

use crate::conversation::{ConversationId, Opened, Turn};
use crate::error::ConversationError;
use crate::group::{is_plain, member_at, tree_of};
use crate::library::{MlsGroup, client, guarded, mls_time};
use crate::storage::{EpochRows, Packages, Secret};
use crate::suite::Suite;

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

/// Opens a text of a past epoch; returns it with what is left of the epoch then.
pub(crate) fn open(
    turn: &mut Turn<'_>,
    id: ConversationId,
    (number, record): (u64, &Secret),
    tree: &[u8],
    message: MlsMessage,
) -> Result<(Opened, Secret), ConversationError> {
    let rows = EpochRows::default();
    let suite = Suite::new(turn.rng);
    let client = client(turn.identity, suite, rows.clone(), Packages::default());
    let time = mls_time();
    let none = ExtensionList::new;
    let made = client
        .create_group_with_id(id.as_bytes().to_vec(), none(), none(), Some(time))
        .and_then(|mut group| group.write_to_storage_without_ratchet_tree());
    made.map_err(|_| ConversationError::State)?;
    rows.add_past(number, record.clone());
    let mut group = client
        .load_group_with_ratchet_tree(id.as_bytes(), tree_of(tree)?)
        .map_err(|_| ConversationError::State)?;
    let received = guarded(|| group.process_incoming_message_with_time(message, time))?;
    let text = match received {
        ReceivedMessage::ApplicationMessage(text) if is_plain(&text) => text,
        ReceivedMessage::ApplicationMessage(_) => return Err(ConversationError::Refused),
        _ => return Err(ConversationError::TooLate),
    };
    let sender = member_at(&tree_of(tree)?, text.sender_index)?;
    let body = zeroize::Zeroizing::new(text.data().to_vec());
    let written = group.write_to_storage_without_ratchet_tree();
    written.map_err(|_| ConversationError::State)?;
    let record = rows.take_past(number).ok_or(ConversationError::State)?;
    Ok((Opened::Text { sender, body }, record))
}
