//! Who means harm in a run.

use std::collections::BTreeSet;
use std::sync::Arc;

use libp2p::Multiaddr;
use restante_proto::person::{IdCost, PersonId};
use restante_proto::{Address, NodeId};
use restante_sim_network::HostError;

use super::Director;
use super::build::Builder;
use crate::fault::{Source, choose_share};
use crate::observed::Deed;
use crate::random::Random;
use crate::scenario::{AdversaryKind, DiskTrouble, ENTRIES, FaultKind, Near, Scenario, Share};
use crate::world::adversary::{Character, Colluders, Conduct, Deeds, Witness, grind, node_of};
use crate::world::machine::{Machine, Outside, PORT, entry};

/// Adversaries, and the witness of what they do.
#[derive(Default)]
pub(super) struct Adversaries {
    /// What each has done, by its number.
    deeds: Vec<Arc<Deeds>>,
    /// Keepers that belong to an adversary.
    members: BTreeSet<usize>,
    /// Those of them that do not keep what they take.
    liars: BTreeSet<usize>,
    witness: Option<Arc<Witness>>,
}

impl Adversaries {
    /// Returns the keepers that do not keep what they take.
    pub(super) const fn liars(&self) -> &BTreeSet<usize> {
        &self.liars
    }

    /// Returns who has watched, if that was necessary.
    pub(super) fn witness(&self) -> Option<&Witness> {
        self.witness.as_deref()
    }
}

impl Director<'_> {
    pub(super) fn is_evil(&self, keeper: usize) -> bool {
        self.adversaries.members.contains(&keeper)
    }

    /// Lets adversaries have their machines.
    ///
    /// The entry points stay honest: those who join have chosen them by name.
    pub(super) fn corrupt(&mut self, builder: &Builder<'_>) -> Result<(), HostError> {
        let scenario = self.scenario;
        let mut honest: Vec<usize> = (ENTRIES..self.keepers.len()).collect();
        let mut besieged = BTreeSet::new();
        for (number, adversary) in scenario.adversaries.iter().enumerate() {
            let deeds: Arc<Deeds> = Arc::default();
            self.adversaries.deeds.push(deeds.clone());
            let members = match adversary.kind {
                AdversaryKind::Drop { share } => {
                    let members = self.share(&honest, share);
                    self.corrupt_stores(&members, Conduct::Drop, &deeds);
                    members
                }
                AdversaryKind::Stale { share } => {
                    let members = self.share(&honest, share);
                    self.corrupt_stores(&members, Conduct::Stale, &deeds);
                    members
                }
                AdversaryKind::Route { share } => {
                    let members = self.share(&honest, share);
                    self.collude(&members, &deeds);
                    members
                }
                AdversaryKind::Sybil {
                    near,
                    person,
                    count,
                    groups,
                } => {
                    let goal = self.goal(near, person);
                    besieged.extend(goal);
                    let members = match goal {
                        Some(goal) => self.besiege(&goal, (count, groups), builder)?,
                        None => Vec::new(),
                    };
                    self.corrupt_stores(&members, Conduct::Drop, &deeds);
                    members
                }
            };
            honest.retain(|keeper| !members.contains(keeper));
            for keeper in members {
                self.line(format_args!(
                    "k{keeper} means harm: {}",
                    adversary.kind.name()
                ));
                self.adversaries.members.insert(keeper);
                let hit = format!("k{keeper}");
                self.effects.hit(Source::Adversary(number), hit);
                // Who lies about routing alone keeps what it takes.
                if !matches!(adversary.kind, AdversaryKind::Route { .. }) {
                    self.adversaries.liars.insert(keeper);
                    self.injected.unsound.insert(keeper);
                }
            }
        }
        if is_watched(scenario) {
            let servers = self.keepers.iter().enumerate();
            let servers = servers
                .filter_map(|(keeper, machine)| Some((node_of(machine.server_key()?), keeper)));
            let witness = Arc::new(Witness::new(servers.collect(), besieged));
            for (keeper, machine) in self.keepers.iter_mut().enumerate() {
                machine.character.witness = Some((keeper, witness.clone()));
            }
            self.adversaries.witness = Some(witness);
        }
        Ok(())
    }

    /// Counts what adversaries have done.
    pub(super) fn count_deeds(&mut self) {
        let deeds = self.adversaries.deeds.iter().enumerate();
        for (number, deeds) in deeds {
            self.effects.add(Source::Adversary(number), deeds.total());
            let kind = self.scenario.adversaries.get(number);
            let kind = kind.map_or("", |adversary| adversary.kind.name());
            let who = format!("{kind} (adversary {})", number + 1);
            self.observed.deeds.extend(deeds.told(&who));
        }
        self.count_table_entries();
        if let Some(witness) = &self.adversaries.witness {
            self.observed
                .deeds
                .extend(witness.told(&self.adversaries.liars));
        }
    }

    /// Counts whom the keepers that mean no harm remember, which is their routing tables in a network that is not
    /// large, and how many of these lie.
    fn count_table_entries(&mut self) {
        let liars = self.adversaries.liars.iter();
        let liars = liars.filter_map(|keeper| self.keepers.get(*keeper)?.server_key());
        let liars: BTreeSet<NodeId> = liars.map(node_of).collect();
        let honest = self.keepers.iter().enumerate();
        let honest = honest.filter(|(keeper, _)| !self.is_evil(*keeper));
        let entries: Vec<NodeId> = honest
            .flat_map(|(_, machine)| machine.remembered())
            .collect();
        if liars.is_empty() || entries.is_empty() {
            return;
        }
        let theirs = entries.iter().filter(|node| liars.contains(node)).count() as u64;
        let mut tell = |what, count| {
            self.observed
                .deeds
                .push(Deed::new("everybody", what, count))
        };
        tell("nodes remembered by honest keepers", entries.len() as u64);
        tell("of these, nodes that lie", theirs);
    }

    /// Chooses a share of all keepers among those that are honest yet.
    fn share(&mut self, honest: &[usize], share: Share) -> Vec<usize> {
        let keepers = self.scenario.keepers() as u64;
        let of_honest = share.ppm().saturating_mul(keepers) / (honest.len() as u64).max(1);
        choose_share(honest.to_vec(), Share(of_honest), &mut self.random)
    }

    fn corrupt_stores(&mut self, members: &[usize], conduct: Conduct, deeds: &Arc<Deeds>) {
        for keeper in members {
            if let Some(machine) = self.keepers.get_mut(*keeper) {
                machine.character = Character {
                    conduct,
                    deeds: deeds.clone(),
                    witness: None,
                };
            }
        }
    }

    fn collude(&mut self, members: &[usize], deeds: &Arc<Deeds>) {
        let machines = members
            .iter()
            .filter_map(|keeper| self.keepers.get(*keeper));
        let machines: Vec<&Machine> = machines.collect();
        let addresses = machines
            .iter()
            .map(|machine| self.internet.address(machine.host));
        let addresses: BTreeSet<_> = addresses.collect();
        let entries = machines.iter().filter_map(|machine| {
            let ip = self.internet.address(machine.host);
            entry(Outside { ip, port: PORT }, machine.server_key()?)
        });
        let entries: Vec<Multiaddr> = entries.collect();
        let colluders = Colluders {
            addresses: Arc::new(addresses),
            deeds: deeds.clone(),
        };
        for keeper in members {
            if let Some(machine) = self.keepers.get_mut(*keeper) {
                machine.collude(colluders.clone(), &entries);
            }
        }
    }

    /// Returns the address that sybils sit at.
    fn goal(&self, near: Near, person: usize) -> Option<Address> {
        let machine = self.people.get(person)?;
        if near == Near::Mailbox {
            return machine.first_contact_mailbox();
        }
        let id: PersonId = self.ids.get(person)?.id.parse().ok()?;
        let date = machine.clock.now();
        let locators = id.locators(date.salt_epoch(), IdCost::CheapForTests);
        locators.addresses.first().copied()
    }

    /// Makes machines that are nearer to an address than all others; returns their numbers.
    fn besiege(
        &mut self,
        goal: &Address,
        (count, groups): (usize, Option<usize>),
        builder: &Builder<'_>,
    ) -> Result<Vec<usize>, HostError> {
        let servers = self.keepers.iter().filter_map(Machine::server_key);
        let nodes: Vec<_> = servers.map(node_of).collect();
        let first = self.keepers.len();
        let mut random = Random::of(self.seed, &format!("sybils {first}"));
        for key in grind(goal, &nodes, count, &mut random) {
            let number = self.keepers.len();
            let machine = builder.sybil(number, key, groups, &mut random)?;
            self.keepers.push(machine);
        }
        Ok((first..self.keepers.len()).collect())
    }
}

/// Tells whether it matters in a scenario which keepers gave a receipt for what.
fn is_watched(scenario: &Scenario) -> bool {
    let forgets = scenario.faults.iter().any(|fault| {
        let forgets = [DiskTrouble::LostSyncs, DiskTrouble::Rot];
        match &fault.kind {
            FaultKind::Kill { .. } => true,
            FaultKind::Disk { what, .. } => forgets.contains(what),
            _ => false,
        }
    });
    forgets || !scenario.adversaries.is_empty()
}
