//! Who belongs to which class.

use restante_sim_network::Link;
use restante_sim_population as population;
use restante_sim_population::Churn as Stays;

use super::{Director, Party};
use crate::random::Random;
use crate::scenario::{Churn, Class, ENTRIES, Group, Scenario};

/// The class of each machine, and how often its habit ended a stay.
#[derive(Clone)]
pub(super) struct Classes {
    keepers: Vec<Option<Seat>>,
    people: Vec<Option<Seat>>,
    /// How keepers without a class come and go, and then the machines of each class.
    stays: (Stays, Vec<Stays>),
    /// Of machines without a class, and then of each class.
    turns: (u64, Vec<u64>),
}

/// A place in a class.
#[derive(Clone, Copy)]
pub(super) struct Seat {
    /// The class, by its place in the scenario.
    class: usize,
    /// How many came before.
    rank: usize,
}

impl Classes {
    /// Draws who belongs to which class.
    pub(super) fn draw(scenario: &Scenario, seed: u64) -> Self {
        let (keepers, people) = (scenario.keepers(), scenario.population.people);
        let classes = &scenario.classes;
        let sizes = scenario.class_sizes();
        // A scenario that was read has churn that can be.
        let stays = |churn: &Churn| churn.stays().unwrap_or(Stays::Always);
        let own = classes.iter().map(|class| stays(&class.churn()));
        let mut drawn = Self {
            keepers: vec![None; keepers],
            people: vec![None; people],
            stays: (stays(&scenario.population.churn), own.collect()),
            turns: (0, vec![0; classes.len()]),
        };
        if classes.is_empty() {
            return drawn;
        }
        let mut random = Random::of(seed, "classes");
        let half = people / 2;
        // Halves before the whole, which takes what they leave.
        for group in [
            Group::Keepers,
            Group::Senders,
            Group::Recipients,
            Group::People,
        ] {
            let (seats, from) = match group {
                Group::Keepers => (&mut drawn.keepers[..], ENTRIES),
                Group::Senders => (drawn.people.get_mut(..half).unwrap_or_default(), 0),
                Group::Recipients => (drawn.people.get_mut(half..).unwrap_or_default(), 0),
                Group::People => (&mut drawn.people[..], 0),
            };
            let free = seats.iter_mut().skip(from).filter(|seat| seat.is_none());
            let mut free: Vec<&mut Option<Seat>> = free.collect();
            random.shuffle(&mut free);
            let mut free = free.into_iter();
            let own = classes.iter().zip(&sizes).enumerate();
            for (class, (_, size)) in own.filter(|(_, (class, _))| class.group() == group) {
                for (rank, seat) in free.by_ref().take(*size).enumerate() {
                    *seat = Some(Seat { class, rank });
                }
            }
        }
        drawn
    }

    fn seat(&self, who: Party) -> Option<Seat> {
        match who {
            Party::Keeper(number) => self.keepers.get(number).copied().flatten(),
            Party::Person(number) => self.people.get(number).copied().flatten(),
        }
    }

    pub(super) fn of<'a>(&self, who: Party, scenario: &'a Scenario) -> Option<&'a Class> {
        let seat = self.seat(who)?;
        scenario.classes.get(seat.class)
    }

    /// Returns how a machine comes and goes; people's without a class are always up.
    pub(super) fn stays(&self, who: Party) -> &Stays {
        let own = self.seat(who).and_then(|seat| self.stays.1.get(seat.class));
        match (own, who) {
            (Some(own), _) => own,
            (None, Party::Keeper(_)) => &self.stays.0,
            (None, Party::Person(_)) => &Stays::Always,
        }
    }

    /// Returns how many of the same class come before a machine.
    pub(super) fn rank(&self, who: Party) -> usize {
        match (self.seat(who), who) {
            (Some(seat), _) => seat.rank,
            (None, Party::Keeper(number) | Party::Person(number)) => number,
        }
    }

    /// Counts that a machine's habit ended its stay.
    pub(super) fn count_turn(&mut self, who: Party) {
        let seat = self.seat(who);
        match seat.and_then(|seat| self.turns.1.get_mut(seat.class)) {
            Some(turns) => *turns += 1,
            None => self.turns.0 += 1,
        }
    }

    /// Returns how often habits ended stays, for each habit that should.
    pub(super) fn turns(&self, scenario: &Scenario) -> Vec<(String, u64)> {
        let population = &scenario.population;
        let common =
            (population.churn != Churn::Always).then(|| ("churn".to_owned(), self.turns.0));
        let is_taken = |class: usize| {
            let mut all = self.keepers.iter().chain(&self.people);
            all.any(|seat| seat.is_some_and(|seat| seat.class == class))
        };
        let classes = scenario.classes.iter().zip(&self.turns.1).enumerate();
        let classes = classes
            .filter(|(class, _)| is_taken(*class))
            .map(|(_, pair)| pair);
        let restless = classes.filter(|(class, _)| class.churn() != Churn::Always);
        let own = restless.map(|(class, turns)| (format!("churn of {}", class.name), *turns));
        common.into_iter().chain(own).collect()
    }

    /// Returns all machines that belong to a class.
    pub(super) fn everybody(&self) -> impl Iterator<Item = Party> {
        let keepers = self.keepers.iter().enumerate();
        let keepers = keepers.filter_map(|(number, seat)| seat.map(|_| Party::Keeper(number)));
        let people = self.people.iter().enumerate();
        let people = people.filter_map(|(number, seat)| seat.map(|_| Party::Person(number)));
        keepers.chain(people)
    }
}

impl<'a> Director<'a> {
    pub(super) fn class(&self, who: Party) -> Option<&'a Class> {
        self.classes.of(who, self.scenario)
    }

    /// Lets the lines fail that do so now and then.
    pub(super) fn plan_collapses(&mut self) {
        let restless: Vec<Party> = self.classes.everybody().collect();
        for who in restless {
            self.plan_collapse(who);
        }
    }

    fn plan_collapse(&mut self, who: Party) {
        let collapse = self.class(who).and_then(|class| class.link().collapse);
        if let Some(collapse) = collapse {
            let gap_ms = collapse.draw_gap_ms(&mut self.random);
            self.later(gap_ms, super::Event::Collapse(who));
        }
    }

    /// A line fails for a while.
    pub(super) fn collapse(&mut self, who: Party) {
        let Some(link) = self.class(who).map(Class::link) else {
            return;
        };
        let collapse = link.collapse;
        if let Some(collapse) = collapse.filter(|_| self.now().0 < self.scenario.duration_ms()) {
            let loss_ppm = collapse.loss_ppm;
            self.set_line(
                who,
                Link {
                    loss_ppm,
                    ..line(link)
                },
            );
            self.line(format_args!("the line of {who} fails"));
            self.later(collapse.lasts_ms, super::Event::Recover(who));
        }
    }

    /// A line works again.
    pub(super) fn recover(&mut self, who: Party) {
        if let Some(class) = self.class(who) {
            self.set_line(who, line(class.link()));
            self.plan_collapse(who);
        }
    }

    fn set_line(&self, who: Party, line: Link) {
        if let Some(machine) = self.machine(who) {
            self.internet.set_link(machine.host, line);
        }
    }
}

/// Returns what the internet knows of a line.
pub(super) const fn line(link: population::Link) -> Link {
    Link {
        latency_ms: link.latency_ms,
        up_bytes_per_s: link.up_bytes_per_s,
        down_bytes_per_s: link.down_bytes_per_s,
        loss_ppm: link.loss_ppm,
    }
}
