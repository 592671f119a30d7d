//! Pings on the connections whose transport does not notice that the other end is gone.
//!
//! QUIC sends keep-alives of its own and gives a silent connection up. On TCP neither end says anything until one
//! writes, so that a ping has to. Pinging over both costs every short connection of a lookup two streams more.

use std::task::{Context, Poll};

use either::Either;
use libp2p::core::Endpoint;
use libp2p::core::transport::PortUse;
use libp2p::swarm::{
    ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler, THandlerInEvent,
    THandlerOutEvent, ToSwarm, dummy,
};
use libp2p::{Multiaddr, PeerId, ping};

use super::address::is_tcp;

type PingHandler = THandler<ping::Behaviour>;

/// libp2p's ping, over TCP alone.
pub(super) struct TcpPing(ping::Behaviour);

impl TcpPing {
    pub(super) fn new(config: ping::Config) -> Self {
        Self(ping::Behaviour::new(config))
    }
}

impl NetworkBehaviour for TcpPing {
    type ConnectionHandler = Either<PingHandler, dummy::ConnectionHandler>;
    type ToSwarm = ping::Event;

    fn handle_established_inbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        if !is_tcp(remote) {
            return Ok(Either::Right(dummy::ConnectionHandler));
        }
        let handler = self
            .0
            .handle_established_inbound_connection(id, peer, local, remote)?;
        Ok(Either::Left(handler))
    }

    fn handle_established_outbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        address: &Multiaddr,
        role: Endpoint,
        port: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        if !is_tcp(address) {
            return Ok(Either::Right(dummy::ConnectionHandler));
        }
        let handler = self
            .0
            .handle_established_outbound_connection(id, peer, address, role, port)?;
        Ok(Either::Left(handler))
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        self.0.on_swarm_event(event);
    }

    fn on_connection_handler_event(
        &mut self,
        peer: PeerId,
        connection: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        match event {
            Either::Left(event) => self.0.on_connection_handler_event(peer, connection, event),
            Either::Right(never) => match never {},
        }
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        self.0.poll(cx).map(|event| event.map_in(Either::Left))
    }
}

#[cfg(test)]
mod tests;
