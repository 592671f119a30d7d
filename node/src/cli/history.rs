//! `restante history` and `conversations`.

use restante_interface::{
    ConversationInfo, HISTORY_PAGE_COUNT_MAX, HistoryMessage, HistoryPage, HistoryRequest,
    MessageCode, Reply, Request,
};

use super::args::{ConversationsArgs, HistoryArgs};
use super::session::unexpected;
use super::terminal::{align, escape, escape_line, now_ms, relative};
use super::{Failure, Output, Session, check};
use crate::config::units::{approximate_duration_ms, approximate_size_bytes};

/// Characters of the id of a message that people are shown: enough to name it.
const ID_CHARS: usize = 8;
/// Characters of a last message that are listed.
const PREVIEW_CHARS: usize = 48;
/// Messages that are shown at once, at most: they are shown the oldest first, and come the newest first.
const SHOWN_MAX: usize = 100_000;

/// Prints what was said with somebody, the oldest first.
pub(super) fn history(
    session: &Session,
    args: &HistoryArgs,
    out: &mut Output,
) -> Result<(), Failure> {
    let who = check::somebody(&args.who)?;
    let mut before = args
        .before
        .as_deref()
        .map(check::message_name)
        .transpose()?;
    let wanted = args.count.map_or(SHOWN_MAX, |count| count as usize);
    let mut messages: Vec<HistoryMessage> = Vec::new();
    loop {
        let left = wanted.saturating_sub(messages.len());
        let count = left.min(HISTORY_PAGE_COUNT_MAX);
        if count == 0 {
            break;
        }
        let page = page(session, &who, before, count)?;
        messages.extend(page.messages);
        before = messages.last().map(|last| last.id.clone());
        if !page.more || before.is_none() {
            break;
        }
    }
    if messages.is_empty() && !args.json {
        return out.line("nothing was said that has not gone");
    }
    let now_ms = now_ms();
    for message in messages.iter().rev() {
        if args.json {
            out.json(message)?;
            continue;
        }
        for line in describe(message, &who, now_ms) {
            out.line(line)?;
        }
    }
    Ok(())
}

pub(super) fn page(
    session: &Session,
    who: &str,
    before: Option<String>,
    count: usize,
) -> Result<HistoryPage, Failure> {
    let request = HistoryRequest {
        who: who.to_owned(),
        before,
        count: u32::try_from(count).ok(),
    };
    match session.call(Request::History(request))? {
        Reply::History(page) => Ok(page),
        other => Err(unexpected(&other)),
    }
}

/// Returns a heading, and the message indented, so that it cannot pass for a heading.
pub(super) fn describe(message: &HistoryMessage, who: &str, now_ms: u64) -> Vec<String> {
    let id: String = message.id.chars().take(ID_CHARS).collect();
    let author = match message.own {
        true => "you".to_owned(),
        false => escape_line(who),
    };
    let mut heading = format!("{id}  {author}, {}", relative(now_ms, message.sent_ms));
    if let Some(to) = &message.reply_to {
        let to: String = to.chars().take(ID_CHARS).collect();
        heading.push_str(&format!(", in answer to {to}"));
    }
    for part in standing(message, now_ms) {
        heading.push_str(", ");
        heading.push_str(&part);
    }
    let mut lines = vec![heading];
    if let Some(name) = &message.file_name {
        lines.push(format!("  [file {}]", escape_line(name)));
    }
    let sealed = "[sealed: `restante inbox` opens it, and it burns from then on]";
    lines.extend(
        words(message, sealed)
            .into_iter()
            .map(|line| format!("  {line}")),
    );
    for reaction in &message.reactions {
        let by = match reaction.own {
            true => "you".to_owned(),
            false => escape_line(who),
        };
        lines.push(format!("  ({} {by})", escape_line(&reaction.emoji)));
    }
    lines
}

/// Returns what is to be said of how a message stands.
fn standing(message: &HistoryMessage, now_ms: u64) -> Vec<String> {
    let mut parts = Vec::new();
    if message.edited_ms.is_some() {
        parts.push("edited".to_owned());
    }
    let state = message.code.map(|code| match code {
        MessageCode::Read => "read",
        MessageCode::Delivered => "delivered",
        MessageCode::Recalled => "taken back",
        MessageCode::Expired => "expired before it was taken",
        MessageCode::Stored | MessageCode::StoredFew => "stored",
        MessageCode::StoredOutdated => "stored, may never be read",
        _ => "waits",
    });
    parts.extend(state.map(str::to_owned));
    if message.recalled_ms.is_some() && message.code.is_none() {
        parts.push("taken back".to_owned());
    }
    if let Some(burn_ms) = message.burn_ms.filter(|_| message.recalled_ms.is_none()) {
        let after = approximate_duration_ms(burn_ms);
        parts.push(match message.read_ms {
            Some(read_ms) => {
                format!(
                    "burns {}",
                    relative(now_ms, read_ms.saturating_add(burn_ms))
                )
            }
            None => format!("burns {after} after reading"),
        });
    } else if message.recalled_ms.is_none() {
        parts.push(format!("expires {}", relative(now_ms, message.expires_ms)));
    }
    parts
}

/// Returns the words of a message, or what stands in their place; `sealed` where it burns and was not opened.
pub(super) fn words(message: &HistoryMessage, sealed: &str) -> Vec<String> {
    match (&message.text, &message.base64) {
        _ if message.unknown => {
            vec!["[a message that a newer version of restante can show]".to_owned()]
        }
        (Some(text), _) => escape(&text.0).lines().map(str::to_owned).collect(),
        (None, Some(body)) => {
            let size = approximate_size_bytes(body.as_bytes().len() as u64);
            vec![format!("[{size} that are not text]")]
        }
        (None, None) if message.recalled_ms.is_some() => Vec::new(),
        (None, None) if !message.own && message.burn_ms.is_some() && message.read_ms.is_none() => {
            vec![sealed.to_owned()]
        }
        (None, None) => vec!["[destroyed]".to_owned()],
    }
}

/// Lists all conversations.
pub(super) fn conversations(
    session: &Session,
    args: &ConversationsArgs,
    out: &mut Output,
) -> Result<(), Failure> {
    let (mut after, mut rows) = (None, Vec::new());
    loop {
        let page = match session.call(Request::Conversations { after })? {
            Reply::Conversations(page) => page,
            other => return Err(unexpected(&other)),
        };
        for conversation in &page.conversations {
            match args.json {
                true => out.json(conversation)?,
                false => rows.push(row(conversation, now_ms())),
            }
        }
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    for line in align(&rows) {
        out.line(line)?;
    }
    if rows.is_empty() && !args.json {
        out.line("no conversations; write to somebody with `restante send ID TEXT`")?;
    }
    Ok(())
}

/// Returns what is listed of a conversation.
pub(super) fn row(conversation: &ConversationInfo, now_ms: u64) -> Vec<String> {
    let contact = &conversation.contact;
    let name = contact.petname.as_ref().unwrap_or(&contact.id);
    let mut name = escape_line(name);
    if contact.pinned {
        name.insert_str(0, "* ");
    }
    let unread = match conversation.unread {
        0 => String::new(),
        unread if contact.muted => format!("({unread} unread)"),
        unread => format!("{unread} unread"),
    };
    let last = conversation.last_ms;
    let last = last.map_or_else(String::new, |ms| relative(now_ms, ms));
    vec![name, unread, last, preview(conversation)]
}

fn preview(conversation: &ConversationInfo) -> String {
    let Some(last) = &conversation.last else {
        return String::new();
    };
    let author = if last.own { "you: " } else { "" };
    let words = match &last.file_name {
        Some(name) => format!("[file {name}]"),
        None if last.recalled_ms.is_some() => "[taken back]".to_owned(),
        None => match &last.text {
            Some(text) => text.0.clone(),
            None => "[not text]".to_owned(),
        },
    };
    let words = escape_line(&words);
    let mut shown: String = words.chars().take(PREVIEW_CHARS).collect();
    if words.chars().count() > PREVIEW_CHARS {
        shown.push_str("...");
    }
    format!("{author}{shown}")
}
