//! What happens at a node without being asked for.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::SendResult;

/// One event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Event {
    /// A message has arrived.
    Received {
        /// As in [`InboxMessage::id`](crate::InboxMessage::id).
        id: String,
    },
    /// A message has other words, or was taken back, or somebody feels something about it.
    Changed {
        /// As in [`HistoryMessage::id`](crate::HistoryMessage::id).
        id: String,
    },
    /// Messages have expired or burned.
    Destroyed {
        /// How many.
        count: u32,
    },
    /// A message that was sent has come further, or has ended.
    Sent(SendResult),
    /// The card is stored at all its locators: the account can be found.
    Published,
    /// Events are missing here, because the node was started anew or the reader was away for too long: what it knows
    /// is to be asked for again. The stream of events says so; it is no event of the node.
    Reset,
}
