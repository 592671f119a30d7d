//! What a person at a terminal sees while something goes on: one line, which is written anew now and then.

use std::io::{self, IsTerminal as _, Write as _};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::stopwatch::Stopwatch;
use super::words::{brief, virtually};
use crate::report::Report;
use crate::world;

/// The line is written anew no more often.
const TERMINAL: Duration = Duration::from_millis(200);
/// Where nobody looks on, a line is added no more often, by what takes so long.
const LOG: Duration = Duration::from_secs(60);

/// A line that tells how far something is.
pub(super) struct Progress {
    watch: Stopwatch,
    /// Whether somebody looks on.
    is_terminal: bool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// When the line was last written.
    told: Duration,
    /// Characters that stand there.
    width: usize,
    runs: usize,
    failed: usize,
}

impl Progress {
    /// Returns one that has said nothing yet.
    pub(super) fn start() -> Self {
        Self {
            watch: Stopwatch::start(),
            is_terminal: io::stderr().is_terminal(),
            state: Mutex::default(),
        }
    }

    /// Returns the real time that has passed.
    pub(super) fn elapsed(&self) -> Duration {
        self.watch.elapsed()
    }

    /// Tells how far a run is.
    pub(super) fn on_run(&self, run: world::Progress) {
        if self.is_terminal {
            self.say(|_| run_line(&run, self.watch.elapsed()));
        }
    }

    /// Tells that one of so many runs has ended.
    pub(super) fn on_report(&self, report: &Report, of: usize) {
        {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            state.runs += 1;
            state.failed += usize::from(!report.passed());
        }
        self.say(|state| soak_line((state.runs, of), state.failed, self.watch.elapsed()));
    }

    /// Tells how many power cuts there were, of so many.
    pub(super) fn on_cuts(&self, cuts: u64, of: u64) {
        self.say(|_| format!("{cuts} of {of} cuts, {}", brief(self.watch.elapsed())));
    }

    /// Tells something, unless that was just done.
    fn say(&self, line: impl FnOnce(&State) -> String) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.watch.elapsed();
        let pause = if self.is_terminal { TERMINAL } else { LOG };
        if now.saturating_sub(state.told) < pause {
            return;
        }
        let line = line(&state);
        state.told = now;
        let mut stderr = io::stderr();
        let width = state.width;
        // Whether anybody reads it changes nothing.
        let _closed = if self.is_terminal {
            write!(stderr, "\r{line:<width$}")
        } else {
            writeln!(stderr, "{line}")
        };
        state.width = line.chars().count();
    }

    /// Takes the line away.
    pub(super) fn clear(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if self.is_terminal && state.width > 0 {
            let width = state.width;
            let _closed = write!(io::stderr(), "\r{:width$}\r", "");
            state.width = 0;
        }
    }
}

fn run_line(run: &world::Progress, took: Duration) -> String {
    let speed = run.virtual_ms as f64 / 1_000.0 / took.as_secs_f64().max(0.001);
    let left_ms = run.end_ms.saturating_sub(run.virtual_ms);
    let left = match left_ms {
        0 => "settling".to_owned(),
        _ => {
            let seconds = left_ms as f64 / 1_000.0 / speed.max(0.001);
            format!("{} left", brief(Duration::from_secs_f64(seconds)))
        }
    };
    format!(
        "{} of {}, {speed:.0} times as fast, {} written, {} shown, {left}",
        virtually(run.virtual_ms),
        virtually(run.end_ms),
        run.written,
        run.shown
    )
}

fn soak_line((runs, of): (usize, usize), failed: usize, took: Duration) -> String {
    let left = of.saturating_sub(runs) as f64;
    let left = Duration::from_secs_f64(took.as_secs_f64() * left / runs.max(1) as f64);
    format!("{runs} of {of} runs, {failed} failed, {} left", brief(left))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_says_how_far_it_is_and_how_long_it_will_take() {
        let run = world::Progress {
            virtual_ms: 7_200_000,
            end_ms: 21_600_000,
            written: 12,
            shown: 10,
        };
        assert_eq!(
            run_line(&run, Duration::from_secs(10)),
            "2h of 6h, 720 times as fast, 12 written, 10 shown, 20s left"
        );
        let healed = world::Progress {
            virtual_ms: 21_660_000,
            ..run
        };
        assert_eq!(
            run_line(&healed, Duration::from_secs(30)),
            "6h 1m of 6h, 722 times as fast, 12 written, 10 shown, settling"
        );
    }

    #[test]
    fn many_runs_say_how_many_are_left() {
        let line = soak_line((500, 2_000), 3, Duration::from_secs(600));
        assert_eq!(line, "500 of 2000 runs, 3 failed, 30m left");
        let first = soak_line((0, 10), 0, Duration::ZERO);
        assert_eq!(first, "0 of 10 runs, 0 failed, 0s left");
    }
}
