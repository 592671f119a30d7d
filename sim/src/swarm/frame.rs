//! How large a drawn scenario is, and how long it goes on.

use restante_proto::limits::{HOUR_MS, MINUTE_MS, SECOND_MS};
use toml::{Table, Value};

use super::{VERSION, name, set, spread, time, whole};
use crate::random::Random;
use crate::report::Tier;

/// Nodes of most scenarios.
const NODES: (u64, u64) = (8, 40);
/// Nodes of a few.
const NODES_FEW: (u64, u64) = (60, 150);
/// How many are large, in a million.
const LARGE_PPM: u64 = 10_000;
/// How much goes wrong while messages are written or soon after, in a million.
const AT_WORK_PPM: u64 = 750_000;
/// Shortest time in which things happen, in milliseconds.
const DURATION_MIN_MS: u64 = 30 * MINUTE_MS;
/// Longest time in which things happen, in milliseconds.
const DURATION_MAX_MS: u64 = 24 * HOUR_MS;
/// What one run of whole nodes may cost, as nodes times milliseconds: some seconds of a core.
const NODE_MS_FULL: (u64, u64) = (2 * HOUR_MS, 30 * HOUR_MS);
/// The same for the protocol's state machines.
const NODE_MS_PROTOCOL: (u64, u64) = (10 * HOUR_MS, 600 * HOUR_MS);

/// How large a scenario is.
pub(super) struct Frame {
    pub(super) tier: Tier,
    pub(super) nodes: u64,
    pub(super) people: u64,
    pub(super) duration_ms: u64,
    /// When the first message is written at the earliest, in milliseconds.
    pub(super) from_ms: u64,
    /// All are written within so long, in milliseconds.
    pub(super) over_ms: u64,
}

impl Frame {
    pub(super) fn draw(tier: Tier, random: &mut Random) -> Self {
        let (low, high) = if random.chance(LARGE_PPM) {
            NODES_FEW
        } else {
            NODES
        };
        let nodes = spread(random, low, high);
        // Most are keepers, and at least four.
        let people = spread(random, 2, (nodes / 3).clamp(2, 14)).min(nodes - 4);
        let (low, high) = match tier {
            Tier::Full => NODE_MS_FULL,
            _ => NODE_MS_PROTOCOL,
        };
        let cost = spread(random, low, high);
        let duration_ms = (cost / nodes).clamp(DURATION_MIN_MS, DURATION_MAX_MS);
        let duration_ms = duration_ms / MINUTE_MS * MINUTE_MS;
        let from_ms = random.between(30 * SECOND_MS, duration_ms / 3);
        Self {
            tier,
            nodes,
            people,
            duration_ms,
            from_ms,
            over_ms: spread(random, MINUTE_MS, duration_ms - from_ms),
        }
    }

    pub(super) const fn keepers(&self) -> u64 {
        self.nodes - self.people
    }

    /// Returns a scenario without messages, absences and faults.
    pub(super) fn table(&self, seed: u64) -> Table {
        let mut table = Table::new();
        let about = format!("{}, drawn by version {VERSION}", name(seed));
        table.insert("about".into(), about.into());
        table.insert("tier".into(), self.tier.name().into());
        set(&mut table, "population", "nodes", whole(self.nodes));
        set(&mut table, "population", "people", whole(self.people));
        set(&mut table, "time", "duration", time(self.duration_ms));
        // As long as it takes a sender to look whether its messages are still there, and a bit.
        set(&mut table, "time", "settle", time(8 * HOUR_MS));
        // What is drawn may miss: it is not planned so that there is something to hit.
        set(&mut table, "expect", "idle_faults", Value::Boolean(true));
        table
    }

    /// Draws a moment at which something begins, in milliseconds: mostly one at which messages are under way.
    pub(super) fn moment(&self, random: &mut Random) -> u64 {
        let end_ms = self.duration_ms - MINUTE_MS;
        if random.chance(AT_WORK_PPM) {
            let late_ms = self.from_ms + self.over_ms + 2 * MINUTE_MS;
            return random.between(self.from_ms, late_ms).min(end_ms);
        }
        random.between(MINUTE_MS, end_ms)
    }

    /// Draws how long something lasts, in milliseconds.
    pub(super) fn span(&self, random: &mut Random) -> u64 {
        spread(
            random,
            MINUTE_MS / 6,
            (self.duration_ms / 2).min(2 * HOUR_MS),
        )
    }
}
