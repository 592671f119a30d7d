//! Peers that speak libp2p and break the item protocol.

use std::convert::Infallible;

use futures::future::BoxFuture;
use futures::{AsyncReadExt as _, AsyncWriteExt as _, FutureExt as _, StreamExt as _};
use libp2p::identity::Keypair;
use libp2p::swarm::handler::{ConnectionEvent, FullyNegotiatedInbound, FullyNegotiatedOutbound};
use libp2p::swarm::{
    Config, ConnectionHandler, ConnectionHandlerEvent, Stream, SubstreamProtocol, Swarm, SwarmEvent,
};

use super::super::limits::{FRAME_BYTES_MAX, NetLimits, PUSH_BYTES_MAX};
use super::super::status::Count;
use super::super::tests::{Node, Over, PATIENCE, config, counted, payload, start, until, wait};
use super::super::{NetEvent, RequestError, transport};
use super::codec::{Kind, encode};
use super::handler::Offer;
use super::*;

/// What a hostile peer does on a substream: write this, then read or do nothing.
#[derive(Debug, Clone)]
struct Script {
    bytes: Vec<u8>,
    reads: bool,
}

impl Script {
    fn run(self, mut stream: Stream) -> BoxFuture<'static, ()> {
        async move {
            // The victim may hang up at any moment, which is what most tests wait for.
            let _gone = stream.write_all(&self.bytes).await;
            let _gone = stream.flush().await;
            let mut sink = [0; 1024];
            while self.reads && matches!(stream.read(&mut sink).await, Ok(1..)) {}
            std::future::pending::<()>().await;
        }
        .boxed()
    }
}

/// A behaviour that follows a script on every substream, ours or the victim's.
struct Hostile {
    script: Script,
    opens: bool,
}

struct HostileHandler {
    script: Script,
    opens: bool,
    running: Vec<BoxFuture<'static, ()>>,
}

fn protocol() -> Offer {
    Offer(Some(StreamProtocol::new("/restante/test/item/1")))
}

impl ConnectionHandler for HostileHandler {
    type FromBehaviour = Infallible;
    type ToBehaviour = Infallible;
    type InboundProtocol = Offer;
    type OutboundProtocol = Offer;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = ();

    fn listen_protocol(&self) -> SubstreamProtocol<Offer> {
        SubstreamProtocol::new(protocol(), ())
    }

    fn connection_keep_alive(&self) -> bool {
        true
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<ConnectionHandlerEvent<Offer, (), Infallible>> {
        if std::mem::take(&mut self.opens) {
            let protocol = SubstreamProtocol::new(protocol(), ());
            return Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest { protocol });
        }
        for script in &mut self.running {
            let _endless = script.poll_unpin(cx);
        }
        Poll::Pending
    }

    fn on_behaviour_event(&mut self, event: Infallible) {
        match event {}
    }

    fn on_connection_event(&mut self, event: ConnectionEvent<'_, Offer, Offer>) {
        match event {
            ConnectionEvent::FullyNegotiatedInbound(FullyNegotiatedInbound {
                protocol, ..
            })
            | ConnectionEvent::FullyNegotiatedOutbound(FullyNegotiatedOutbound {
                protocol, ..
            }) => self.running.push(self.script.clone().run(protocol)),
            _ => {}
        }
    }
}

impl NetworkBehaviour for Hostile {
    type ConnectionHandler = HostileHandler;
    type ToSwarm = Infallible;

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<HostileHandler, ConnectionDenied> {
        let (script, opens) = (self.script.clone(), self.opens);
        Ok(HostileHandler {
            script,
            opens,
            running: Vec::new(),
        })
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<HostileHandler, ConnectionDenied> {
        let (script, opens) = (self.script.clone(), self.opens);
        Ok(HostileHandler {
            script,
            opens,
            running: Vec::new(),
        })
    }

    fn on_swarm_event(&mut self, _: FromSwarm<'_>) {}

    fn on_connection_handler_event(&mut self, _: PeerId, _: ConnectionId, event: Infallible) {
        match event {}
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Infallible, Infallible>> {
        Poll::Pending
    }
}

/// Lets a hostile peer connect to the victim and follow the script.
fn attack(victim: &Node, script: Script, opens: bool) {
    let keypair = Keypair::generate_ed25519();
    let transport = transport::real(&keypair, &NetLimits::personal()).unwrap();
    let swarm_config = Config::with_tokio_executor();
    let peer = keypair.public().to_peer_id();
    let mut swarm = Swarm::new(transport, Hostile { script, opens }, peer, swarm_config);
    swarm.dial(victim.address.clone()).unwrap();
    tokio::spawn(async move {
        while !matches!(
            swarm.select_next_some().await,
            SwarmEvent::ConnectionClosed { .. }
        ) {}
    });
}

async fn disconnected(victim: &mut Node) {
    wait(&mut victim.events, |event| {
        matches!(event, NetEvent::Disconnected(_)).then_some(())
    })
    .await;
}

fn raw(length: u32, kind: u8, id: u64) -> Vec<u8> {
    let mut bytes = length.to_be_bytes().to_vec();
    bytes.push(kind);
    bytes.extend_from_slice(&id.to_be_bytes());
    bytes
}

#[tokio::test]
async fn an_opener_that_breaks_a_rule_is_disconnected_and_counted() {
    let one = encode(Kind::Request, 1, b"a").to_vec();
    let cases = [
        (raw(0, 0, 1), Count::FrameShort),
        (raw(8, 0, 1), Count::FrameShort),
        (raw(FRAME_BYTES_MAX as u32 + 1, 0, 1), Count::FrameLong),
        (raw(u32::MAX, 0, 1), Count::FrameLong),
        (raw(9, 5, 1), Count::FrameKind),
        (raw(9, 0, 0), Count::FrameId),
        (raw(9, 2, 1), Count::FrameId),
        (
            encode(Kind::Response, 1, b"a").to_vec(),
            Count::WrongDirection,
        ),
        (encode(Kind::Push, 0, b"a").to_vec(), Count::WrongDirection),
        ([one.clone(), one].concat(), Count::DuplicateRequest),
        (
            encode(Kind::Question, 1, b"nonsense").to_vec(),
            Count::BadQuestion,
        ),
        (raw(9, 3, 0), Count::FrameId),
    ];
    for over in [Over::Tcp, Over::Quic] {
        let mut victim = start(&config(over)).await;
        for (bytes, count) in cases.clone() {
            let before = counted(&victim.handle, count).await;
            attack(&victim, Script { bytes, reads: true }, true);
            disconnected(&mut victim).await;
            assert_eq!(
                counted(&victim.handle, count).await,
                before + 1,
                "{count:?}"
            );
        }
    }
}

#[tokio::test]
async fn an_acceptor_that_breaks_a_rule_is_disconnected_and_counted() {
    let answer = encode(Kind::Response, 1, b"a").to_vec();
    let cases = [
        (raw(8, 1, 1), Count::FrameShort),
        (raw(u32::MAX, 1, 1), Count::FrameLong),
        (raw(9, 9, 1), Count::FrameKind),
        (
            encode(Kind::Request, 1, b"a").to_vec(),
            Count::WrongDirection,
        ),
        (
            encode(Kind::Response, 3, b"a").to_vec(),
            Count::UnknownResponse,
        ),
        ([answer.clone(), answer].concat(), Count::UnknownResponse),
    ];
    for (bytes, count) in cases {
        let mut victim = start(&config(Over::Quic)).await;
        attack(&victim, Script { bytes, reads: true }, false);
        let peer = wait(&mut victim.events, |event| match event {
            NetEvent::Connected(peer) => Some(peer),
            _ => None,
        })
        .await;
        let two = [
            victim.handle.request(peer, payload(1), PATIENCE),
            victim.handle.request(peer, payload(1), PATIENCE),
        ];
        let results = futures::future::join_all(two).await;
        assert!(
            results.contains(&Err(RequestError::Disconnected)),
            "{count:?}: {results:?}"
        );
        disconnected(&mut victim).await;
        assert_eq!(counted(&victim.handle, count).await, 1, "{count:?}");
    }
}

#[tokio::test]
async fn a_reader_that_does_not_read_is_cut_off_and_the_node_serves_on() {
    let mut victim = start(&config(Over::Quic)).await;
    let bytes = encode(Kind::Request, 1, b"subscribe").to_vec();
    attack(
        &victim,
        Script {
            bytes,
            reads: false,
        },
        true,
    );
    let via = wait(&mut victim.events, |event| match event {
        NetEvent::Request { via, .. } => Some(via),
        _ => None,
    })
    .await;
    // What QUIC takes into its window, the bound of the queue, and one more.
    let window = NetLimits::personal().transport.quic_stream_bytes_max as usize;
    let pushes = (window + PUSH_BYTES_MAX) / 60_000 + 1;
    for _ in 0..pushes {
        victim.handle.push(via, payload(60_000)).await.unwrap();
    }
    wait(&mut victim.events, |event| {
        matches!(event, NetEvent::ViaClosed(closed) if closed == via).then_some(())
    })
    .await;
    assert_eq!(counted(&victim.handle, Count::PushOverflow).await, 1);
    until(|| async { victim.handle.status().await.ok() }).await;
}

/// A behaviour that dials one peer at a time.
fn one_at_a_time() -> Behaviour {
    let protocol = StreamProtocol::new("/restante/test/item/1");
    let counters = (Arc::new(Counters::new()), Arc::default());
    Behaviour::new(protocol, counters, Profile::Local, 1 << 20, 1)
}

fn peer() -> PeerId {
    Keypair::generate_ed25519().public().to_peer_id()
}

type Reply = tokio::sync::oneshot::Receiver<Result<Bytes, RequestError>>;

fn call(behaviour: &mut Behaviour, peer: PeerId) -> Reply {
    let (reply, answer) = tokio::sync::oneshot::channel();
    let call = Call {
        kind: Kind::Request,
        payload: payload(1),
        deadline: Instant::now() + PATIENCE,
        reply,
    };
    behaviour.call(peer, call);
    answer
}

fn established(behaviour: &mut Behaviour, peer: PeerId, id: usize) {
    let id = ConnectionId::new_unchecked(id);
    behaviour.on_established(peer, id, (IpGroup::Other, true));
}

#[tokio::test]
async fn whoever_connects_while_waiting_to_be_dialled_takes_no_place_for_good() {
    let mut behaviour = one_at_a_time();
    let (first, other) = (peer(), peer());
    let _calls = [call(&mut behaviour, first), call(&mut behaviour, other)];
    assert_eq!(behaviour.dial_room(), 0);
    // It dials this node, goes, and is called again before its turn has come.
    established(&mut behaviour, other, 1);
    behaviour.on_closed(other, ConnectionId::new_unchecked(1));
    let _again = call(&mut behaviour, other);
    established(&mut behaviour, first, 2);
    assert!(behaviour.dialling.contains(&other));
    established(&mut behaviour, other, 3);
    assert_eq!(behaviour.dial_room(), 1);
    assert!(behaviour.dialled.is_empty() && behaviour.undialled.is_empty());
}

#[tokio::test]
async fn a_dial_that_is_refused_is_told_apart_from_a_peer_that_is_gone() {
    let refused = |count| DialError::Denied {
        cause: ConnectionDenied::new(Refused(count)),
    };
    let cases = [
        (refused(Count::PerIp), RequestError::NotReachable),
        (refused(Count::EstablishedOut), RequestError::NoRoom),
        (DialError::NoAddresses, RequestError::NotReachable),
    ];
    for (cause, error) in cases {
        let mut behaviour = one_at_a_time();
        let other = peer();
        let answer = call(&mut behaviour, other);
        behaviour.on_dial_failure(other, &cause);
        assert_eq!(answer.await.unwrap(), Err(error), "{cause:?}");
        assert_eq!(behaviour.dial_room(), 1);
    }
    // When others than calls have all places, the call waits for one of their dials to end.
    let mut behaviour = one_at_a_time();
    let (other, elsewhere) = (peer(), peer());
    let mut answer = call(&mut behaviour, other);
    behaviour.on_dial_failure(other, &refused(Count::PendingOut));
    assert!(answer.try_recv().is_err());
    assert!(behaviour.dialling.is_empty());
    behaviour.on_dial_failure(elsewhere, &DialError::NoAddresses);
    assert!(behaviour.dialling.contains(&other));
}

#[tokio::test]
async fn the_connection_that_is_closed_is_idle_and_nobody_holds_it() {
    let mut behaviour = one_at_a_time();
    let peers: Vec<PeerId> = (1..=3).map(|_| peer()).collect();
    for (id, other) in (1..).zip(&peers) {
        established(&mut behaviour, *other, id);
    }
    behaviour.hold(peers[0]);
    let _call = call(&mut behaviour, peers[1]);
    // A report from before the call says nothing.
    let id = ConnectionId::new_unchecked(2);
    behaviour.on_report(peers[1], id, Report::Idle { calls: 0 });
    let third = Some(ConnectionId::new_unchecked(3));
    assert_eq!(behaviour.close_longest_idle(true), third);
    assert_eq!(behaviour.close_longest_idle(true), None);
    behaviour.on_report(peers[1], id, Report::Idle { calls: 1 });
    assert_eq!(behaviour.close_longest_idle(true), Some(id));
}
