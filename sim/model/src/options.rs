//! What a run is to show.

use rand::Rng;
use restante_proto::{
    limits::{
        DAY_MS, ENVELOPE_BYTES, FOUND_NODES_MAX, HOUR_MS, MESSAGE_TTL_DEFAULT_MS,
        MESSAGE_TTL_MAX_MS, MESSAGE_TTL_MIN_MS, MINUTE_MS, REPLICAS, SECOND_MS, receipts_wanted,
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
/// The longest time there is, in milliseconds: more than thirty thousand years.
const SPAN_MAX_MS: u64 = 1 << 50;
/// Copies at most: what a lookup can find, less those that may fail.
const COPIES_MAX: usize = 17;

/// A run: who is there, what they send, and by which rules.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Nodes at a time; those that are down or always dead count.
    pub nodes: u32,
    /// Virtual time, in milliseconds.
    pub duration_ms: u64,
    /// How nodes come and go: kinds of node with their weights.
    pub churn: Vec<(u32, Churn)>,
    /// After how long nodes leave for good, on average and exponentially, in milliseconds, with all
    /// they keep; for each that leaves another one arrives. None: nobody does.
    pub mean_life_ms: Option<u64>,
    /// Share of nodes that stay in all routing tables and never answer.
    pub dead_share: f64,
    /// Where nodes and people are.
    pub regions: Regions,
    /// Messages written, each from somebody else to somebody else.
    pub messages: u32,
    /// When the first may be written, in milliseconds: a minute at least.
    pub from_ms: u64,
    /// Time in which they are written, evenly, in milliseconds.
    pub writing_ms: u64,
    /// How long a message lives.
    pub ttl: Span,
    /// How common each size of envelope is, in the order of the protocol's sizes.
    pub sizes: [u32; ENVELOPE_BYTES.len()],
    /// When the writer of a message is there to bring it out.
    pub senders: Senders,
    /// When the recipient of a message is there to take it.
    pub recipients: Recipients,
    /// Keepers a message is deposited at: R. The protocol's number is [`REPLICAS`].
    pub copies: usize,
    /// Receipts that make a message stored: W. None: as many as the protocol wants for R.
    pub receipts: Option<usize>,
    /// What keepers do about copies that are gone.
    pub repair: Option<Repair>,
    /// How long a keeper needs until a message is on its disk.
    pub commit: Span,
    /// How long a recipient gathers words before it sends them, in milliseconds.
    pub word_ms: u64,
    /// How lookups go.
    pub routing: Routing,
    /// Whether senders deposit at whom they take for the nearest before their lookup has ended, as the protocol has it;
    /// without that a message has as many copies as it should, and formulas hold.
    pub early: bool,
    /// Whether it is measured what people wait for, and what the least possible is: each message is
    /// soon followed by another one to the same mailbox, and its writer looks a card up.
    pub latency: bool,
}

/// How long something takes; times are in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Span {
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
pub enum Senders {
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
pub enum Recipients {
    /// All the time.
    Always,
    /// All the time but from one moment to another, in milliseconds.
    ButFor {
        /// The first moment.
        from_ms: u64,
        /// The second one.
        to_ms: u64,
    },
    /// Again and again.
    Sometimes {
        /// How long not, beginning when the message is written.
        away: Span,
        /// And how long.
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
pub struct Repair {
    /// From a node's going or coming until the copy that follows from it is there. None: nobody
    /// notices until neighbours compare.
    pub after: Option<Span>,
    /// Mean time between two comparisons, in milliseconds; each is 80 to 120 percent of it.
    pub interval_ms: u64,
    /// Nothing is copied unless fewer of the nearest than this have the item.
    pub threshold: usize,
    /// How many are the nearest.
    pub copies: usize,
}

/// How lookups go, as far as the protocol does not say. The defaults are what the node library sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Routing {
    /// Entries of a bucket and of an answer: k.
    pub bucket: usize,
    /// Nodes a lookup wants.
    pub wanted: usize,
    /// After how long it is known of a node that it is gone, in milliseconds; a lookup does not wait for that.
    pub timeout_ms: u64,
    /// Round trips until an answer is there over a new connection: 2 with a handshake of QUIC, 3 of
    /// TCP; over one that is open it is 1.
    pub round_trips: u64,
    /// How long a node that has gone stays in others' tables, in milliseconds.
    pub stale_ms: u64,
    /// Bytes of a question, and of an answer beside the nodes it names: an estimate.
    pub question_bytes: u64,
    /// Bytes with which an answer names a node and its addresses: an estimate.
    pub named_bytes: u64,
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
            churn: vec![(1, Churn::Always)],
            mean_life_ms: None,
            dead_share: 0.0,
            regions: Regions::world(),
            messages: 1_000,
            from_ms: READY_MS,
            writing_ms: DAY_MS,
            ttl: Span::Fixed(MESSAGE_TTL_DEFAULT_MS),
            sizes: [90, 8, 2],
            senders: Senders::Always,
            recipients: Recipients::Always,
            copies: REPLICAS,
            receipts: None,
            repair: None,
            commit: Span::Uniform(1, 8),
            word_ms: SECOND_MS,
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
    pub fn million() -> Self {
        Self {
            nodes: 1_000_000,
            duration_ms: 30 * DAY_MS,
            churn: vec![(1, Churn::Ipfs)],
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

    /// Returns how many receipts make a message stored that was sent to `keepers` of them.
    pub(crate) fn receipts_of(&self, keepers: usize) -> usize {
        match self.receipts {
            Some(receipts) => receipts.min(keepers),
            None => receipts_wanted(keepers),
        }
    }

    /// Looks for what cannot be.
    ///
    /// # Errors
    ///
    /// See [`BadOptions`].
    pub fn check(&self) -> Result<(), BadOptions> {
        let lives = self.mean_life_ms.map_or(1, |mean| {
            2 + self.duration_ms.checked_div(mean).unwrap_or(u64::MAX / 2)
        });
        let all = u64::from(self.nodes).saturating_mul(lives);
        if self.nodes == 0 || all > NODES_MAX {
            return Err(BadOptions::Nodes(all));
        }
        if self.churn.iter().all(|(weight, _)| *weight == 0) {
            return Err(BadOptions::Empty("churn"));
        }
        if self.sizes.iter().all(|weight| *weight == 0) {
            return Err(BadOptions::Empty("sizes"));
        }
        if !(0.0..1.0).contains(&self.dead_share) {
            return Err(BadOptions::Dead(self.dead_share));
        }
        self.check_times()?;
        self.check_copies()?;
        let routing = &self.routing;
        if !(CANDIDATES..=routing.bucket).contains(&routing.wanted) {
            return Err(BadOptions::Routing);
        }
        Ok(())
    }

    fn check_times(&self) -> Result<(), BadOptions> {
        let mut spans = vec![
            ("the life of a message", self.ttl),
            ("a keeper's commit", self.commit),
        ];
        if let Senders::Sometimes { here, away } = self.senders {
            spans.extend([("a sender's presence", here), ("a sender's absence", away)]);
        }
        if let Recipients::Sometimes { away, here } = self.recipients {
            spans.extend([
                ("a recipient's absence", away),
                ("a recipient's presence", here),
            ]);
        }
        for (name, span) in spans {
            span.check(name)?;
        }
        let (shortest, longest) = self.ttl.ends();
        if shortest < MESSAGE_TTL_MIN_MS || longest > MESSAGE_TTL_MAX_MS {
            return Err(BadOptions::Life { shortest, longest });
        }
        let needed_ms = self.from_ms.saturating_add(self.writing_ms);
        if self.from_ms < READY_MS || self.writing_ms == 0 || needed_ms > self.duration_ms {
            return Err(BadOptions::Duration {
                from_ms: self.from_ms,
                needed_ms,
                duration_ms: self.duration_ms,
            });
        }
        Ok(())
    }

    fn check_copies(&self) -> Result<(), BadOptions> {
        let (copies, receipts) = (self.copies, self.receipts.unwrap_or(1));
        if !(1..=COPIES_MAX).contains(&copies) || !(1..=copies).contains(&receipts) {
            return Err(BadOptions::Copies { copies, receipts });
        }
        let found = self.routing.wanted;
        if copies > found {
            return Err(BadOptions::Found { copies, found });
        }
        if let Some(repair) = self.repair {
            let Repair {
                after,
                interval_ms,
                threshold,
                copies,
            } = repair;
            if let Some(after) = after {
                after.check("the time until a copy is made")?;
            }
            if interval_ms < MINUTE_MS || threshold > copies || !(1..=COPIES_MAX).contains(&copies)
            {
                return Err(BadOptions::Repair(repair));
            }
        }
        Ok(())
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

    /// Returns the shortest and the longest time there can be.
    const fn ends(self) -> (u64, u64) {
        match self {
            Self::Fixed(ms) => (ms, ms),
            Self::Uniform(from, to) | Self::LogUniform(from, to) => (from, to),
            Self::Exponential(_) => (0, u64::MAX),
        }
    }

    fn check(self, name: &'static str) -> Result<(), BadOptions> {
        let makes_sense = match self {
            Self::Fixed(ms) => ms <= SPAN_MAX_MS,
            Self::Uniform(from, to) => from <= to && to <= SPAN_MAX_MS,
            Self::LogUniform(from, to) => 0 < from && from <= to && to <= SPAN_MAX_MS,
            Self::Exponential(mean) => (1..=SPAN_MAX_MS).contains(&mean),
        };
        if !makes_sense {
            return Err(BadOptions::Span { name, span: self });
        }
        Ok(())
    }
}

/// Options that no run can have.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum BadOptions {
    /// No node, or more than can be counted.
    #[error("{0} nodes, those included that come later, are not between 1 and {NODES_MAX}")]
    Nodes(u64),
    /// A list of weights with nothing in it.
    #[error("{0} has no entry with a weight")]
    Empty(&'static str),
    /// A share of dead nodes.
    #[error("a share of {0} dead nodes is not from 0 to below 1")]
    Dead(f64),
    /// A time that makes no sense.
    #[error("{name} of {span:?} makes no sense")]
    Span {
        /// Whose.
        name: &'static str,
        /// The time.
        span: Span,
    },
    /// A life that no message may have.
    #[error(
        "messages that live {shortest} to {longest} ms are not within {MESSAGE_TTL_MIN_MS} to \
         {MESSAGE_TTL_MAX_MS} ms"
    )]
    Life {
        /// The shortest life, in milliseconds.
        shortest: u64,
        /// The longest life, in milliseconds.
        longest: u64,
    },
    /// A run that ends before its last message is written, or in which the first comes too early.
    #[error(
        "messages written from {from_ms} to {needed_ms} ms are not within {READY_MS} and {duration_ms} ms"
    )]
    Duration {
        /// When the first message may be written, in milliseconds.
        from_ms: u64,
        /// When the last message may be written, in milliseconds.
        needed_ms: u64,
        /// When the run ends, in milliseconds.
        duration_ms: u64,
    },
    /// Numbers of copies and receipts.
    #[error(
        "{receipts} receipts of {copies} copies are not possible with 1 to {COPIES_MAX} copies"
    )]
    Copies {
        /// Copies.
        copies: usize,
        /// Receipts.
        receipts: usize,
    },
    /// More copies than a lookup finds nodes.
    #[error("{copies} copies are not possible when a lookup wants {found} nodes")]
    Found {
        /// Copies.
        copies: usize,
        /// Nodes a lookup wants.
        found: usize,
    },
    /// A rule of repair.
    #[error("{0:?} is not possible: an interval of a minute, a threshold not above the copies")]
    Repair(Repair),
    /// Lookups that cannot be.
    #[error("lookups want at least {CANDIDATES} nodes and no more than a bucket has")]
    Routing,
}
