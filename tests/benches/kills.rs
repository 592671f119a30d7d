//! Five hundred kills of a real keeper in the middle of deposits, with a GiB stored: whether everything that a receipt
//! was given for is there, and how long it takes to start again.
//!
//! Run it with `cargo build --release --workspace --bins && cargo bench -p restante-tests --bench kills`; `-- 50` kills
//! fifty times, `-- 50 0` with nothing stored before, in MiB.

use std::time::Duration;

use restante_tests::{Kills, seed};

#[expect(clippy::print_stdout, reason = "a benchmark prints its results")]
fn main() {
    let words = std::env::args().skip(1).filter(|word| word != "--bench");
    let mut numbers = words.map(|word| word.parse::<u64>().expect("a number"));
    let kills = Kills {
        count: numbers.next().unwrap_or(500) as usize,
        fill_bytes: numbers.next().unwrap_or(1_024) << 20,
        seed: seed(),
    };
    println!("{kills:?}");
    let report = kills.run(|number| {
        if number % 50 == 0 {
            println!("killed {number} times");
        }
    });
    let mut starts = report.starts;
    starts.sort_unstable();
    let at = |percent: usize| starts.get(starts.len() * percent / 100).copied();
    let shown = |start: Option<Duration>| format!("{:.0?}", start.unwrap_or_default());
    println!(
        "{} receipts, everything they promised is there; {} kills left deposits unanswered",
        report.receipts, report.cut_short
    );
    println!(
        "starts after a kill: half within {}, 99 of 100 within {}, the longest {}",
        shown(at(50)),
        shown(at(99)),
        shown(starts.last().copied())
    );
}
