//! What only the model tier knows of.

/// Who comes and goes in a model, and what keepers do about it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ModelOptions {
    /// When the writer of a message is there, if not all the time.
    pub(crate) senders: Option<SenderOptions>,
    /// When the recipient of a message is there, if not all the time.
    pub(crate) recipients: Option<RecipientOptions>,
    /// What keepers do about copies that are gone, if anything.
    pub(crate) repair: Option<RepairOptions>,
    /// Nodes that stay in all routing tables and never answer, in a million.
    pub(crate) dead_ppm: u64,
    /// After how long nodes leave for good, on average, in milliseconds; nothing if nobody does.
    pub(crate) life_ms: Option<u64>,
    /// Whether it is measured what people wait for.
    pub(crate) latency: bool,
}

/// The times of the writer of a message, which are exponential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SenderOptions {
    /// Mean time for which it is there, from the writing on, in milliseconds.
    pub(crate) here_ms: u64,
    /// Mean time for which it is not, in milliseconds.
    pub(crate) away_ms: u64,
}

/// The times of the recipient of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RecipientOptions {
    /// How long it is away, from the writing on, at least and at most, in milliseconds; all orders of magnitude alike.
    pub(crate) away_ms: (u64, u64),
    /// Mean time for which it is there, in milliseconds; exponential.
    pub(crate) here_ms: u64,
}

/// How keepers repair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RepairOptions {
    /// From a node's going or coming until the copy that follows from it is there, at least and at most, in
    /// milliseconds; nothing if nobody notices before neighbours compare.
    pub(crate) after_ms: Option<(u64, u64)>,
    /// Mean time between two comparisons of neighbours, in milliseconds.
    pub(crate) every_ms: u64,
    /// Nothing is copied unless fewer of the nearest than this have a message.
    pub(crate) below: usize,
    /// How many are the nearest.
    pub(crate) copies: usize,
}
