//! What was found out, as a page of pictures.

use restante_sim_pictures::{
    Axis, Bar, Bars, Cell, Column, Kind, Line, Page, Plot, Replay, Section, Table, TimeSeries,
    Unit, Verdict,
};

use super::text::{lives, odds, time};
use super::{COPIES, Check, Cost, Durability, Limit, Loss};
use crate::statistics::{Estimate, whole};

/// Returns the page, with the seed and the command that makes it again.
pub(crate) fn page(found: &Durability, seed: u64, command: String) -> Page {
    let mut sections: Vec<Section> = lives(found)
        .into_iter()
        .map(|life_s| Section {
            heading: format!("Nodes that live for {} on average", time(life_s)),
            plots: vec![
                curves(found, life_s, "all R keepers", |loss| loss.from_all),
                curves(found, life_s, "W keepers alone", |loss| loss.from_receipts),
                cost(found, life_s),
            ],
        })
        .collect();
    if !found.checks.is_empty() {
        sections.push(Section {
            heading: "Is it true?".into(),
            plots: vec![checks(&found.checks)],
        });
    }
    Page {
        title: "How many copies does a message need?".into(),
        verdict: verdict(&found.checks),
        facts: vec![
            ("messages have to last".into(), time(found.lasts_s)),
            ("neighbours compare every".into(), time(found.compare_s)),
            (
                "repair begins".into(),
                found.below.map_or_else(
                    || "with the first copy that is gone".into(),
                    |below| format!("when fewer than {below} hold a message"),
                ),
            ),
        ],
        sections,
        replay: Replay {
            scenario: String::new(),
            seed,
            command,
        },
    }
}

fn verdict(checks: &[Check]) -> Verdict {
    let wrong = checks.iter().filter(|check| !check.agrees()).count();
    let sentence = match (checks.len(), wrong) {
        (0, _) => "Nothing was checked.".to_owned(),
        (all, 0) => format!("Simulations agree with what was computed at all {all} points."),
        (all, wrong) => {
            format!("Simulations contradict what was computed at {wrong} of {all} points.")
        }
    };
    Verdict {
        passed: wrong == 0,
        sentence,
    }
}

/// Draws the loss over the time that repair takes.
fn curves(found: &Durability, life_s: u64, reached: &str, of: fn(&Loss) -> f64) -> Plot {
    let losses = found.losses.iter().filter(|loss| loss.life_s == life_s);
    let line = |copies| Line {
        name: format!("R = {copies}"),
        points: losses
            .clone()
            .filter(|loss| loss.copies == copies)
            .map(|loss| (whole(loss.repair_s), of(loss)))
            .collect(),
    };
    let limits = found.limits.iter().filter(|limit| limit.life_s == life_s);
    let bound = limits.clone().map(|limit| limit.bound).next();
    let five = limits.clone().find(|limit| limit.copies == 5);
    let longest = |limit: &Limit| match reached {
        "all R keepers" => limit.from_all_s,
        _ => limit.from_receipts_s,
    };
    let answer = match (bound, five.and_then(longest)) {
        (Some(bound), Some(seconds)) => format!(
            "Five copies are lost with no more than {bound:.0e} while repair takes no more than {}.",
            Unit::Seconds.show(whole(seconds))
        ),
        _ => "Five copies are not enough however quick repair is.".to_owned(),
    };
    Plot::new(
        format!("How likely is a message lost that reached {reached}?"),
        answer,
        Kind::TimeSeries(TimeSeries {
            x: Axis::new(
                "time from a loss to the copy that makes up for it",
                Unit::Seconds,
            )
            .log(),
            y: Axis::new("probability of loss", Unit::Number).log(),
            lines: COPIES.into_iter().map(line).collect(),
            marks: Vec::new(),
        }),
    )
}

fn cost(found: &Durability, life_s: u64) -> Plot {
    let costs: Vec<&Cost> = found
        .costs
        .iter()
        .filter(|cost| cost.life_s == life_s)
        .collect();
    let bar = |cost: &&Cost| Bar {
        label: format!("R = {}", cost.copies),
        value: cost.made,
        interval: None,
    };
    let part = costs.iter().map(|cost| cost.made / cost.least);
    let most = part.fold(0.0, f64::max);
    Plot::new(
        "How much does repair copy?",
        format!(
            "Up to {most:.1} copies for each of the R nearest that leaves: nearer nodes come as often as near ones \
             leave, and copy too."
        ),
        Kind::Bars(Bars {
            axis: Axis::new("copies made for each message in a day", Unit::Number),
            bars: costs.iter().map(bar).collect(),
        }),
    )
}

fn checks(checks: &[Check]) -> Plot {
    let estimate = |estimate: Option<Estimate>| match estimate {
        None => Cell::Empty,
        Some(Estimate { value, low, high }) => Cell::text(format!(
            "{} [{}, {}]",
            odds(value),
            odds(low.max(0.0)),
            odds(high)
        )),
    };
    let row = |check: &Check| {
        vec![
            Cell::text(time(check.life_s)),
            Cell::text(time(check.repair_s)),
            Cell::text(format!("{} / {}", check.copies, check.receipts)),
            Cell::text(odds(check.computed)),
            estimate(check.drawn),
            estimate(check.split),
            estimate(check.steady),
        ]
    };
    let columns = [
        "mean life",
        "copied within",
        "R / copies at first",
        "computed",
        "drawn one by one",
        "split",
        "split, delays all the same",
    ];
    Plot::new(
        "Do simulations say the same?",
        "Intervals are of 95 %. What is computed takes exponential delays, and so do the first two simulations.",
        Kind::Table(Table {
            columns: columns.map(Column::words).to_vec(),
            rows: checks.iter().map(row).collect(),
        }),
    )
}
