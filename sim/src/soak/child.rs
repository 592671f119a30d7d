//! A run in a process of its own.
//!
//! Whole nodes take numbers from counters that are the process's, in libp2p and tokio among others, so only the first
//! run of a process is the same as in any other process.

use std::env;
use std::io::{Read, Write as _};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::Duration;

use super::{Job, Origin, unreported};
use crate::report::{Report, Violation};

/// Characters of what a process said when it had no report to give, at most.
const SAID_CHARS_MAX: usize = 2_000;

/// What a process left behind.
struct Ended {
    status: ExitStatus,
    report: Vec<u8>,
    said: Vec<u8>,
    /// Whether it was ended because it took too long.
    given_up: bool,
}

/// Runs this program for one job and reads its report.
///
/// # Errors
///
/// Why there is no report: a rule's name and a sentence.
pub(super) fn run(job: &Job<'_>) -> Result<Report, Violation> {
    let failed = |error: std::io::Error| unreported("no-report", error.to_string());
    let (name, text) = match job.origin {
        Origin::Name => (&*job.scenario.name, ""),
        Origin::Text(text) => ("-", text),
    };
    let mut command = Command::new(env::current_exe().map_err(failed)?);
    command.args(["run", name, "--tier", job.tier.name(), "--json", "-"]);
    command.args(["--seed", &job.seed.to_string()]);
    for set in &job.scenario.overrides {
        command.args(["--set", set]);
    }
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    if let Some(mut stdin) = child.stdin.take() {
        // One that ends without having read it says why in another way.
        let _gone = stdin.write_all(text.as_bytes());
    }
    let ended = wait(child, job.limit).map_err(failed)?;
    let mut report: Report =
        serde_json::from_slice(&ended.report).map_err(|_| silent(&ended, job.limit))?;
    report.scenario.clone_from(&job.scenario.name);
    Ok(report)
}

/// Waits for a process to end, or ends it.
fn wait(mut child: Child, limit: Option<Duration>) -> std::io::Result<Ended> {
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let (ended, end) = sync_channel(1);
    thread::scope(|scope| {
        let report = scope.spawn(move || {
            let report = read(stdout);
            // Nobody waits any more for one that was given up.
            let _late = ended.send(());
            report
        });
        let said = scope.spawn(move || read(stderr));
        let given_up = match limit {
            Some(limit) => end.recv_timeout(limit).is_err(),
            None => end.recv().is_err(),
        };
        if given_up {
            child.kill()?;
        }
        Ok(Ended {
            status: child.wait()?,
            report: report.join().unwrap_or_default(),
            said: said.join().unwrap_or_default(),
            given_up,
        })
    })
}

fn read(pipe: Option<impl Read>) -> Vec<u8> {
    let mut all = Vec::new();
    if let Some(mut pipe) = pipe {
        // What came before a fault is shown.
        let _cut_off = pipe.read_to_end(&mut all);
    }
    all
}

/// Says why a process has no report.
fn silent(ended: &Ended, limit: Option<Duration>) -> Violation {
    if let Some(limit) = limit.filter(|_| ended.given_up) {
        let limit = humantime::format_duration(limit);
        return unreported("too-slow", format!("given up after {limit} of real time"));
    }
    let said = String::from_utf8_lossy(&ended.said);
    let said: String = said.trim().chars().take(SAID_CHARS_MAX).collect();
    let rule = if said.contains("panicked") {
        "panic"
    } else {
        "no-report"
    };
    unreported(rule, format!("{}: {said}", ended.status))
}
