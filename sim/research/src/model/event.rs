//! What happens in a run.

/// One thing that happens; most are about one message, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// A node comes for the first time.
    Arrive(u32),
    /// A node comes up, or goes down.
    Change(u32),
    /// Others take a node that has gone out of their tables.
    Missed(u32),
    /// A node leaves for good.
    Depart(u32),
    /// The next message gets its recipient ready.
    Ready,
    /// A message is written.
    Write(u32),
    /// A message is over.
    Expire(u32),
    SenderComes(u32),
    SenderGoes(u32),
    /// The sender's state machine asked for this moment.
    SenderDue(u32, Stint),
    /// The sender's lookup knows others for the nearest than before: the place in a list.
    SenderNear(u32, u8, Stint),
    /// The sender's lookup is done.
    SenderFound(u32, Stint),
    /// A deposit reaches a node.
    Deposit(u32, u32, Stint),
    /// An offer reaches a node.
    Offer(u32, u32, Stint),
    /// A node's answer to a deposit or an offer reaches the sender.
    Answer(u32, u32, Reply, Stint),
    RecipientComes(u32),
    RecipientGoes(u32, Stint),
    /// The recipient's state machine asked for this moment.
    RecipientDue(u32, Stint),
    /// The recipient's lookup is done.
    RecipientFound(u32, Stint),
    /// A node's answer to a recipient, or the end of waiting for it.
    Asked(u32, u32, Question, Stint),
    /// A node's push reaches the recipient.
    Pushed(u32, u32, Stint),
    /// An ack reaches a node.
    Ack(u32, u32),
    /// The delivery receipt reaches where the sender waits for it.
    DeliveryReceipt(u32),
    /// The keepers of a message compare what they have.
    Check(u32),
    /// A node has come to copy a message that it is to keep.
    Copy(u32, u32),
    /// It is time to count copies.
    Sample,
}

/// The number of a presence of a sender or a recipient: what was asked in another one is answered
/// to nobody.
pub(crate) type Stint = u8;

/// A node's answer to a deposit or an offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    Receipt,
    Unknown,
    Failed,
}

/// What a recipient asks a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Question {
    Neighbours,
    Subscribe,
    List,
    Get,
}
