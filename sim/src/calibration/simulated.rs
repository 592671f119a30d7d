//! The scenario on the full tier and on the model.

use std::env;
use std::fs;
use std::io::{self, Error};
use std::path::PathBuf;
use std::process::{self, Command, Stdio};

use super::account::{Account, Gap, Letter, Standing};
use super::{Run, SCENARIO, per};
use crate::model_tier;
use crate::report::{Report, Tier};
use crate::scenario::Scenario;
use crate::statistics::whole;

/// Runs it on the model.
///
/// # Errors
///
/// What the model says.
pub(super) fn on_model(scenario: &Scenario, seed: u64) -> io::Result<Run> {
    let mut trace = Vec::new();
    let report = model_tier::simulate(scenario, seed, Some(&mut trace), &|_| ())?;
    let mut account = account(scenario, &report, &String::from_utf8_lossy(&trace));
    if let Some(away) = scenario.away.first() {
        let returns_ms = away.from_ms + away.lasts_ms.unwrap_or(0);
        let gap = Gap {
            leaves_ms: away.from_ms,
            returns_ms,
        };
        account.gaps.insert(READER, gap);
    }
    for letter in account.letters.values_mut() {
        letter.to = Some(READER);
    }
    let found = report.model.iter();
    let samples = found.clone().flat_map(|found| found.copies.iter());
    account.samples = samples
        .map(|sample| Standing {
            at_ms: sample.at_ms,
            copies: sample.copies,
            bytes: sample.bytes,
        })
        .collect();
    let lookups: u64 = found.map(|found| found.lookups.count).sum();
    Ok(Run {
        lookups: per(whole(lookups), report.counts.written),
        duplicates: report.counts.duplicates,
        ..account.judge()
    })
}

/// All people of the model, who have no names.
const READER: usize = 0;

/// Runs it on whole nodes, in a process of its own.
///
/// # Errors
///
/// Why there is no report.
pub(super) fn on_full(scenario: &Scenario, seed: u64) -> io::Result<Run> {
    let file = TraceFile::new(seed);
    let program = env::current_exe()?;
    let output = Command::new(program)
        .args(["run", SCENARIO, "--tier", Tier::Full.name(), "--json", "-"])
        .args(["--seed", &seed.to_string(), "--trace"])
        .arg(&file.0)
        .stdin(Stdio::null())
        .output()?;
    let report: Report = serde_json::from_slice(&output.stdout).map_err(|_| {
        let said = String::from_utf8_lossy(&output.stderr);
        Error::other(format!(
            "{SCENARIO}, seed {seed}: no report ({}): {}",
            output.status,
            said.trim()
        ))
    })?;
    let mut account = account(scenario, &report, &fs::read_to_string(&file.0)?);
    account.pays = true;
    let samples = report.observed.iter().flat_map(|seen| seen.samples.iter());
    account.samples = samples
        .map(|sample| Standing {
            at_ms: sample.at_ms,
            copies: sample.copies,
            bytes: sample.sent_bytes,
        })
        .collect();
    Ok(account.judge())
}

/// A file for a trace, gone when it is dropped.
struct TraceFile(PathBuf);

impl TraceFile {
    fn new(seed: u64) -> Self {
        let name = format!("restante-calibrate-{}-{seed}.trace", process::id());
        Self(env::temp_dir().join(name))
    }
}

impl Drop for TraceFile {
    fn drop(&mut self) {
        // It may not have come into being.
        let _gone = fs::remove_file(&self.0);
    }
}

fn account(scenario: &Scenario, report: &Report, trace: &str) -> Account {
    let mut account = Account {
        from_ms: scenario.workload.from_ms,
        ..Account::default()
    };
    for line in trace.lines() {
        account.read(line);
    }
    // Somebody who left and did not come back was away to the end.
    for gap in account.gaps.values_mut() {
        gap.returns_ms = gap.returns_ms.min(report.virtual_ms);
    }
    account
}

impl Account {
    /// Reads one line of a trace; most say nothing that matters here.
    pub(super) fn read(&mut self, line: &str) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [at, rest @ ..] = &words[..] else { return };
        let Some(at_ms) = milliseconds(at) else {
            return;
        };
        match rest {
            [who, "writes", what] => self.on_written(at_ms, number('p', who), number('m', what)),
            [what, "is", "written"] => self.on_written(at_ms, Some(0), number('m', what)),
            [who, "is", "shown", what] => self.on_shown(at_ms, number('p', who), number('m', what)),
            [what, "is", "shown"] => self.on_shown(at_ms, Some(0), number('m', what)),
            [who, "leaves"] => {
                if let Some(who) = number('p', who) {
                    let gap = Gap {
                        leaves_ms: at_ms,
                        returns_ms: u64::MAX,
                    };
                    self.gaps.insert(who, gap);
                }
            }
            [who, "starts"] => {
                let gap = number('p', who).and_then(|who| self.gaps.get_mut(&who));
                if let Some(gap) = gap {
                    gap.returns_ms = gap.returns_ms.min(at_ms);
                }
            }
            _ => {}
        }
    }

    fn on_written(&mut self, at_ms: u64, from: Option<usize>, what: Option<usize>) {
        if let (Some(from), Some(what)) = (from, what) {
            // A letter may be handed to a node again.
            self.letters.entry(what).or_insert_with(|| Letter {
                from,
                written_ms: at_ms,
                ..Letter::default()
            });
        }
    }

    fn on_shown(&mut self, at_ms: u64, to: Option<usize>, what: Option<usize>) {
        let letter = what.and_then(|what| self.letters.get_mut(&what));
        if let Some(letter) = letter {
            letter.again += u64::from(letter.shown_ms.is_some());
            letter.shown_ms.get_or_insert(at_ms);
            letter.to = letter.to.or(to);
        }
    }
}

/// Reads a moment of a trace, as `12.345`.
fn milliseconds(text: &str) -> Option<u64> {
    let (seconds, ms) = text.split_once('.')?;
    let (seconds, ms) = (seconds.parse::<u64>().ok()?, ms.parse::<u64>().ok()?);
    Some(seconds * 1_000 + ms)
}

/// Reads a name in a trace, as `p2`.
fn number(kind: char, name: &str) -> Option<usize> {
    name.strip_prefix(kind)?.parse().ok()
}
