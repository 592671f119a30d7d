//! The words for what a node answers in codes: why it refuses, and in [`states`] the one table of sentences for how
//! messages, mailboxes, stores and the network stand.
//!
//! Messages are lower case, without a full stop, and say what happened; hints say what to do next.

mod states;
#[cfg(test)]
mod tests;

use restante_interface::{
    DeliveryState, EntryPointState, Refusal, SendResult, State, Stored, Verdict,
};
use serde::Serialize;

pub(super) use states::{Facts, fix, fix_among, message, sentence, subject};

use super::terminal::{now_ms, relative};
use crate::config::units::{approximate_duration_ms, approximate_size_bytes};

/// Longest piece of a mistyped ID that is repeated, in characters.
const SHOWN_CHARS_MAX: usize = 64;

const SAME_VERSION: &str = "use the same version of restante for the command and the node";
const SET_CLOCK: &str = "set the clock of this machine, and see `restante doctor`";
/// What to do with a home that the account goes on without.
const SHUT_OUT: &str = "go on where the phrase was used; if that was not you, tell your contacts by other ways, and \
                        make an account with a new phrase; if this is where you used it, the clock was wrong: set it, \
                        and make this home anew with `init --recover`";
const NEW_ID: &str = "ask them for a new ID";

/// Returns what happened and what to do next; the second is empty if there is nothing to do.
pub(super) fn refusal(refusal: &Refusal) -> (String, String) {
    (refusal_message(refusal), refusal_hint(refusal))
}

#[expect(clippy::too_many_lines, reason = "one table, an arm for each refusal")]
fn refusal_message(refusal: &Refusal) -> String {
    match refusal {
        Refusal::InvalidId { text, why } => {
            let shown: String = text.chars().take(SHOWN_CHARS_MAX).collect();
            format!("{shown:?} is not an ID: {why}")
        }
        Refusal::UnknownName { name } => {
            let shown: String = name.chars().take(SHOWN_CHARS_MAX).collect();
            format!("{shown:?} is not an ID, and no contact is called so")
        }
        Refusal::AmbiguousName { name, ids } => {
            let shown: String = name.chars().take(SHOWN_CHARS_MAX).collect();
            format!("several contacts are called {shown:?}: {}", ids.join(", "))
        }
        Refusal::InvalidLifetime { max_ms } => format!(
            "a message lives between one second and {}",
            approximate_duration_ms(*max_ms)
        ),
        Refusal::BurnsTooLate { ttl_ms } => format!(
            "the message lives for {} only, and would not burn before",
            approximate_duration_ms(*ttl_ms)
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
        Refusal::NoSuchPath
        | Refusal::WrongMethod
        | Refusal::WrongMedia { .. }
        | Refusal::TooLarge { .. }
        | Refusal::HeadTooLarge { .. }
        | Refusal::Foreign { .. } => {
            format!("the node does not take the request: {}", refusal.code())
        }
        Refusal::UnknownId { id } => {
            format!("nobody is known as {id}: no card is published under this ID")
        }
        Refusal::UnusableCard { id, why } => {
            format!("what is published as the card of {id} cannot be used: {why}")
        }
        Refusal::OtherDate { id } => {
            format!("by this machine's clock the card of {id} is not of today")
        }
        Refusal::WrongClock { ahead_ms } => format!(
            "this machine's clock is {} by what keepers say",
            states::apart(*ahead_ms)
        ),
        Refusal::ShutOut => {
            "the account goes on elsewhere, by its recovery phrase: nobody takes anything from this home".to_owned()
        }
        Refusal::LinkMismatch { id } => {
            format!("the link's key does not match the account behind {id}")
        }
        Refusal::NotAContact { id } => format!("{id} is not among the contacts"),
        Refusal::Terminated { id } => format!("{id} has terminated the account"),
        Refusal::Blocked { id } => format!("{id} is blocked"),
        Refusal::StaleKeys { id } => format!("the keys of {id} have expired"),
        Refusal::MessageGone => "the message is gone".to_owned(),
        Refusal::NoSuchMessage { id } => {
            format!("there is no message {id} with which that can be done")
        }
        Refusal::Offline => "no keeper can be reached".to_owned(),
        Refusal::OutboxFull { waiting } => {
            format!("{waiting} messages are waiting to be delivered")
        }
        Refusal::ContactsFull { max } => format!("there are {max} contacts already"),
        Refusal::Busy { max } => {
            format!("{max} commands of this kind are talking to the node already")
        }
        Refusal::NotStored { what } => format!("{} could not be stored", stored(*what)),
        Refusal::NotRead { what } => format!("{} cannot be read from the disk", stored(*what)),
        Refusal::FileExists { path } => format!("{path} is there already"),
        Refusal::FileNotWritten { path, why } => format!("cannot write {path}: {why}"),
        Refusal::TimedOut => "it took too long".to_owned(),
        Refusal::Stopping => "the node is stopping".to_owned(),
        Refusal::Internal { why } => format!("the node has a defect: {why}"),
    }
}

fn refusal_hint(refusal: &Refusal) -> String {
    let hint = match refusal {
        Refusal::InvalidId { .. } => "copy it from the other person's `restante id`",
        Refusal::UnknownName { .. } => {
            "see `restante contact list`; an ID is what `restante id` shows the other person"
        }
        Refusal::AmbiguousName { .. } => "give the ID of the one you mean",
        Refusal::InvalidLifetime { .. } => "choose another --ttl",
        Refusal::BurnsTooLate { .. } => "shorten --burn, or give a longer --ttl",
        Refusal::TooLong { .. } => "send a shorter text or a smaller file",
        Refusal::NoAccount => "run `restante init` in another home for an account of your own",
        Refusal::InvalidParameter { .. }
        | Refusal::Malformed { .. }
        | Refusal::NoSuchPath
        | Refusal::WrongMethod
        | Refusal::WrongMedia { .. }
        | Refusal::TooLarge { .. }
        | Refusal::HeadTooLarge { .. }
        | Refusal::Foreign { .. } => SAME_VERSION,
        Refusal::Version { .. } => "restart the node with the same version of restante",
        Refusal::UnknownId { .. } => {
            "check the ID; its owner must have been online within the last 30 days, and cannot be found until the \
             `status` there says that the card is published, a minute after the first `restante run`"
        }
        Refusal::UnusableCard { .. } => {
            "use the newest version of restante; if that is no help, ask its owner to go online once"
        }
        Refusal::OtherDate { .. } | Refusal::WrongClock { .. } => SET_CLOCK,
        Refusal::ShutOut => SHUT_OUT,
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
        } => "`restante doctor` says why; send it again when that is over",
        Refusal::NotStored { .. } | Refusal::NotRead { .. } => {
            "`restante doctor` says why; try again when that is over"
        }
        Refusal::FileExists { .. } => "choose another name, or replace it with --force",
        Refusal::FileNotWritten { .. } => "see to that folder and its disk, then try again",
        Refusal::TimedOut => "try again",
        Refusal::Internal { .. } => "look at its log, and report this",
        Refusal::NoSuchMessage { .. } => {
            "see `restante history ID --json` for the ids of messages; what is gone cannot be changed"
        }
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
        Stored::Account => "the account",
    }
}

/// Returns how a message that was sent stands, in one line.
pub(super) fn standing(result: &SendResult) -> String {
    let id: String = result.message_id.chars().take(16).collect();
    let facts = Facts {
        with: result.stored_with,
        of: result.stored_of,
        effort: result.effort_asked,
        obstacles: &result.obstacles,
    };
    let mut text = format!("message {id} {}", message(result.code, facts));
    let is_over = result.code.is_over();
    if !is_over {
        text.push_str(&format!(
            ", expires {}",
            relative(now_ms(), result.until_ms)
        ));
    }
    let waits = result.state == DeliveryState::Waiting;
    if let Some(next_ms) = result.next_try_ms.filter(|_| waits) {
        text.push_str(&format!(
            ", is offered again {}",
            relative(now_ms(), next_ms)
        ));
    }
    text
}

/// Returns what a person should know about a message that waits; nothing about others.
pub(super) fn while_waiting(result: &SendResult) -> String {
    match (result.state, result.effort_asked) {
        (DeliveryState::Waiting, Some(effort)) => format!(
            "this node keeps trying while it runs; `send --effort {effort}` allows that for one message, the setting \
             `stamp_effort_max` for all"
        ),
        (DeliveryState::Waiting, None) => "this node keeps trying while it runs".to_owned(),
        (DeliveryState::Stored | DeliveryState::Delivered | DeliveryState::Expired, _) => {
            String::new()
        }
    }
}

/// One line of an examination, as `restante doctor --json` writes it.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Check {
    pub(super) name: &'static str,
    /// What was found, for programs.
    pub(super) code: &'static str,
    pub(super) verdict: Verdict,
    pub(super) detail: String,
    /// What to do about it; empty if it is well.
    pub(super) fix: String,
}

impl Check {
    fn new(
        (name, code): (&'static str, &'static str),
        verdict: Verdict,
        detail: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self {
            name,
            code,
            verdict,
            detail: detail.into(),
            fix: fix.into(),
        }
    }

    /// `named` is what was examined, and the code of what was found.
    pub(super) fn ok(named: (&'static str, &'static str), detail: impl Into<String>) -> Self {
        Self::new(named, Verdict::Ok, detail, "")
    }

    pub(super) fn warn(
        named: (&'static str, &'static str),
        detail: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self::new(named, Verdict::Warn, detail, fix)
    }

    pub(super) fn fail(
        named: (&'static str, &'static str),
        detail: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self::new(named, Verdict::Fail, detail, fix)
    }
}

/// Returns a state of the running node as a line of the examination.
pub(super) fn finding(state: &State, all: &[State]) -> Check {
    Check::new(
        (subject(state.subject()), state.code()),
        state.verdict(),
        sentence(state),
        fix_among(state, all),
    )
}

/// Returns a number with the word for one or for many.
pub(super) fn plural(count: u32, one: &str, many: &str) -> String {
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
        EntryPointState::OtherNetwork => "a node of another network answers there (see `network`)",
    }
}
