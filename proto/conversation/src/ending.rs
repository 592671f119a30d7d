//! How epochs end: what cannot be followed any more opens texts for a while, and then nothing (SPEC 15.4).

use restante_proto::time::UnixMillis;

use crate::conversation::{Conversation, HELD_BYTES_MAX, PAST_MAX, TEXTS_MS, Turn};
use crate::epoch::EpochName;
use crate::error::ConversationError;
use crate::group::{roster_of, tree_of};
use crate::model::Keys;
use crate::past;
use crate::rows::{Change, Row};
use crate::storage::Secret;

/// By how many bytes a state grows at most through a text that is the next of its sender.
const SKIPPED_BYTES: usize = 512;

impl Conversation {
    /// Ends what is over: no commit follows an epoch that was left `window_ms` ago, and texts of it are opened for as
    /// long as one can be under way.
    ///
    /// # Errors
    ///
    /// [`ConversationError::State`] when the library fails.
    pub fn pass(&mut self, turn: &mut Turn<'_>, window_ms: u64) -> Result<(), ConversationError> {
        let overdue = self.tree.overdue(turn.date, window_ms);
        for name in &overdue {
            self.end(turn, name)?;
        }
        let over = |left: UnixMillis| left.plus(window_ms).plus(TEXTS_MS) <= turn.date;
        let nodes = self.tree.nodes().filter(|node| !node.live);
        let over = nodes.filter(|node| node.left.is_some_and(over));
        let over: Vec<EpochName> = over.map(|node| node.rank.name).collect();
        for name in over.into_iter().chain(self.tree.oldest_past(PAST_MAX)) {
            self.forget(&name);
        }
        if !overdue.is_empty() {
            self.tree.advance();
            // A removal that is over keeps nobody's commits from counting.
            self.tree.choose(turn.date);
            self.put_all();
        }
        Ok(())
    }

    /// Keeps of an epoch what still opens texts.
    pub(crate) fn end(
        &mut self,
        turn: &mut Turn<'_>,
        name: &EpochName,
    ) -> Result<(), ConversationError> {
        let node = self.tree.get(name).ok_or(ConversationError::Unknown)?;
        if node.is_shut {
            self.tree.end(name);
            self.forget(name);
            return Ok(());
        }
        let (group, rows) = self.group(turn, name)?;
        let Ok(record) = past::record(group, &rows) else {
            // Somebody has put keys into the tree that are none. What can make its keys again goes all the same.
            self.tree.end(name);
            self.forget(name);
            return Ok(());
        };
        let roster = roster_of(&tree_of(self.tree_at(name)?)?)?;
        self.tree.end(name);
        let kept = record.clone();
        self.node_mut(name)?.value.keys = Keys::Past { record, roster };
        self.changes.push(Change::Put(Row::Past(*name), kept));
        self.changes.push(Change::Drop(Row::State(*name)));
        self.changes.push(Change::Drop(Row::Tree(*name)));
        self.put_epoch(name);
        Ok(())
    }

    /// Checks that another state of an epoch, or other of what is left of it, does not make all that is held too much.
    pub(crate) fn check_held(
        &self,
        name: &EpochName,
        new: &Secret,
    ) -> Result<(), ConversationError> {
        let node = self.tree.get(name).ok_or(ConversationError::Unknown)?;
        let grows = new.len() > node.value.keys.bytes().saturating_add(SKIPPED_BYTES);
        let held = self.tree.nodes().map(|node| node.value.keys.bytes());
        if grows && held.sum::<usize>() >= HELD_BYTES_MAX {
            return Err(ConversationError::Refused);
        }
        Ok(())
    }

    /// Keeps nothing of an epoch.
    fn forget(&mut self, name: &EpochName) {
        self.tree.remove(name);
        for row in [Row::Epoch, Row::State, Row::Tree, Row::Past] {
            self.changes.push(Change::Drop(row(*name)));
        }
    }
}
