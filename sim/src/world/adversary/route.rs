//! A node that lies about routing: whoever asks it for nodes hears of its colluders alone.
//!
//! It runs the shipped node. What lies is the network under it: it shows every other node at an address that nobody on
//! the Internet can have, and a node takes only public addresses into its routing table. So its table holds colluders,
//! and with them it answers everybody's lookups.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use libp2p::core::muxing::StreamMuxerBox;
use libp2p::core::transport::{
    Boxed, DialOpts, ListenerId, Transport, TransportError, TransportEvent,
};
use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, PeerId};

use super::Deeds;

/// The first byte of addresses of which IPv6 says that they lead nowhere outside a site.
const SITE: u16 = 0xfd00;

/// Nodes that know only each other.
#[derive(Clone, Debug)]
pub(in crate::world) struct Colluders {
    /// Where they are.
    pub(in crate::world) addresses: Arc<BTreeSet<Ipv4Addr>>,
    pub(in crate::world) deeds: Arc<Deeds>,
}

/// The network as a colluder sees it.
struct Masking {
    network: Boxed<(PeerId, StreamMuxerBox)>,
    colluders: Colluders,
}

/// Returns an address as a colluder sees it: another one for each, and none that could be public.
pub(in crate::world) fn masked(address: Multiaddr) -> Multiaddr {
    let mask = |part: Protocol<'_>| match part {
        Protocol::Ip4(ip) => {
            let [a, b, c, d] = ip.octets().map(u16::from);
            let first = SITE | a;
            Protocol::Ip6(Ipv6Addr::new(first, b << 8 | c, d << 8, 0, 0, 0, 0, 1))
        }
        part => part.acquire(),
    };
    address.iter().map(mask).collect()
}

/// Returns the address that was masked; another one as it is.
pub(super) fn unmasked(address: Multiaddr) -> Multiaddr {
    let unmask = |part: Protocol<'_>| match part {
        Protocol::Ip6(ip) if ip.segments()[0] & 0xff00 == SITE => {
            let [_, a, b, c, d, ..] = ip.octets();
            Protocol::Ip4(Ipv4Addr::new(a, b, c, d))
        }
        part => part.acquire(),
    };
    address.iter().map(unmask).collect()
}

impl Colluders {
    /// Returns the network as one of them sees it.
    pub(in crate::world) fn see(
        self,
        network: Boxed<(PeerId, StreamMuxerBox)>,
    ) -> Boxed<(PeerId, StreamMuxerBox)> {
        let colluders = self;
        Masking { network, colluders }.boxed()
    }

    fn know(&self, address: &Multiaddr) -> bool {
        let mut parts = address.iter();
        matches!(parts.next(), Some(Protocol::Ip4(ip)) if self.addresses.contains(&ip))
    }
}

impl Transport for Masking {
    type Output = (PeerId, StreamMuxerBox);
    type Error = <Boxed<Self::Output> as Transport>::Error;
    type ListenerUpgrade = <Boxed<Self::Output> as Transport>::ListenerUpgrade;
    type Dial = <Boxed<Self::Output> as Transport>::Dial;

    fn listen_on(
        &mut self,
        id: ListenerId,
        address: Multiaddr,
    ) -> Result<(), TransportError<Self::Error>> {
        self.network.listen_on(id, address)
    }

    fn remove_listener(&mut self, id: ListenerId) -> bool {
        self.network.remove_listener(id)
    }

    fn dial(
        &mut self,
        address: Multiaddr,
        options: DialOpts,
    ) -> Result<Self::Dial, TransportError<Self::Error>> {
        self.network.dial(unmasked(address), options)
    }

    fn poll(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<TransportEvent<Self::ListenerUpgrade, Self::Error>> {
        let this = &mut *self;
        Pin::new(&mut this.network)
            .poll(context)
            .map(|event| match event {
                TransportEvent::Incoming {
                    listener_id,
                    upgrade,
                    local_addr,
                    send_back_addr,
                } if !this.colluders.know(&send_back_addr) => {
                    let kept_out = &this.colluders.deeds.kept_out;
                    kept_out.fetch_add(1, Ordering::Relaxed);
                    TransportEvent::Incoming {
                        listener_id,
                        upgrade,
                        local_addr,
                        send_back_addr: masked(send_back_addr),
                    }
                }
                event => event,
            })
    }
}
