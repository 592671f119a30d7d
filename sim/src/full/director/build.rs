//! Everybody and everything that a run starts with.

use std::io::Write;
use std::net::Ipv4Addr;

use libp2p::Multiaddr;
use restante::clock::Clock;
use restante::vault::StoreKey;
use restante_proto::keys::SecretKey;
use restante_sim_disk::{Disk, DiskOptions};
use restante_sim_network::{
    HostFault, HostOptions, Internet, Link, Nat, Options, Weather, WeatherEffect,
};
use restante_sim_population::Regions;
use tokio::sync::mpsc;

use super::{Director, Event, NEWS_MAX};
use crate::clock::Instant;
use crate::fault::Effects;
use crate::full::Progress;
use crate::full::ledger::Ledger;
use crate::full::machine::{Machine, Place, Role, chance, entry};
use crate::observed::Observed;
use crate::random::Random;
use crate::scenario::Scenario;
use crate::trace::Trace;
use crate::workload;

/// Community servers that all others are told of.
pub(super) const ENTRIES: usize = 2;
/// One half, in a million.
const HALF_PPM: u64 = 500_000;

impl<'a> Director<'a> {
    /// Makes all machines, none of which runs yet.
    pub(in crate::full) fn new(
        scenario: &'a Scenario,
        seed: u64,
        mut random: Random,
        sink: Option<&'a mut dyn Write>,
        told: &'a (dyn Fn(Progress) + Sync),
    ) -> Result<Self, HostFault> {
        let base = tokio::time::Instant::now();
        let internet = Internet::new(seed, paths(scenario));
        internet.set_weather(weather(scenario));
        let mut builder = Builder {
            scenario,
            seed,
            base,
            internet: internet.clone(),
            entries: Vec::new(),
        };
        let keepers = (0..scenario.keepers()).map(|number| builder.keeper(number, &mut random));
        let keepers = keepers.collect::<Result<_, _>>()?;
        let people = (0..scenario.people).map(|number| builder.person(number, &mut random));
        let people = people.collect::<Result<Vec<Machine>, _>>()?;
        let letters = workload::letters(&scenario.workload, scenario.people, &mut random);
        let accounts = people.iter().enumerate();
        let ids = accounts.map(|(number, machine)| machine.create_account(&format!("p{number}")));
        let mut director = Self {
            scenario,
            seed,
            random,
            told,
            base,
            queue: std::collections::BTreeMap::new(),
            planned: 0,
            internet,
            ids: ids.collect::<Result<_, _>>().unwrap_or_default(),
            keepers,
            people,
            drafts: std::collections::BTreeMap::new(),
            killed: std::collections::BTreeSet::new(),
            turns: 0,
            cuts: std::collections::BTreeMap::new(),
            armed: std::collections::BTreeMap::new(),
            ledger: Ledger::new(&letters),
            effects: Effects::new(scenario),
            trace: Trace::new(sink),
            news: mpsc::channel(NEWS_MAX),
            weather: WeatherEffect::default(),
            observed: Observed::default(),
            settled: None,
            over: false,
        };
        if director.ids.len() != director.people.len() {
            let what = "an account cannot be made".to_owned();
            director.ledger.violate(Instant(0), "start", what);
        }
        for (number, letter) in letters.iter().enumerate() {
            director.at(letter.at, Event::Compose(number));
        }
        Ok(director)
    }
}

struct Builder<'a> {
    scenario: &'a Scenario,
    seed: u64,
    base: tokio::time::Instant,
    internet: Internet,
    entries: Vec<Multiaddr>,
}

impl Builder<'_> {
    fn keeper(&mut self, number: usize, random: &mut Random) -> Result<Machine, HostFault> {
        let key = SecretKey::from_seed(&Random::of(self.seed, &format!("node {number}")).bytes());
        let place = self.place(number, number < ENTRIES, Nat::Public, random)?;
        if number < ENTRIES {
            self.entries.extend(entry(place.address, &key));
        }
        let name = format!("k{number}");
        Ok(self.machine(&name, Role::Server(key), place, random))
    }

    fn person(&mut self, number: usize, random: &mut Random) -> Result<Machine, HostFault> {
        let key = StoreKey::random(&mut chance());
        let place = self.place(self.scenario.keepers() + number, false, Nat::Cone, random)?;
        let name = format!("p{number}");
        Ok(self.machine(&name, Role::Person(key), place, random))
    }

    fn place(
        &self,
        number: usize,
        vouched: bool,
        nat: Nat,
        random: &mut Random,
    ) -> Result<Place, HostFault> {
        let address = address(number);
        let region = match &self.scenario.population.regions {
            Some(regions) => regions.draw(random).index(),
            None => 0,
        };
        let host = self.internet.add_host(HostOptions {
            address,
            region,
            link: Link::default(),
            nat,
        })?;
        Ok(Place {
            host,
            address,
            vouched,
            bootstrap: self.entries.clone(),
        })
    }

    fn machine(&self, name: &str, role: Role, place: Place, random: &mut Random) -> Machine {
        let slowest_us = u32::try_from(self.scenario.disk.latency_ms * 1_000).unwrap_or(u32::MAX);
        let options = DiskOptions {
            sync_us: slowest_us / 8..=slowest_us,
            ..DiskOptions::default()
        };
        let seed = u64::from_be_bytes(Random::of(self.seed, &format!("disk {name}")).bytes());
        let base = self.base;
        let disk = Disk::new(seed, options, move || base.elapsed());
        let clock = clock(self.scenario, random);
        let cap = self.scenario.disk.cap_bytes;
        Machine::new(role, place, (self.internet.clone(), disk), clock, cap)
    }
}

fn weather(scenario: &Scenario) -> Weather {
    let ppm = |share: u64| u32::try_from(share).unwrap_or(u32::MAX);
    Weather {
        loss_ppm: ppm(scenario.network.loss_ppm),
        duplicate_ppm: ppm(scenario.network.duplicate_ppm),
        latency_ms: 0,
    }
}

fn paths(scenario: &Scenario) -> Options {
    let network = &scenario.network;
    let latency = u32::try_from(network.latency_ms).unwrap_or(u32::MAX);
    let jitter_ppm = network.jitter_ms * 1_000_000 / network.latency_ms.max(1);
    Options {
        latency_ms: match &scenario.population.regions {
            Some(regions) => matrix(regions),
            None => vec![vec![latency]],
        },
        jitter_ppm: u32::try_from(jitter_ppm).unwrap_or(u32::MAX),
        ..Options::default()
    }
}

fn matrix(regions: &Regions) -> Vec<Vec<u32>> {
    let row = |from| {
        let all = regions.all();
        all.map(|to| regions.one_way_ms(from, to)).collect()
    };
    regions.all().map(row).collect()
}

/// Draws a clock that is wrong by up to the scenario's skew, one way or the other.
fn clock(scenario: &Scenario, random: &mut Random) -> Clock {
    let wrong = i64::try_from(random.between(0, scenario.skew_ms)).unwrap_or_default();
    let ahead = random.chance(HALF_PPM);
    Clock::ahead(if ahead { wrong } else { -wrong })
}

/// Returns a public address, of another /16 than that of most others.
fn address(number: usize) -> Ipv4Addr {
    let number = u32::try_from(number).unwrap_or(u32::MAX);
    let first = 20 + u8::try_from(number % 80).unwrap_or_default();
    let second = u8::try_from(number / 80 % 250).unwrap_or_default();
    let third = u8::try_from(number / 20_000).unwrap_or_default();
    Ipv4Addr::new(first, second, third, 1)
}
