//! Plants each bug in turn and demands that the simulator catches it.
//!
//! The simulator with the bugs in it is this very program: started with a command of the simulator's, it does what that
//! says.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "it is its own harness"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::process::{Command, ExitCode, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use restante_sim::planted::{Planted, VARIABLE};
use restante_sim_planted::{HUNTS, Hunt, SEEDS_MAX};

/// Runs made at once.
const JOBS: usize = 2;
/// What the program is called as a test.
const NAME: &str = "planted_bugs_are_caught";

/// What a run has come to.
enum End {
    Passed,
    /// A rule was broken, and how.
    Broken(String, String),
}

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        Some("run" | "soak" | "list") => return restante_sim::cli::main(),
        Some("--list") => {
            println!("{NAME}: test");
            return ExitCode::SUCCESS;
        }
        _ => {}
    }
    // The filter of a run of some tests.
    let filters = arguments.iter().filter(|one| !one.starts_with('-'));
    let filters: Vec<&String> = filters.collect();
    if !filters.is_empty() && !filters.iter().any(|one| NAME.contains(one.as_str())) {
        return ExitCode::SUCCESS;
    }
    if !cfg!(debug_assertions) {
        println!("{NAME}: a build without debug assertions has no planted bugs");
        return ExitCode::SUCCESS;
    }
    match hunt_all() {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{NAME} failed:\n{why}");
            ExitCode::FAILURE
        }
    }
}

fn hunt_all() -> Result<(), String> {
    let mut wrong = Vec::new();
    for bug in Planted::ALL {
        if !HUNTS.iter().any(|hunt| hunt.bug == bug.name()) {
            wrong.push(format!("nobody hunts {}", bug.name()));
        }
    }
    println!(
        "{:<22} {:<9} {:<18} {:>5}  caught by",
        "bug", "tier", "scenario", "seeds"
    );
    let caught = each(HUNTS, |hunt| (*hunt, hunt_one(hunt)));
    let mut sound: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    for (hunt, caught) in caught {
        let seeds = match caught {
            Ok(seeds) => seeds,
            Err(why) => {
                wrong.push(format!("{} on {}: {why}", hunt.bug, hunt.tier));
                1
            }
        };
        let most = sound.entry((hunt.tier, hunt.scenario)).or_default();
        *most = (*most).max(seeds);
    }
    let runs: BTreeSet<(&str, &str, u64)> = sound
        .into_iter()
        .flat_map(|((tier, scenario), seeds)| (1..=seeds).map(move |seed| (tier, scenario, seed)))
        .collect();
    let runs: Vec<_> = runs.into_iter().collect();
    println!("{} runs without a bug", runs.len());
    for end in each(&runs, |(tier, scenario, seed)| {
        match run(None, tier, scenario, *seed) {
            Ok(End::Passed) => None,
            Ok(End::Broken(rule, what)) => Some(format!(
                "without a bug: {scenario} on {tier}, seed {seed}: {rule}: {what}"
            )),
            Err(why) => Some(why),
        }
    }) {
        wrong.extend(end);
    }
    if wrong.is_empty() {
        Ok(())
    } else {
        Err(wrong.join("\n"))
    }
}

/// Returns how many seeds it took to catch a bug.
fn hunt_one(hunt: &Hunt) -> Result<u64, String> {
    for seed in 1..=SEEDS_MAX {
        match run(Some(hunt.bug), hunt.tier, hunt.scenario, seed)? {
            End::Passed => {}
            End::Broken(rule, what) if hunt.rules.contains(&rule.as_str()) => {
                let Hunt {
                    bug,
                    tier,
                    scenario,
                    ..
                } = hunt;
                println!("{bug:<22} {tier:<9} {scenario:<18} {seed:>5}  {rule}: {what}");
                return Ok(seed);
            }
            End::Broken(rule, what) => {
                return Err(format!(
                    "caught by accident, with seed {seed}: {rule}: {what}"
                ));
            }
        }
    }
    Err(format!(
        "not caught by {SEEDS_MAX} seeds of {}",
        hunt.scenario
    ))
}

/// Makes a run in a process of its own.
fn run(bug: Option<&str>, tier: &str, scenario: &str, seed: u64) -> Result<End, String> {
    let program = env::current_exe().map_err(|error| error.to_string())?;
    let mut command = Command::new(program);
    let seed = seed.to_string();
    let folder = env!("CARGO_MANIFEST_DIR");
    let scenario = match scenario.strip_suffix(".toml") {
        Some(name) => format!("{folder}/scenarios/{name}.toml"),
        None => scenario.to_owned(),
    };
    command.args([
        "run", &scenario, "--tier", tier, "--seed", &seed, "--json", "-",
    ]);
    match bug {
        Some(bug) => command.env(VARIABLE, bug),
        None => command.env_remove(VARIABLE),
    };
    let output = command.stdin(Stdio::null()).output();
    let output = output.map_err(|error| error.to_string())?;
    let said = || String::from_utf8_lossy(&output.stderr).into_owned();
    let report: serde_json::Value =
        serde_json::from_slice(&output.stdout).map_err(|error| format!("{error}: {}", said()))?;
    let violation = &report["outcome"]["violated"];
    match (output.status.code(), violation["rule"].as_str()) {
        (Some(0), None) => Ok(End::Passed),
        (Some(1), Some(rule)) => {
            let what = violation["what"].as_str().unwrap_or_default();
            Ok(End::Broken(rule.to_owned(), what.to_owned()))
        }
        (code, _) => Err(format!("{scenario} ended with {code:?}: {}", said())),
    }
}

/// Does something with each of some things, a few at a time, and returns what came of it in their order.
fn each<T: Sync, R: Send>(all: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let (next, done) = (AtomicUsize::new(0), Mutex::new(BTreeMap::new()));
    thread::scope(|scope| {
        for _ in 0..JOBS {
            scope.spawn(|| {
                loop {
                    let place = next.fetch_add(1, Ordering::Relaxed);
                    let Some(one) = all.get(place) else { break };
                    let result = work(one);
                    if let Ok(mut done) = done.lock() {
                        done.insert(place, result);
                    }
                }
            });
        }
    });
    done.into_inner()
        .unwrap_or_default()
        .into_values()
        .collect()
}
