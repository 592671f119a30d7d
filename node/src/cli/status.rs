//! `restante status`.

use std::cmp::Reverse;

use restante_interface::{DeliveryState, NodeMode, OutboxEntry, Reply, Request, StatusInfo};

use restante_proto::limits::HOUR_MS;

use super::args::StatusArgs;
use super::session::unexpected;
use super::terminal::{align, escape_line, now_ms, relative};
use super::{Failure, Output, Session, words};
use crate::config::units::{approximate_duration_ms, approximate_size_bytes};

/// Causes of traffic, shown at most; `--json` has all.
const CAUSES_SHOWN: usize = 4;
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
    if let Some(traffic) = traffic(info) {
        row("traffic", traffic);
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

/// Returns how much went over the network since the start, and what most of it was for.
fn traffic(info: &StatusInfo) -> Option<String> {
    let mut causes: Vec<(&str, u64)> = info
        .traffic
        .iter()
        .map(|(cause, traffic)| (cause.as_str(), traffic.bytes()))
        .collect();
    causes.sort_by_key(|(_, bytes)| Reverse(*bytes));
    let all: u64 = causes.iter().map(|(_, bytes)| bytes).sum();
    let uptime_ms = u128::from(info.uptime_ms.max(1));
    let an_hour = u128::from(all) * u128::from(HOUR_MS) / uptime_ms;
    let shown = causes.iter().take(CAUSES_SHOWN);
    let shown: Vec<String> = shown
        .map(|(cause, bytes)| {
            let percent = u128::from(*bytes) * 100 / u128::from(all.max(1));
            format!("{} {percent}%", cause.replace('_', " "))
        })
        .collect();
    let an_hour = approximate_size_bytes(u64::try_from(an_hour).unwrap_or(u64::MAX));
    (all > 0).then(|| format!("about {an_hour} an hour: {}", shown.join(", ")))
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
