//! Bugs that the simulator must catch, and where it is to look for them.
//!
//! A rule that never fires proves nothing. So known bugs are put around the shipped code, one at a time, and each must
//! be caught within a hundred seeds by one of the rules that it breaks; without a bug the same seeds pass.

/// Seeds within which a bug must be caught.
pub const SEEDS_MAX: u64 = 100;

/// One hunt: a bug on some tier, in some scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hunt {
    /// The bug, by the name that the environment variable has it.
    pub bug: &'static str,
    /// What it runs on.
    pub tier: &'static str,
    /// What happens.
    pub scenario: &'static str,
    /// The rules that it breaks; another one is an accident and does not count.
    pub rules: &'static [&'static str],
}

impl Hunt {
    const fn new(
        bug: &'static str,
        tier: &'static str,
        scenario: &'static str,
        rules: &'static [&'static str],
    ) -> Self {
        Self {
            bug,
            tier,
            scenario,
            rules,
        }
    }
}

pub const HUNTS: &[Hunt] = &[
    Hunt::new(
        "receipt-before-commit",
        "full",
        "expiry",
        &["receipts-counted"],
    ),
    Hunt::new(
        "receipt-before-commit",
        "fast",
        "expiry",
        &["receipts-counted"],
    ),
    // What is lost may be an ack, too.
    Hunt::new(
        "receipt-before-fsync",
        "full",
        "restarts.toml",
        &["durable-receipt", "acked"],
    ),
    // Inside of a conversation a text does not open twice: what is caught may be what is missing then.
    Hunt::new("no-dedup", "full", "people-crash", &["once", "converged"]),
    Hunt::new("no-dedup", "fast", "people-crash", &["once"]),
    Hunt::new("ack-forgotten", "full", "hello", &["acked"]),
    Hunt::new("ack-forgotten", "fast", "hello", &["acked"]),
    Hunt::new("late-expiry", "full", "expiry", &["expiry"]),
    Hunt::new("late-expiry", "fast", "expiry", &["expiry"]),
    Hunt::new("resurrection", "full", "restarts.toml", &["acked"]),
    Hunt::new("resurrection", "fast", "restarts.toml", &["acked"]),
    Hunt::new("receipts-twice", "full", "hello", &["receipts-counted"]),
    Hunt::new("receipts-twice", "fast", "hello", &["receipts-counted"]),
    // Where routing is the node's own, nothing of it can be replaced from outside.
    Hunt::new("group-limit", "fast", "one-group", &["lost"]),
    Hunt::new("group-limit", "fast", "one-address", &["lost"]),
    Hunt::new(
        "ack-unopened",
        "fast",
        "set-back.toml",
        &["lost", "converged"],
    ),
];
