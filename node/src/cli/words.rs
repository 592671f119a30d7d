//! The words for what a node answers in codes: why it refuses, how a message stands, what it finds
//! when it examines itself.
//!
//! Messages are lower case, without a full stop, and say what happened; hints say what to do next.

#[cfg(test)]
mod tests;

use restante_interface::{
    DeliveryState, EntryPoint, EntryPointState, Examined, Finding, Refusal, SendNote, SendResult,
    Stored, Verdict,
};
use serde::Serialize;

use super::terminal::{now_ms, relative};
use crate::config::units::{approximate_duration_ms, approximate_size_bytes};

/// Longest piece of a mistyped ID that is repeated, in characters.
const SHOWN_CHARS_MAX: usize = 64;

const SAME_VERSION: &str = "use the same version of restante for the command and the node";
const NEW_ID: &str = "ask them for a new ID";

/// Returns what happened and what to do next; the second is empty if there is nothing to do.
pub(super) fn refusal(refusal: &Refusal) -> (String, String) {
    (refusal_message(refusal), refusal_hint(refusal))
}

fn refusal_message(refusal: &Refusal) -> String {
    match refusal {
        Refusal::InvalidId { text, why } => {
            let shown: String = text.chars().take(SHOWN_CHARS_MAX).collect();
            format!("{shown:?} is not an ID: {why}")
        }
        Refusal::InvalidLifetime { max_ms } => format!(
            "a message lives between one second and {}",
            approximate_duration_ms(*max_ms)
        ),
        Refusal::TooLong { max_bytes } => format!(
            "the message is longer than {max_bytes} bytes ({})",
            approximate_size_bytes(*max_bytes)
        ),
        Refusal::OwnId => "this is your own ID".to_owned(),
        Refusal::NoAccount => "this node has no account".to_owned(),
        Refusal::InvalidParameter { name } => format!("the node does not understand {name:?}"),
        Refusal::Version { node, command } => format!(
            "the command speaks version {command} of the local interface, the running node {node}"
        ),
        Refusal::Malformed { why } => format!("the node did not understand the request: {why}"),
        Refusal::UnknownId { id } => {
            format!("nobody is known as {id}: no card is published under this ID")
        }
        Refusal::UnusableCard { id, why } => {
            format!("what is published as the card of {id} cannot be used: {why}")
        }
        Refusal::LinkMismatch { id } => {
            format!("the link's key does not match the account behind {id}")
        }
        Refusal::NotAContact { id } => format!("{id} is not among the contacts"),
        Refusal::Terminated { id } => format!("{id} has terminated the account"),
        Refusal::Blocked { id } => format!("{id} is blocked"),
        Refusal::StaleKeys { id } => format!("the keys of {id} have expired"),
        Refusal::MessageGone => "the message is gone".to_owned(),
        Refusal::Offline => "no keeper can be reached".to_owned(),
        Refusal::OutboxFull { waiting } => {
            format!("{waiting} messages are waiting to be delivered")
        }
        Refusal::ContactsFull { max } => format!("there are {max} contacts already"),
        Refusal::Busy { max } => {
            format!("{max} commands of this kind are talking to the node already")
        }
        Refusal::NotStored { what } => format!("{} could not be stored for certain", stored(*what)),
        Refusal::NotRead { what } => format!("{} cannot be read from the disk", stored(*what)),
        Refusal::TimedOut => "it took too long".to_owned(),
        Refusal::Stopping => "the node is stopping".to_owned(),
        Refusal::Internal { why } => format!("the node has a defect: {why}"),
    }
}

fn refusal_hint(refusal: &Refusal) -> String {
    let hint = match refusal {
        Refusal::InvalidId { .. } => "copy it from the other person's `restante id`",
        Refusal::InvalidLifetime { .. } => "choose another --ttl",
        Refusal::TooLong { .. } => "send a shorter text or a smaller file",
        Refusal::NoAccount => "run `restante init` in another home for an account of your own",
        Refusal::InvalidParameter { .. } | Refusal::Malformed { .. } => SAME_VERSION,
        Refusal::Version { .. } => "restart the node with the same version of restante",
        Refusal::UnknownId { .. } => {
            "check the ID; its owner must have been online within the last 30 days"
        }
        Refusal::UnusableCard { .. } => {
            "use the newest version of restante; if that is no help, ask its owner to go online once"
        }
        Refusal::LinkMismatch { .. } => "do not write to it; ask for the link again",
        Refusal::NotAContact { .. } => "see `restante contact list`",
        Refusal::Terminated { .. } => NEW_ID,
        Refusal::Blocked { id } => return format!("unblock with `restante contact accept {id}`"),
        Refusal::StaleKeys { .. } => "ask the recipient to go online once",
        Refusal::Offline => {
            "check the connection and `bootstrap` with `restante doctor`, then try again"
        }
        Refusal::OutboxFull { .. } => "wait until some have arrived",
        Refusal::ContactsFull { .. } => "block some that are not needed",
        Refusal::Busy { .. } => "try again when one of them has ended",
        Refusal::NotStored {
            what: Stored::Message,
        } => "bring the disk in order, restart the node, and see `restante status` first",
        Refusal::NotStored { .. } => "free some disk space and restart the node",
        Refusal::NotRead { .. } => "run `restante doctor`, then restart the node",
        Refusal::TimedOut => "try again",
        Refusal::Internal { .. } => "look at its log, and report this",
        Refusal::OwnId | Refusal::MessageGone | Refusal::Stopping => "",
    };
    hint.to_owned()
}

const fn stored(what: Stored) -> &'static str {
    match what {
        Stored::Message => "the message",
        Stored::Contact => "the contact",
        Stored::ReadMarks => "what was read",
        Stored::Inbox => "what has arrived",
        Stored::Holdings => "what is kept for others",
    }
}

/// Returns how a message stands, in one line.
pub(super) fn standing(result: &SendResult) -> String {
    let id: String = result.message_id.chars().take(16).collect();
    let until = relative(now_ms(), result.until_ms);
    let keepers = format!("{} of {} keepers", result.stored_with, result.stored_of);
    match result.state {
        DeliveryState::Waiting if result.effort_asked.is_some() => {
            format!("message {id} waits for keepers that ask for more work, expires {until}")
        }
        DeliveryState::Waiting if result.stored_with == 0 => {
            format!("message {id} waits in the outbox until a keeper takes it, expires {until}")
        }
        DeliveryState::Waiting => {
            format!("message {id} is with {keepers}, more are being asked, expires {until}")
        }
        DeliveryState::Stored => format!("message {id} is stored with {keepers}, expires {until}"),
        DeliveryState::Delivered => format!("message {id} is delivered"),
        DeliveryState::Expired => format!("message {id} has expired"),
    }
}

/// Returns what a person should know about a message.
pub(super) fn note(note: SendNote, result: &SendResult) -> String {
    match note {
        SendNote::NoKeeperYet => {
            "no keeper could be asked yet; this node keeps trying while it runs".to_owned()
        }
        SendNote::TooFewKeepers => {
            "too few keepers have it yet; this node keeps trying while it runs".to_owned()
        }
        SendNote::MoreWorkAsked => {
            let effort = result.effort_asked.unwrap_or_default();
            format!(
                "keepers ask for more work (effort {effort}) than this node does unasked; it keeps trying while it \
                 runs; `send --effort {effort}` allows that for one message, the setting `stamp_effort_max` for all"
            )
        }
        SendNote::SmallNetwork => {
            let keepers = plural(result.stored_of, "keeper is", "keepers are");
            format!("the network is small: {keepers} in reach")
        }
    }
}

/// One line of an examination, as `restante doctor --json` writes it.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Check {
    pub(super) name: &'static str,
    pub(super) verdict: Verdict,
    pub(super) detail: String,
    /// What to do about it; empty if it is well.
    pub(super) fix: String,
}

impl Check {
    fn new(
        name: &'static str,
        verdict: Verdict,
        detail: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self {
            name,
            verdict,
            detail: detail.into(),
            fix: fix.into(),
        }
    }

    pub(super) fn ok(name: &'static str, detail: impl Into<String>) -> Self {
        Self::new(name, Verdict::Ok, detail, "")
    }

    pub(super) fn warn(
        name: &'static str,
        detail: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self::new(name, Verdict::Warn, detail, fix)
    }

    pub(super) fn fail(
        name: &'static str,
        detail: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self::new(name, Verdict::Fail, detail, fix)
    }
}

/// Returns a finding of the running node as a line of the examination.
pub(super) fn finding(finding: &Finding) -> Check {
    let (name, detail) = detail(&finding.what);
    let fix = match finding.verdict {
        Verdict::Ok => "",
        Verdict::Warn | Verdict::Fail => fix(&finding.what),
    };
    Check::new(name, finding.verdict, detail, fix)
}

fn detail(what: &Examined) -> (&'static str, String) {
    match what {
        Examined::Network { keepers: 0, .. } => ("network", "no other node is in reach".to_owned()),
        Examined::ServerNetwork { keepers: 0, .. } => {
            ("network", "no other node is known yet".to_owned())
        }
        Examined::Network { peers, keepers } | Examined::ServerNetwork { peers, keepers } => {
            let peers = plural(*peers, "peer", "peers");
            let keepers = plural(*keepers, "known keeper", "known keepers");
            ("network", format!("{peers}, {keepers}"))
        }
        Examined::EntryPoints { failed, of } => {
            let said =
                |entry: &EntryPoint| format!("{}: {}", entry.address, entry_point(entry.state));
            let failed: Vec<String> = failed.iter().map(said).collect();
            let count = failed.len();
            (
                "entries",
                format!("{count} of {of} cannot be used: {}", failed.join("; ")),
            )
        }
        Examined::Card {
            effort_asked: Some(effort),
            ..
        } => (
            "card",
            format!("keepers ask for more work (effort {effort}) than this node does unasked"),
        ),
        Examined::Card {
            published_ms: None, ..
        } => ("card", "not published yet in this run".to_owned()),
        Examined::Card { .. } => ("card", "published: this account can be found".to_owned()),
        Examined::Work {
            messages,
            effort_asked,
            effort_max,
        } => {
            let messages = plural(*messages, "message waits", "messages wait");
            (
                "work",
                format!(
                    "{messages}: keepers ask for more work (effort {effort_asked}) than this node does unasked \
                     ({effort_max})"
                ),
            )
        }
        Examined::Mailboxes {
            watched,
            subscribed,
        } => (
            "mailboxes",
            format!("{watched} watched, {subscribed} with a keeper that pushes"),
        ),
        Examined::Keeper {
            stopped: Some(why), ..
        } => ("keeper", format!("it stores nothing: {why}")),
        Examined::Keeper { items, .. } => ("keeper", format!("{items} items of others")),
        Examined::Account { stopped } => (
            "account",
            format!("nothing can be sent or received: {stopped}"),
        ),
    }
}

/// Returns a number with the word for one or for many.
fn plural(count: u32, one: &str, many: &str) -> String {
    match count {
        1 => format!("1 {one}"),
        _ => format!("{count} {many}"),
    }
}

/// Returns what is known of an entry point.
pub(super) const fn entry_point(state: EntryPointState) -> &'static str {
    match state {
        EntryPointState::NotTried => "not tried yet",
        EntryPointState::Reached => "reached",
        EntryPointState::NameUnresolved => "its name does not resolve",
        EntryPointState::OtherIdentity => "a node with another identity answers there",
        EntryPointState::Refused => "nothing listens there",
        EntryPointState::NoAnswer => "nobody answers there",
        EntryPointState::Unreachable => "its network cannot be reached from here",
        EntryPointState::NoHandshake => "what answers there is not a node of this kind",
        EntryPointState::Unsupported => "there is no transport for such an address",
    }
}

const fn fix(what: &Examined) -> &'static str {
    match what {
        Examined::EntryPoints { .. } => {
            "ask who runs them for their present addresses, and set `bootstrap`; see also this machine's connection \
             and firewall"
        }
        Examined::Network { .. } => {
            "set `bootstrap` to the address of a node that is running, and check the firewall"
        }
        Examined::ServerNetwork { .. } => {
            "others join through the address that `restante status` shows as `listens at`"
        }
        Examined::Card {
            effort_asked: Some(_),
            ..
        }
        | Examined::Work { .. } => {
            "set `stamp_effort_max` to that effort and restart the node, or wait until they have room again"
        }
        Examined::Card { .. } => {
            "wait a minute with the node running; see the network check if it stays"
        }
        Examined::Mailboxes { .. } => {
            "messages are found later than they could be; see the network check"
        }
        Examined::Keeper { .. } | Examined::Account { .. } => {
            "bring the disk in order and restart the node"
        }
    }
}
