//! What a router translates, and what it lets in.

use std::collections::BTreeMap;
use std::net::SocketAddrV4;

use crate::options::Nat;

/// How long a router lets a remote in after the last packet to it.
const CONTACT_US: u64 = 120_000_000;
/// First of the ports that routers give out.
const OUTER_PORT_MIN: u16 = 32_768;
/// How far apart the first ports are that one router gives out for different hosts behind it.
const OUTER_PORTS_APART: usize = 256;
/// Contacts after which old ones are looked for.
const PRUNE_MIN: usize = 64;

/// An inner port, and the remote it is for where each has a mapping of its own.
type Inner = (u16, Option<SocketAddrV4>);

/// The router of one host; a public host's does nothing.
#[derive(Debug)]
pub(crate) struct Router {
    nat: Nat,
    outer: BTreeMap<Inner, u16>,
    inner: BTreeMap<u16, Inner>,
    contacts: BTreeMap<(u16, SocketAddrV4), Contact>,
    next_port: u16,
    prune_at: usize,
}

/// What an inner port had to do with a remote.
#[derive(Debug, Default)]
struct Contact {
    last_us: u64,
    /// Connections, whose keep-alives keep the contact.
    live: u32,
}

impl Contact {
    const fn is_fresh(&self, now_us: u64) -> bool {
        self.live > 0 || now_us < self.last_us + CONTACT_US
    }
}

impl Router {
    /// Makes the router of a host that has so many others before it at its address.
    pub(crate) fn new(nat: Nat, before: usize) -> Self {
        let ports = usize::from(u16::MAX - OUTER_PORT_MIN);
        let first = u16::try_from(before * OUTER_PORTS_APART % ports).unwrap_or_default();
        Self {
            nat,
            outer: BTreeMap::new(),
            inner: BTreeMap::new(),
            contacts: BTreeMap::new(),
            next_port: OUTER_PORT_MIN + first,
            prune_at: PRUNE_MIN,
        }
    }

    pub(crate) const fn nat(&self) -> Nat {
        self.nat
    }

    /// Tells whether it has given out a port.
    pub(crate) fn gave(&self, outer: u16) -> bool {
        self.inner.contains_key(&outer)
    }

    /// Sends something out from an inner port and returns the port the remote sees.
    pub(crate) fn send(&mut self, port: u16, remote: SocketAddrV4, now_us: u64) -> u16 {
        let inner = match self.nat {
            Nat::Public => return port,
            Nat::Cone => (port, None),
            Nat::Symmetric => (port, Some(remote)),
        };
        self.prune(now_us);
        self.contacts.entry((port, remote)).or_default().last_us = now_us;
        if let Some(&outer) = self.outer.get(&inner) {
            return outer;
        }
        let outer = self.fresh_port();
        self.outer.insert(inner, outer);
        self.inner.insert(outer, inner);
        outer
    }

    /// Returns the inner port for what comes from a remote, unless it is kept out.
    pub(crate) fn receive(&self, outer: u16, remote: SocketAddrV4, now_us: u64) -> Option<u16> {
        if self.nat == Nat::Public {
            return Some(outer);
        }
        let &(port, only) = self.inner.get(&outer)?;
        let contact = self.contacts.get(&(port, remote))?;
        let admitted = contact.is_fresh(now_us) && only.is_none_or(|only| only == remote);
        admitted.then_some(port)
    }

    /// Notes that a connection between an inner port and a remote begins.
    pub(crate) fn hold(&mut self, port: u16, remote: SocketAddrV4) {
        if self.nat != Nat::Public {
            self.contacts.entry((port, remote)).or_default().live += 1;
        }
    }

    /// Notes that such a connection has ended.
    pub(crate) fn release(&mut self, port: u16, remote: SocketAddrV4, now_us: u64) {
        if let Some(contact) = self.contacts.get_mut(&(port, remote)) {
            contact.live = contact.live.saturating_sub(1);
            contact.last_us = now_us;
        }
    }

    fn prune(&mut self, now_us: u64) {
        if self.contacts.len() < self.prune_at {
            return;
        }
        let (outer, inner) = (&mut self.outer, &mut self.inner);
        self.contacts.retain(|&(port, remote), contact| {
            let fresh = contact.is_fresh(now_us);
            if !fresh && let Some(outer) = outer.remove(&(port, Some(remote))) {
                inner.remove(&outer);
            }
            fresh
        });
        self.prune_at = PRUNE_MIN.max(2 * self.contacts.len());
    }

    fn fresh_port(&mut self) -> u16 {
        // Contacts are pruned, so that a run out of ports would need 32,768 of them at a time.
        for _ in OUTER_PORT_MIN..=u16::MAX {
            let port = self.next_port;
            self.next_port = port.checked_add(1).unwrap_or(OUTER_PORT_MIN);
            if !self.inner.contains_key(&port) {
                return port;
            }
        }
        if let Some(inner) = self.inner.remove(&self.next_port) {
            self.outer.remove(&inner);
        }
        self.next_port
    }
}
