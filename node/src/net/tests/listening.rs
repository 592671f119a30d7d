//! Listeners that end, as by an error of their socket: the node listens there again.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use libp2p::core::Transport as _;
use libp2p::core::transport::{DialOpts, ListenerId, TransportError, TransportEvent};

use super::{
    Keypair, Multiaddr, NetEvent, NetLimits, Network, Node, Over, config, connect, until, wait,
};
use crate::net::node_of;
use crate::net::transport::{Transport, real};

/// A transport whose listener ends when that is asked for.
struct Fragile {
    inner: Transport,
    listener: Option<ListenerId>,
    ends: Arc<AtomicBool>,
}

impl libp2p::core::Transport for Fragile {
    type Output = <Transport as libp2p::core::Transport>::Output;
    type Error = io::Error;
    type ListenerUpgrade = <Transport as libp2p::core::Transport>::ListenerUpgrade;
    type Dial = <Transport as libp2p::core::Transport>::Dial;

    fn listen_on(
        &mut self,
        id: ListenerId,
        address: Multiaddr,
    ) -> Result<(), TransportError<io::Error>> {
        self.listener = Some(id);
        self.inner.listen_on(id, address)
    }

    fn remove_listener(&mut self, id: ListenerId) -> bool {
        self.inner.remove_listener(id)
    }

    fn dial(
        &mut self,
        address: Multiaddr,
        opts: DialOpts,
    ) -> Result<Self::Dial, TransportError<io::Error>> {
        self.inner.dial(address, opts)
    }

    fn poll(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<TransportEvent<Self::ListenerUpgrade, io::Error>> {
        if let Some(listener) = self.listener
            && self.ends.swap(false, Ordering::SeqCst)
        {
            self.inner.remove_listener(listener);
        }
        Pin::new(&mut self.inner).poll(cx)
    }
}

async fn listening(events: &mut tokio::sync::mpsc::Receiver<NetEvent>) -> Multiaddr {
    wait(events, |event| match event {
        NetEvent::Listening(address) => Some(address),
        _ => None,
    })
    .await
}

#[tokio::test]
async fn a_listener_that_ends_comes_back() {
    for over in [Over::Tcp, Over::Quic] {
        let keypair = Keypair::generate_ed25519();
        let ends = Arc::new(AtomicBool::new(false));
        let transport = Fragile {
            inner: real(&keypair, &NetLimits::personal()).unwrap(),
            listener: None,
            ends: Arc::clone(&ends),
        };
        let settings = config(over);
        let (handle, mut events) = Network::spawn(&settings, &keypair, transport.boxed()).unwrap();
        listening(&mut events).await;
        ends.store(true, Ordering::SeqCst);
        // Whatever wakes the task has it look at its transport.
        until(|| async {
            handle
                .status()
                .await
                .unwrap()
                .listen
                .is_empty()
                .then_some(())
        })
        .await;
        let address = listening(&mut events).await;
        let peer = keypair.public().to_peer_id();
        let node = Node {
            id: node_of(&peer).unwrap(),
            handle,
            events,
            address: address.with_p2p(peer).unwrap(),
        };
        let mut other = super::start(&settings).await;
        connect(&mut other, &node).await;
    }
}
