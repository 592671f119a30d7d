//! Waiting for conditions, and randomness that can be repeated.

use std::env;
use std::thread;
use std::time::{Duration, Instant};

/// Longer than anything takes that is going to happen at all, even on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// The pause between two looks.
const STEP: Duration = Duration::from_millis(25);

/// Waits until `look` finds what it looks for.
#[track_caller]
pub fn eventually<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    eventually_within(PATIENCE, what, look)
}

/// Waits until `look` finds what it looks for, at most for `limit`.
#[track_caller]
pub fn eventually_within<T>(limit: Duration, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + limit;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "in {limit:?} not: {what}");
        thread::sleep(STEP);
    }
}

/// Returns the seed of a test's random choices: `RESTANTE_TEST_SEED`, or a new one; a test that fails
/// has printed it.
pub fn seed() -> u64 {
    let given = env::var("RESTANTE_TEST_SEED").ok();
    let seed = given.map_or_else(rand::random, |text| {
        text.parse().expect("RESTANTE_TEST_SEED is a number")
    });
    #[expect(clippy::print_stderr, reason = "shown when the test fails")]
    {
        eprintln!("repeat with RESTANTE_TEST_SEED={seed}");
    }
    seed
}
