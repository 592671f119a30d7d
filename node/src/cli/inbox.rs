//! `restante inbox`.

use restante_interface::{
    InboxMessage, InboxPage, InboxRequest, MARK_READ_COUNT_MAX, Reply, Request, State,
};

use super::args::InboxArgs;
use super::session::unexpected;
use super::terminal::{escape, escape_line, now_ms, relative};
use super::{Failure, Output, Session, check, words};
use crate::config::units::{approximate_duration_ms, approximate_size_bytes};

/// Prints messages page by page, and marks those read that were taken from what was written.
///
/// In this order, a crash in between, or a reader that goes away, shows a message twice rather than never.
pub(super) fn inbox(session: &Session, args: &InboxArgs, out: &mut Output) -> Result<(), Failure> {
    if !args.ack.is_empty() {
        args.ack.iter().try_for_each(|id| check::message_id(id))?;
        return mark_read(session, args.ack.clone());
    }
    let mut wait_ms = u64::from(args.wait.unwrap_or(0)) * 1_000;
    let mut after = None;
    let mut shown = 0_usize;
    let mut deaf;
    loop {
        let page = page(
            session,
            InboxRequest {
                wait_ms,
                all: args.all,
                after,
                only: None,
            },
        )?;
        let mut taken = Vec::new();
        let written = write(&page.messages, args, &mut shown, &mut taken, out);
        if !args.peek {
            mark_read(session, taken)?;
        }
        written?;
        deaf = page.deaf;
        after = page.messages.last().map(|message| message.id.clone());
        if !page.more || after.is_none() {
            break;
        }
        wait_ms = 0;
    }
    if let Some(state) = deaf {
        return Err(incomplete(&state));
    }
    if shown == 0 && !args.json {
        let none = if args.all {
            "no messages"
        } else {
            "no new messages"
        };
        out.line(match is_cut_off(session)? {
            true => format!(
                "{none} here; no other node is in reach, so that some may wait at keepers (see `restante doctor`)"
            ),
            false => none.to_owned(),
        })?;
    }
    Ok(())
}

/// Tells whether the node knows no other.
fn is_cut_off(session: &Session) -> Result<bool, Failure> {
    match session.call(Request::Status)? {
        Reply::Status(info) => Ok(info.states.contains(&State::NetworkAlone)),
        other => Err(unexpected(&other)),
    }
}

/// Returns why there may be more messages than were shown.
fn incomplete(state: &State) -> Failure {
    let why = words::sentence(state);
    let failure = match state {
        State::AccountStopped { trouble } => Failure::failed(
            format!("the node takes no messages in: {trouble}"),
            "see `restante doctor`; what is sent meanwhile waits at the keepers",
        ),
        State::CopiesShutOut => Failure::failed(
            format!("there may be more messages: {why}"),
            words::fix(state),
        ),
        _ => Failure::failed(
            format!("there may be more messages: the clock of this machine is {why}"),
            words::fix(state),
        ),
    };
    failure.coded(state.code())
}

/// Writes messages, and notes those unread that were taken whole.
fn write(
    messages: &[InboxMessage],
    args: &InboxArgs,
    shown: &mut usize,
    taken: &mut Vec<String>,
    out: &mut Output,
) -> Result<(), Failure> {
    let mut is_taken = true;
    for message in messages {
        show(message, args.json, *shown > 0, out)?;
        *shown += 1;
        // Who does not take one message in time is not waited for again.
        is_taken = is_taken && out.settle()?;
        let is_shown = args.json || message.base64.is_none();
        if is_taken && is_shown && !message.read {
            taken.push(message.id.clone());
        }
    }
    Ok(())
}

fn mark_read(session: &Session, ids: Vec<String>) -> Result<(), Failure> {
    for ids in ids.chunks(MARK_READ_COUNT_MAX) {
        let ids = ids.to_vec();
        session.call(Request::MarkRead { ids })?;
    }
    Ok(())
}

fn page(session: &Session, request: InboxRequest) -> Result<InboxPage, Failure> {
    match session.call(Request::Inbox(request))? {
        Reply::Inbox(page) => Ok(page),
        other => Err(unexpected(&other)),
    }
}

fn show(message: &InboxMessage, json: bool, gap: bool, out: &mut Output) -> Result<(), Failure> {
    if json {
        return out.json(message);
    }
    if gap {
        out.line("")?;
    }
    for line in describe(message, now_ms()) {
        out.line(line)?;
    }
    Ok(())
}

/// Returns a heading, and the message indented, so that it cannot pass for a heading.
pub(super) fn describe(message: &InboxMessage, now_ms: u64) -> Vec<String> {
    let mut heading = format!("from {}", escape_line(&message.from));
    if let Some(known) = &message.known_as {
        heading.push_str(&format!(", whom you know as {}", escape_line(known)));
    }
    if message.blocked {
        heading.push_str(" (blocked)");
    } else if !message.contact {
        heading.push_str(" (a stranger: `restante contact accept` or `block`)");
    }
    heading.push_str(&format!(", sent {}", relative(now_ms, message.sent_ms)));
    heading.push_str(&format!(
        ", expires {}",
        relative(now_ms, message.expires_ms)
    ));
    if message.edited_ms.is_some() {
        heading.push_str(", edited");
    }
    if let Some(burn_ms) = message.burn_ms {
        heading.push_str(&format!(
            ", burns {} after reading",
            approximate_duration_ms(burn_ms)
        ));
    }
    let mut lines = vec![heading];
    if let Some(name) = &message.file_name {
        lines.push(format!("  [file {}]", escape_line(name)));
    }
    match (&message.text, &message.base64) {
        _ if message.unknown => {
            lines.push("  [a message that a newer version of restante can show]".to_owned());
        }
        (Some(text), _) => {
            // A text that ends in a line break has no empty line after it.
            lines.extend(escape(&text.0).lines().map(|line| format!("  {line}")));
        }
        (None, Some(body)) => {
            let size = approximate_size_bytes(body.as_bytes().len() as u64);
            lines.push(format!(
                "  [{size} that are not text, and stay unread; `restante inbox --json` has them]"
            ));
        }
        (None, None) => lines.push("  [destroyed]".to_owned()),
    }
    lines
}
