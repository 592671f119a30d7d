//! What a run found out.

use serde::{Deserialize, Serialize};

pub use crate::stats::{Quantiles, Share, Step};
use crate::{
    message::{Message, Receiving, Sending},
    options::Options,
    stats::Histogram,
    tally::LatencyTally,
    world::World,
};

/// How far a run is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Virtual time, in milliseconds.
    pub now_ms: u64,
    /// Virtual time at which the run ends, in milliseconds.
    pub until_ms: u64,
    /// Messages written.
    pub written: u64,
    /// Messages delivered.
    pub delivered: u64,
    /// Messages delivered, expired or lost.
    pub ended: u64,
    /// Lookups made.
    pub lookups: u64,
    /// Events made.
    pub events: u64,
}

/// Something that happened to a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// It was written.
    Written,
    /// It has enough receipts.
    Stored,
    /// Its recipient took it.
    Delivered,
    /// Its sender knows of that.
    Known,
    /// Its life ended before.
    Expired,
    /// Its life ended before, and no copy was left although there had been enough.
    Lost,
}

/// Who looks on while a run goes on.
pub trait Watch {
    /// Hears how far the run is, some hundred times.
    fn on_progress(&mut self, progress: &Progress);

    /// Hears what happened to the message of this number at a moment in milliseconds.
    fn on_message(&mut self, at_ms: u64, message: u32, seen: Seen) {
        let _unheard = (at_ms, message, seen);
    }
}

/// Hears of progress alone.
impl<F: FnMut(&Progress)> Watch for F {
    fn on_progress(&mut self, progress: &Progress) {
        self(progress);
    }
}

/// What a run found out; the same options and seed give the same report, bit for bit, on every
/// machine.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct Report {
    /// The seed.
    pub seed: u64,
    /// Nodes at a time.
    pub nodes: u32,
    /// Virtual time, in milliseconds.
    pub duration_ms: u64,
    /// Things that happened.
    pub events: u64,
    /// Times that a node came or went.
    pub turns: u64,
    /// What became of the messages.
    pub messages: Messages,
    /// From writing a message to enough receipts, in milliseconds.
    pub stored_ms: Quantiles,
    /// From writing a message to its delivery, in milliseconds.
    pub shown_ms: Quantiles,
    /// From writing a message to its delivery to a recipient who was there, in milliseconds.
    pub online_ms: Quantiles,
    /// From a recipient's return to the delivery of what was written before, in milliseconds.
    pub after_return_ms: Quantiles,
    /// What people wait for, if that was measured.
    pub latency: Option<LatencyReport>,
    /// Copies over time.
    pub copies: Vec<CopiesAt>,
    /// Repair.
    pub repair: RepairReport,
    /// Lookups.
    pub lookups: LookupReport,
    /// Bytes.
    pub bytes: ByteReport,
    /// The most copies a node kept at a time, over all nodes that were ever up.
    pub copies_per_keeper: Quantiles,
    /// Some of the distributions, whole.
    pub curves: Curves,
    /// Memory of the run itself.
    pub memory: Memory,
}

/// What people wait for.
///
/// The least possible is what somebody would wait for who knows beforehand which nodes are nearest and up: a handshake
/// and one exchange with each of them at once where there is no connection, the exchange alone where there is one; the
/// keeper's disk is included, the work of people's own devices is not.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
pub struct LatencyReport {
    /// From a message to enough receipts, from somebody who knows nobody near its mailbox.
    pub deposit: Waiting,
    /// The same for another message to this mailbox, five seconds later.
    pub again: Waiting,
    /// From that other message to its showing to a recipient who is there.
    pub shown: Waiting,
    /// From the wish for a card to records at enough of its locators.
    pub card: Waiting,
}

/// How long somebody waits, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
pub struct Waiting {
    /// What it took.
    pub took_ms: Quantiles,
    /// The least that it could have taken.
    pub least_ms: Quantiles,
}

/// Distributions in steps of half a percent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct Curves {
    /// From writing a message to its delivery, in milliseconds.
    pub shown_ms: Vec<Step>,
    /// From a recipient's return to the delivery of what was written before, in milliseconds.
    pub after_return_ms: Vec<Step>,
    /// Until a lookup ended, in milliseconds.
    pub lookup_end_ms: Vec<Step>,
    /// The most copies a node kept at a time.
    pub copies_per_keeper: Vec<Step>,
    /// Bytes that a node sent and received.
    pub bytes_per_node: Vec<Step>,
}

/// What became of the messages: each ended delivered, expired or lost, or waits still.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
pub struct Messages {
    /// Messages written.
    pub written: u64,
    /// Those with enough receipts.
    pub stored: u64,
    /// Those that their recipient took.
    pub delivered: u64,
    /// Those whose sender knows of it.
    pub known: u64,
    /// Those that nobody took in time, with a copy left or never stored.
    pub expired: u64,
    /// Those among `expired` that were never stored.
    pub never_stored: u64,
    /// Those that were stored and of which no copy was left at their end.
    pub lost: u64,
    /// Those that still live at the end of the run and were not taken.
    pub waiting: u64,
    /// Those that were taken twice: always 0, or the run is wrong.
    pub twice: u64,
    /// Share that was delivered.
    pub delivery: Share,
    /// Share of those stored that was lost.
    pub loss: Share,
    /// Times a recipient came to look for a message.
    pub visits: u64,
    /// Those at which it went again without it: no copy was up, or near enough.
    pub visits_in_vain: u64,
}

/// Copies at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct CopiesAt {
    /// The moment, in milliseconds.
    pub at_ms: u64,
    /// Messages written so far.
    pub written: u64,
    /// Of these, those with enough receipts.
    pub stored: u64,
    /// Of these, those that were taken.
    pub delivered: u64,
    /// Lookups so far.
    pub lookups: u64,
    /// Bytes moved so far.
    pub bytes: u64,
    /// Nodes that are up.
    pub nodes_up: u64,
    /// Copies on nodes that have not left for good, those of messages that were taken included.
    pub copies: u64,
    /// Messages that are stored and not taken.
    pub waiting: u64,
    /// Their copies on nodes that have not left for good.
    pub waiting_copies: u64,
    /// Their copies on nodes that are up.
    pub waiting_copies_up: u64,
    /// Those of which no copy is up.
    pub out_of_reach: u64,
}

/// What repair did, and the least that it could have done.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
pub struct RepairReport {
    /// Times the keepers of a message looked.
    pub checks: u64,
    /// Those at which none of them was up.
    pub nobody_up: u64,
    /// Copies made.
    pub copies: u64,
    /// Copies of waiting messages that were lost with their node.
    pub copies_lost: u64,
    /// Copies made because keepers are to hold more than the sender placed.
    pub copies_added: u64,
    /// Bytes moved.
    pub bytes: u64,
    /// Copies made, over the least possible: one for each that was lost or added.
    pub over_least: f64,
}

/// What lookups took.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
pub struct LookupReport {
    /// Lookups.
    pub count: u64,
    /// Share that found exactly the nearest nodes that are up, as many as a message has copies.
    pub exact: Share,
    /// Questions a lookup asked.
    pub questions: Quantiles,
    /// Share of all questions that were asked of nodes that do not answer.
    pub unanswered: f64,
    /// How far away the nearest node was first heard of: 0 is the own table.
    pub hops: Quantiles,
    /// Until the nearest node was first heard of, in milliseconds.
    pub nearest_ms: Quantiles,
    /// Until the lookup ended, in milliseconds.
    pub end_ms: Quantiles,
}

/// Bytes of payloads between people and nodes, and between nodes, for messages alone: what it takes
/// to stay connected and keep tables fresh is not simulated.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
pub struct ByteReport {
    /// All.
    pub total: u64,
    /// For lookups, estimated.
    pub lookups: u64,
    /// For deposits.
    pub deposits: u64,
    /// For offers.
    pub offers: u64,
    /// For subscribing, listing, getting, pushing and acking.
    pub collecting: u64,
    /// For the recipients' word, beside lookups.
    pub words: u64,
    /// For repair.
    pub repair: u64,
    /// Questions, requests, answers and pushes.
    pub packets: u64,
    /// On the disks of nodes at the end, in whole envelopes.
    pub held: u64,
    /// All, over messages written.
    pub per_message: f64,
    /// Sent and received by a node that was ever up.
    pub per_node: Quantiles,
}

/// Memory of the run itself, in bytes; what the allocator adds is not in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Memory {
    /// Nodes.
    pub nodes: u64,
    /// Events that wait, at most.
    pub queue: u64,
    /// Messages, at most.
    pub messages: u64,
    /// All, over the nodes.
    pub per_node: u64,
}

/// What the maps of a state machine hold beside its own size, in bytes: a guess for the estimate
/// alone.
const MACHINE_BYTES: u64 = 1_000;
/// What the lists of a message hold beside its own size, in bytes: a guess for the estimate alone.
const LISTS_BYTES: u64 = 100;

impl Report {
    pub(crate) fn of(options: &Options, seed: u64, world: &World<'_>) -> Self {
        let tally = &world.tally;
        Self {
            seed,
            nodes: options.nodes,
            duration_ms: options.duration_ms,
            events: tally.events,
            turns: tally.turns,
            messages: Messages {
                written: tally.written,
                stored: tally.stored,
                delivered: tally.delivered,
                known: tally.known,
                expired: tally.expired,
                never_stored: tally.never_stored,
                lost: tally.lost,
                waiting: tally.written - tally.delivered - tally.expired - tally.lost,
                twice: tally.twice,
                delivery: Share::of(tally.delivered, tally.written),
                loss: Share::of(tally.lost, tally.stored),
                visits: tally.visits,
                visits_in_vain: tally.visits_in_vain,
            },
            stored_ms: tally.stored_ms.quantiles(),
            shown_ms: tally.shown_ms.quantiles(),
            online_ms: tally.online_ms.quantiles(),
            after_return_ms: tally.after_return_ms.quantiles(),
            latency: options.latency.then(|| latency_of(&tally.latency)),
            copies: tally.copies.clone(),
            repair: repair_of(world),
            lookups: LookupReport::of(world),
            bytes: bytes_of(world),
            copies_per_keeper: tally.copies_max.quantiles(),
            curves: Curves {
                shown_ms: tally.shown_ms.steps(),
                after_return_ms: tally.after_return_ms.steps(),
                lookup_end_ms: tally.lookups.end_ms.steps(),
                copies_per_keeper: tally.copies_max.steps(),
                bytes_per_node: tally.moved.steps(),
            },
            memory: memory_of(options, world),
        }
    }
}

impl LookupReport {
    pub(crate) fn of(world: &World<'_>) -> Self {
        let lookups = &world.tally.lookups;
        let questions = lookups.questions.quantiles();
        let asked = questions.mean * questions.count as f64;
        Self {
            count: lookups.count,
            exact: Share::of(lookups.exact, lookups.count),
            questions,
            unanswered: lookups.unanswered as f64 / asked.max(1.0),
            hops: lookups.hops.quantiles(),
            nearest_ms: lookups.nearest_ms.quantiles(),
            end_ms: lookups.end_ms.quantiles(),
        }
    }
}

fn latency_of(tally: &LatencyTally) -> LatencyReport {
    let waiting = |took: &Histogram, least: &Histogram| Waiting {
        took_ms: took.quantiles(),
        least_ms: least.quantiles(),
    };
    LatencyReport {
        deposit: waiting(&tally.deposit_ms, &tally.deposit_least_ms),
        again: waiting(&tally.again_ms, &tally.again_least_ms),
        shown: waiting(&tally.shown_ms, &tally.shown_least_ms),
        card: waiting(&tally.card_ms, &tally.card_least_ms),
    }
}

fn repair_of(world: &World<'_>) -> RepairReport {
    let repair = &world.tally.repair;
    let least = repair.lost + repair.filled;
    RepairReport {
        checks: repair.checks,
        nobody_up: repair.nobody,
        copies: repair.copies,
        copies_lost: repair.lost,
        copies_added: repair.filled,
        bytes: repair.bytes,
        over_least: repair.copies as f64 / least.max(1) as f64,
    }
}

fn bytes_of(world: &World<'_>) -> ByteReport {
    let (tally, bytes) = (&world.tally, &world.tally.bytes);
    ByteReport {
        total: bytes.total,
        lookups: bytes.lookups,
        deposits: bytes.deposits,
        offers: bytes.offers,
        collecting: bytes.collecting,
        words: bytes.words,
        repair: tally.repair.bytes,
        packets: bytes.packets,
        held: bytes.held,
        per_message: bytes.total as f64 / tally.written.max(1) as f64,
        per_node: tally.moved.quantiles(),
    }
}

fn memory_of(options: &Options, world: &World<'_>) -> Memory {
    let (nodes, queue) = world.bytes();
    let record = size_of::<Message>() as u64 + LISTS_BYTES;
    let open = (size_of::<Sending>() + size_of::<Receiving>()) as u64 + MACHINE_BYTES;
    let list = world.tally.written * size_of::<Option<Box<Message>>>() as u64;
    let messages = list + world.tally.records_max * record + world.tally.open_max * open;
    Memory {
        nodes,
        queue,
        messages,
        per_node: (nodes + queue + messages) / u64::from(options.nodes),
    }
}
