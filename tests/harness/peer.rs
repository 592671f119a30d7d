//! A peer inside the test that speaks the item protocol with real nodes.

use std::time::Duration;

use bytes::Bytes;
use libp2p::multiaddr::Protocol;
use restante::net::{
    Keypair, Multiaddr, NetConfig, NetEvent, NetHandle, NetLimits, Network, Profile, RequestError,
    Serve, node_of, transport,
};
use restante_proto::NodeId;
use restante_proto::request::{Request, Response};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc;

use crate::NETWORK;

/// How long a node may take to answer.
const DEADLINE: Duration = Duration::from_secs(20);

/// A peer without a disk; what others ask of it is answered by what the test says.
#[derive(Debug)]
pub struct Peer {
    runtime: Runtime,
    net: NetHandle,
    address: Option<Multiaddr>,
}

impl Peer {
    /// Makes a peer that only asks.
    pub fn asking() -> Self {
        Self::new(Serve::Never, &[], |_| Bytes::new())
    }

    /// Makes a peer that serves, and joins a network through these addresses; it answers each request
    /// with what `answer` makes of it.
    pub fn serving(
        bootstrap: &[Multiaddr],
        answer: impl FnMut(&Bytes) -> Bytes + Send + 'static,
    ) -> Self {
        Self::new(Serve::Auto, bootstrap, answer)
    }

    fn new(
        serve: Serve,
        bootstrap: &[Multiaddr],
        answer: impl FnMut(&Bytes) -> Bytes + Send + 'static,
    ) -> Self {
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let keypair = Keypair::generate_ed25519();
        let listen: Multiaddr = "/ip4/127.0.0.1/udp/0/quic-v1".parse().unwrap();
        let config = NetConfig {
            network: NETWORK.to_owned(),
            listen: vec![listen],
            external: Vec::new(),
            bootstrap: bootstrap.to_vec(),
            known: Vec::new(),
            serve,
            profile: Profile::Local,
            limits: NetLimits::community(),
        };
        let entered = runtime.enter();
        let transport = transport::real(&keypair, &config.limits).unwrap();
        let (net, mut events) = Network::spawn(&config, &keypair, transport).unwrap();
        drop(entered);
        let listening = runtime.block_on(async {
            let search = async {
                loop {
                    if let NetEvent::Listening(address) = events.recv().await? {
                        return Some(address);
                    }
                }
            };
            tokio::time::timeout(DEADLINE, search)
                .await
                .expect("loopback can be listened on")
        });
        let peer = keypair.public().to_peer_id();
        let address = listening.map(|address| address.with(Protocol::P2p(peer)));
        runtime.spawn(respond(net.clone(), events, answer));
        Self {
            runtime,
            net,
            address,
        }
    }

    /// Returns the runtime of this peer.
    pub const fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// Returns the handle to this peer's network.
    pub const fn net(&self) -> &NetHandle {
        &self.net
    }

    /// Returns where this peer listens.
    #[track_caller]
    pub fn address(&self) -> Multiaddr {
        self.address.clone().expect("it listens")
    }

    /// Remembers where a node is, and returns its name.
    #[track_caller]
    pub fn meet(&self, address: &Multiaddr) -> NodeId {
        let node = node_at(address);
        let learnt = self.net.learn(node, vec![address.clone()]);
        self.runtime
            .block_on(learnt)
            .expect("this peer's network runs");
        node
    }

    /// Asks a node and returns its answer.
    #[track_caller]
    pub fn ask(&self, node: NodeId, request: &Request) -> Response {
        self.ask_raw(node, request.encode())
    }

    /// Sends a node any bytes as a request and returns its answer.
    #[track_caller]
    pub fn ask_raw(&self, node: NodeId, payload: Bytes) -> Response {
        let answer = self.try_raw(node, payload).expect("the node answers");
        Response::decode(&answer).expect("a node's answer decodes")
    }

    /// Sends a node any bytes as a request and returns its answer's bytes, or why there is none.
    ///
    /// # Errors
    ///
    /// [`RequestError`].
    pub fn try_raw(&self, node: NodeId, payload: Bytes) -> Result<Bytes, RequestError> {
        self.runtime
            .block_on(self.net.request(node, payload, DEADLINE))
    }
}

/// Returns the name of the node that an address ends with.
#[track_caller]
pub(crate) fn node_at(address: &Multiaddr) -> NodeId {
    match address.iter().last() {
        Some(Protocol::P2p(peer)) => node_of(&peer).expect("nodes have Ed25519 keys"),
        _ => panic!("{address} names no node"),
    }
}

/// Reads events for as long as there are any, and answers requests.
async fn respond(
    net: NetHandle,
    mut events: mpsc::Receiver<NetEvent>,
    mut answer: impl FnMut(&Bytes) -> Bytes,
) {
    while let Some(event) = events.recv().await {
        if let NetEvent::Request { token, payload, .. } = event {
            // A peer that has gone needs no answer.
            let _gone = net.respond(token, answer(&payload)).await;
        }
    }
}
