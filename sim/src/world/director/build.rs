//! Everybody and everything that a run starts with.

use std::io::Write;
use std::time::Duration;

use libp2p::Multiaddr;
use restante::config::Serve;
use restante::node::person::PersonError;
use restante::vault::StoreKey;
use restante_interface::IdInfo;
use restante_proto::keys::SecretKey;
use restante_sim_disk::{Disk, DiskOptions};
use restante_sim_network::{HostError, HostOptions, Internet, Link, Nat, Options, Weather};
use restante_sim_population::{Region, Regions};
use tokio::sync::mpsc;

use super::addresses::{of_machine, of_sybil};
use super::classes::{Classes, line};
use super::{Director, Event, NEWS_MAX, Party};
use crate::clock::Instant;
use crate::fault::Effects;
use crate::ideal::Ideal;
use crate::observed::Observed;
use crate::random::Random;
use crate::report::Tier;
use crate::scenario::{Addresses, Class, Kind, ONE_PPM, Scenario};
use crate::trace::Trace;
use crate::workload;
use crate::world::Progress;
use crate::world::burns::Burns;
use crate::world::ledger::Ledger;
use crate::world::machine::{Machine, Place, Role, chance, entry};
use crate::world::storage::{Storage, Tables};
use crate::world::stores::Stores;

pub(super) use crate::scenario::ENTRIES;

/// One half, in a million.
const HALF_PPM: u64 = 500_000;

impl<'a> Director<'a> {
    /// Makes all machines, none of which runs yet.
    pub(in crate::world) fn new(
        scenario: &'a Scenario,
        (tier, seed): (Tier, u64),
        mut random: Random,
        sink: Option<&'a mut dyn Write>,
        told: &'a (dyn Fn(Progress) + Sync),
    ) -> Result<Self, HostError> {
        let base = tokio::time::Instant::now();
        let internet = Internet::new(seed, paths(scenario));
        internet.set_weather(weather(scenario));
        let ideal = (tier == Tier::Fast).then(|| Ideal::new(internet.clone()));
        let mut builder = Builder {
            scenario,
            seed,
            base,
            internet: internet.clone(),
            ideal: ideal.clone(),
            entries: Vec::new(),
            classes: Classes::draw(scenario, seed),
            regions: scenario.regions(),
            stores: Stores::new(base, Duration::from_millis(scenario.workload.from.get())),
        };
        let keepers = (0..scenario.keepers()).map(|number| builder.keeper(number, &mut random));
        let keepers = keepers.collect::<Result<Vec<Machine>, _>>()?;
        let people =
            (0..scenario.population.people).map(|number| builder.person(number, &mut random));
        let people = people.collect::<Result<Vec<Machine>, _>>()?;
        // Apart from everything else, so that a network without messages is otherwise the same.
        let mut writing = Random::of(seed, "full letters");
        let letters =
            workload::letters(&scenario.workload, scenario.population.people, &mut writing);
        let ids = create_accounts(&people, &keepers);
        let mut director = Self {
            scenario,
            stores: builder.stores.clone(),
            tier,
            seed,
            random,
            told,
            base,
            queue: std::collections::BTreeMap::new(),
            planned: 0,
            internet,
            ideal,
            ids: ids.as_ref().cloned().unwrap_or_default(),
            keepers,
            people,
            drafts: std::collections::BTreeMap::new(),
            injected: super::Injected::default(),
            adversaries: super::Adversaries::default(),
            classes: builder.classes.clone(),
            absent: std::collections::BTreeSet::new(),
            failing: std::collections::BTreeMap::new(),
            ledger: Ledger::new(&letters),
            burns: Burns::new(letters.iter().map(|letter| letter.burn_ms).collect()),
            effects: Effects::new(scenario),
            trace: Trace::new(sink),
            news: mpsc::channel(NEWS_MAX),
            weather: super::Storm::new(weather(scenario)),
            observed: Observed::default(),
            counted: super::Counted::default(),
            settled: None,
            spanned: std::collections::BTreeSet::new(),
            over: false,
        };
        if let Err(error) = ids {
            let what = format!("an account cannot be made: {error}");
            director.ledger.violate(Instant(0), "start", what);
        }
        director.learn_ids();
        director.corrupt(&builder)?;
        for (number, letter) in letters.iter().enumerate() {
            director.at(letter.at, Event::Compose(number));
        }
        Ok(director)
    }
}

pub(super) struct Builder<'a> {
    scenario: &'a Scenario,
    seed: u64,
    base: tokio::time::Instant,
    internet: Internet,
    ideal: Option<Ideal>,
    entries: Vec<Multiaddr>,
    classes: Classes,
    regions: Option<Regions>,
    stores: Stores,
}

impl Builder<'_> {
    fn keeper(&mut self, number: usize, random: &mut Random) -> Result<Machine, HostError> {
        let who = Party::Keeper(number);
        let key = SecretKey::from_seed(&Random::of(self.seed, &format!("node {number}")).bytes());
        let place = self.place(who, random)?;
        if number < ENTRIES {
            self.entries.extend(entry(place.address, &key));
        }
        let role = match self.classes.of(who, self.scenario).map(|class| class.kind) {
            // Somebody's node, who does not write in this run.
            Some(Kind::Home | Kind::Phone) => Role::Person(StoreKey::random(&mut chance()).into()),
            Some(Kind::Server) | None => Role::Server(key.into()),
        };
        Ok(self.machine(who, role, place, random))
    }

    fn person(&mut self, number: usize, random: &mut Random) -> Result<Machine, HostError> {
        let who = Party::Person(number);
        let key = StoreKey::random(&mut chance());
        let place = self.place(who, random)?;
        Ok(self.machine(who, Role::Person(key.into()), place, random))
    }

    /// Makes a server beside those of the scenario, with a chosen key, in one of so many groups of addresses.
    pub(super) fn sybil(
        &self,
        number: usize,
        key: SecretKey,
        groups: Option<usize>,
        random: &mut Random,
    ) -> Result<Machine, HostError> {
        let address = of_sybil(self.scenario.population.people + number, groups);
        let host = self.internet.add_host(HostOptions {
            address: address.ip,
            region: 0,
            link: Link::default(),
            nat: Nat::Public,
            shared: false,
        })?;
        let place = Place {
            host,
            address,
            vouched: true,
            serve: Serve::Auto,
            bootstrap: self.entries.clone(),
        };
        let who = Party::Keeper(number);
        Ok(self.machine(who, Role::Server(key.into()), place, random))
    }

    fn place(&self, who: Party, random: &mut Random) -> Result<Place, HostError> {
        let (number, usual) = match who {
            Party::Keeper(number) => (number, Nat::Public),
            Party::Person(number) => (self.scenario.keepers() + number, Nat::Cone),
        };
        let class = self.classes.of(who, self.scenario);
        let kind = self.scenario.addresses(class);
        let address = of_machine(number, kind, self.scenario.population.nodes, self.seed);
        let regions = self.regions.as_ref();
        let drawn = regions.map(|regions| regions.draw(random));
        let named = class.and_then(|class| regions?.named(class.region.as_ref()?).ok());
        let region = named.or(drawn);
        let host = self.internet.add_host(HostOptions {
            address: address.ip,
            region: region.map_or(0, Region::index),
            link: class.map_or_else(Link::default, |class| line(class.link())),
            nat: class.map_or(usual, Class::nat),
            shared: kind == Addresses::OneAddress,
        })?;
        Ok(Place {
            host,
            address,
            vouched: matches!(who, Party::Keeper(number) if number < ENTRIES),
            serve: match class.map(|class| class.kind) {
                Some(Kind::Phone) => Serve::Never,
                Some(Kind::Server | Kind::Home) | None => Serve::Auto,
            },
            bootstrap: self.entries.clone(),
        })
    }

    fn storage(&self, slowest_us: u32, cap_bytes: u64, mut random: Random) -> Storage {
        if self.ideal.is_some() {
            let sync_us = u64::from(slowest_us / 8)..=u64::from(slowest_us);
            return Storage::Tables(Tables::new(cap_bytes, sync_us, random));
        }
        let options = DiskOptions {
            sync_us: slowest_us / 8..=slowest_us,
            ..DiskOptions::default()
        };
        let (seed, base) = (u64::from_be_bytes(random.bytes()), self.base);
        Storage::Files(Disk::new(seed, options, move || base.elapsed()))
    }

    fn machine(&self, who: Party, role: Role, place: Place, random: &mut Random) -> Machine {
        let class = self.classes.of(who, self.scenario);
        let own = class.and_then(|class| class.disk.as_ref());
        let stores = own.unwrap_or(&self.scenario.disk);
        let slowest_us = u32::try_from(stores.latency.get() * 1_000).unwrap_or(u32::MAX);
        let name = who.to_string();
        let own_random = Random::of(self.seed, &format!("disk {name}"));
        let storage = self.storage(slowest_us, stores.cap.0, own_random);
        let own = class.and_then(|class| class.skew);
        let ahead_ms = ahead_ms(own.unwrap_or(self.scenario.time.skew).get(), random);
        Machine::new(
            role,
            place,
            (self.internet.clone(), self.ideal.clone(), storage),
            ahead_ms,
            stores.cap.0,
            self.stores.watch(&name),
        )
    }
}

/// Makes the accounts of all people, and of keepers that are somebody's; returns those of the people.
fn create_accounts(people: &[Machine], keepers: &[Machine]) -> Result<Vec<IdInfo>, PersonError> {
    let homes = keepers.iter().enumerate();
    for (number, home) in homes.filter(|(_, machine)| machine.is_personal()) {
        home.create_account(&format!("k{number}"))?;
    }
    let people = people.iter().enumerate();
    people
        .map(|(number, machine)| machine.create_account(&format!("p{number}")))
        .collect()
}

fn weather(scenario: &Scenario) -> Weather {
    let ppm = |share: u64| u32::try_from(share).unwrap_or(u32::MAX);
    Weather {
        loss_ppm: ppm(scenario.network.loss.ppm()),
        duplicate_ppm: ppm(scenario.network.duplicates.ppm()),
        latency_ms: 0,
    }
}

fn paths(scenario: &Scenario) -> Options {
    let (network, regions) = (&scenario.network, scenario.regions());
    let latency = u32::try_from(network.latency_ms()).unwrap_or(u32::MAX);
    let usual_ms = match &regions {
        Some(regions) => u64::from(regions.round_trip_quantile_ms(0.5) / 2),
        None => network.latency_ms(),
    };
    let jitter_ppm = network.jitter_ms(regions.is_some()) * ONE_PPM / usual_ms.max(1);
    Options {
        latency_ms: match &regions {
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

/// Draws how far a clock is ahead, or behind, that is wrong by up to so many milliseconds.
fn ahead_ms(skew_ms: u64, random: &mut Random) -> i64 {
    let wrong = i64::try_from(random.between(0, skew_ms)).unwrap_or_default();
    if random.chance(HALF_PPM) {
        wrong
    } else {
        -wrong
    }
}

/// Returns the largest error of a clock, in milliseconds.
pub(super) fn skew_max_ms(scenario: &Scenario) -> u64 {
    let classes = scenario.classes.iter();
    let own = classes.filter_map(|class| class.skew).max();
    own.unwrap_or_default().max(scenario.time.skew).get()
}
