//! Everything there is, behind one lock, and the step from event to event.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::task::{Context, Waker};
use std::time::Duration;

use libp2p::PeerId;
use restante_sim_population::draw::mix;
use tokio::time::Instant;

use crate::connection::Conn;
use crate::cut::Cut;
use crate::event::{EventQueue, Kind};
use crate::flow::Segment;
use crate::host::Host;
use crate::options::{Options, Weather};
use crate::random::Random;
use crate::slab::Slab;
use crate::stats::{Stats, WeatherEffect};
use crate::stream::Stream;

/// Half of tokio's tick: events happen at the tick that is nearest.
const HALF_TICK_US: u64 = 500;
const TICK_US: u64 = 1_000;

#[derive(Debug)]
pub(crate) struct State {
    base: Instant,
    /// Microseconds since the start; within the tick of an event, the event's own time.
    pub(crate) now_us: u64,
    pub(crate) options: Options,
    pub(crate) random: Random,
    pub(crate) weather: Weather,
    pub(crate) weather_effect: WeatherEffect,
    queue: EventQueue,
    driver: Option<Waker>,
    /// The tick at which the driver wakes by itself.
    driver_tick: u64,
    /// Whom to wake when the lock is free: a waker may run anything.
    pub(crate) wakes: Vec<Waker>,
    /// Wakers of no more use, to be dropped when the lock is free, for the same reason.
    pub(crate) replaced: Vec<Waker>,
    pub(crate) hosts: Vec<Host>,
    /// All hosts that have an address, or are behind a router that has it.
    pub(crate) by_address: BTreeMap<Ipv4Addr, Vec<u32>>,
    pub(crate) peers: Vec<PeerId>,
    pub(crate) lives: u32,
    pub(crate) conns: Slab<Conn>,
    pub(crate) streams: Slab<Stream>,
    pub(crate) segments: Slab<Segment>,
    pub(crate) cuts: BTreeMap<u32, Cut>,
    pub(crate) cuts_made: u32,
    /// How often cuts and hosts without network came and went.
    pub(crate) route_changes: u64,
    pub(crate) stats: Stats,
    pub(crate) hash: u64,
}

impl State {
    pub(crate) fn new(seed: u64, options: Options) -> Self {
        Self {
            base: Instant::now(),
            now_us: 0,
            options,
            random: Random::new(seed),
            weather: Weather::default(),
            weather_effect: WeatherEffect::default(),
            queue: EventQueue::default(),
            driver: None,
            driver_tick: u64::MAX,
            wakes: Vec::new(),
            replaced: Vec::new(),
            hosts: Vec::new(),
            by_address: BTreeMap::new(),
            peers: Vec::new(),
            lives: 0,
            conns: Slab::new(),
            streams: Slab::new(),
            segments: Slab::new(),
            cuts: BTreeMap::new(),
            cuts_made: 0,
            route_changes: 0,
            stats: Stats::default(),
            hash: mix(seed),
        }
    }

    /// Returns the host that gets what is sent to an address and port: of several that share the address, the one that
    /// has the port open.
    pub(crate) fn host_at(&self, target: SocketAddrV4) -> Option<u32> {
        let all = self.by_address.get(target.ip())?;
        let (first, others) = all.split_first()?;
        if others.is_empty() {
            return Some(*first);
        }
        let mut all = all.iter().copied();
        all.find(|number| self.hosts[*number as usize].has_open(target.port()))
    }

    /// Looks at the clock.
    pub(crate) fn refresh_now(&mut self) {
        let elapsed = Instant::now().duration_since(self.base);
        self.now_us = self.now_us.max(micros(elapsed));
    }

    pub(crate) fn schedule(&mut self, due_us: u64, kind: Kind) {
        self.queue.push(due_us, kind);
        if tick_of(due_us) < self.driver_tick {
            self.driver_tick = u64::MAX;
            self.wakes.extend(self.driver.take());
        }
    }

    /// Returns how many events there were and will be.
    #[cfg(test)]
    pub(crate) fn events_made(&self) -> u64 {
        self.queue.made()
    }

    /// Lets happen what is due; returns when to come back.
    pub(crate) fn run_due(&mut self, context: &Context<'_>) -> Option<Instant> {
        let elapsed = Instant::now().duration_since(self.base);
        let now_tick = micros(elapsed) / TICK_US;
        self.refresh_now();
        // Nobody needs to wake the driver while it runs.
        self.driver_tick = 0;
        while self
            .queue
            .next_us()
            .is_some_and(|due_us| tick_of(due_us) <= now_tick)
        {
            let Some((due_us, kind)) = self.queue.pop() else {
                break;
            };
            self.now_us = self.now_us.max(due_us);
            self.happen(kind);
        }
        let next_tick = self.queue.next_us().map(tick_of);
        self.driver_tick = next_tick.unwrap_or(u64::MAX);
        keep_waker(&mut self.driver, context, &mut self.replaced);
        next_tick.map(|tick| self.base + Duration::from_millis(tick))
    }

    fn happen(&mut self, kind: Kind) {
        match kind {
            Kind::Arrive(segment) => self.on_arrive(segment),
            Kind::Deliver(segment) => self.on_deliver(segment),
            Kind::Knock(conn) => self.on_knock(conn),
            Kind::Initial(conn) => self.on_initial(conn),
            Kind::Answer(conn) => self.on_answer(conn),
            Kind::Finish(conn) => self.on_finish(conn),
            Kind::Timeout(conn, side) => self.on_timeout(conn, side),
            Kind::Retry(conn, side) => self.on_retry(conn, side),
            Kind::Pump(conn, side) => self.on_pump(conn, side),
            Kind::Grant(conn, side) => self.on_grant(conn, side),
            Kind::StreamGrant(stream, side) => self.on_stream_grant(stream, side),
            Kind::Stop(stream, side) => self.on_stop(stream, side),
            Kind::Close(conn, side) => self.on_close(conn, side),
            Kind::Death(conn) => self.on_death(conn),
        }
    }

    /// Folds a delivered segment into the hash of everything.
    pub(crate) fn hash_segment(&mut self, from: u32, to: u32, segment: &Segment) {
        self.hash_data(from, to, &segment.data);
    }

    pub(crate) fn hash_data(&mut self, from: u32, to: u32, data: &[u8]) {
        let route = u64::from(from) << 32 | u64::from(to);
        let mut hash = mix(self.hash ^ self.now_us);
        hash = mix(hash ^ route).wrapping_add(data.len() as u64);
        for word in data.chunks(8) {
            let mut bytes = [0; 8];
            bytes[..word.len()].copy_from_slice(word);
            hash = (hash.rotate_left(5) ^ u64::from_le_bytes(bytes))
                .wrapping_mul(0x9e37_79b9_7f4a_7c15);
        }
        self.hash = mix(hash);
    }

    pub(crate) fn handshake_timeout_us(&self) -> u64 {
        micros(self.options.quic.handshake_timeout)
    }

    pub(crate) fn keep_alive_us(&self) -> u64 {
        micros(self.options.quic.keep_alive).max(1)
    }

    pub(crate) fn idle_timeout_us(&self) -> u64 {
        micros(self.options.quic.idle_timeout)
    }
}

/// Remembers whom to wake. A waker of the same task need not look the same, so the one before goes
/// to those to be dropped.
pub(crate) fn keep_waker(
    place: &mut Option<Waker>,
    context: &Context<'_>,
    replaced: &mut Vec<Waker>,
) {
    match place {
        Some(waker) if waker.will_wake(context.waker()) => {}
        _ => replaced.extend(place.replace(context.waker().clone())),
    }
}

const fn tick_of(due_us: u64) -> u64 {
    (due_us + HALF_TICK_US) / TICK_US
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
