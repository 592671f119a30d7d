//! Everything there is, behind one lock.

use std::collections::BTreeMap;
use std::time::Duration;

use libp2p::PeerId;
use restante::net::Call;
use restante_sim_network::{HostId, Internet};
use tokio::time::Instant;

use super::event::Event;
use super::links::{Link, TICK};
use super::processes::{Process, Serving};

/// What may be asked for and happen at one moment.
const AT_ONCE_MAX: u64 = 500_000;

/// A process: its host, and its number among all there ever were.
pub(super) type Life = (HostId, u64);

pub(super) struct State {
    pub(super) internet: Internet,
    pub(super) now: Instant,
    pub(super) processes: BTreeMap<HostId, Process>,
    /// Where a peer's process runs.
    pub(super) hosts: BTreeMap<PeerId, HostId>,
    pub(super) serving: Vec<Serving>,
    /// By who asks, and who is asked.
    pub(super) links: BTreeMap<(HostId, HostId), Link>,
    /// Requests without an answer.
    pub(super) calls: BTreeMap<u64, Waiting>,
    /// A number for each process, link and request.
    made: u64,
    due: BTreeMap<(Instant, u64), Event>,
    planned: u64,
    /// How often something was asked for or happened at this moment.
    at_once: u64,
    /// What is due next is due sooner than before.
    pub(super) is_sooner: bool,
    /// What [`Internet::route_changes`] was when it was looked last.
    pub(super) routes: u64,
    /// When everybody knows who can be reached since then.
    pub(super) routes_known: Option<Instant>,
}

/// A request without an answer.
pub(super) struct Waiting {
    pub(super) from: Life,
    pub(super) to: Life,
    pub(super) call: Call,
}

impl State {
    pub(super) fn new(internet: Internet) -> Self {
        let now = Instant::now();
        Self {
            internet,
            now,
            processes: BTreeMap::new(),
            hosts: BTreeMap::new(),
            serving: Vec::new(),
            links: BTreeMap::new(),
            calls: BTreeMap::new(),
            made: 0,
            due: BTreeMap::from([((now + TICK, 0), Event::Tick)]),
            planned: 0,
            at_once: 0,
            is_sooner: false,
            routes: 0,
            routes_known: None,
        }
    }

    /// Takes note of the time; returns whether so much goes on at one moment that it is no traffic but a loop.
    pub(super) fn is_spinning_at(&mut self, now: Instant) -> bool {
        if now != self.now {
            self.now = now;
            self.at_once = 0;
        }
        self.at_once += 1;
        self.at_once == AT_ONCE_MAX
    }

    /// Returns a number that nothing else has.
    pub(super) fn number(&mut self) -> u64 {
        self.made += 1;
        self.made
    }

    pub(super) fn after(&mut self, pause: Duration, event: Event) {
        self.at(self.now + pause, event);
    }

    pub(super) fn at(&mut self, at: Instant, event: Event) {
        self.planned += 1;
        self.is_sooner |= self
            .due
            .first_key_value()
            .is_none_or(|((first, _), _)| at < *first);
        self.due.insert((at, self.planned), event);
    }

    /// Lets happen what is due; returns when to come back.
    pub(super) fn run_due(&mut self) -> Instant {
        loop {
            let Some(first) = self.due.first_entry() else {
                return self.now + TICK;
            };
            if first.key().0 > self.now {
                let next = first.key().0;
                self.is_sooner = false;
                return next;
            }
            let event = first.remove();
            self.happen(event);
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Request {
                from,
                to,
                call,
                kind,
                payload,
            } => self.on_request((from, to), call, kind, payload),
            Event::Answer {
                from,
                call,
                payload,
            } => self.on_answer(from, call, payload),
            Event::Push { from, to, payload } => self.on_push(from, to, payload),
            Event::Found(reply, found) => {
                let _gone = reply.send(found);
            }
            Event::Unreachable(call) => self.on_unreachable(call),
            Event::Serve(life) => self.on_serve(life),
            Event::Joined(life) => self.on_joined(life),
            Event::Ended(life, ended) => self.on_ended(life, ended),
            Event::Tick => {
                self.tick();
                self.after(TICK, Event::Tick);
            }
        }
    }

    /// Returns a process, if it still runs.
    pub(super) fn process(&self, life: Life) -> Option<&Process> {
        let process = self.processes.get(&life.0)?;
        (process.life == life).then_some(process)
    }

    pub(super) fn process_mut(&mut self, life: Life) -> Option<&mut Process> {
        let process = self.processes.get_mut(&life.0)?;
        (process.life == life).then_some(process)
    }
}
