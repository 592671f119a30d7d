//! One message, its sender, its recipient and its copies.

use std::collections::BTreeMap;

use restante_proto::{
    ItemId, NodeId,
    collector::Collector,
    mailbox::Mailbox,
    placement::Placement,
    time::{MonoMillis, Now, UnixMillis},
};

use crate::model::{event::Stint, links::Links};

/// The moment a run begins, by the clock on the wall: 2026-05-28T20:26:40Z.
const START_MS: u64 = 1_780_000_000_000;

/// Returns the wall clock's time at a moment of a run.
pub(crate) const fn wall(now_ms: u64) -> UnixMillis {
    UnixMillis::new(START_MS + now_ms)
}

/// Returns both times of a moment of the model, in which no clock is wrong.
pub(crate) const fn both(now_ms: u64) -> Now {
    Now::new(MonoMillis::new(now_ms), wall(now_ms))
}

/// Returns the name that the state machines know a node by.
pub(crate) fn name_of(node: u32) -> NodeId {
    let mut bytes = [0; 32];
    bytes[..4].copy_from_slice(&node.to_be_bytes());
    NodeId::new(bytes)
}

/// Returns the node of a name.
pub(crate) fn node_of(name: NodeId) -> u32 {
    let bytes = name.as_bytes();
    u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}

/// A message from shortly before it is written until it is over.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) mailbox: Mailbox,
    /// The first bits of the mailbox's address.
    pub(crate) key: u64,
    pub(crate) item: ItemId,
    /// The place of its envelope's size among the protocol's sizes.
    pub(crate) size: u8,
    pub(crate) written_ms: u64,
    pub(crate) expires_ms: u64,
    /// The node whose routing table the sender uses, and in whose region it is.
    pub(crate) sender: u32,
    /// The same for the recipient.
    pub(crate) recipient: u32,
    /// The sender at work, while it is there and has not had the delivery receipt.
    pub(crate) sending: Option<Box<Sending>>,
    /// The recipient at work, while it is there and has not taken the message.
    pub(crate) receiving: Option<Box<Receiving>>,
    /// Connections of the sender.
    pub(crate) sender_links: Links,
    /// Connections of the recipient.
    pub(crate) recipient_links: Links,
    /// The message to the same mailbox that it follows, if it follows one.
    pub(crate) follows: Option<u32>,
    /// Keepers that the sender's last lookup found.
    pub(crate) keepers: Vec<u32>,
    pub(crate) sender_stint: Stint,
    pub(crate) recipient_stint: Stint,
    /// Receipts, while the sender is away.
    pub(crate) receipts: BTreeMap<NodeId, UnixMillis>,
    pub(crate) delivery_receipt: DeliveryReceipt,
    pub(crate) is_stored: bool,
    pub(crate) is_taken: bool,
    /// When the recipient came, in milliseconds.
    pub(crate) came_ms: u64,
    /// The recipient was away when the message was written.
    pub(crate) was_away: bool,
    /// Nodes that keep it; those that have left for good stay in the list until somebody looks.
    pub(crate) copies: Vec<u32>,
    /// Nodes that are about to copy it.
    pub(crate) copying: Vec<u32>,
    /// Nodes that have its ack.
    pub(crate) acked: Vec<u32>,
    /// The most copies there ever were.
    pub(crate) copies_max: usize,
}

/// How far the delivery receipt has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum DeliveryReceipt {
    #[default]
    None,
    Waiting,
    Known,
}

/// A sender that is there.
#[derive(Debug)]
pub(crate) struct Sending {
    /// The protocol's own state machine (SPEC 10.2).
    pub(crate) placement: Placement,
    /// Keepers beyond the protocol's number: whether each has given a receipt.
    pub(crate) further: BTreeMap<u32, bool>,
    pub(crate) found: Vec<u32>,
    /// Whom the lookup takes for the nearest while it goes on, one after the other.
    pub(crate) near: Vec<Vec<u32>>,
    pub(crate) due_ms: u64,
}

/// A recipient that is there.
#[derive(Debug)]
pub(crate) struct Receiving {
    /// The protocol's own state machine (SPEC 10.4).
    pub(crate) collector: Collector,
    pub(crate) found: Vec<u32>,
    pub(crate) due_ms: u64,
    /// Nodes that push.
    pub(crate) subscribed: Vec<u32>,
}
