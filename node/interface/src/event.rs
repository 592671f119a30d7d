//! What happens at a node without being asked for.

use serde::{Deserialize, Serialize};

use crate::SendResult;

/// One event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Event {
    /// A message has arrived.
    Received {
        /// As in [`InboxMessage::id`](crate::InboxMessage::id).
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
}
