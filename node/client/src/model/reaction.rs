//! What somebody feels about a message.

use restante_proto::time::UnixMillis;

/// A reaction; the message and whose it is are its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reaction {
    /// One emoji; empty if an earlier one was taken back.
    pub emoji: String,
    /// When it was made, by the clock of who made it.
    pub at: UnixMillis,
    /// When it goes, if the message is not here by then.
    pub until: UnixMillis,
}
