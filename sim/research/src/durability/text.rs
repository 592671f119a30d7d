//! What was found out, as text.

use std::time::Duration;

use restante_proto::limits::receipts_wanted;

use super::{COPIES, Check, Cost, Durability, Limit, Loss};
use crate::statistics::Estimate;

/// One table: what it is about, its heading and its rows.
struct Sheet {
    title: String,
    rows: Vec<Vec<String>>,
}

/// Returns a length of time as it is typed.
fn time(seconds: u64) -> String {
    let text = humantime::format_duration(Duration::from_secs(seconds)).to_string();
    match text.as_str() {
        // Lives are compared in hours.
        "1day" => "24h".to_owned(),
        "3days" => "72h".to_owned(),
        _ => text.replace(' ', "").replace("days", "d"),
    }
}

/// Returns the mean lives that were looked at, in order.
fn lives(found: &Durability) -> Vec<u64> {
    let mut lives: Vec<u64> = found.losses.iter().map(|loss| loss.life_s).collect();
    lives.dedup();
    lives
}

/// Returns a probability as people compare it.
fn odds(value: f64) -> String {
    if value >= 0.01 {
        format!("{value:.3}")
    } else {
        format!("{value:.1e}")
    }
}

/// Returns all tables.
fn sheets(found: &Durability) -> Vec<Sheet> {
    let mut sheets: Vec<Sheet> = lives(found)
        .iter()
        .map(|life| losses(found, *life))
        .collect();
    sheets.push(costs(found));
    if !found.checks.is_empty() {
        sheets.push(checks(&found.checks));
    }
    sheets
}

fn losses(found: &Durability, life_s: u64) -> Sheet {
    let of_life = |loss: &&Loss| loss.life_s == life_s;
    let mut repairs: Vec<u64> = found
        .losses
        .iter()
        .filter(of_life)
        .map(|loss| loss.repair_s)
        .collect();
    repairs.sort_unstable();
    repairs.dedup();
    let named = COPIES.map(|copies| format!("R = {copies} / W = {}", receipts_wanted(copies)));
    let mut rows = vec![
        std::iter::once("copied within".to_owned())
            .chain(named)
            .collect(),
    ];
    for repair_s in repairs {
        let row = found.losses.iter().filter(of_life);
        let row = row.filter(|loss| loss.repair_s == repair_s);
        let cells =
            row.map(|loss| format!("{} / {}", odds(loss.from_all), odds(loss.from_receipts)));
        rows.push(std::iter::once(time(repair_s)).chain(cells).collect());
    }
    let limits = found.limits.iter().filter(|limit| limit.life_s == life_s);
    let bound = limits
        .clone()
        .map(|limit| limit.bound)
        .next()
        .unwrap_or_default();
    let cells = limits.map(longest);
    let first = format!("at most {bound:.0e} within");
    rows.push(std::iter::once(first).chain(cells).collect());
    Sheet {
        title: format!(
            "Probability that a message is lost within {}, mean life of nodes {}; the sender reached R / only W",
            time(found.lasts_s),
            time(life_s)
        ),
        rows,
    }
}

fn longest(limit: &Limit) -> String {
    // Bounds are compared in minutes.
    let show = |longest: Option<u64>| match longest {
        None => "never".to_owned(),
        Some(seconds @ 0..600) => format!("{:.1}m", seconds as f64 / 60.0),
        Some(seconds) => time(seconds / 60 * 60),
    };
    format!(
        "{} / {}",
        show(limit.from_all_s),
        show(limit.from_receipts_s)
    )
}

fn costs(found: &Durability) -> Sheet {
    let named = COPIES.map(|copies| format!("R = {copies}"));
    let mut rows = vec![
        std::iter::once("mean life".to_owned())
            .chain(named)
            .collect(),
    ];
    for life_s in lives(found) {
        let row = found.costs.iter().filter(|cost| cost.life_s == life_s);
        let cells = row.map(|cost: &Cost| {
            format!("{:.1} of {:.1}, {:.1}", cost.made, cost.least, cost.holders)
        });
        rows.push(std::iter::once(time(life_s)).chain(cells).collect());
    }
    Sheet {
        title: "Copies made for each message in a day, of one for each of the R nearest that leaves; and nodes that \
                hold it"
            .to_owned(),
        rows,
    }
}

fn checks(checks: &[Check]) -> Sheet {
    let heading = [
        "life, copied within, R, W",
        "computed",
        "drawn one by one",
        "split",
        "split, delays all the same",
    ];
    let mut rows = vec![heading.map(str::to_owned).to_vec()];
    for check in checks {
        let point = format!(
            "{}, {}, {}, {}",
            time(check.life_s),
            time(check.repair_s),
            check.copies,
            check.receipts
        );
        let computed = odds(check.computed);
        let estimates = [check.drawn, check.split, check.steady].map(estimate);
        rows.push([point, computed].into_iter().chain(estimates).collect());
    }
    Sheet {
        title: "The same by simulation, with 95 % intervals".to_owned(),
        rows,
    }
}

fn estimate(estimate: Option<Estimate>) -> String {
    match estimate {
        None => "-".to_owned(),
        Some(Estimate { value, low, high }) => {
            format!("{} [{}, {}]", odds(value), odds(low.max(0.0)), odds(high))
        }
    }
}

/// Returns all tables in Markdown.
pub(crate) fn markdown(found: &Durability) -> String {
    let mut out = String::new();
    for sheet in sheets(found) {
        out += &format!("{}:\n\n", sheet.title);
        for (place, row) in sheet.rows.iter().enumerate() {
            out += &format!("| {} |\n", row.join(" | "));
            if place == 0 {
                out += &format!("|{}\n", " --- |".repeat(row.len()));
            }
        }
        out.push('\n');
    }
    out
}
