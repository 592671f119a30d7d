//! The internet as its users see it.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;

use libp2p::PeerId;
use libp2p::core::Transport as _;
use libp2p::core::muxing::StreamMuxerBox;
use libp2p::core::transport::Boxed;

use crate::cut::Cut;
use crate::host::Host;
use crate::options::{CutId, HostError, HostId, HostOptions, Link, Options, Weather};
use crate::state::State;
use crate::stats::{CutEffect, Stats, Traffic, WeatherEffect};
use crate::transport::Transport;

/// A simulated internet; clones are the same one.
///
/// Nothing arrives unless [`Internet::drive`] runs as a task. Methods that take a [`HostId`] panic
/// when it is another internet's.
#[derive(Debug, Clone)]
pub struct Internet(Arc<Mutex<State>>);

impl Internet {
    /// Makes an internet without hosts, within the runtime whose clock it shall use.
    ///
    /// # Panics
    ///
    /// When the latency matrix is not square.
    #[must_use]
    pub fn new(seed: u64, options: Options) -> Self {
        let regions = options.latency_ms.len();
        let square = options.latency_ms.iter().all(|row| row.len() == regions);
        assert!(
            square,
            "the latency matrix has {regions} rows and is not square"
        );
        Self(Arc::new(Mutex::new(State::new(seed, options))))
    }

    /// Lets happen what is due, for ever: to be spawned on the runtime.
    ///
    /// # Cancel safety
    ///
    /// Dropped, it leaves everything as it is; another call goes on from there.
    pub async fn drive(self) {
        let sleep = tokio::time::sleep(std::time::Duration::ZERO);
        let mut sleep = std::pin::pin!(sleep);
        std::future::poll_fn(|context| {
            while let Some(next) = self.with(|state| state.run_due(context)) {
                sleep.as_mut().reset(next);
                if sleep.as_mut().poll(context).is_pending() {
                    break;
                }
            }
            Poll::Pending
        })
        .await
    }

    /// Adds a host without a process.
    ///
    /// # Errors
    ///
    /// [`HostError`].
    pub fn add_host(&self, options: HostOptions) -> Result<HostId, HostError> {
        let address = options.address;
        let usable = !address.is_unspecified()
            && !address.is_loopback()
            && !address.is_multicast()
            && !address.is_broadcast()
            && address != crate::host::INNER_ADDRESS;
        if !usable {
            return Err(HostError::AddressUnusable(address));
        }
        self.with(|state| {
            let (region, regions) = (options.region, state.options.latency_ms.len());
            if region >= regions {
                return Err(HostError::Region { region, regions });
            }
            let others = state
                .by_address
                .get(&address)
                .map_or(&[][..], Vec::as_slice);
            let is_shared = |other: &u32| state.hosts[*other as usize].shared;
            let may_share = options.shared && others.iter().all(is_shared);
            if !others.is_empty() && !may_share {
                return Err(HostError::AddressTaken(address));
            }
            let host = Host::new(&options, others.len());
            let number = u32::try_from(state.hosts.len()).unwrap_or(u32::MAX);
            state.hosts.push(host);
            state.by_address.entry(address).or_default().push(number);
            Ok(HostId(number))
        })
    }

    /// Starts a process on a host and returns its transport, which speaks for `peer`.
    ///
    /// A process that still runs there crashes. Dropping the transport closes its listeners; the
    /// connections are closed towards their other ends when they are dropped.
    #[must_use]
    pub fn transport(&self, host: HostId, peer: PeerId) -> Boxed<(PeerId, StreamMuxerBox)> {
        let life = self.with(|state| state.start(host.0, peer));
        Transport::new(self.clone(), host.0, life).boxed()
    }

    /// Ends a host's process at once: nobody is told, and what is left of it notices nothing.
    ///
    /// Its futures stay pending and its objects may be dropped at any time, with no effect outside.
    pub fn crash(&self, host: HostId) {
        self.with(|state| state.crash(host.0));
    }

    /// Plugs a host in or out; its process goes on.
    pub fn set_online(&self, host: HostId, online: bool) {
        self.with(|state| state.set_online(host.0, online));
    }

    /// Gives a host another line; what is under way stays as it was sent.
    pub fn set_link(&self, host: HostId, link: Link) {
        self.with(|state| state.hosts[host.index()].link = link);
    }

    /// Cuts hosts off from all others, also from those to come.
    #[must_use = "a cut lasts until it is healed"]
    pub fn cut(&self, hosts: &[HostId]) -> CutId {
        let cut = Cut::new(&numbers(hosts), None);
        CutId(self.with(|state| state.cut(cut)))
    }

    /// Cuts hosts off from some others; everybody else reaches both.
    #[must_use = "a cut lasts until it is healed"]
    pub fn cut_between(&self, hosts: &[HostId], others: &[HostId]) -> CutId {
        let cut = Cut::new(&numbers(hosts), Some(&numbers(others)));
        CutId(self.with(|state| state.cut(cut)))
    }

    /// Ends a cut and returns what it changed; nothing the second time.
    pub fn heal(&self, cut: CutId) -> CutEffect {
        self.with(|state| state.heal(cut.0))
    }

    /// Changes the weather and returns what the former one changed.
    pub fn set_weather(&self, weather: Weather) -> WeatherEffect {
        self.with(|state| {
            state.weather = weather;
            std::mem::take(&mut state.weather_effect)
        })
    }

    /// Returns what was counted so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.with(|state| state.stats)
    }

    /// Returns what was counted since the last time.
    #[must_use]
    pub fn drain_stats(&self) -> Stats {
        self.with(|state| std::mem::take(&mut state.stats))
    }

    /// Returns what a host sent and received so far.
    #[must_use]
    pub fn traffic(&self, host: HostId) -> Traffic {
        self.with(|state| {
            state.settle_host(host.0);
            state.hosts[host.index()].traffic
        })
    }

    /// Returns a hash of all segments that were delivered: when, from where to where, and what.
    #[must_use]
    pub fn trace_hash(&self) -> u64 {
        self.with(|state| state.hash)
    }

    /// Returns how many connections there are, dials and half closed ones included.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.with(|state| state.conns.len())
    }

    /// Returns how many of them a host has an end of.
    #[must_use]
    pub fn connections_of(&self, host: HostId) -> usize {
        self.with(|state| state.conns_of(host.0).len())
    }

    /// Returns the address of a host that others see.
    #[must_use]
    pub fn address(&self, host: HostId) -> Ipv4Addr {
        self.with(|state| state.hosts[host.index()].address)
    }

    /// Does something to everything, and wakes whoever it concerns when the lock is free.
    pub(crate) fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.refresh_now();
        let result = act(&mut state);
        let wakes = std::mem::take(&mut state.wakes);
        let replaced = std::mem::take(&mut state.replaced);
        drop(state);
        drop(replaced);
        for waker in wakes {
            waker.wake();
        }
        result
    }
}

fn numbers(hosts: &[HostId]) -> Vec<u32> {
    hosts.iter().map(|host| host.0).collect()
}
