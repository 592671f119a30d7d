//! The sentences: one for each state of the table in `restante_interface`, and what to do about it.

use restante_interface::{
    EntryPoint, EntryPointState, MessageCode, Obstacle, ObstacleReason, State, StoreTrouble,
    Subject,
};

use super::{entry_point, plural};
use crate::cli::terminal::{now_ms, relative};
use crate::config::units::{approximate_duration_ms, approximate_size_bytes};

const CHECK_EXTERNAL: &str = "correct `external`, or forward that port and open the firewall";
const ALLOW_WORK: &str =
    "set `stamp_effort_max` to that effort and restart the node, or wait until there is room again";
const NETWORK: &str = "wait a minute with the node running; if it stays, see to the network first";
const CLOCK: &str = "wait two minutes; if it stays, compare the clock of this machine with another, and see to the \
                     network";
const LOST: &str = "see to the disk; ask those who wrote to send again, or put back a whole copy of the home folder, \
                    made while the node was stopped";
/// About entry points that are not reached by a node that is alone, and by one that is not.
const UNREACHED: &str = "ask who runs them for their present addresses, which `run --bootstrap ADDRESS` takes at the \
                         next start, and see to this machine's connection and firewall";
const UNREACHED_SOME: &str = "none is needed while others are known, and they are tried seldom then; ask who runs them \
                              for their present addresses";

/// Returns what a state is about, as `doctor` and JSON name it.
pub(in crate::cli) const fn subject(subject: Subject) -> &'static str {
    match subject {
        Subject::Network => "network",
        Subject::Reach => "reach",
        Subject::Entries => "entries",
        Subject::Card => "card",
        Subject::Mailboxes => "mailboxes",
        Subject::Keeper => "keeper",
        Subject::Account => "account",
        Subject::Clock => "clock",
        Subject::Copies => "copies",
        Subject::Outbox => "outbox",
        Subject::Backup => "backup",
    }
}

/// Returns the sentence for a state.
#[expect(clippy::too_many_lines, reason = "one table, an arm for each state")]
pub(in crate::cli) fn sentence(state: &State) -> String {
    match state {
        State::NetworkAlone => "no other node is in reach".into(),
        State::NetworkJoining { peers: 0 } => "joins: its entry points are being dialled".into(),
        State::NetworkJoining { peers } => {
            format!("joins: {}, no keeper is known yet", connected(*peers))
        }
        State::NetworkFirst { peers: 0 } => "no other node is known yet".into(),
        State::NetworkFirst { peers } => format!(
            "{}, none of which keeps items for others yet",
            connected(*peers)
        ),
        State::NetworkPrivate { peers } => format!(
            "{}, at private addresses, which do not count with profile \"internet\"",
            connected(*peers)
        ),
        State::NetworkSmall { peers, keepers } => {
            format!("{}, {}: a small network", connected(*peers), known(*keepers))
        }
        State::NetworkJoined { peers, keepers } => {
            format!("{}, {}", connected(*peers), known(*keepers))
        }
        State::ReachOff => "a client, as `serve` is set: it keeps nothing for others".into(),
        State::ReachLocal => "reached on this machine alone, as `profile` is set".into(),
        State::ReachClient => {
            "a client: no other node has reached it from outside, which sending and receiving do not need".into()
        }
        State::ReachUnknown => "a client: no other node has reached it from outside yet".into(),
        State::ReachPrivate { addresses } => format!(
            "a client: its addresses are private, nodes elsewhere cannot reach it ({})",
            addresses.join(", ")
        ),
        State::ReachClaimed { addresses } => {
            format!("nobody has tried yet to reach it at {}", addresses.join(", "))
        }
        State::ReachConfirmed { addresses } => format!("others reach it at {}", addresses.join(", ")),
        State::ReachPartial { addresses, refuted } if addresses.is_empty() => format!(
            "others reach it, though not at {}, which `external` names",
            refuted.join(", ")
        ),
        State::ReachPartial { addresses, refuted } => format!(
            "others reach it at {}, and cannot at {}, which `external` names",
            addresses.join(", "),
            refuted.join(", ")
        ),
        State::ReachRefuted { refuted, seen_from } => refuted_at(refuted, seen_from),
        State::EntriesUnset => "no node to join the network through is set".into(),
        State::EntriesUsable { of } => format!("{}, none has failed", plural(*of, "entry point", "entry points")),
        State::EntriesFailed {
            failed,
            of,
            retry_in_ms,
        } => {
            let pause = approximate_duration_ms(*retry_in_ms);
            format!("{}; tried again in {pause}", entries(failed, *of))
        }
        State::EntriesFailedSome { failed, of } => entries(failed, *of),
        State::CardUnpublished => "not published yet in this run: perhaps nobody can find you by your ID".into(),
        State::CardTooDear {
            at_ms: None,
            effort,
            allowed,
        } => format!("not published yet in this run: {}", too_dear(*effort, *allowed)),
        State::CardTooDear {
            at_ms: Some(at_ms),
            effort,
            allowed,
        } => format!(
            "published {}, and not everywhere since: {}",
            relative(now_ms(), *at_ms),
            too_dear(*effort, *allowed)
        ),
        State::CardPublished { at_ms } => format!(
            "published {}: this account can be found",
            relative(now_ms(), *at_ms)
        ),
        State::MailboxesUnwatched => "none is watched yet".into(),
        State::MailboxesDeaf { watched } => format!("{watched} watched, at no keeper that pushes what arrives"),
        State::MailboxesOwn { watched } => format!("{watched} watched, at this node's own keeper alone"),
        State::MailboxesPartly {
            watched,
            subscribed,
        } => format!(
            "{} of {watched} at a keeper that pushes what arrives",
            subscribed.min(watched)
        ),
        State::MailboxesHeard { watched } => {
            format!("{watched} watched, each at a keeper that pushes what arrives")
        }
        State::KeeperOff => "keeps nothing for others".into(),
        State::KeeperOpen {
            items,
            bytes,
            cap_bytes,
            recovered_ms,
        } => format!(
            "{} of others, {} of {}{}",
            item_count(*items),
            approximate_size_bytes(*bytes.min(cap_bytes)),
            approximate_size_bytes(*cap_bytes),
            recovered(*recovered_ms)
        ),
        State::KeeperStopped { items, trouble } => format!(
            "{} of others; {trouble}: nothing new is kept for others, and what is kept cannot be deleted",
            item_count(*items)
        ),
        State::AccountOpen { recovered_ms } => {
            format!("what arrives is stored{}", recovered(*recovered_ms))
        }
        State::AccountLost { messages } => format!(
            "{} cannot be opened any more: what opens them is damaged or of an older copy",
            plural(*messages, "message", "messages")
        ),
        State::AccountStopped { trouble } => format!(
            "{trouble}: it takes nothing in, from you or from keepers, where messages wait; what is under way is \
             offered on"
        ),
        State::ClockSure => "right, as far as keepers and this disk show".into(),
        State::ClockUnconfirmed => {
            "not confirmed by keepers yet: until then nothing is published, and what ends is hidden, not destroyed"
                .into()
        }
        State::ClockContradicted { ahead_ms, keepers } => format!(
            "{} by {}: nothing is destroyed, published or sent until it is right",
            apart(*ahead_ms),
            plural(*keepers, "keeper", "keepers")
        ),
        State::ClockBeforeDisk { behind_ms } => format!(
            "{} behind by what is on this disk: nothing is destroyed or published until keepers confirm it",
            approximate_duration_ms(*behind_ms)
        ),
        State::CopiesUnknown { left } => {
            format!("it is not known yet whether another copy of this home is further on{}", unopened(*left))
        }
        State::CopiesNewest { others: 0 } => "no other copy of this home is further on".into(),
        State::CopiesNewest { others } => format!(
            "no other copy of this home is further on; {} on as {} of the account",
            plural(*others, "copy that was run beside it goes", "copies that were run beside it go"),
            if *others == 1 { "another device" } else { "other devices" }
        ),
        State::CopiesRenewed { at_ms, left } => format!(
            "this home was an older copy of its account, and became a device of its own {}{}",
            relative(now_ms(), *at_ms),
            unopened(*left)
        ),
        State::CopiesShutOut => {
            "the account goes on elsewhere, by its recovery phrase: this home is none of its devices any more, and \
             nobody takes anything from it"
                .into()
        }
        State::OutboxEmpty => "no message".into(),
        State::OutboxUnderWay { messages } => plural(*messages, "message", "messages"),
        State::OutboxRefused {
            messages,
            waiting,
            obstacles: why,
        } => format!(
            "{}, of which keepers do not take {}: {}",
            plural(*messages, "message", "messages"),
            waiting.min(messages),
            obstacles(why)
        ),
        State::OutboxTooDear {
            messages,
            waiting,
            effort,
            allowed,
        } => format!(
            "{}, of which {}: {}",
            plural(*messages, "message", "messages"),
            plural(*waiting.min(messages), "waits", "wait"),
            too_dear(*effort, *allowed)
        ),
        State::BackupNone => "none was made yet".into(),
        State::BackupMade { at_ms } => format!("made {}", relative(now_ms(), *at_ms)),
        State::BackupFailed {
            at_ms,
            failed_ms,
            why,
        } => format!(
            "failed {}: {why}; {}",
            relative(now_ms(), *failed_ms),
            at_ms.map_or_else(
                || "there is none".to_owned(),
                |at_ms| format!("the newest was made {}", relative(now_ms(), at_ms))
            )
        ),
    }
}

/// Returns what to do about a state; empty for one that is well.
#[expect(clippy::too_many_lines, reason = "one table, an arm for each state")]
pub(in crate::cli) fn fix(state: &State) -> &'static str {
    match state {
        State::NetworkAlone => {
            "set `bootstrap` to the address of a node that is running (what its `status` shows as `join at`), and \
             check the firewall"
        }
        State::NetworkFirst { .. } => "others join through what `status` shows as `join at`",
        State::NetworkPrivate { .. } => {
            "on a LAN or VPN of your own, set profile = \"lan\" here and at all its nodes; on one machine, \"local\""
        }
        State::ReachUnknown => {
            "wait a minute; if it stays, forward its ports, open the firewall, and set `external` to its public address"
        }
        State::ReachPrivate { .. } => {
            "with a public address, forward the port and set `external` to that address; on a LAN or VPN of your own, \
             set profile = \"lan\" at all its nodes"
        }
        State::ReachClaimed { .. } => "others try it by themselves soon after they have joined",
        State::ReachPartial { .. } => CHECK_EXTERNAL,
        State::ReachRefuted { .. } => {
            "correct `external`, or forward that port and open the firewall; it is tried again every ten minutes"
        }
        State::EntriesUnset => "set `bootstrap`, unless this is the first node of a network",
        State::EntriesFailed { failed, .. } => entries_fix(failed, UNREACHED),
        State::EntriesFailedSome { failed, .. } => entries_fix(failed, UNREACHED_SOME),
        State::NetworkJoining { .. } | State::CardUnpublished | State::MailboxesUnwatched => {
            NETWORK
        }
        State::CardTooDear { .. } | State::OutboxTooDear { .. } => ALLOW_WORK,
        State::MailboxesDeaf { .. } | State::MailboxesOwn { .. } => {
            "messages are found later than they could be; if it stays, see to the network first"
        }
        State::KeeperStopped { trouble, .. } => store_fix(
            trouble,
            "restart the node: it makes a new store of what can still be read",
        ),
        State::AccountStopped { trouble } => store_fix(
            trouble,
            "restart the node; if it does not start, put back a copy of the home folder made while it was stopped",
        ),
        State::AccountLost { .. } => LOST,
        State::ClockUnconfirmed => CLOCK,
        State::CopiesUnknown { .. } => NETWORK,
        State::ClockContradicted { .. } | State::ClockBeforeDisk { .. } => {
            "set the clock of this machine, if it is wrong"
        }
        State::CopiesRenewed { .. } => {
            "run one copy of a home only: stop this one if you have a newer one, and run that; ask those who wrote \
             meanwhile to send again what you do not see"
        }
        State::CopiesShutOut => super::SHUT_OUT,
        State::OutboxRefused { .. } => "they are offered again by themselves; `status` says when",
        State::BackupFailed { .. } => {
            "see to the folder that `backup_folder` names, and its disk; it is tried again by itself"
        }
        State::NetworkSmall { .. }
        | State::NetworkJoined { .. }
        | State::ReachOff
        | State::ReachLocal
        | State::ReachClient
        | State::ReachConfirmed { .. }
        | State::EntriesUsable { .. }
        | State::CardPublished { .. }
        | State::MailboxesPartly { .. }
        | State::MailboxesHeard { .. }
        | State::KeeperOff
        | State::KeeperOpen { .. }
        | State::AccountOpen { .. }
        | State::ClockSure
        | State::CopiesNewest { .. }
        | State::OutboxEmpty
        | State::OutboxUnderWay { .. }
        | State::BackupNone
        | State::BackupMade { .. } => "",
    }
}

/// Returns what to do about a state while these are the states of the node: what waits for the clock says so.
pub(in crate::cli) fn fix_among(state: &State, all: &[State]) -> &'static str {
    let waits = matches!(
        state,
        State::CardUnpublished
            | State::MailboxesUnwatched
            | State::MailboxesDeaf { .. }
            | State::CopiesUnknown { .. }
    );
    let is_wrong = |it: &State| {
        matches!(
            it,
            State::ClockContradicted { .. } | State::ClockBeforeDisk { .. }
        )
    };
    let has_failed = |it: &State| matches!(it, State::EntriesFailed { .. });
    let is_stopped = |it: &State| matches!(it, State::AccountStopped { .. });
    if waits && all.iter().any(is_stopped) {
        return "it waits for the account's store";
    }
    if waits && all.iter().any(is_wrong) {
        return "it waits for the clock to be right";
    }
    if *state == State::NetworkAlone && all.iter().any(has_failed) {
        return "see to its entry points";
    }
    fix(state)
}

/// The facts that go with a [`MessageCode`].
#[derive(Debug, Clone, Copy)]
pub(in crate::cli) struct Facts<'a> {
    /// How many keepers have it.
    pub(in crate::cli) with: u32,
    /// How many are to have it.
    pub(in crate::cli) of: u32,
    /// The effort of a stamp that would get it stored, where that is more than may be paid.
    pub(in crate::cli) effort: Option<u32>,
    pub(in crate::cli) obstacles: &'a [Obstacle],
}

/// Returns the sentence for how a message stands, without its subject.
pub(in crate::cli) fn message(code: MessageCode, facts: Facts<'_>) -> String {
    let Facts { with, of, .. } = facts;
    let keepers = match of {
        0 => "no keeper yet".to_owned(),
        1 => format!("{} of 1 keeper", with.min(of)),
        _ => format!("{} of {of} keepers", with.min(of)),
    };
    match code {
        MessageCode::Stamping => "waits for its stamp, some seconds of work".into(),
        MessageCode::Unplaced => "waits: no keeper could be asked yet".into(),
        MessageCode::Placing => format!("is with {keepers}, others are being asked"),
        MessageCode::TooDear => {
            let asked = facts.effort.map_or_else(String::new, |effort| format!(" (effort {effort})"));
            format!("waits with {keepers}: others ask for more work than is allowed for it{asked}")
        }
        MessageCode::Refused if of == 0 => format!("waits: {}", obstacles(facts.obstacles)),
        MessageCode::Refused => format!("waits with {keepers}: {}", obstacles(facts.obstacles)),
        MessageCode::Stored if of == 0 => "is stored; its keepers are being looked up again".into(),
        MessageCode::Stored => format!("is stored with {keepers}"),
        MessageCode::StoredFew => format!("is stored with {keepers}, all that are in reach"),
        MessageCode::StoredOutdated => {
            "is stored, and its recipient goes on with another device since, which may not have its key: if it is \
             not delivered soon, send it again"
                .into()
        }
        MessageCode::Delivered => "is delivered".into(),
        MessageCode::Read => "was read".into(),
        MessageCode::Recalled => "was taken back".into(),
        MessageCode::Expired => "has expired before its recipient took it".into(),
    }
}

/// Returns what stands in the way, and at how many keepers.
pub(in crate::cli) fn obstacles(obstacles: &[Obstacle]) -> String {
    let said = |it: &Obstacle| {
        let keepers = plural(it.keepers, "keeper", "keepers");
        format!("{} at {keepers}", obstacle(it.reason))
    };
    match obstacles {
        [] => "nothing is known to stand in its way".into(),
        some => some.iter().map(said).collect::<Vec<_>>().join(", "),
    }
}

const fn obstacle(reason: ObstacleReason) -> &'static str {
    match reason {
        ObstacleReason::Malformed => "a request that is not understood",
        ObstacleReason::TooLarge => "a size that is not taken",
        ObstacleReason::Expired => "a life that counts as over",
        ObstacleReason::Lifetime => "a life that counts as too long",
        ObstacleReason::Stamp => "more work asked for",
        ObstacleReason::Capability => "no right to write there any more",
        ObstacleReason::Signature => "a signature that is not accepted",
        ObstacleReason::Sequence => "something newer",
        ObstacleReason::Epoch => "a mailbox of another day",
        ObstacleReason::Clock => "a clock that differs from this machine's",
        ObstacleReason::Full => "no room (the recipient's mailbox there is full, or the disk)",
        ObstacleReason::Busy => "too much to do",
        ObstacleReason::Unavailable => "a store that takes nothing now",
        ObstacleReason::NoAnswer => "no answer",
    }
}

/// Returns what to do about entry points that cannot be used: what one of them shows for sure comes first.
fn entries_fix(failed: &[EntryPoint], otherwise: &'static str) -> &'static str {
    let is_so = |state| failed.iter().any(|entry| entry.state == state);
    if is_so(EntryPointState::OtherNetwork) {
        "set `network` as those have it whom you want to join, and restart the node"
    } else if is_so(EntryPointState::OtherIdentity) {
        "ask who runs it for its present line, and give it to `run --bootstrap`"
    } else if is_so(EntryPointState::NameUnresolved) {
        "see whether the name is spelled right and this machine resolves names; it is tried again by itself"
    } else {
        otherwise
    }
}

/// Returns what to do about a store that takes nothing; `damaged` is what to do about one that is damaged.
const fn store_fix(trouble: &StoreTrouble, damaged: &'static str) -> &'static str {
    match trouble {
        StoreTrouble::DiskFull => "make room on the disk; the node goes on by itself",
        StoreTrouble::Ended => "restart the node, look at its log, and report this",
        StoreTrouble::DiskFailed { .. } => {
            "see to the disk, its cables and the system's log; the node tries it again at least every 30 seconds"
        }
        StoreTrouble::Damaged { .. } => damaged,
    }
}

/// Returns that a store has gone on by itself, if it has.
fn recovered(at_ms: Option<u64>) -> String {
    at_ms.map_or_else(String::new, |ms| {
        let when = relative(now_ms(), ms);
        format!("; a disk that took nothing was in order again {when}")
    })
}

/// Returns by how much a clock is wrong.
pub(in crate::cli) fn apart(ahead_ms: i64) -> String {
    let by = approximate_duration_ms(ahead_ms.unsigned_abs());
    match ahead_ms > 0 {
        true => format!("{by} ahead"),
        false => format!("{by} behind"),
    }
}

/// Returns that keepers ask for more work than is done unasked.
fn too_dear(effort: u32, allowed: u32) -> String {
    format!("keepers ask for more work (effort {effort}) than this node does unasked ({allowed})")
}

fn unopened(left: u32) -> String {
    match left {
        0 => String::new(),
        left => {
            let left = plural(left, "envelope waits that does", "envelopes wait that do");
            format!("; {left} not open here: another copy may have the keys")
        }
    }
}

fn connected(peers: u32) -> String {
    format!("{} connected", plural(peers, "node", "nodes"))
}

fn known(keepers: u32) -> String {
    format!("{} known", plural(keepers, "keeper", "keepers"))
}

fn item_count(items: u64) -> String {
    plural(u32::try_from(items).unwrap_or(u32::MAX), "item", "items")
}

fn refuted_at(refuted: &[String], seen_from: &[String]) -> String {
    let mut text = format!("a client: others cannot reach it at {}", refuted.join(", "));
    if !seen_from.is_empty() {
        text.push_str(&format!("; they see it come from {}", seen_from.join(", ")));
    }
    text
}

fn entries(failed: &[EntryPoint], of: u32) -> String {
    let said = |entry: &EntryPoint| format!("{}: {}", entry.address, entry_point(entry.state));
    let said: Vec<String> = failed.iter().map(said).collect();
    let count = u32::try_from(said.len()).unwrap_or(u32::MAX).min(of);
    format!("{count} of {of} cannot be used: {}", said.join("; "))
}
