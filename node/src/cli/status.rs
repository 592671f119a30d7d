//! `restante status`.

use restante_interface::{DeliveryState, NodeMode, OutboxEntry, Reply, Request, StatusInfo};

use super::args::StatusArgs;
use super::session::unexpected;
use super::terminal::{align, escape_line, now_ms, relative};
use super::{Failure, Output, Session, words};
use crate::config::units::{approximate_duration_ms, approximate_size_bytes};

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
        let card = info.card_published_ms;
        row(
            "card",
            card.map_or_else(
                || "not published yet: nobody can find you by your ID".to_owned(),
                |ms| format!("published {}", relative(now_ms, ms)),
            ),
        );
        if let Some(why) = &info.account_read_only {
            let text = format!(
                "takes nothing in any more: {why}; restart the node once the disk is in order"
            );
            row("account", text);
        }
        row("unread", info.unread.to_string());
        row("under way", format!("{} messages", info.outbox_count));
    }
    let mut lines = align(&rows);
    let entries: Vec<_> = info
        .outbox
        .iter()
        .map(|entry| under_way(entry, now_ms))
        .collect();
    lines.extend(align(&entries).into_iter().map(|line| format!("  {line}")));
    let is_under_way = |entry: &&OutboxEntry| {
        matches!(entry.state, DeliveryState::Waiting | DeliveryState::Stored)
    };
    let listed = info.outbox.iter().filter(is_under_way).count();
    let hidden = (info.outbox_count as usize).saturating_sub(listed);
    if hidden > 0 {
        lines.push(format!("  and {hidden} more"));
    }
    lines
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

fn under_way(entry: &OutboxEntry, now_ms: u64) -> Vec<String> {
    let state = match entry.state {
        DeliveryState::Waiting => "waiting",
        DeliveryState::Stored => "stored",
        DeliveryState::Delivered => "delivered",
        DeliveryState::Expired => "expired",
    };
    let next = entry.next_try_ms.map_or_else(String::new, |ms| {
        format!("offered again {}", relative(now_ms, ms))
    });
    vec![
        escape_line(&entry.message_id.chars().take(16).collect::<String>()),
        format!("to {}", escape_line(&entry.to)),
        format!("{state} with {} of {}", entry.stored_with, entry.stored_of),
        format!("expires {}", relative(now_ms, entry.until_ms)),
        next,
    ]
}
