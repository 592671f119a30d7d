//! `restante status`.

use restante_interface::{DeliveryState, NodeMode, OutboxEntry, Reply, Request, StatusInfo};

use super::args::StatusArgs;
use super::session::unexpected;
use super::terminal::{align, escape_line, now_ms, relative};
use super::{Failure, Output, Session, words};
use crate::config::units::{approximate_duration_ms, approximate_size_bytes};

/// Messages that have ended, shown at most; `--json` has more.
const ENDED_SHOWN: usize = 10;

pub(super) fn status(
    session: &Session,
    args: &StatusArgs,
    out: &mut Output,
) -> Result<(), Failure> {
    let info = match session.call(Request::Status)? {
        Reply::Status(info) => info,
        other => return Err(unexpected(&other)),
    };
    if args.json {
        return out.json(&info);
    }
    for line in describe(&info, now_ms()) {
        out.line(line)?;
    }
    Ok(())
}

/// Returns the lines shown without `--json`.
pub(super) fn describe(info: &StatusInfo, now_ms: u64) -> Vec<String> {
    let mut rows = Vec::new();
    let mut row = |name: &str, value: String| rows.push(vec![name.to_owned(), escape_line(&value)]);
    if !info.id.is_empty() {
        row("id", info.id.clone());
    }
    row("network", info.network.clone());
    let mode = match info.mode {
        NodeMode::Client => "client: keeps nothing for others",
        NodeMode::Server => "server: keeps items for others",
    };
    row("mode", mode.to_owned());
    row("up", approximate_duration_ms(info.uptime_ms));
    row(
        "peers",
        format!("{} connected, {} known", info.peers, info.routing_table),
    );
    for address in &info.listen {
        row("listens at", address.clone());
    }
    for entry in &info.entry_points {
        if entry.state.is_failed() {
            let why = words::entry_point(entry.state);
            row("entry", format!("{}: {why}", entry.address));
        }
    }
    row("keeps", keeps(info));
    if !info.id.is_empty() {
        let mailboxes = &info.mailboxes;
        row(
            "mailboxes",
            format!(
                "{} of {} subscribed",
                mailboxes.subscribed, mailboxes.watched
            ),
        );
        row("card", card(info, now_ms));
        if let Some(why) = &info.account_read_only {
            let text = format!(
                "takes nothing in any more: {why}; restart the node once the disk is in order"
            );
            row("account", text);
        }
        row("unread", info.unread.to_string());
        let messages = match info.outbox_count {
            1 => "1 message".to_owned(),
            count => format!("{count} messages"),
        };
        row("under way", messages);
    }
    let mut lines = align(&rows);
    let is_under_way = |entry: &&OutboxEntry| {
        matches!(entry.state, DeliveryState::Waiting | DeliveryState::Stored)
    };
    let (listed, ended): (Vec<_>, Vec<_>) = info.outbox.iter().partition(is_under_way);
    let hidden = (info.outbox_count as usize).saturating_sub(listed.len());
    list(&mut lines, &listed, hidden, now_ms);
    let asked = listed.iter().filter_map(|entry| entry.effort_asked);
    if let Some(effort) = asked.max() {
        lines.push(format!("  {}", dearer(effort, info.stamp_effort_max)));
    }
    if !ended.is_empty() {
        lines.push("sent before".to_owned());
        let shown = &ended[..ended.len().min(ENDED_SHOWN)];
        list(&mut lines, shown, ended.len() - shown.len(), now_ms);
    }
    lines
}

/// Adds a line for each message, and one for those that have none.
fn list(lines: &mut Vec<String>, entries: &[&OutboxEntry], hidden: usize, now_ms: u64) {
    let rows: Vec<_> = entries.iter().map(|entry| sent(entry, now_ms)).collect();
    lines.extend(align(&rows).into_iter().map(|line| format!("  {line}")));
    if hidden > 0 {
        lines.push(format!("  and {hidden} more"));
    }
}

fn card(info: &StatusInfo, now_ms: u64) -> String {
    match (info.card_published_ms, info.card_effort_asked) {
        (Some(ms), None) => format!("published {}", relative(now_ms, ms)),
        (_, Some(effort)) => dearer(effort, info.stamp_effort_max),
        (None, None) => "not published yet: nobody can find you by your ID".to_owned(),
    }
}

/// Returns what to do when keepers ask for more work than is done unasked.
fn dearer(effort: u32, effort_max: u32) -> String {
    format!(
        "keepers ask for more work (effort {effort}) than this node does unasked ({effort_max}): set \
         `stamp_effort_max`, or wait until they have room"
    )
}

fn keeps(info: &StatusInfo) -> String {
    let keeper = &info.keeper;
    let mut text = format!(
        "{} items, {} of {}",
        keeper.items,
        approximate_size_bytes(keeper.bytes),
        approximate_size_bytes(keeper.cap_bytes)
    );
    if keeper.repair.partners > 0 {
        text.push_str(&format!(
            "; shared with {} keepers, {} copied from them",
            keeper.repair.partners, keeper.repair.copied
        ));
    }
    if let Some(reason) = &keeper.read_only {
        text.push_str(&format!("; takes no new ones: {reason}"));
    }
    text
}

fn sent(entry: &OutboxEntry, now_ms: u64) -> Vec<String> {
    let (with, of) = (entry.stored_with, entry.stored_of);
    let state = match entry.state {
        DeliveryState::Waiting if entry.effort_asked.is_some() => {
            let effort = entry.effort_asked.unwrap_or_default();
            format!("waiting, with {with} of {of}: more work is asked for (effort {effort})")
        }
        DeliveryState::Waiting if of == 0 => "waiting for keepers to be found".to_owned(),
        DeliveryState::Waiting => format!("waiting, with {with} of {of}"),
        DeliveryState::Stored => format!("stored with {with} of {of}"),
        DeliveryState::Delivered => "delivered".to_owned(),
        DeliveryState::Expired => "expired before it was collected".to_owned(),
    };
    let end = match entry.state {
        DeliveryState::Waiting | DeliveryState::Stored => {
            format!("expires {}", relative(now_ms, entry.until_ms))
        }
        DeliveryState::Delivered | DeliveryState::Expired => String::new(),
    };
    let next = entry.next_try_ms.map_or_else(String::new, |ms| {
        format!("offered again {}", relative(now_ms, ms))
    });
    vec![
        escape_line(&entry.message_id.chars().take(16).collect::<String>()),
        format!("to {}", escape_line(&entry.to)),
        state,
        end,
        next,
    ]
}
