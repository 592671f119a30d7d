//! Runs a million nodes for a month and prints what that took: `cargo run --release -p
//! restante-sim-model --example million [NODES] [MESSAGES] [SEED]`.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "it prints figures for people, and a stopwatch stands around the run"
)]

use std::process::ExitCode;
use std::time::Instant;

use restante_sim_model::{Options, Progress, Report, look_up, run};
use restante_sim_population::Churn;

fn main() -> ExitCode {
    let mut options = Options::million();
    let mut numbers = std::env::args().skip(1);
    if let Some(nodes) = numbers.next().and_then(|text| text.parse().ok()) {
        options.nodes = nodes;
    }
    if let Some(messages) = numbers.next().and_then(|text| text.parse().ok()) {
        options.messages = messages;
    }
    let seed = numbers
        .next()
        .and_then(|text| text.parse().ok())
        .unwrap_or(7);
    measure_lookups(&options, "as the node does", seed);
    let mut dead = options.clone();
    dead.churn = vec![(1, Churn::Always)];
    measure_lookups(&dead, "as the node does, everybody up", seed);
    dead.dead_share = 0.1;
    measure_lookups(&dead, "as the node does, 10 % dead", seed);
    let start = Stopwatch::start();
    let report = run(&options, seed, &mut |progress: &Progress| {
        eprintln!(
            "{:5.1} days in {:6.1} s: {} written, {} delivered, {} lookups, {} events",
            progress.now_ms as f64 / 86_400_000.0,
            start.seconds(),
            progress.written,
            progress.delivered,
            progress.lookups,
            progress.events
        );
    });
    match report {
        Ok(report) => {
            print(&report, start.seconds());
            ExitCode::SUCCESS
        }
        Err(fault) => {
            eprintln!("{fault}");
            ExitCode::FAILURE
        }
    }
}

fn measure_lookups(options: &Options, how: &str, seed: u64) {
    const COUNT: u64 = 50_000;
    let start = Stopwatch::start();
    let Ok(_) = look_up(options, seed, 0) else {
        return;
    };
    let built = start.seconds();
    let Ok(report) = look_up(options, seed, COUNT) else {
        return;
    };
    let seconds = start.seconds() - 2.0 * built;
    println!(
        "lookups {how}: {:.0} a second of one processor, {:.0} questions, nearest after {} ms, \
         end after {} ms (p50); {} and {} ms (p99); built in {built:.1} s",
        COUNT as f64 / seconds,
        report.questions.mean,
        report.nearest_ms.p50,
        report.end_ms.p50,
        report.nearest_ms.p99,
        report.end_ms.p99,
    );
}

/// Counts the time this process had the processor, where the system tells, and the time that
/// passed, where not.
struct Stopwatch {
    start: Instant,
    used: Option<f64>,
}

impl Stopwatch {
    fn start() -> Self {
        Self {
            start: Instant::now(),
            used: used_seconds(),
        }
    }

    fn seconds(&self) -> f64 {
        match (self.used, used_seconds()) {
            (Some(then), Some(now)) => now - then,
            _ => self.start.elapsed().as_secs_f64(),
        }
    }
}

fn used_seconds() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/self/schedstat").ok()?;
    let nanoseconds: f64 = text.split_whitespace().next()?.parse().ok()?;
    Some(nanoseconds / 1e9)
}

fn print(report: &Report, seconds: f64) {
    println!("{:#?}", report.messages);
    println!("stored after ms   {:?}", report.stored_ms);
    println!("after return ms   {:?}", report.after_return_ms);
    println!("{:#?}", report.lookups);
    println!("{:#?}", report.bytes);
    println!("{:#?}", report.repair);
    println!("copies per keeper {:?}", report.copies_per_keeper);
    println!("{:?}", report.memory);
    let rate = report.lookups.count as f64 / seconds;
    println!("{seconds:.1} s of one processor, {rate:.0} lookups a second with everything else");
    if let Some(resident) = resident_mib() {
        println!("{resident:.0} MiB resident at most");
    }
}

/// Returns the most memory the process had, where the system tells.
fn resident_mib() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kib: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib / 1_024.0)
}
