//! All protocols of a node, as one libp2p behaviour.

use std::sync::Arc;

use libp2p::autonat::v2::server;
use libp2p::identity::Keypair;
use libp2p::swarm::NetworkBehaviour;
use libp2p::swarm::behaviour::toggle::Toggle;
use libp2p::{StreamProtocol, identify, ping};
use restante_proto::NodeId;

use super::config::{NetConfig, Serve};
use super::connection_limiter::ConnectionLimiter;
use super::error::SpawnError;
use super::item;
use super::limits::{
    DIALS_RESERVED, IDENTIFY_INTERVAL, NETWORK_NAME_BYTES_MAX, PING_INTERVAL, PING_TIMEOUT,
};
use super::reach::Reach;
use super::routing::Routing;
use super::status::Counters;
use super::tcp_ping::TcpPing;
use super::traffic::Traffic;

/// What every node says about its software: the same everywhere, so that it tells nothing.
const AGENT: &str = "restante";

/// The protocol names of one network.
#[derive(Debug, Clone)]
pub(super) struct Names {
    pub(super) id: String,
    pub(super) item: StreamProtocol,
}

impl Names {
    pub(super) fn new(network: &str) -> Result<Self, SpawnError> {
        let error = || SpawnError::NetworkName(network.into());
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let length = 1..=NETWORK_NAME_BYTES_MAX;
        if !length.contains(&network.len()) || !network.bytes().all(plain) {
            return Err(error());
        }
        let protocol = |name: &str| {
            let name = format!("/restante/{network}/{name}/1");
            StreamProtocol::try_from_owned(name).map_err(|_| error())
        };
        Ok(Self {
            id: format!("/restante/{network}/id/1"),
            item: protocol("item")?,
        })
    }
}

/// Everything a node speaks. The order matters: the connection limiter is asked first, and what identify says of
/// our addresses goes out before the change of mode that makes others look at them.
#[derive(NetworkBehaviour)]
pub(super) struct Behaviour {
    pub(super) limiter: ConnectionLimiter,
    pub(super) identify: identify::Behaviour,
    pub(super) ping: TcpPing,
    pub(super) reach: Toggle<Reach>,
    pub(super) dial_back: Toggle<server::Behaviour>,
    pub(super) routing: Routing,
    pub(super) item: item::Behaviour,
}

impl Behaviour {
    pub(super) fn new(
        config: &NetConfig,
        names: &Names,
        (node, keypair): (NodeId, &Keypair),
        (counters, traffic): (&Arc<Counters>, &Arc<Traffic>),
    ) -> Self {
        let identify = identify::Config::new(names.id.clone(), keypair.public())
            .with_agent_version(AGENT.into())
            .with_interval(IDENTIFY_INTERVAL)
            .with_hide_listen_addrs(true)
            .with_cache_size(0);
        let ping = ping::Config::new()
            .with_interval(PING_INTERVAL)
            .with_timeout(PING_TIMEOUT);
        let reach = (config.serve == Serve::Auto).then(|| Reach::new(config.profile));
        let limits = config.limits;
        Self {
            limiter: ConnectionLimiter::new(
                limits.connections,
                config.profile,
                Arc::clone(counters),
            ),
            identify: identify::Behaviour::new(identify),
            ping: TcpPing::new(ping),
            reach: Toggle::from(reach),
            dial_back: Toggle::from(None),
            routing: Routing::new(&node, config.profile, Arc::clone(counters)),
            item: item::Behaviour::new(
                names.item.clone(),
                (Arc::clone(counters), Arc::clone(traffic)),
                config.profile,
                limits.queued_bytes_max,
                limits.connections.pending_out_max - DIALS_RESERVED,
            ),
        }
    }

    /// Helps others to find out whether they are reachable, or no longer.
    pub(super) fn set_dial_back(&mut self, on: bool) {
        let server = on.then(|| server::Behaviour::new(rand::make_rng::<rand::rngs::StdRng>()));
        self.dial_back = Toggle::from(server);
    }
}
