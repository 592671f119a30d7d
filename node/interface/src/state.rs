//! The states that the network, the account and its messages can be in: one code for each.
//!
//! The codes are what `--json` shows; none is used twice. The command line has one sentence for each of them, in one
//! table (`cli::words`), so that `status`, `doctor`, `send` and the log of a node never contradict each other.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{EntryPoint, StoreTrouble, Verdict};

/// What a state is about: the name of a line of `status` and of `doctor`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// The other nodes.
    Network,
    /// Whether others reach this node.
    Reach,
    /// The entry points of the configuration.
    Entries,
    /// The account's card.
    Card,
    /// The account's mailboxes.
    Mailboxes,
    /// What is kept for others.
    Keeper,
    /// The account's own store.
    Account,
    /// The machine's clock.
    Clock,
    /// Other copies of this home, and other devices of its account.
    Copies,
    /// The messages under way.
    Outbox,
    /// The backups that the node writes by itself.
    Backup,
}

/// Declares the states, each with its code, what it is about and how bad it is.
macro_rules! states {
    ($(
        $(#[$doc:meta])*
        $name:ident $({ $($(#[$field_doc:meta])* $field:ident: $type:ty,)* })?
            = $code:tt, $subject:ident, $verdict:ident;
    )*) => {
        /// One state with its facts.
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
        #[serde(tag = "code")]
        pub enum State {
            $(
                $(#[$doc])*
                #[serde(rename = $code)]
                $name $({ $($(#[$field_doc])* $field: $type,)* })?,
            )*
        }

        impl State {
            /// Every code, in the order of declaration.
            pub const CODES: &'static [&'static str] = &[$($code,)*];

            /// Returns its code.
            pub const fn code(&self) -> &'static str {
                match self {
                    $(Self::$name { .. } => $code,)*
                }
            }

            /// Returns what it is about.
            pub const fn subject(&self) -> Subject {
                match self {
                    $(Self::$name { .. } => Subject::$subject,)*
                }
            }

            /// Returns how bad it is.
            pub const fn verdict(&self) -> Verdict {
                match self {
                    $(Self::$name { .. } => Verdict::$verdict,)*
                }
            }
        }
    };
}

states! {
    /// A person's node knows no other: it can do nothing.
    NetworkAlone = "network_alone", Network, Fail;
    /// A person's node has reached somebody, or tries to, and knows no keeper yet.
    NetworkJoining {
        /// Connected peers.
        peers: u32,
    } = "network_joining", Network, Warn;
    /// A server knows no other keeper: the first one of a network is alone with its clients until others join.
    NetworkFirst {
        /// Connected peers.
        peers: u32,
    } = "network_first", Network, Warn;
    /// Peers are connected, but the way in is a private address, which does not count with this profile.
    NetworkPrivate {
        /// Connected peers.
        peers: u32,
    } = "network_private", Network, Fail;
    /// Fewer keepers are known than the protocol asks for.
    NetworkSmall {
        /// Connected peers.
        peers: u32,
        /// Keepers in the routing table.
        keepers: u32,
    } = "network_small", Network, Ok;
    /// As many keepers are known as the protocol asks for.
    NetworkJoined {
        /// Connected peers.
        peers: u32,
        /// Keepers in the routing table.
        keepers: u32,
    } = "network_joined", Network, Ok;

    /// It is set to keep nothing for others.
    ReachOff = "reach_off", Reach, Ok;
    /// It is there for this machine alone.
    ReachLocal = "reach_local", Reach, Ok;
    /// A person's node that is not known to be reachable, as most are.
    ReachClient = "reach_client", Reach, Ok;
    /// A server of which it is not known whether others reach it.
    ReachUnknown = "reach_unknown", Reach, Warn;
    /// A server that has private addresses alone.
    ReachPrivate {
        /// These.
        addresses: Vec<String>,
    } = "reach_private", Reach, Fail;
    /// It serves at addresses that nobody has tried yet.
    ReachClaimed {
        /// These.
        addresses: Vec<String>,
    } = "reach_claimed", Reach, Warn;
    /// Others have reached it.
    ReachConfirmed {
        /// Where.
        addresses: Vec<String>,
    } = "reach_confirmed", Reach, Ok;
    /// Others reach it, though not at all the addresses that are set.
    ReachPartial {
        /// Where they do.
        addresses: Vec<String>,
        /// Where they do not.
        refuted: Vec<String>,
    } = "reach_partial", Reach, Warn;
    /// Others cannot reach it where it says that they can.
    ReachRefuted {
        /// There.
        refuted: Vec<String>,
        /// From which IP addresses others see it come.
        seen_from: Vec<String>,
    } = "reach_refuted", Reach, Fail;

    /// No entry point is set, and the node is alone.
    EntriesUnset = "entries_unset", Entries, Warn;
    /// No entry point has failed.
    EntriesUsable {
        /// How many there are.
        of: u32,
    } = "entries_usable", Entries, Ok;
    /// Entry points could not be used, and the node is alone.
    EntriesFailed {
        /// Those.
        failed: Vec<EntryPoint>,
        /// How many there are.
        of: u32,
        /// In how many milliseconds they are tried again.
        retry_in_ms: u64,
    } = "entries_failed", Entries, Fail;
    /// Some entry points could not be used; the node knows others all the same.
    EntriesFailedSome {
        /// Those.
        failed: Vec<EntryPoint>,
        /// How many there are.
        of: u32,
    } = "entries_failed_some", Entries, Warn;

    /// The card was not stored at all its locators in this run.
    CardUnpublished = "card_unpublished", Card, Warn;
    /// Keepers ask for more work than is done unasked before they take the card.
    CardTooDear {
        /// When it was last stored at all its locators in this run, if ever.
        at_ms: Option<u64>,
        /// The effort of a stamp that they ask for.
        effort: u32,
        /// The highest that is paid unasked.
        allowed: u32,
    } = "card_too_dear", Card, Warn;
    /// The card was stored at all its locators.
    CardPublished {
        /// When it was last.
        at_ms: u64,
    } = "card_published", Card, Ok;

    /// No mailbox is watched yet.
    MailboxesUnwatched = "mailboxes_unwatched", Mailboxes, Warn;
    /// No keeper of any mailbox pushes what arrives.
    MailboxesDeaf {
        /// Mailboxes watched.
        watched: u32,
    } = "mailboxes_deaf", Mailboxes, Warn;
    /// This node's own keeper pushes what arrives, and no other: nobody else is connected.
    MailboxesOwn {
        /// Mailboxes watched.
        watched: u32,
    } = "mailboxes_own", Mailboxes, Warn;
    /// Keepers of some mailboxes push what arrives.
    MailboxesPartly {
        /// Mailboxes watched.
        watched: u32,
        /// Of these, mailboxes with a keeper that pushes.
        subscribed: u32,
    } = "mailboxes_partly", Mailboxes, Ok;
    /// Keepers of all mailboxes push what arrives.
    MailboxesHeard {
        /// Mailboxes watched.
        watched: u32,
    } = "mailboxes_heard", Mailboxes, Ok;

    /// Nothing is kept for others.
    KeeperOff = "keeper_off", Keeper, Ok;
    /// There is room for others' items.
    KeeperOpen {
        /// Items held.
        items: u64,
        /// Their bytes.
        bytes: u64,
        /// Bytes there may be.
        cap_bytes: u64,
        /// When the store last went on by itself after it had taken nothing.
        recovered_ms: Option<u64>,
    } = "keeper_open", Keeper, Ok;
    /// The store takes nothing at present.
    KeeperStopped {
        /// Items held.
        items: u64,
        /// Why.
        trouble: StoreTrouble,
    } = "keeper_stopped", Keeper, Fail;

    /// The account's store takes everything.
    AccountOpen {
        /// When it last went on by itself after it had taken nothing.
        recovered_ms: Option<u64>,
    } = "account_open", Account, Ok;
    /// The account's store takes everything; messages in it cannot be opened any more.
    AccountLost {
        /// How many.
        messages: u32,
    } = "account_lost", Account, Warn;
    /// The account's store takes nothing at present.
    AccountStopped {
        /// Why.
        trouble: StoreTrouble,
    } = "account_stopped", Account, Fail;

    /// Keepers agree with the date, or nothing speaks against it.
    ClockSure = "clock_sure", Clock, Ok;
    /// Nobody has confirmed the date since the start, or since it was set.
    ClockUnconfirmed = "clock_unconfirmed", Clock, Warn;
    /// Keepers contradict the date: nothing is destroyed or published by it.
    ClockContradicted {
        /// By how much it is ahead of theirs, in milliseconds; negative if it is behind.
        ahead_ms: i64,
        /// How many say so.
        keepers: u32,
    } = "clock_contradicted", Clock, Fail;
    /// The date is before something on the disk, and nobody has confirmed it.
    ClockBeforeDisk {
        /// By how much, in milliseconds.
        behind_ms: u64,
    } = "clock_before_disk", Clock, Warn;

    /// It is not known yet whether another copy of this home is further on.
    CopiesUnknown {
        /// Envelopes that do not open here.
        left: u32,
    } = "copies_unknown", Copies, Warn;
    /// No other copy of this home is further on.
    CopiesNewest {
        /// Other devices of the account.
        others: u32,
    } = "copies_newest", Copies, Ok;
    /// This home was an older copy, and goes on as a device of its own.
    CopiesRenewed {
        /// Since when.
        at_ms: u64,
        /// Envelopes that do not open here.
        left: u32,
    } = "copies_renewed", Copies, Warn;
    /// The account goes on elsewhere, by its recovery phrase: this home is none of its devices any more.
    CopiesShutOut = "copies_shut_out", Copies, Fail;

    /// Nothing is under way.
    OutboxEmpty = "outbox_empty", Outbox, Ok;
    /// Messages are under way.
    OutboxUnderWay {
        /// How many.
        messages: u32,
    } = "outbox_under_way", Outbox, Ok;
    /// Messages wait because keepers do not take them.
    OutboxRefused {
        /// How many are under way.
        messages: u32,
        /// How many of these wait for that reason.
        waiting: u32,
        /// Why, and at how many keepers; the most frequent first.
        obstacles: Vec<Obstacle>,
    } = "outbox_refused", Outbox, Warn;
    /// Messages wait because keepers ask for more work than may be done for them.
    OutboxTooDear {
        /// How many are under way.
        messages: u32,
        /// How many of these wait for that reason.
        waiting: u32,
        /// The highest effort of a stamp that is asked for one of them.
        effort: u32,
        /// The highest that is paid unasked.
        allowed: u32,
    } = "outbox_too_dear", Outbox, Warn;

    /// Backups are set, and none was made yet.
    BackupNone = "backup_none", Backup, Ok;
    /// The last backup was made.
    BackupMade {
        /// When.
        at_ms: u64,
    } = "backup_made", Backup, Ok;
    /// The last backup failed; it is tried again.
    BackupFailed {
        /// When the newest that there is was made, if there is one.
        at_ms: Option<u64>,
        /// When it failed last.
        failed_ms: u64,
        /// Why.
        why: String,
    } = "backup_failed", Backup, Fail;
}

/// Obstacles of one message, or of all, at most: those at most keepers.
pub const OBSTACLES_MAX: usize = 4;

/// What stands in the way of a message at keepers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Obstacle {
    /// What it is.
    pub reason: ObstacleReason,
    /// At how many keepers.
    pub keepers: u32,
}

/// Why a keeper did not take a message: its own reasons (SPEC 7.3), and those for which there is no answer of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ObstacleReason {
    /// It takes the request for malformed.
    Malformed,
    /// It knows no such size.
    TooLarge,
    /// It takes the message for expired.
    Expired,
    /// It takes the message's life for too long.
    Lifetime,
    /// It wants more work.
    Stamp,
    /// It does not accept the right to write there.
    Capability,
    /// It does not accept a signature.
    Signature,
    /// It has a newer record.
    Sequence,
    /// It takes the mailbox's day for over or not begun.
    Epoch,
    /// Its clock and this one's disagree.
    Clock,
    /// The mailbox, or its disk, is full.
    Full,
    /// It has too much to do.
    Busy,
    /// It can store nothing now.
    Unavailable,
    /// It could not be reached, or what it answered was worth nothing.
    NoAnswer,
}

impl MessageCode {
    /// Tells whether nothing more is done for it.
    pub const fn is_over(self) -> bool {
        matches!(
            self,
            Self::Delivered | Self::Read | Self::Recalled | Self::Expired
        )
    }
}

/// How a message stands, more exactly than [`DeliveryState`](crate::DeliveryState) says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum MessageCode {
    /// The work for strangers' mailboxes is being done.
    #[serde(rename = "message_stamping")]
    Stamping,
    /// No keeper could be asked yet.
    #[serde(rename = "message_unplaced")]
    Unplaced,
    /// Keepers were asked, and too few have it yet.
    #[serde(rename = "message_placing")]
    Placing,
    /// Keepers ask for more work than may be done for it.
    #[serde(rename = "message_too_dear")]
    TooDear,
    /// Keepers do not take it.
    #[serde(rename = "message_refused")]
    Refused,
    /// Enough keepers have it.
    #[serde(rename = "message_stored")]
    Stored,
    /// All keepers in reach have it, fewer than the protocol asks for.
    #[serde(rename = "message_stored_few")]
    StoredFew,
    /// Enough keepers have it, and its recipient goes on with other devices since, which may not have its key.
    #[serde(rename = "message_stored_outdated")]
    StoredOutdated,
    /// Its recipient has it.
    #[serde(rename = "message_delivered")]
    Delivered,
    /// Its recipient has read it.
    #[serde(rename = "message_read")]
    Read,
    /// It was taken back.
    #[serde(rename = "message_recalled")]
    Recalled,
    /// Its time ran out before its recipient confirmed it.
    #[serde(rename = "message_expired")]
    Expired,
}
