//! A host: its process, its ports, and the router before it.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::task::Waker;

use libp2p::core::transport::ListenerId;

use crate::error::NetworkError;
use crate::options::{HostOptions, Link, Nat};
use crate::router::Router;
use crate::slab::Key;
use crate::stats::Traffic;

/// Address of a host behind a router, on its side.
pub(crate) const INNER_ADDRESS: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 2);
/// First of the ports that hosts give to whoever asks for none.
const EPHEMERAL_PORT_MIN: u16 = 49_152;
/// Incoming connections that wait for the process; one more is not heard.
pub(crate) const INCOMING_MAX: usize = 4096;

#[derive(Debug)]
pub(crate) struct Host {
    pub(crate) address: Ipv4Addr,
    /// Whether others have the address too.
    pub(crate) shared: bool,
    pub(crate) region: usize,
    pub(crate) link: Link,
    pub(crate) router: Router,
    pub(crate) online: bool,
    pub(crate) life: Option<Life>,
    /// All connections with an end here, of this life and former ones.
    pub(crate) conns: Vec<Key>,
    /// When the last byte has left that is to be sent so far.
    pub(crate) up_free_us: u64,
    /// When the last byte is through that has come to the line so far.
    pub(crate) down_free_us: u64,
    pub(crate) traffic: Traffic,
    next_port: u16,
}

/// One process.
#[derive(Debug)]
pub(crate) struct Life {
    pub(crate) number: u32,
    pub(crate) peer: u32,
    pub(crate) listeners: Vec<Listener>,
    pub(crate) events: VecDeque<LifeEvent>,
    pub(crate) waker: Option<Waker>,
    /// The port of dials while there is no listener.
    dialer_port: Option<u16>,
}

#[derive(Debug)]
pub(crate) struct Listener {
    pub(crate) id: ListenerId,
    pub(crate) address: SocketAddrV4,
}

/// What a transport has to tell its swarm.
#[derive(Debug)]
pub(crate) enum LifeEvent {
    Listening(ListenerId, SocketAddrV4),
    Closed(ListenerId),
    Incoming {
        listener: ListenerId,
        local: SocketAddrV4,
        remote: SocketAddrV4,
        conn: Key,
    },
}

impl Life {
    pub(crate) const fn new(number: u32, peer: u32) -> Self {
        Self {
            number,
            peer,
            listeners: Vec::new(),
            events: VecDeque::new(),
            waker: None,
            dialer_port: None,
        }
    }

    pub(crate) fn listener(&self, port: u16) -> Option<&Listener> {
        self.listeners
            .iter()
            .find(|listener| listener.address.port() == port)
    }
}

impl Host {
    /// Makes a host whose address so many have before it.
    pub(crate) fn new(options: &HostOptions, before: usize) -> Self {
        Self {
            address: options.address,
            shared: options.shared,
            region: options.region,
            link: options.link,
            router: Router::new(options.nat, before),
            online: true,
            life: None,
            conns: Vec::new(),
            up_free_us: 0,
            down_free_us: 0,
            traffic: Traffic {
                up_bytes: 0,
                down_bytes: 0,
            },
            next_port: EPHEMERAL_PORT_MIN,
        }
    }

    /// Returns the address that the host itself knows.
    pub(crate) fn inner_address(&self) -> Ipv4Addr {
        match self.router.nat() {
            Nat::Public => self.address,
            Nat::Cone | Nat::Symmetric => INNER_ADDRESS,
        }
    }

    /// Tells whether what comes from outside to a port gets anywhere.
    pub(crate) fn has_open(&self, port: u16) -> bool {
        match self.router.nat() {
            Nat::Public => self
                .life
                .as_ref()
                .is_some_and(|life| life.listener(port).is_some()),
            Nat::Cone | Nat::Symmetric => self.router.gave(port),
        }
    }

    /// Returns whether packets to the address stay on this host.
    pub(crate) fn is_own(&self, address: Ipv4Addr) -> bool {
        address.is_loopback() || address == self.inner_address()
    }

    /// Opens a listener and returns where; port 0 means any.
    pub(crate) fn listen(
        &mut self,
        id: ListenerId,
        wanted: SocketAddrV4,
    ) -> Result<SocketAddrV4, NetworkError> {
        let ip = *wanted.ip();
        if !ip.is_unspecified() && !self.is_own(ip) {
            return Err(NetworkError::AddressNotAvailable(ip));
        }
        let ip = if ip.is_unspecified() {
            self.inner_address()
        } else {
            ip
        };
        let port = match wanted.port() {
            0 => self.fresh_port(),
            port => port,
        };
        let life = self.life.as_mut().ok_or(NetworkError::ProcessGone)?;
        if life.listener(port).is_some() {
            return Err(NetworkError::AddressInUse(port));
        }
        let address = SocketAddrV4::new(ip, port);
        life.listeners.push(Listener { id, address });
        Ok(address)
    }

    /// Returns the port a dial comes from.
    pub(crate) fn dial_port(&mut self, reuse: bool) -> u16 {
        let Some(life) = self.life.as_ref().filter(|_| reuse) else {
            return self.fresh_port();
        };
        let known = life.listeners.first().map(|open| open.address.port());
        if let Some(port) = known.or(life.dialer_port) {
            return port;
        }
        let port = self.fresh_port();
        if let Some(life) = self.life.as_mut() {
            life.dialer_port = Some(port);
        }
        port
    }

    fn fresh_port(&mut self) -> u16 {
        loop {
            let port = self.next_port;
            self.next_port = port.checked_add(1).unwrap_or(EPHEMERAL_PORT_MIN);
            let life = self.life.as_ref();
            if life.is_none_or(|life| life.listener(port).is_none()) {
                return port;
            }
        }
    }
}
