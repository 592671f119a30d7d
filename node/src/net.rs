//! The network layer: libp2p under one task, and a handle for everybody else.
//!
//! One task owns the swarm and waits for nobody but the swarm and its queue of commands. Nodes find
//! each other as in Kademlia, with questions that a node's routing table answers and no records
//! (SPEC 9.4). These, and what nodes say to each other about items, go over the item protocol,
//! `/restante/<network>/item/1`, described here.
//!
//! # Layout
//!
//! On each connection each side may open one substream, which stays open as long as it is needed; a
//! second one replaces the first. The opener sends requests and questions, any number of them before
//! the first answer; the acceptor sends the responses, in any order, and pushes, which answer
//! nothing. Both directions are a sequence of frames:
//!
//! | offset | bytes | field                                                               |
//! |--------|-------|---------------------------------------------------------------------|
//! | 0      | 4     | length of the rest of the frame, big-endian: 9 to 73,728            |
//! | 4      | 1     | kind: 0 request, 1 response, 2 push, 3 question for nodes           |
//! | 5      | 8     | request id, big-endian: not 0, the same in a request and its        |
//! |        |       | response; 0 in a push                                               |
//! | 13     | n     | payload: length - 9 bytes, 0 to 73,719                              |
//!
//! The opener chooses ids; none may be used again before its response came. An acceptor that has
//! 64 requests without a written response stops reading. A response that comes after the opener
//! stopped waiting is dropped.
//!
//! Broken rules close the connection: a length outside its range, an unknown kind, an id of 0 in a
//! request, question or response or another in a push, a question that does not decode, a response to
//! no request, a request whose id is in use, a response or push from the opener, a request or question
//! from the acceptor, a frame not complete 30 s after its first byte. A reader that takes nothing for
//! 30 s, or lets pushes pile up beyond 1 MiB, loses the substream.

mod address;
mod behaviour;
mod boxed;
mod bucket;
mod config;
mod event;
mod fault;
mod gate;
mod handle;
mod item;
pub mod limits;
mod paced;
mod peer;
mod reach;
#[cfg(target_os = "linux")]
mod receive_buffers;
mod routing;
mod status;
mod task;
mod tcp_ping;
pub mod transport;

use std::sync::Arc;

use libp2p::core::transport::ListenerId;
use libp2p::core::upgrade::Version;
use libp2p::swarm::{self, Swarm};
use tokio::sync::mpsc;

pub use address::IpGroup;
pub use config::{NetConfig, Serve};
pub use event::{ConnToken, InboundToken, NetEvent};
pub use fault::{NetFault, RequestFault, SpawnFault};
pub use handle::{Heard, NetHandle, Search};
pub use libp2p::Multiaddr;
pub use libp2p::identity::Keypair;
pub use limits::NetLimits;
pub use peer::{node_of, peer_of};
pub use restante_proto::routing::{Distance, distance};
pub use status::{Count, Mode, NetStatus};

use behaviour::{Behaviour, Names};
use boxed::Boxed;
use limits::{COMMANDS_MAX, EVENTS_MAX};
use status::Counters;
use task::{Parts, Task};
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
    /// [`SpawnFault`] when the configuration is unusable or an address cannot be listened on.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn spawn(
        config: &NetConfig,
        keypair: &Keypair,
        transport: Transport,
    ) -> Result<(NetHandle, mpsc::Receiver<NetEvent>), SpawnFault> {
        let names = Names::new(&config.network)?;
        let local_peer = keypair.public().to_peer_id();
        let node = node_of(&local_peer).ok_or(SpawnFault::KeyKind)?;
        for external in &config.external {
            if !address::is_dialable(external, config.local) {
                return Err(SpawnFault::External(external.clone()));
            }
        }
        let counters = Arc::new(Counters::new());
        let behaviour = Behaviour::new(config, &names, (node, keypair), &counters);
        let limits = &config.limits;
        let swarm_config = swarm::Config::with_executor(|part_of_swarm| {
            tokio::spawn(part(part_of_swarm));
        })
            .with_idle_connection_timeout(limits.idle_timeout)
            // A request goes out along with the name of its protocol: one round trip less for each new substream.
            .with_substream_upgrade_protocol_override(Version::V1Lazy)
            .with_max_negotiating_inbound_streams(limits.transport.negotiating_max);
        let mut swarm = Swarm::new(transport, Boxed(behaviour), local_peer, swarm_config);
        for address in &config.listen {
            let _listener: ListenerId =
                swarm
                    .listen_on(address.clone())
                    .map_err(|source| SpawnFault::Listen {
                        address: address.clone(),
                        source: Box::new(source),
                    })?;
        }
        let (commands, commands_end) = mpsc::channel(COMMANDS_MAX);
        let (events, events_end) = mpsc::channel(EVENTS_MAX);
        let parts = Parts {
            node,
            names,
            swarm,
            commands: commands_end,
            events,
            counters,
        };
        tokio::spawn(part(Task::new(config, parts).run()));
        Ok((NetHandle::new(commands), events_end))
    }
}

#[cfg(test)]
mod tests;
