//! What people do and when: messages written, and times in which their nodes do not run.

use bytes::Bytes;

use crate::{
    clock::Instant,
    options::{Pattern, Who, WorkloadOptions},
    random::Random,
    scenario::Scenario,
};

/// Spread of the moment at which each of a group leaves or returns, in milliseconds.
const SPREAD_MS: u64 = 30_000;

/// One message to be written.
pub(crate) struct Letter {
    pub(crate) at: Instant,
    pub(crate) from: usize,
    pub(crate) to: usize,
    pub(crate) body: Bytes,
    pub(crate) ttl_ms: u64,
}

/// One absence of one person.
pub(crate) struct Absence {
    /// Which `[[away]]` of the scenario it belongs to.
    pub(crate) plan: usize,
    pub(crate) person: usize,
    pub(crate) leaves: Instant,
    /// Nothing for somebody who does not come back.
    pub(crate) returns: Option<Instant>,
}

/// Draws all messages.
pub(crate) fn letters(
    options: &WorkloadOptions,
    people: usize,
    random: &mut Random,
) -> Vec<Letter> {
    let half = people / 2;
    let mut letter = |number: u64| {
        let (from, to) = match options.pattern {
            Pattern::OneWay => (random.index(half), half + random.index(people - half)),
            Pattern::Everybody => {
                let from = random.index(people);
                (from, (from + 1 + random.index(people - 1)) % people)
            }
        };
        let size = usize::try_from(random.between(options.bytes.0, options.bytes.1)).unwrap_or(1);
        let mut body = random.vec(size);
        // No two messages are the same, so that a wrong one is noticed.
        for (byte, mark) in body.iter_mut().zip(number.to_be_bytes()) {
            *byte ^= mark;
        }
        Letter {
            at: Instant(options.from_ms + random.between(0, options.over_ms)),
            from,
            to,
            body: body.into(),
            ttl_ms: random.between(options.ttl_ms.0, options.ttl_ms.1),
        }
    };
    (0..options.messages).map(&mut letter).collect()
}

/// Draws all absences.
pub(crate) fn absences(scenario: &Scenario, random: &mut Random) -> Vec<Absence> {
    let half = scenario.people / 2;
    let mut all = Vec::new();
    for (plan, away) in scenario.away.iter().enumerate() {
        let group = match away.who {
            Who::Senders => 0..half,
            Who::Recipients => half..scenario.people,
            Who::Everybody => 0..scenario.people,
        };
        for person in group {
            let leaves = Instant(away.from_ms + random.below(SPREAD_MS));
            let end = |lasts| leaves.plus(lasts).plus(random.below(SPREAD_MS));
            let returns = away
                .lasts_ms
                .map(end)
                .map(|at| at.min(Instant(scenario.duration_ms)));
            all.push(Absence {
                plan,
                person,
                leaves,
                returns,
            });
        }
    }
    all
}
