//! What people do and when: messages written, and times in which their nodes do not run.

use bytes::Bytes;

use crate::{
    clock::Instant,
    random::Random,
    scenario::{Ms, ONE_PPM, Pattern, Scenario, Who, Workload},
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
    /// How long it lives once it was read, if that is limited.
    pub(crate) burn_ms: Option<u64>,
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
pub(crate) fn letters(options: &Workload, people: usize, random: &mut Random) -> Vec<Letter> {
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
        let at = Instant(options.from.get() + random.between(0, options.over.get()));
        let ttl_ms = random.between(options.ttl.0.get(), options.ttl.1.get());
        Letter {
            at,
            from,
            to,
            body: body.into(),
            ttl_ms,
            // Nothing can be asked to burn later than it expires.
            burn_ms: burning(options, random).map(|burn_ms| burn_ms.min(ttl_ms)),
        }
    };
    (0..options.messages).map(&mut letter).collect()
}

/// Draws whether a message burns, and how long after it was read.
fn burning(options: &Workload, random: &mut Random) -> Option<u64> {
    let (shortest, longest) = options.burn?;
    let burns = random.chance(ONE_PPM / 2);
    burns.then(|| random.between(shortest.get(), longest.get()))
}

/// Draws all absences.
pub(crate) fn absences(scenario: &Scenario, random: &mut Random) -> Vec<Absence> {
    let half = scenario.population.people / 2;
    let mut all = Vec::new();
    for (plan, away) in scenario.away.iter().enumerate() {
        let group = match away.who {
            Who::Senders => 0..half,
            Who::Recipients => half..scenario.population.people,
            Who::Everybody => 0..scenario.population.people,
        };
        for person in group {
            let leaves = Instant(away.from.get() + random.below(SPREAD_MS));
            let end = |lasts: Ms| leaves.plus(lasts.get()).plus(random.below(SPREAD_MS));
            let returns = away
                .lasts
                .map(end)
                .map(|at| at.min(Instant(scenario.duration_ms())));
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
