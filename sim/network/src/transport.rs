//! libp2p's transport over the internet: QUIC's addresses and behaviour.

use std::future::Future;
use std::net::SocketAddrV4;
use std::pin::Pin;
use std::task::{Context, Poll};

use libp2p::core::Endpoint;
use libp2p::core::muxing::StreamMuxerBox;
use libp2p::core::transport::{DialOpts, ListenerId, PortUse, TransportError, TransportEvent};
use libp2p::multiaddr::{Multiaddr, Protocol};
use libp2p::{PeerId, core};

use crate::error::NetworkError;
use crate::event::Side;
use crate::host::{Life, LifeEvent};
use crate::internet::Internet;
use crate::muxer::Muxer;
use crate::slab::Key;
use crate::state::{State, keep_waker};

/// The network of one process.
pub(crate) struct Transport {
    internet: Internet,
    host: u32,
    life: u32,
}

impl Transport {
    pub(crate) const fn new(internet: Internet, host: u32, life: u32) -> Self {
        Self {
            internet,
            host,
            life,
        }
    }
}

impl State {
    /// Returns a process, unless it is no more.
    fn life(&mut self, host: u32, number: u32) -> Result<&mut Life, NetworkError> {
        let life = self.hosts[host as usize].life.as_mut();
        life.filter(|life| life.number == number)
            .ok_or(NetworkError::ProcessGone)
    }
}

impl core::Transport for Transport {
    type Output = (PeerId, StreamMuxerBox);
    type Error = NetworkError;
    type ListenerUpgrade = Connecting;
    type Dial = Connecting;

    fn listen_on(
        &mut self,
        id: ListenerId,
        address: Multiaddr,
    ) -> Result<(), TransportError<NetworkError>> {
        let Some(wanted) = socket_of(&address) else {
            return Err(TransportError::MultiaddrNotSupported(address));
        };
        let listened = self.internet.with(|state| {
            state.life(self.host, self.life)?;
            let address = state.hosts[self.host as usize].listen(id, wanted)?;
            let life = state.life(self.host, self.life)?;
            life.events.push_back(LifeEvent::Listening(id, address));
            let waker = life.waker.take();
            state.wakes.extend(waker);
            Ok(())
        });
        listened.map_err(TransportError::Other)
    }

    fn remove_listener(&mut self, id: ListenerId) -> bool {
        let (host, life) = (self.host, self.life);
        self.internet
            .with(|state| state.close_listener(host, life, id))
    }

    fn dial(
        &mut self,
        address: Multiaddr,
        options: DialOpts,
    ) -> Result<Connecting, TransportError<NetworkError>> {
        let usable = |target: &SocketAddrV4| target.port() != 0 && !target.ip().is_unspecified();
        let Some(target) = socket_of(&address).filter(usable) else {
            return Err(TransportError::MultiaddrNotSupported(address));
        };
        let reuse = options.port_use == PortUse::Reuse;
        if options.role == Endpoint::Listener && !reuse {
            return Err(TransportError::Other(NetworkError::HolePunching));
        }
        let dialled = self.internet.with(|state| {
            state.life(self.host, self.life)?;
            state.dial(self.host, target, reuse)
        });
        let conn = dialled.map_err(TransportError::Other)?;
        Ok(Connecting::new(self.internet.clone(), conn, Side::Dialer))
    }

    fn poll(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<TransportEvent<Connecting, NetworkError>> {
        let event = self.internet.with(|state| {
            let mut replaced = Vec::new();
            let life = state.life(self.host, self.life).ok()?;
            let event = life.events.pop_front();
            if event.is_none() {
                keep_waker(&mut life.waker, context, &mut replaced);
            }
            state.replaced.extend(replaced);
            event
        });
        let Some(event) = event else {
            return Poll::Pending;
        };
        Poll::Ready(match event {
            LifeEvent::Listening(listener_id, address) => TransportEvent::NewAddress {
                listener_id,
                listen_addr: multiaddr_of(address),
            },
            LifeEvent::Closed(listener_id) => TransportEvent::ListenerClosed {
                listener_id,
                reason: Ok(()),
            },
            LifeEvent::Incoming {
                listener,
                local,
                remote,
                conn,
            } => TransportEvent::Incoming {
                listener_id: listener,
                upgrade: Connecting::new(self.internet.clone(), conn, Side::Listener),
                local_addr: multiaddr_of(local),
                send_back_addr: multiaddr_of(remote),
            },
        })
    }
}

impl Drop for Transport {
    fn drop(&mut self) {
        let (host, life) = (self.host, self.life);
        self.internet.with(|state| state.stop(host, life));
    }
}

/// A handshake, seen from one side; dropped before its end, it closes the connection.
pub(crate) struct Connecting {
    internet: Internet,
    conn: Key,
    side: Side,
    done: bool,
}

impl Connecting {
    const fn new(internet: Internet, conn: Key, side: Side) -> Self {
        Self {
            internet,
            conn,
            side,
            done: false,
        }
    }
}

impl Future for Connecting {
    type Output = Result<(PeerId, StreamMuxerBox), NetworkError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let (conn, side) = (self.conn, self.side);
        let shaken = self.internet.with(|state| {
            let shaken = state.poll_shaken(conn, side, context);
            shaken.map_ok(|peer| state.peers[peer as usize])
        });
        let peer = std::task::ready!(shaken)?;
        self.done = true;
        let muxer = Muxer::new(self.internet.clone(), conn, side);
        Poll::Ready(Ok((peer, StreamMuxerBox::new(muxer))))
    }
}

impl Drop for Connecting {
    fn drop(&mut self) {
        if !self.done {
            let (conn, side) = (self.conn, self.side);
            self.internet.with(|state| state.release_end(conn, side));
        }
    }
}

/// Reads `/ip4/a.b.c.d/udp/port/quic-v1`, with or without a peer at its end.
fn socket_of(address: &Multiaddr) -> Option<SocketAddrV4> {
    let mut parts = address.iter();
    let (Protocol::Ip4(ip), Protocol::Udp(port), Protocol::QuicV1) =
        (parts.next()?, parts.next()?, parts.next()?)
    else {
        return None;
    };
    parts
        .all(|part| matches!(part, Protocol::P2p(_)))
        .then_some(SocketAddrV4::new(ip, port))
}

fn multiaddr_of(address: SocketAddrV4) -> Multiaddr {
    Multiaddr::empty()
        .with(Protocol::Ip4(*address.ip()))
        .with(Protocol::Udp(address.port()))
        .with(Protocol::QuicV1)
}
