//! The network layer: libp2p under one task, and a handle for everybody else.
//!
//! One task owns the swarm and waits for nothing but the swarm and its queue of commands. Nodes find each other as in
//! Kademlia, with questions that a node's routing table answers and no records (SPEC 9.4). These, and what nodes say to
//! each other about items, travel in the frames of the item protocol (SPEC 9.5).

mod address;
mod behaviour;
mod boxed;
mod bucket;
mod command;
mod config;
mod connection_limiter;
mod error;
mod event;
mod handle;
mod item;
pub mod limits;
mod listen;
mod paced;
mod peer;
mod reach;
#[cfg(target_os = "linux")]
mod receive_buffers;
mod routing;
mod second_choice;
mod status;
mod task;
mod tcp_ping;
mod traffic;
pub mod transport;

use std::sync::Arc;

use libp2p::swarm::{self, Swarm};
use tokio::sync::mpsc;

pub use address::{IpGroup, ip_of, is_dialable, is_listenable, is_loopback, is_tcp};
pub use command::{Call, Command, Reply};
pub use config::{NetConfig, Profile, Serve};
pub use error::{NetError, RequestError, SpawnError};
pub use event::{ConnToken, InboundToken, NetEvent};
pub use handle::{Heard, NetHandle, Search};
pub use item::{Kind, Via};
pub use libp2p::Multiaddr;
pub use libp2p::identity::Keypair;
pub use limits::NetLimits;
pub use listen::{check_free, outward_ips};
pub use peer::{node_of, peer_of};
pub use restante_proto::routing::{Distance, distance};
pub use status::{AddressState, Claim, Count, EntryFailure, EntryState, Mode, NetStatus};
pub use traffic::{Bytes as TrafficBytes, Cause};

use behaviour::{Behaviour, Names};
use boxed::Boxed;
use limits::{COMMANDS_MAX, EVENTS_MAX};
use status::Counters;
use task::{Parts, Task};
use traffic::{Traffic, counted};
use transport::Transport;

use crate::parts::part;

/// The network layer, before it is started.
#[derive(Debug)]
pub struct Network;

impl Network {
    /// Starts the network task on the current tokio runtime.
    ///
    /// The transport must authenticate `keypair`'s peer: [`transport::real`] in production, one of
    /// the simulator's in virtual time.
    ///
    /// # Errors
    ///
    /// [`SpawnError`] when the configuration is unusable or an address cannot be listened on.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn spawn(
        config: &NetConfig,
        keypair: &Keypair,
        transport: Transport,
    ) -> Result<(NetHandle, mpsc::Receiver<NetEvent>), SpawnError> {
        let names = Names::new(&config.network)?;
        let local_peer = keypair.public().to_peer_id();
        let node = node_of(&local_peer).ok_or(SpawnError::KeyKind)?;
        for external in &config.external {
            if !is_dialable(external, config.profile) {
                return Err(SpawnError::External(external.clone()));
            }
        }
        let counters = Arc::new(Counters::new());
        let traffic = Arc::<Traffic>::default();
        let behaviour = Behaviour::new(config, &names, (node, keypair), (&counters, &traffic));
        let transport = counted(transport, &traffic);
        let limits = &config.limits;
        let swarm_config = swarm::Config::with_executor(|part_of_swarm| {
            tokio::spawn(part(part_of_swarm));
        })
        .with_idle_connection_timeout(limits.idle_timeout)
        // Protocols are not agreed on lazily, to save a round trip: what only speaks, as an identify push does, lets go
        // of the stream at once, and over QUIC that can end it before the other end has read anything.
        .with_max_negotiating_inbound_streams(limits.transport.negotiating_max);
        let mut swarm = Swarm::new(transport, Boxed(behaviour), local_peer, swarm_config);
        let listeners = listen::listen(&mut swarm, &config.listen)?;
        let (commands, commands_end) = mpsc::channel(COMMANDS_MAX);
        let (events, events_end) = mpsc::channel(EVENTS_MAX);
        let parts = Parts {
            node,
            names,
            swarm,
            listeners,
            commands: commands_end,
            events,
            counters,
            traffic,
        };
        tokio::spawn(part(Task::new(config, parts).run()));
        Ok((NetHandle::new(commands), events_end))
    }
}

#[cfg(test)]
mod tests;
