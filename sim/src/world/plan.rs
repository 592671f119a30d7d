//! What a scenario decides before anything happens: who is there, and what is to come.

use restante_proto::{account::Identity, keys::SecretKey, limits::MINUTE_MS, time::UnixMillis};

use super::{SETTLE_MS, World, event::Event};
use crate::{
    clock::{Clock, Instant},
    host::Host,
    person::{Disk, Person},
    random::Random,
    scenario::Scenario,
    workload::{self, Absence},
};

/// How often all disks are looked at, at most, in milliseconds.
const AUDIT_MIN_MS: u64 = 5 * MINUTE_MS;
/// How many times all disks are looked at, about.
const AUDITS: u64 = 100;
/// One half, in a million.
const HALF_PPM: u64 = 500_000;

/// Makes the keepers.
pub(super) fn hosts(
    scenario: &Scenario,
    seed: u64,
    start: UnixMillis,
    random: &mut Random,
) -> Vec<Host> {
    let host = |number: usize| {
        let own = Random::of(seed, &format!("keeper {number}"));
        Host::new(clock(scenario, start, random), scenario.disk.clone(), own)
    };
    (0..scenario.keepers()).map(host).collect()
}

/// Makes people who all know each other by their IDs.
pub(super) fn people(
    scenario: &Scenario,
    seed: u64,
    start: UnixMillis,
    random: &mut Random,
) -> Vec<Person> {
    let person = |number: usize| {
        let mut own = Random::of(seed, &format!("person {number}"));
        let clock = clock(scenario, start, random);
        let handle = format!("p{number}").parse();
        let identity = Identity {
            account: SecretKey::generate(&mut own),
            device: SecretKey::generate(&mut own),
            handle: handle.expect("a letter and at most twenty digits make a handle"),
        };
        Person::new(clock, Disk::new(identity, clock.read(Instant(0))), own)
    };
    let mut people: Vec<Person> = (0..scenario.population.people).map(person).collect();
    let known = |person: &Person| (person.account(), person.disk.id.clone());
    let all: Vec<_> = people.iter().map(known).collect();
    for person in &mut people {
        let own = person.account();
        for (account, id) in all.iter().filter(|(account, _)| *account != own) {
            person.disk.befriend(*account, id.clone());
        }
    }
    people
}

/// Draws a clock that is wrong by up to the scenario's skew, one way or the other.
fn clock(scenario: &Scenario, start: UnixMillis, random: &mut Random) -> Clock {
    let wrong = random.between(0, scenario.time.skew.get());
    if random.chance(HALF_PPM) {
        Clock::new(start, wrong, 0)
    } else {
        Clock::new(start, 0, wrong)
    }
}

impl World<'_> {
    /// Puts everything into the queue that the scenario decides.
    pub(super) fn plan(&mut self, random: &mut Random) {
        let scenario = self.scenario;
        let arrive_ms = scenario.time.arrive.get();
        for keeper in 0..self.hosts.len() {
            let at = Instant(random.below(arrive_ms / 2));
            self.at(at, Event::Restart(keeper));
        }
        for person in 0..self.people.len() {
            let at = Instant(random.between(arrive_ms / 2, arrive_ms));
            self.at(at, Event::Start(person));
        }
        for letter in workload::letters(&scenario.workload, self.people.len(), random) {
            self.at(letter.at, Event::Compose(letter));
        }
        for absence in workload::absences(scenario, random) {
            let Absence {
                plan,
                person,
                leaves,
                returns,
            } = absence;
            self.at(leaves, Event::Leave(person, plan));
            if let Some(returns) = returns {
                self.at(returns, Event::Start(person));
            }
        }
        for (number, fault) in scenario.faults.iter().enumerate() {
            for at_ms in fault.moments(scenario.duration_ms()) {
                self.at(Instant(at_ms), Event::Fault(number));
            }
        }
        let stop = Instant(scenario.duration_ms() + scenario.time.settle.get());
        let every = AUDIT_MIN_MS.max(stop.0 / AUDITS);
        for at in (1..)
            .map(|time| Instant(every * time))
            .take_while(|at| *at < stop)
        {
            self.at(at, Event::Audit);
        }
        let healed = Instant(scenario.duration_ms());
        self.at(healed, Event::Heal);
        self.at(healed.plus(SETTLE_MS), Event::Settle);
        self.at(stop, Event::Stop);
    }
}
