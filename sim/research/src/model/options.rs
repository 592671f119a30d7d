//! What a run is to show.

use rand::Rng;
use restante_proto::{
    limits::{
        DAY_MS, ENVELOPE_BYTES, FOUND_NODES_MAX, HOUR_MS, MESSAGE_TTL_DEFAULT_MS, MINUTE_MS,
        REPLICAS, SECOND_MS,
    },
    placement::CANDIDATES,
};
use restante_sim_population::{Churn, Regions, draw};

#[cfg(test)]
mod tests;

/// How long before it writes a message its recipient is ready for it, if it is there at all, in
/// milliseconds.
pub(crate) const READY_MS: u64 = MINUTE_MS;
/// Nodes at most, those included that come later: they are counted in 32 bits.
const NODES_MAX: u64 = 1 << 30;

/// A run: who is there, what they send, and by which rules.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Options {
    /// Nodes at a time; those that are down or always dead count.
    pub(crate) nodes: u32,
    /// Virtual time, in milliseconds.
    pub(crate) duration_ms: u64,
    /// How nodes come and go.
    pub(crate) churn: Churn,
    /// After how long nodes leave for good, on average and exponentially, in milliseconds, with all
    /// they keep; for each that leaves another one arrives. None: nobody does.
    pub(crate) mean_life_ms: Option<u64>,
    /// Share of nodes that stay in all routing tables and never answer.
    pub(crate) dead_share: f64,
    /// Where nodes and people are.
    pub(crate) regions: Regions,
    /// Messages written, each from somebody else to somebody else.
    pub(crate) messages: u32,
    /// Time in which they are written after the first minute, evenly, in milliseconds.
    pub(crate) writing_ms: u64,
    /// How long a message lives.
    pub(crate) ttl: Span,
    /// How common each size of envelope is, in the order of the protocol's sizes.
    pub(crate) sizes: [u32; ENVELOPE_BYTES.len()],
    /// When the writer of a message is there to bring it out.
    pub(crate) senders: Senders,
    /// When the recipient of a message is there to take it.
    pub(crate) recipients: Recipients,
    /// Keepers a message is deposited at: R. The protocol's number is [`REPLICAS`].
    pub(crate) copies: usize,
    /// What keepers do about copies that are gone.
    pub(crate) repair: Option<Repair>,
    /// How long a keeper needs until a message is on its disk.
    pub(crate) commit: Span,
    /// How long a recipient gathers delivery receipts before it sends them, in milliseconds.
    pub(crate) delivery_receipt_ms: u64,
    /// How lookups go.
    pub(crate) routing: Routing,
    /// Whether senders deposit at whom they take for the nearest before their lookup has ended, as the protocol has it;
    /// without that a message has as many copies as it should, and formulas hold.
    pub(crate) early: bool,
    /// Whether it is measured what people wait for, and what the least possible is: each message is
    /// soon followed by another one to the same mailbox, and its writer looks a card up.
    pub(crate) latency: bool,
}

/// How long something takes; times are in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Span {
    /// Always the same.
    Fixed(u64),
    /// Anything between two times, all alike.
    Uniform(u64, u64),
    /// Anything between two times, all orders of magnitude alike.
    LogUniform(u64, u64),
    /// Exponential, with this mean.
    Exponential(u64),
}

/// When the writer of a message is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Senders {
    /// All the time.
    Always,
    /// Until the message is stored, and never again: what the keepers alone are good for.
    UntilStored,
    /// Again and again.
    Sometimes {
        /// How long, beginning when it writes.
        here: Span,
        /// And how long not.
        away: Span,
    },
}

/// When the recipient of a message is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Recipients {
    /// All the time.
    Always,
    /// Again and again.
    Sometimes {
        /// How long not, beginning when the message is written.
        away: Span,
        here: Span,
    },
}

/// How keepers repair.
///
/// When a node near an item's address goes or comes, who has become one of the nearest that are up
/// and does not have the item copies it, some time later and if it is still one of them. Beside
/// that neighbours compare now and then, and whoever of the nearest does not have it copies it.
/// Whatever keeper is up serves as the source; when none is, nothing happens until the next time.
/// Who is no longer one of the nearest keeps its copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Repair {
    /// From a node's going or coming until the copy that follows from it is there. None: nobody
    /// notices until neighbours compare.
    pub(crate) after: Option<Span>,
    /// Mean time between two comparisons, in milliseconds; each is 80 to 120 percent of it.
    pub(crate) interval_ms: u64,
    /// Nothing is copied unless fewer of the nearest than this have the item.
    pub(crate) threshold: usize,
    /// How many are the nearest.
    pub(crate) copies: usize,
}

/// How lookups go, as far as the protocol does not say. The defaults are what the node library sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Routing {
    /// Entries of a bucket and of an answer: k.
    pub(crate) bucket: usize,
    /// Nodes a lookup wants.
    pub(crate) wanted: usize,
    /// After how long it is known of a node that it is gone, in milliseconds; a lookup does not wait for that.
    pub(crate) timeout_ms: u64,
    /// Round trips until an answer is there over a new connection: 2 with a handshake of QUIC, 3 of
    /// TCP; over one that is open it is 1.
    pub(crate) round_trips: u64,
    /// How long a node that has gone stays in others' tables, in milliseconds.
    pub(crate) stale_ms: u64,
    /// Bytes of a question, and of an answer beside the nodes it names: an estimate.
    pub(crate) question_bytes: u64,
    /// Bytes with which an answer names a node and its addresses: an estimate.
    pub(crate) named_bytes: u64,
}

impl Default for Routing {
    fn default() -> Self {
        Self {
            bucket: FOUND_NODES_MAX,
            wanted: CANDIDATES,
            timeout_ms: 10_000,
            round_trips: 2,
            stale_ms: 900_000,
            question_bytes: 50,
            named_bytes: 110,
        }
    }
}

impl Default for Options {
    /// Returns a thousand nodes that never change and a thousand messages to people who are there.
    fn default() -> Self {
        Self {
            nodes: 1_000,
            duration_ms: 8 * DAY_MS,
            churn: Churn::Always,
            mean_life_ms: None,
            dead_share: 0.0,
            regions: Regions::world(),
            messages: 1_000,
            writing_ms: DAY_MS,
            ttl: Span::Fixed(MESSAGE_TTL_DEFAULT_MS),
            sizes: [90, 8, 0, 2],
            senders: Senders::Always,
            recipients: Recipients::Always,
            copies: REPLICAS,
            repair: None,
            commit: Span::Uniform(1, 8),
            delivery_receipt_ms: SECOND_MS,
            routing: Routing::default(),
            early: true,
            latency: false,
        }
    }
}

impl Options {
    /// Returns the run that shows how large it gets: a million nodes that come and go as those of
    /// IPFS do, a month, 200,000 messages to people who are away for an hour to five days, from
    /// people who are there now and then.
    pub(crate) fn million() -> Self {
        Self {
            nodes: 1_000_000,
            duration_ms: 30 * DAY_MS,
            churn: Churn::Ipfs,
            messages: 200_000,
            writing_ms: 23 * DAY_MS,
            senders: Senders::Sometimes {
                here: Span::Exponential(2 * HOUR_MS),
                away: Span::Exponential(10 * HOUR_MS),
            },
            recipients: Recipients::Sometimes {
                away: Span::LogUniform(HOUR_MS, 5 * DAY_MS),
                here: Span::Exponential(HOUR_MS),
            },
            ..Self::default()
        }
    }

    /// Returns the run that shows how long people wait: nodes all over the world, one in ten of them dead.
    pub(crate) fn latency() -> Self {
        Self {
            nodes: 10_000,
            duration_ms: 3 * HOUR_MS,
            dead_share: 0.1,
            messages: 5_000,
            writing_ms: HOUR_MS,
            ttl: Span::Fixed(DAY_MS),
            latency: true,
            ..Self::default()
        }
    }

    /// Refuses more nodes than can be counted.
    ///
    /// # Errors
    ///
    /// See [`OptionsError`].
    pub(crate) fn check(&self) -> Result<(), OptionsError> {
        let lives = self.mean_life_ms.map_or(1, |mean| {
            2 + self.duration_ms.checked_div(mean).unwrap_or(u64::MAX / 2)
        });
        match u64::from(self.nodes).saturating_mul(lives) {
            1..=NODES_MAX => Ok(()),
            all => Err(OptionsError(all)),
        }
    }
}

impl Span {
    /// Draws a time, in milliseconds, at least 1.
    pub(crate) fn draw<R: Rng + ?Sized>(self, rng: &mut R) -> u64 {
        let drawn = match self {
            Self::Fixed(ms) => ms,
            Self::Uniform(from, to) => from + draw::below(rng, to - from + 1),
            Self::LogUniform(from, to) => {
                let power = draw::uniform(rng) * libm::log(to as f64 / from as f64);
                libm::round(from as f64 * libm::exp(power)) as u64
            }
            Self::Exponential(mean) => libm::round(mean as f64 * draw::exponential(rng)) as u64,
        };
        drawn.max(1)
    }
}

/// No node, or more than can be counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} nodes, those included that come later, are not between 1 and {NODES_MAX}")]
pub(crate) struct OptionsError(u64);
