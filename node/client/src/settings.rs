//! What the core is told once.

use restante_proto::NodeId;

/// What the person set, and where the core runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// How long received messages are kept at most, in milliseconds.
    pub retention_ms: u64,
    /// How long a message lives whose sender says nothing else, in milliseconds.
    pub ttl_ms: u64,
    /// The highest effort of a stamp that is paid without asking.
    pub effort_max: u32,
    /// This node as a keeper, if it keeps items for others.
    pub own_keeper: Option<NodeId>,
    /// It is the first node of a network: it knows no entry point, and may be the only keeper there is.
    pub is_first: bool,
}
