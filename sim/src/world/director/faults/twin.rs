//! One home that runs twice: a copy of it, on another machine.

use restante_proto::limits::MINUTE_MS;
use restante_sim_network::{HostOptions, Link, Nat};

use super::super::addresses::of_twin;
use super::{Director, Party, What};
use crate::fault::Source;
use crate::random::Random;
use crate::scenario::FaultKind;
use crate::world::machine::Machine;

/// Until when the two may not know of each other, after the second has started, in milliseconds: what is written before
/// may come to either of them.
const UNKNOWN_MS: u64 = 10 * MINUTE_MS;

impl Director<'_> {
    /// Copies a person's home to a machine elsewhere and runs it there. What is shown there is nobody's business; what
    /// is written from then on must come to the first home all the same.
    pub(super) fn start_twin(&mut self, number: usize, who: Party, lasts_ms: u64) {
        let Party::Person(person) = who else {
            return;
        };
        let made = self.twin_of(person);
        let Some(mut machine) = made else {
            return;
        };
        if let Err(error) = machine.start() {
            let what = format!("the copy of the home of {who} does not start: {error}");
            return self.ledger.violate(self.now(), "start", what);
        }
        self.line(format_args!("a copy of the home of {who} starts elsewhere"));
        self.effects.add(Source::Fault(number), 1);
        // Whatever else goes wrong may keep the two from hearing of each other for as long as both run.
        let scenario = self.scenario;
        let mut faults = scenario.faults.iter();
        let alone = faults.all(|fault| matches!(fault.kind, FaultKind::Twin { .. }))
            && scenario.away.is_empty()
            && scenario.adversaries.is_empty();
        let unknown_ms = if alone { 0 } else { lasts_ms } + UNKNOWN_MS;
        self.ledger.on_twin(self.now(), person, unknown_ms);
        self.begin_lasting(number, What::Twin(person, Box::new(machine)), lasts_ms);
    }

    /// Ends the second process for good; returns how much that ended.
    pub(super) async fn end_twin(&mut self, person: usize, mut machine: Machine) -> u64 {
        let connections = machine.connections() as u64;
        machine.crash().await;
        self.line(format_args!("the copy of the home of p{person} is gone"));
        connections
    }

    fn twin_of(&mut self, person: usize) -> Option<Machine> {
        let number = self.injected.twins;
        self.injected.twins += 1;
        let name = format!("twin {number}");
        let address = of_twin(number);
        let host = self.internet.add_host(HostOptions {
            address: address.ip,
            region: 0,
            link: Link::default(),
            nat: Nat::Cone,
            shared: false,
        });
        let first = self.people.get(person)?;
        let random = Random::of(self.seed, &format!("disk {name}"));
        let storage = first.storage.another(random, self.base);
        storage.restore(first.storage.snapshot());
        first.twin((host.ok()?, address), storage, self.stores.watch(&name))
    }
}
