//! Letters, from being written to their end, and what must be so of them.

use std::collections::{BTreeMap, BTreeSet};

use restante_interface::{
    DeliveryState, InboxMessage, MessageCode, OUTBOX_COUNT_MAX, OutboxEntry, Refusal, SendResult,
};
use restante_proto::limits::{REPLICAS, receipts_wanted};
use restante_proto::time::UnixMillis;

use crate::clock::Instant;
use crate::report::{Counts, Violation};
use crate::workload;

use super::adversary::Witness;

#[cfg(test)]
mod tests;

/// Two clocks and one way over the network apart, at most, in milliseconds: what ends so near to the end of the run
/// may or may not arrive.
const MARGIN_MS: u64 = 60_000;

/// Keepers of an envelope that may lose it, so that it arrives all the same.
const GONE_MAX: usize = REPLICAS - receipts_wanted(REPLICAS);

/// One message.
pub(super) struct Letter {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) body: Vec<u8>,
    pub(super) ttl_ms: u64,
    /// When it was first handed to the node.
    written: Option<Instant>,
    /// As the sender's node calls it.
    message: Option<String>,
    expires: Option<UnixMillis>,
    stored: bool,
    delivered: bool,
    /// The node ended while it was handed over, so that it may or may not have it, or could not tell the date.
    uncertain: bool,
    /// Its recipient's home was set back since it was written.
    rolled_back: bool,
    shown: Option<(Instant, String)>,
}

/// All letters of a run.
pub(super) struct Ledger {
    pub(super) letters: Vec<Letter>,
    by_body: BTreeMap<Vec<u8>, usize>,
    by_message: BTreeMap<(usize, String), usize>,
    read: BTreeSet<(usize, String)>,
    /// When people came back last.
    back: BTreeMap<usize, Instant>,
    /// Milliseconds from somebody's return to showing what had waited.
    after_return_ms: Vec<u64>,
    /// Letters that were shown again.
    duplicates: u64,
    violation: Option<Violation>,
    /// Whose home runs twice, and until when the two may not know of each other.
    twins: Vec<(usize, Instant)>,
    /// Whose home went back to a copy, or ran twice: keys of it may be nobody's any more.
    copied: BTreeSet<usize>,
}

/// How the run stands when letters are judged.
pub(super) struct Standing<'a> {
    /// What everybody's clock shows.
    pub(super) clocks: &'a [UnixMillis],
    /// Whose node runs.
    pub(super) present: &'a [bool],
    /// Keepers that need not have what they gave receipts for.
    pub(super) unsound: &'a BTreeSet<usize>,
    /// Those of them that say they have what they do not keep.
    pub(super) liars: &'a BTreeSet<usize>,
    /// Who gave receipts for what, if somebody has watched.
    pub(super) witness: Option<&'a Witness>,
}

impl Standing<'_> {
    /// Tells whether liars alone took a letter that ends then: whoever asks for it asks them.
    fn is_swallowed(&self, expires: UnixMillis) -> bool {
        let asked = |witness: &Witness| witness.is_swallowed(expires..=expires, self.liars);
        self.witness.is_some_and(asked)
    }

    /// Tells whether liars alone took what can be the word that a letter has arrived.
    ///
    /// A word lives longer than any letter; whose it is cannot be told from outside.
    fn is_word_swallowed(&self, expires: UnixMillis) -> bool {
        let asked = |witness: &Witness| witness.is_swallowed(expires.plus(1).., self.liars);
        self.witness.is_some_and(asked)
    }

    /// Returns how many keepers of a letter that ends then need not have it any more, at most.
    ///
    /// A sender chooses the end to the millisecond, so that it tells which envelopes are meant.
    fn gone(&self, expires: UnixMillis) -> usize {
        let exposed = self
            .witness
            .and_then(|witness| witness.exposed(expires, self.unsound));
        exposed.unwrap_or(self.unsound.len())
    }

    /// Tells whether a letter that ends then has not ended by anybody's clock.
    fn lives(&self, letter: &Letter, expires: UnixMillis) -> bool {
        let clock = |person: usize| self.clocks.get(person).copied().unwrap_or_default();
        expires > clock(letter.from).max(clock(letter.to)).plus(MARGIN_MS)
    }
}

impl Ledger {
    pub(super) fn new(letters: &[workload::Letter]) -> Self {
        let letter = |(number, plan): (usize, &workload::Letter)| Letter {
            from: plan.from,
            to: plan.to,
            body: body(number, &plan.body),
            ttl_ms: plan.ttl_ms,
            written: None,
            message: None,
            expires: None,
            stored: false,
            delivered: false,
            uncertain: false,
            rolled_back: false,
            shown: None,
        };
        let letters: Vec<Letter> = letters.iter().enumerate().map(letter).collect();
        let by_body = letters.iter().enumerate();
        Self {
            by_body: by_body
                .map(|(number, l)| (l.body.clone(), number))
                .collect(),
            letters,
            by_message: BTreeMap::new(),
            read: BTreeSet::new(),
            back: BTreeMap::new(),
            after_return_ms: Vec::new(),
            duplicates: 0,
            violation: None,
            twins: Vec::new(),
            copied: BTreeSet::new(),
        }
    }

    /// Notes a violation, if it is the first.
    pub(super) fn violate(&mut self, now: Instant, rule: &'static str, what: String) {
        let at_ms = now.0;
        let violation = || Violation {
            rule: rule.into(),
            what,
            at_ms,
        };
        self.violation.get_or_insert_with(violation);
    }

    /// Returns the first violation.
    pub(super) const fn violation(&self) -> Option<&Violation> {
        self.violation.as_ref()
    }

    /// A letter is handed to its sender's node.
    pub(super) fn on_written(&mut self, now: Instant, number: usize) {
        if let Some(letter) = self.letters.get_mut(number) {
            letter.written.get_or_insert(now);
            let (from, to) = (letter.from, letter.to);
            self.excuse_twins(from);
            self.excuse_twins(to);
        }
    }

    /// Somebody's home is an older one now: letters of before need not arrive there, may be shown again, and what
    /// became of those it wrote it does not know. What is written from now on must arrive.
    pub(super) fn on_rollback(&mut self, now: Instant, person: usize) {
        self.copied.insert(person);
        for letter in &mut self.letters {
            let is_before = letter.written.is_some_and(|written| written <= now);
            if is_before && (letter.to == person || letter.from == person) {
                letter.uncertain = true;
                letter.rolled_back |= letter.to == person;
            }
        }
        self.read.retain(|(whose, _)| *whose != person);
    }

    /// A second copy of somebody's home has started: for so long the two may not know of each other, and what was under
    /// way may have come to the other one.
    pub(super) fn on_twin(&mut self, now: Instant, person: usize, unknown_ms: u64) {
        self.copied.insert(person);
        self.twins.push((person, now.plus(unknown_ms)));
        self.excuse_twins(person);
    }

    /// Excuses what comes to somebody, and word of what they wrote, while two copies of a home do not know of each
    /// other.
    fn excuse_twins(&mut self, person: usize) {
        let twins = self.twins.iter().filter(|(twin, _)| *twin == person);
        let until = twins.map(|(_, until)| *until).max();
        for letter in &mut self.letters {
            let is_before = letter.written.is_some_and(|at| Some(at) <= until);
            letter.uncertain |= is_before && (letter.to == person || letter.from == person);
        }
    }

    /// A letter need not arrive any more.
    pub(super) fn excuse(&mut self, number: usize) {
        if let Some(letter) = self.letters.get_mut(number) {
            letter.uncertain = true;
        }
    }

    /// The sender's node has answered; returns whether it must be asked again.
    pub(super) fn on_sent(
        &mut self,
        now: Instant,
        number: usize,
        outcome: Result<SendResult, Refusal>,
    ) -> bool {
        let Some(letter) = self.letters.get_mut(number) else {
            return false;
        };
        match outcome {
            Ok(result) => {
                let name = (letter.from, result.message_id.clone());
                self.by_message.insert(name, number);
                letter.message = Some(result.message_id);
                letter.expires = Some(UnixMillis::new(result.until_ms));
                self.on_standing(now, number, result.state, result.stored_with);
                false
            }
            // Of a disk that fails in the middle nobody knows what it has.
            Err(Refusal::Stopping | Refusal::NotStored { .. } | Refusal::NotRead { .. }) => {
                letter.uncertain = true;
                false
            }
            Err(refusal) if is_defect(&refusal) => {
                self.violate(now, "send", format!("m{number}: {refusal:?}"));
                false
            }
            Err(_) => true,
        }
    }

    /// The sender's node says how messages stand.
    ///
    /// A node lists those under way, and of those that have ended the newest; so one that it has stored and lists no
    /// more, although it lists all that are under way, has been delivered, or is over.
    pub(super) fn on_outbox(
        &mut self,
        now: Instant,
        person: usize,
        (outbox, under_way): (&[OutboxEntry], u32),
    ) {
        let is_under_way = |entry: &&OutboxEntry| {
            matches!(entry.state, DeliveryState::Waiting | DeliveryState::Stored)
        };
        let listed = outbox.iter().filter(is_under_way).count();
        if listed == under_way as usize && outbox.len() >= OUTBOX_COUNT_MAX {
            let names: BTreeSet<&str> = outbox.iter().map(|entry| &*entry.message_id).collect();
            let own = (person, String::new())..(person + 1, String::new());
            let ended = self.by_message.range(own);
            let ended = ended.filter(|((_, name), _)| !names.contains(&**name));
            for (_, number) in ended {
                if let Some(letter) = self.letters.get_mut(*number).filter(|letter| letter.stored) {
                    letter.delivered |= letter.shown.is_some();
                }
            }
        }
        for entry in outbox {
            let name = (person, entry.message_id.clone());
            let Some(number) = self.by_message.get(&name).copied() else {
                continue;
            };
            self.on_standing(now, number, entry.state, entry.stored_with);
            // Its sender is told that it may have been sealed to keys that nobody has any more.
            let is_told = entry.code == MessageCode::StoredOutdated;
            if let Some(letter) = self.letters.get_mut(number).filter(|_| is_told) {
                letter.uncertain |= self.copied.contains(&letter.to);
            }
        }
    }

    fn on_standing(&mut self, now: Instant, number: usize, state: DeliveryState, with: u32) {
        let Some(letter) = self.letters.get_mut(number) else {
            return;
        };
        match state {
            DeliveryState::Waiting | DeliveryState::Expired => {}
            DeliveryState::Stored => letter.stored = true,
            DeliveryState::Delivered => {
                letter.stored = true;
                letter.delivered = true;
            }
        }
        if state == DeliveryState::Stored && with == 0 {
            let what = format!("m{number} is said to be stored with nobody");
            self.violate(now, "receipts-counted", what);
        }
    }

    /// Somebody was shown a message, as written by `from`; returns the letter it is.
    pub(super) fn on_shown(
        &mut self,
        now: Instant,
        (from, person): (Option<usize>, usize),
        clock: UnixMillis,
        message: InboxMessage,
    ) -> Option<usize> {
        let text = message.text.map(|text| text.0.into_bytes());
        let body = text.or_else(|| message.base64.map(restante_interface::Body::into_bytes));
        let found = self.by_body.get(&body.unwrap_or_default()).copied();
        let Some(number) = found else {
            let what = format!("p{person} is shown something that nobody wrote");
            self.violate(now, "true-text", what);
            return None;
        };
        let letter = self.letters.get_mut(number)?;
        let (to, expires) = (letter.to, letter.expires);
        // A duplicate has the name of the first and was received at another time.
        let copy = format!("{} of {}", message.id, message.received_ms);
        let again = letter.shown.as_ref().is_some_and(|(_, id)| *id != copy)
            || self.read.contains(&(person, message.id));
        let again = again && !letter.rolled_back;
        if letter.shown.is_none() {
            letter.shown = Some((now, copy));
            let back = self.back.get(&person);
            let waited = back.filter(|back| letter.written.is_some_and(|at| at < **back));
            self.after_return_ms
                .extend(waited.map(|back| now.0 - back.0));
        }
        let writer = letter.from;
        if from != Some(writer) {
            let what = format!("m{number} of p{writer} is shown as written by {from:?}");
            self.violate(now, "true-sender", what);
        }
        if to != person {
            let what = format!("m{number} is for p{to} and is shown to p{person}");
            self.violate(now, "right-person", what);
        }
        if again {
            self.duplicates += 1;
            self.violate(now, "once", format!("m{number} is shown twice"));
        }
        if expires.is_some_and(|expires| clock >= expires) {
            self.violate(now, "late", format!("m{number} is shown after its end"));
        }
        Some(number)
    }

    /// Somebody is there again; returns the ends of the messages that wait.
    pub(super) fn on_return(&mut self, now: Instant, person: usize) -> Vec<UnixMillis> {
        self.back.insert(person, now);
        let letters = self.letters.iter();
        let waiting = letters.filter(|letter| letter.to == person && letter.shown.is_none());
        waiting.filter_map(|letter| letter.expires).collect()
    }

    /// Returns the ends of all messages that wait for anybody with enough receipts.
    pub(super) fn waiting(&self) -> Vec<UnixMillis> {
        let letters = self.letters.iter();
        let waiting = letters.filter(|letter| letter.stored && letter.shown.is_none());
        waiting.filter_map(|letter| letter.expires).collect()
    }

    /// A person's node knows that these were read.
    pub(super) fn on_read(&mut self, person: usize, ids: Vec<String>) {
        self.read.extend(ids.into_iter().map(|id| (person, id)));
    }

    /// Returns the first thing that is not as it should be once the faults are over.
    pub(super) fn unsettled(&self, standing: &Standing<'_>) -> Option<(&'static str, String)> {
        let letters = self.letters.iter().enumerate();
        let mut judged = letters.filter_map(|(number, letter)| judge(number, letter, standing));
        judged.next()
    }

    /// Counts living letters that a node took and that are not shown to a recipient who is there.
    pub(super) fn lost(&self, standing: &Standing<'_>) -> u64 {
        let is_lost = |letter: &&Letter| {
            standing.present.get(letter.to) == Some(&true)
                && !letter.uncertain
                && letter.shown.is_none()
                && letter
                    .expires
                    .is_some_and(|end| standing.lives(letter, end))
        };
        self.letters.iter().filter(is_lost).count() as u64
    }

    /// Returns how long it took to show each letter that was shown, in milliseconds, in order.
    pub(super) fn waits_ms(&self) -> Vec<u64> {
        let mut waits: Vec<u64> = self.letters.iter().filter_map(wait_ms).collect();
        waits.sort_unstable();
        waits
    }

    /// Returns how long those who came back waited for what had waited for them, in milliseconds, in order.
    pub(super) fn after_return_ms(&self) -> Vec<u64> {
        let mut waits = self.after_return_ms.clone();
        waits.sort_unstable();
        waits
    }

    /// Counts what became of the letters.
    pub(super) fn counts(&self, clocks: &[UnixMillis]) -> Counts {
        let count = |of: &dyn Fn(&Letter) -> bool| {
            self.letters.iter().filter(|letter| of(letter)).count() as u64
        };
        let over = |letter: &Letter| {
            let clock = clocks.get(letter.from).copied().unwrap_or_default();
            letter.expires.is_some_and(|expires| expires <= clock)
        };
        let waits = self.waits_ms();
        Counts {
            written: count(&|letter| letter.written.is_some()),
            stored: count(&|letter| letter.stored),
            shown: count(&|letter| letter.shown.is_some()),
            delivered: count(&|letter| letter.delivered),
            expired: count(&|letter| letter.shown.is_none() && over(letter)),
            duplicates: self.duplicates,
            shown_after_p50_ms: percentile(&waits, 50),
            shown_after_p99_ms: percentile(&waits, 99),
            ..Counts::default()
        }
    }
}

/// Tells whether no node may refuse so in a simulation, whatever its network does.
const fn is_defect(refusal: &Refusal) -> bool {
    refusal.is_usage()
        || matches!(
            refusal,
            Refusal::StaleKeys { .. } | Refusal::Blocked { .. } | Refusal::Internal { .. }
        )
}

/// Returns a body that names its letter, so that no two are the same.
fn body(number: usize, random: &[u8]) -> Vec<u8> {
    let mut body = format!("m{number}.").into_bytes();
    body.extend(random.iter().skip(body.len()));
    body
}

fn wait_ms(letter: &Letter) -> Option<u64> {
    let (written, (shown, _)) = (letter.written?, letter.shown.as_ref()?);
    Some(shown.0 - written.0)
}

fn percentile(sorted: &[u64], percent: usize) -> u64 {
    let place = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted.get(place).copied().unwrap_or_default()
}

fn judge(
    number: usize,
    letter: &Letter,
    standing: &Standing<'_>,
) -> Option<(&'static str, String)> {
    let is_there = |person: usize| standing.present.get(person) == Some(&true);
    if letter.uncertain || !is_there(letter.to) {
        return None;
    }
    let Some(expires) = letter.expires else {
        let what = format!("m{number} was never taken by its sender's node");
        return is_there(letter.from).then_some(("converged", what));
    };
    if !standing.lives(letter, expires) {
        return None;
    }
    // The sender looks for other keepers when some are gone, but not while all say that they have it.
    let offered = is_there(letter.from) && !standing.is_swallowed(expires);
    let spared = standing.gone(expires) <= GONE_MAX;
    if letter.shown.is_none() && (offered || (letter.stored && spared)) {
        let stored = if letter.stored {
            "stored"
        } else {
            "not stored"
        };
        return Some(("lost", format!("m{number}, {stored}, has not arrived")));
    }
    let unheard = letter.shown.is_some()
        && !letter.delivered
        && is_there(letter.from)
        && !standing.is_word_swallowed(expires);
    unheard.then(|| {
        (
            "converged",
            format!("the sender of m{number} has no word of it"),
        )
    })
}
