//! Faults: crashes, deaths and partitions, and their end.

use restante::control::protocol::{ControlReply, ControlRequest};
use restante_sim_network::Weather;

use super::{Director, Event};
use crate::fault::Source;
use crate::full::machine::Machine;
use crate::options::{FaultKind, FaultOptions, Target};

/// One, in a million.
const ONE_PPM: u64 = 1_000_000;
/// How often it is looked whether the power is cut somewhere, in milliseconds.
const WATCH_MS: u64 = 20;
/// Writes to a disk until the power is cut in the middle of them, at most.
const ARMED_WRITES_MAX: u64 = 40;

impl Director<'_> {
    pub(super) async fn on_fault(&mut self, number: usize) {
        let Some(fault) = self.scenario.faults.get(number) else {
            return;
        };
        match fault.kind {
            FaultKind::Crash {
                target: Target::Busy,
                down_ms,
            } => {
                for keeper in self.targets(Target::Any, fault).await {
                    let writes = self.random.between(0, ARMED_WRITES_MAX);
                    if let Some(machine) = self.keepers.get(keeper) {
                        machine.disk.cut_power_after(writes);
                        self.armed.insert(keeper, (number, down_ms));
                    }
                }
                self.later(WATCH_MS, Event::Watch);
            }
            FaultKind::Crash { target, down_ms } => {
                for keeper in self.targets(target, fault).await {
                    self.crash(keeper, number).await;
                    self.line(format_args!("k{keeper} crashes for {down_ms} ms"));
                    self.begin("crashed", format!("k{keeper}"));
                    self.later(down_ms, Event::StartKeeper(keeper));
                }
            }
            FaultKind::Kill { target } => {
                for keeper in self.targets(target, fault).await {
                    let lost = self.held(keeper).await;
                    self.effects.add(Source::Fault(number), lost);
                    self.killed.insert(keeper);
                    self.crash(keeper, number).await;
                    self.line(format_args!("k{keeper} is gone for good"));
                    self.begin("gone", format!("k{keeper}"));
                }
            }
            FaultKind::Partition {
                keepers_ppm,
                people_ppm,
                lasts_ms,
            } => {
                let mut island = Vec::new();
                for (share_ppm, machines) in
                    [(keepers_ppm, &self.keepers), (people_ppm, &self.people)]
                {
                    let mut hosts: Vec<_> = machines.iter().map(|machine| machine.host).collect();
                    self.random.shuffle(&mut hosts);
                    let count = (hosts.len() as u64 * share_ppm).div_ceil(ONE_PPM);
                    island.extend(hosts.into_iter().take(usize::try_from(count).unwrap_or(0)));
                }
                self.line(format_args!("{} machines are cut off", island.len()));
                self.begin("cut off", format!("partition {}", number + 1));
                let cut = self.internet.cut(&island);
                self.cuts.insert(number, cut);
                self.later(lasts_ms, Event::Rejoin(number));
            }
        }
    }

    /// Ends the machines whose power is cut.
    pub(super) async fn watch(&mut self) {
        let is_cut = |keeper: &usize| {
            let machine = self.keepers.get(*keeper);
            machine.is_some_and(|machine| machine.disk.is_power_cut())
        };
        let cut: Vec<usize> = self.armed.keys().copied().filter(is_cut).collect();
        for keeper in cut {
            if let Some((number, down_ms)) = self.armed.remove(&keeper) {
                self.crash(keeper, number).await;
                self.line(format_args!(
                    "k{keeper} loses power while it writes, for {down_ms} ms"
                ));
                self.begin("no power", format!("k{keeper}"));
                self.later(down_ms, Event::StartKeeper(keeper));
            }
        }
        if !self.armed.is_empty() {
            self.later(WATCH_MS, Event::Watch);
        }
    }

    async fn crash(&mut self, keeper: usize, number: usize) {
        self.armed.remove(&keeper);
        let Some(machine) = self.keepers.get_mut(keeper) else {
            return;
        };
        let peers = match machine.ask(ControlRequest::Status).await {
            Some(Ok(ControlReply::Status(status))) => u64::from(status.peers),
            _ => 0,
        };
        let changed = peers + machine.crash().await;
        self.effects.add(Source::Fault(number), changed);
    }

    /// Counts the items that a keeper holds.
    async fn held(&self, keeper: usize) -> u64 {
        let request = ControlRequest::Holdings { after: None };
        match self.keepers.get(keeper) {
            Some(machine) => match machine.ask(request).await {
                Some(Ok(ControlReply::Holdings(page))) => page.total_items,
                _ => 0,
            },
            None => 0,
        }
    }

    /// Chooses the keepers that a fault hits.
    async fn targets(&mut self, target: Target, fault: &FaultOptions) -> Vec<usize> {
        let mut choice = Vec::new();
        for (number, machine) in self.keepers.iter().enumerate() {
            if machine.is_up() && (target == Target::Any || holds_letters(machine).await) {
                choice.push(number);
            }
        }
        self.random.shuffle(&mut choice);
        choice.truncate(fault.count);
        choice
    }

    pub(super) fn rejoin(&mut self, number: usize) {
        if let Some(cut) = self.cuts.remove(&number) {
            let changed = self.internet.heal(cut).packets;
            self.line(format_args!(
                "a partition is over; {changed} packets were cut"
            ));
            self.effects.add(Source::Fault(number), changed);
        }
    }

    /// Ends all faults; only what is gone for good stays so.
    pub(super) async fn heal(&mut self) {
        self.line(format_args!("all faults are over"));
        for number in 0..self.scenario.faults.len() {
            self.rejoin(number);
        }
        self.weather = self.internet.set_weather(Weather::default());
        // A cut that was not reached cannot be called off but by a restart.
        for keeper in self.armed.keys().copied().collect::<Vec<_>>() {
            let (number, _) = self.armed.remove(&keeper).unwrap_or_default();
            self.crash(keeper, number).await;
        }
        for keeper in 0..self.keepers.len() {
            self.start_keeper(keeper);
        }
    }
}

/// Tells whether a keeper holds an envelope.
async fn holds_letters(machine: &Machine) -> bool {
    let request = ControlRequest::Holdings { after: None };
    match machine.ask(request).await {
        Some(Ok(ControlReply::Holdings(page))) => {
            page.items.iter().any(|item| item.kind == "envelope")
        }
        _ => false,
    }
}
