//! Virtual time and seeded randomness for one thread, dependencies included.
//!
//! Rust's standard library, `rand`, and hash tables' seeds all end in two functions of libc: `clock_gettime` and
//! `getrandom`. A program that links this crate has its own versions of both. On a thread inside [`run`] they answer
//! from tokio's paused clock and from a seed; everywhere else they ask the kernel, as ever. (The trick is madsim's.)
//!
//! Whatever asks neither libc nor the caller stays real: other threads, `std::thread::sleep`, the processor's own
//! counters. Numbers that a process hands out once, such as those in libp2p's listener IDs, depend on what ran before
//! in it; so only the first run of a process is the same as in another process.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::io;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

mod symbols;

/// What the monotonic clock shows when a run starts: not zero, because code subtracts from it.
const MONOTONIC_START: Duration = Duration::from_secs(1_000_000);
/// Stack of the thread of a run: deep futures of unoptimised builds fit.
const STACK_BYTES: usize = 256 << 20;

/// Why a run could not take place.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The operating system refuses a thread or a runtime.
    #[error("a thread cannot be started: {0}")]
    Thread(#[from] io::Error),
    /// This program asks for time or randomness in another way than through libc.
    #[error(
        "{0} cannot be replaced in this program; it must be linked dynamically with glibc or musl"
    )]
    NotReplaced(&'static str),
    /// The future panicked.
    #[error("the run panicked: {0}")]
    Panicked(String),
}

struct Virtual {
    /// What the wall clock showed at the start, since 1970.
    wall_start: Duration,
    base: tokio::time::Instant,
}

thread_local! {
    static VIRTUAL: RefCell<Option<Virtual>> = const { RefCell::new(None) };
    static RANDOM: Cell<Option<u64>> = const { Cell::new(None) };
}

/// Runs a future on a thread of its own whose clocks start at `wall_start` (since 1970) and jump from timer to timer,
/// and whose randomness comes from `seed`.
///
/// # Errors
///
/// [`RunError`].
pub fn run<T, F>(
    seed: u64,
    wall_start: Duration,
    make: impl FnOnce() -> F + Send,
) -> Result<T, RunError>
where
    T: Send,
    F: Future<Output = T>,
{
    symbols::link();
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .name("virtual".into())
            .stack_size(STACK_BYTES)
            .spawn_scoped(scope, move || run_here(seed, wall_start, make))?;
        thread.join().map_err(|panic| {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|&text| text.to_owned()));
            RunError::Panicked(text.unwrap_or_default())
        })?
    })
}

fn run_here<T, F: Future<Output = T>>(
    seed: u64,
    wall_start: Duration,
    make: impl FnOnce() -> F,
) -> Result<T, RunError> {
    // Before anything on this thread makes a hash table.
    RANDOM.set(Some(seed));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()?;
    let result = runtime.block_on(async {
        let base = tokio::time::Instant::now();
        VIRTUAL.replace(Some(Virtual { wall_start, base }));
        check_replaced(seed, wall_start)?;
        Ok(make().await)
    });
    // Tasks that are still there are dropped in virtual time, too.
    drop(runtime);
    VIRTUAL.replace(None);
    RANDOM.set(None);
    result
}

/// Makes sure that time and randomness are ours: a run that only seems to be replayable is worse than none.
fn check_replaced(seed: u64, wall_start: Duration) -> Result<(), RunError> {
    let wall = SystemTime::now().duration_since(UNIX_EPOCH);
    if wall.ok() != Some(wall_start) {
        return Err(RunError::NotReplaced("the clock"));
    }
    let _seeded = std::collections::hash_map::RandomState::new();
    if RANDOM.get() == Some(seed) {
        return Err(RunError::NotReplaced("randomness"));
    }
    Ok(())
}

/// Returns the machine's own monotonic clock, also on a thread whose time is virtual.
#[must_use]
pub fn real_elapsed() -> Duration {
    symbols::kernel_clock(libc::CLOCK_MONOTONIC)
}

/// Returns what a clock shows on this thread, unless its time is real.
fn virtual_clock(clock: libc::clockid_t) -> Option<Duration> {
    let start = |world: &Virtual| match clock {
        libc::CLOCK_REALTIME | libc::CLOCK_REALTIME_COARSE => Some(world.wall_start),
        libc::CLOCK_MONOTONIC
        | libc::CLOCK_MONOTONIC_RAW
        | libc::CLOCK_MONOTONIC_COARSE
        | libc::CLOCK_BOOTTIME => Some(MONOTONIC_START),
        _ => None,
    };
    // A borrow fails when tokio itself asks for the time in the middle of this: outside of its runtime.
    VIRTUAL
        .try_with(|world| {
            let mut world = world.try_borrow_mut().ok()?;
            let world = world.as_mut()?;
            Some(start(world)? + tokio::time::Instant::now().duration_since(world.base))
        })
        .ok()
        .flatten()
}

/// Fills `out` from this thread's seed, unless its randomness is real.
fn virtual_random(out: &mut [u8]) -> bool {
    RANDOM
        .try_with(|state| {
            let Some(mut seed) = state.get() else {
                return false;
            };
            for chunk in out.chunks_mut(8) {
                seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
                chunk.copy_from_slice(&mix(seed).to_le_bytes()[..chunk.len()]);
            }
            state.set(Some(seed));
            true
        })
        .unwrap_or(false)
}

/// The output function of SplitMix64.
const fn mix(mut bits: u64) -> u64 {
    bits ^= bits >> 30;
    bits = bits.wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits ^= bits >> 27;
    bits = bits.wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests;
