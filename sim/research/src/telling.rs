//! What people are told of a run of the model.

use std::io::{self, Write};

use crate::model::{LatencyReport, Progress, Report};
use crate::statistics::Estimate;

/// Tells how far a run is, on one line of a terminal.
pub(crate) fn progress(step: &Progress) {
    // Somebody who does not listen misses nothing.
    let _unheard = write!(
        io::stderr(),
        "\r{:5.1} of {:.1} days: {} written, {} delivered, {} lookups, {} events ",
        days(step.now_ms),
        days(step.until_ms),
        step.written,
        step.delivered,
        step.lookups,
        step.events
    );
}

/// Tells what a run found out.
pub(crate) fn report(out: &mut impl Write, found: &Report) -> io::Result<()> {
    let (messages, lookups, bytes) = (&found.messages, &found.lookups, &found.bytes);
    writeln!(
        out,
        "\n{} nodes for {:.1} days, which came or went {} times; {} events",
        found.nodes,
        days(found.duration_ms),
        found.turns,
        found.events
    )?;
    writeln!(
        out,
        "messages: {} written, {} stored, {} delivered ({}), {} known to be, {} expired ({} never stored), {} lost, \
         {} wait still; {} of {} visits were in vain",
        messages.written,
        messages.stored,
        messages.delivered,
        percent(messages.delivery),
        messages.known,
        messages.expired,
        messages.never_stored,
        messages.lost,
        messages.waiting,
        messages.visits_in_vain,
        messages.visits
    )?;
    let times = [
        ("stored", &found.stored_ms),
        ("shown", &found.shown_ms),
        ("shown to somebody who was there", &found.online_ms),
        ("shown after the recipient's return", &found.after_return_ms),
        ("a lookup", &lookups.end_ms),
    ];
    for (what, took) in times {
        let (half, most) = (seconds(took.p50), seconds(took.p99));
        writeln!(out, "{what}: half within {half}, 99 of 100 within {most}")?;
    }
    if let Some(found) = &found.latency {
        waiting(out, found)?;
    }
    writeln!(
        out,
        "lookups: {}, {} of them exact, {:.1} questions each, {:.1} % of these unanswered, the nearest known after \
         {:.1} hops and {}",
        lookups.count,
        lookups.exact,
        lookups.questions.mean,
        100.0 * lookups.unanswered,
        lookups.hops.mean,
        seconds(lookups.nearest_ms.p50)
    )?;
    writeln!(
        out,
        "keepers: {:.2} copies at a time at most on average, {} at one of a hundred, {} at the busiest",
        found.copies_per_keeper.mean, found.copies_per_keeper.p99, found.copies_per_keeper.max
    )?;
    writeln!(
        out,
        "bytes: {:.0} for each message, {:.0} for each node; {} for lookups, {} deposits, {} offers, {} collecting, \
         {} delivery receipts, {} repair; {} at keepers at the end",
        bytes.per_message,
        bytes.per_node.mean,
        bytes.lookups,
        bytes.deposits,
        bytes.offers,
        bytes.collecting,
        bytes.delivery_receipts,
        bytes.repair,
        bytes.held
    )
}

/// Tells what people waited for, and what the least possible is.
fn waiting(out: &mut impl Write, found: &LatencyReport) -> io::Result<()> {
    writeln!(
        out,
        "\n| what (the least possible in brackets) | half within | 95 of 100 | 99 of 100 |\n| --- | --- | --- | --- |"
    )?;
    let rows = [
        ("a deposit at keepers not known before", &found.deposit),
        ("another one to the same mailbox", &found.again),
        ("from that one to its showing", &found.shown),
        ("a card", &found.card),
    ];
    for (what, waiting) in rows {
        let (took, least) = (&waiting.took_ms, &waiting.least_ms);
        let pairs = [
            (took.p50, least.p50),
            (took.p95, least.p95),
            (took.p99, least.p99),
        ];
        let pairs = pairs.map(|(took, least)| format!("{} ({})", seconds(took), seconds(least)));
        writeln!(out, "| {what} | {} |", pairs.join(" | "))?;
    }
    writeln!(out)
}

fn days(ms: u64) -> f64 {
    ms as f64 / 86_400_000.0
}

fn seconds(ms: u64) -> String {
    format!("{}.{:03} s", ms / 1_000, ms % 1_000)
}

fn percent(share: Option<Estimate>) -> String {
    share.map_or_else(
        || "-".to_owned(),
        |Estimate { value, low, high }| {
            let [value, low, high] = [value, low, high].map(|part| 100.0 * part);
            format!("{value:.3} %, {low:.3} to {high:.3}")
        },
    )
}
