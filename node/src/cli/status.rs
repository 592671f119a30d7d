//! `restante status`.

use std::cmp::Reverse;

use restante_interface::{
    DeliveryState, NodeMode, OutboxEntry, Reply, Request, State, StatusInfo, Subject,
};

use restante_proto::limits::HOUR_MS;

use super::args::StatusArgs;
use super::session::unexpected;
use super::terminal::{align, escape_line, now_ms, relative};
use super::{Failure, Output, Session, words};
use crate::config::units::{approximate_duration_ms, approximate_size_bytes};

/// How long a node runs before it is said what it costs an hour, in milliseconds.
const TRAFFIC_AFTER_MS: u64 = HOUR_MS;
/// Causes of traffic, shown at most; `--json` has all.
const CAUSES_SHOWN: usize = 4;
/// Addresses of a kind, shown at most; `--json` has all.
pub(super) const ADDRESSES_SHOWN: usize = 6;
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
    for (name, addresses) in [("listens at", &info.listen), ("join at", &info.invite)] {
        for address in addresses.iter().take(ADDRESSES_SHOWN) {
            row(name, address.clone());
        }
        if let Some(hidden @ 1..) = addresses.len().checked_sub(ADDRESSES_SHOWN) {
            row("", format!("and {hidden} more, which --json has"));
        }
    }
    for state in &info.states {
        row(label(state.subject()), line(state, info));
    }
    if let Some(traffic) = traffic(info) {
        row("traffic", traffic);
    }
    if !info.id.is_empty() {
        row("unread", info.unread.to_string());
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
    // Joining costs more than hours of what comes after it.
    if info.uptime_ms < TRAFFIC_AFTER_MS {
        return None;
    }
    let uptime_ms = u128::from(info.uptime_ms);
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

/// Returns what a state is about, in this list.
const fn label(subject: Subject) -> &'static str {
    match subject {
        // The network's name is there already.
        Subject::Network => "peers",
        Subject::Keeper => "keeps",
        Subject::Outbox => "under way",
        other => words::subject(other),
    }
}

/// Returns the sentence for a state, and what to do about it.
fn line(state: &State, info: &StatusInfo) -> String {
    let mut text = words::sentence(state);
    let repair = &info.keeper.repair;
    let partners = u32::try_from(repair.partners).unwrap_or(u32::MAX);
    if state.subject() == Subject::Keeper && repair.partners > 0 {
        text.push_str(&format!(
            "; shared with {}, {} copied from there",
            words::plural(partners, "other keeper", "other keepers"),
            repair.copied
        ));
    }
    let fix = words::fix_among(state, &info.states);
    if !fix.is_empty() {
        text.push_str("; ");
        text.push_str(fix);
    }
    text
}

fn sent(entry: &OutboxEntry, now_ms: u64) -> Vec<String> {
    let facts = words::Facts {
        with: entry.stored_with,
        of: entry.stored_of,
        effort: entry.effort_asked,
        obstacles: &entry.obstacles,
    };
    let state = words::message(entry.code, facts);
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
