//! Partitions, machines without network, entry points that are off, and bad weather.

use restante_sim_network::{CutId, HostId, Weather, WeatherEffect};

use super::{Director, Party, What};
use crate::fault::{Source, choose_share};
use crate::scenario::{ENTRIES, Ms, Share};

/// What is wrong with the network.
pub(super) enum Trouble {
    /// These are cut off, each cut from all others; and how the span is called.
    Cut(Vec<CutId>, Vec<String>),
    /// The entry points are off.
    NoEntries,
    /// A storm, by its number.
    Storm(u64),
}

/// The weather that there is.
#[derive(Default)]
pub(in crate::world::director) struct Storm {
    /// What the scenario's own loss and doubling changed.
    pub(in crate::world::director) ambient: WeatherEffect,
    /// What a storm was made on top of.
    usual: Weather,
    /// The fault whose storm it is, if there is one, and which of its storms.
    raging: Option<(usize, u64)>,
    storms: u64,
    worse: Option<Worse>,
}

/// What bad weather adds.
#[derive(Clone, Copy)]
pub(super) struct Worse {
    pub(super) loss: Share,
    pub(super) duplicates: Share,
    pub(super) latency: Ms,
}

impl Storm {
    pub(in crate::world::director) fn new(usual: Weather) -> Self {
        Self {
            usual,
            ..Self::default()
        }
    }
}

impl Director<'_> {
    pub(super) fn part(&mut self, number: usize, (keepers, people): (Share, Share), lasts_ms: u64) {
        let all = (0..self.keepers.len()).map(Party::Keeper).collect();
        let mut them = choose_share(all, keepers, &mut self.random);
        let all = (0..self.people.len()).map(Party::Person).collect();
        them.extend(choose_share(all, people, &mut self.random));
        self.hit(number, &them);
        let hosts = them.iter().filter_map(|who| self.machine(*who));
        let island: Vec<HostId> = hosts.map(|machine| machine.host).collect();
        let who = format!("partition {}", number + 1);
        self.line(format_args!("{} machines are cut off", island.len()));
        self.begin("cut off", who.clone());
        let cut = self.internet.cut(&island);
        let trouble = Trouble::Cut(vec![cut], vec![who]);
        self.begin_lasting(number, What::Network(trouble), lasts_ms);
    }

    /// Takes the network of some machines away.
    pub(super) fn unplug(&mut self, number: usize, them: &[Party], lasts_ms: u64) {
        let (mut cuts, mut names) = (Vec::new(), Vec::new());
        for who in them {
            let Some(machine) = self.machine(*who) else {
                continue;
            };
            cuts.push(self.internet.cut(&[machine.host]));
            names.push(who.to_string());
            self.line(format_args!("{who} has no network for {lasts_ms} ms"));
            self.begin("offline", who.to_string());
        }
        let trouble = Trouble::Cut(cuts, names);
        self.begin_lasting(number, What::Network(trouble), lasts_ms);
    }

    /// Ends the entry points' processes.
    pub(super) async fn close_entries(&mut self, number: usize, lasts_ms: u64) {
        for entry in (0..ENTRIES).map(Party::Keeper) {
            self.crash(entry, number).await;
            self.hit(number, &[entry]);
            self.begin("off", entry.to_string());
        }
        self.line(format_args!("all entry points are off for {lasts_ms} ms"));
        self.begin_lasting(number, What::Network(Trouble::NoEntries), lasts_ms);
    }

    /// Returns the fault that keeps the entry points off, if one does.
    pub(in crate::world::director) fn outage(&self) -> Option<usize> {
        let mut lasting = self.injected.lasting.values();
        lasting.find_map(|lasting| match lasting.what {
            What::Network(Trouble::NoEntries) => Some(lasting.number),
            _ => None,
        })
    }

    /// Notes that a machine starts; while the entry points are off, that is harder.
    pub(in crate::world::director) fn on_joining(&mut self) {
        if let Some(number) = self.outage() {
            self.effects.add(Source::Fault(number), 1);
        }
    }

    pub(super) fn storm(&mut self, number: usize, worse: Worse, lasts_ms: u64) {
        let ppm = |share: u64| u32::try_from(share).unwrap_or(u32::MAX);
        let usual = self.weather.usual;
        self.calm(Weather {
            loss_ppm: usual.loss_ppm.saturating_add(ppm(worse.loss.ppm())),
            duplicate_ppm: usual
                .duplicate_ppm
                .saturating_add(ppm(worse.duplicates.ppm())),
            latency_ms: usual.latency_ms.saturating_add(ppm(worse.latency.get())),
        });
        self.weather.storms += 1;
        let storm = self.weather.storms;
        self.weather.raging = Some((number, storm));
        self.weather.worse = Some(worse);
        self.line(format_args!("the weather is bad for {lasts_ms} ms"));
        self.begin("bad weather", format!("weather {}", number + 1));
        self.begin_lasting(number, What::Network(Trouble::Storm(storm)), lasts_ms);
    }

    /// Ends the weather that there was, counts what it changed, and begins another.
    pub(super) fn calm(&mut self, next: Weather) {
        let effect = self.internet.set_weather(next);
        let worse = self.weather.worse.take();
        let (Some((number, _)), Some(worse)) = (self.weather.raging.take(), worse) else {
            self.weather.ambient.lost += effect.lost;
            self.weather.ambient.duplicated += effect.duplicated;
            return;
        };
        // Of what happened anyway it is counted only what the storm is about.
        let all = [
            (worse.loss.ppm(), effect.lost),
            (worse.duplicates.ppm(), effect.duplicated),
            (worse.latency.get(), effect.slowed),
        ];
        let about = all.iter().filter(|(wanted, _)| *wanted > 0);
        let changed = about.map(|(_, changed)| changed).sum();
        self.line(format_args!(
            "the weather is better; {changed} packets suffered"
        ));
        self.effects.add(Source::Fault(number), changed);
        self.end(&format!("weather {}", number + 1));
    }

    /// Puts right what was wrong with the network; returns what it changed.
    pub(super) fn mend_network(&mut self, trouble: Trouble) -> u64 {
        match trouble {
            Trouble::Cut(cuts, names) => {
                let effects = cuts.into_iter().map(|cut| self.internet.heal(cut).packets);
                let changed = effects.sum();
                self.line(format_args!(
                    "a partition is over; {changed} packets were cut"
                ));
                for name in names {
                    self.end(&name);
                }
                changed
            }
            Trouble::NoEntries => {
                self.line(format_args!("the entry points are on again"));
                for entry in 0..ENTRIES {
                    self.start_keeper(entry);
                }
                0
            }
            Trouble::Storm(storm) => {
                if self
                    .weather
                    .raging
                    .is_some_and(|(_, raging)| raging == storm)
                {
                    let usual = self.weather.usual;
                    self.calm(usual);
                }
                0
            }
        }
    }
}
