//! What the item protocol does on one connection: one substream in each direction.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use libp2p::StreamProtocol;
use libp2p::core::upgrade::{InboundUpgrade, OutboundUpgrade, UpgradeInfo};
use libp2p::swarm::handler::{
    ConnectionEvent, DialUpgradeError, FullyNegotiatedInbound, FullyNegotiatedOutbound,
};
use libp2p::swarm::{
    ConnectionHandler, ConnectionHandlerEvent, Stream, StreamUpgradeError, SubstreamProtocol,
};
use tokio::time::Instant;

use super::super::command::Call;
use super::super::error::RequestError;
use super::super::limits::{NEGOTIATE_TIMEOUT, OUTBOUND_UNUSED_MAX};
use super::super::status::Counters;
use super::super::traffic::Traffic;
use super::codec::Kind;
use super::inbound::Inbound;
use super::link::{Alarm, Budget, End, Link};
use super::meter::Meter;
use super::outbound::{Outbound, Outcome};
use super::patience::Patience;

/// What all connections share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) protocol: StreamProtocol,
    pub(crate) counters: Arc<Counters>,
    pub(crate) traffic: Arc<Traffic>,
    /// For what is written because others asked.
    pub(crate) budget: Arc<Budget>,
    /// For our own requests, whose number is bounded where they enter.
    pub(crate) unbounded: Arc<Budget>,
}

/// What the behaviour tells one connection.
#[derive(Debug)]
pub(crate) enum Order {
    Call(Call),
    /// Answer a request of the inbound substream with this serial number.
    Respond {
        serial: u64,
        id: u64,
        payload: Bytes,
    },
    /// Push on the inbound substream with this serial number.
    Push {
        serial: u64,
        payload: Bytes,
    },
    /// Close the inbound substream with this serial number.
    CloseInbound {
        serial: u64,
    },
    CloseOutbound,
    /// Keep the connection while the inbound substream with this serial number is open, or not.
    Keep {
        serial: u64,
        kept: bool,
    },
    /// Keep the connection although nothing is asked, or not.
    Hold(bool),
    /// Offer the protocol to the peer, or not.
    Serve(bool),
}

/// What one connection tells the behaviour.
#[derive(Debug)]
pub(crate) enum Report {
    Request {
        kind: Kind,
        serial: u64,
        id: u64,
        payload: Bytes,
    },
    Push {
        payload: Bytes,
    },
    InboundClosed {
        serial: u64,
    },
    OutboundClosed,
    /// The connection has work.
    Busy,
    /// The connection has no work, after so many calls.
    Idle {
        calls: u64,
    },
    /// The peer broke the protocol: the connection is to be closed.
    Violation,
}

/// Agrees on the item protocol, or on nothing.
#[derive(Debug)]
pub(crate) struct Offer(pub(super) Option<StreamProtocol>);

impl UpgradeInfo for Offer {
    type Info = StreamProtocol;
    type InfoIter = std::option::IntoIter<StreamProtocol>;

    fn protocol_info(&self) -> Self::InfoIter {
        self.0.clone().into_iter()
    }
}

impl InboundUpgrade<Stream> for Offer {
    type Output = Stream;
    type Error = Infallible;
    type Future = Ready<Result<Stream, Infallible>>;

    fn upgrade_inbound(self, stream: Stream, _: StreamProtocol) -> Self::Future {
        ready(Ok(stream))
    }
}

impl OutboundUpgrade<Stream> for Offer {
    type Output = Stream;
    type Error = Infallible;
    type Future = Ready<Result<Stream, Infallible>>;

    fn upgrade_outbound(self, stream: Stream, _: StreamProtocol) -> Self::Future {
        ready(Ok(stream))
    }
}

/// The item protocol on one connection.
#[derive(Debug)]
pub(crate) struct Handler {
    shared: Arc<Shared>,
    serving: bool,
    held: bool,
    inbound: Option<Inbound<Stream>>,
    inbound_count: u64,
    patience: Patience,
    outbound: Outbound<Stream>,
    reports: VecDeque<Report>,
    /// Whether it was last reported to have work.
    busy: bool,
    /// Calls that were taken, now and at the last report.
    calls: u64,
    calls_reported: u64,
    /// Runs while the outbound substream is of no use.
    unused: Alarm,
}

impl Handler {
    pub(crate) fn new(shared: Arc<Shared>, serving: bool, held: bool) -> Self {
        Self {
            shared,
            serving,
            held,
            inbound: None,
            inbound_count: 0,
            patience: Patience::new(Instant::now()),
            outbound: Outbound::new(),
            reports: VecDeque::new(),
            busy: false,
            calls: 0,
            calls_reported: 0,
            unused: Alarm::default(),
        }
    }

    /// Replaces the inbound substream: a peer has one at a time, and a new one means that it gave
    /// up the old.
    fn accept(&mut self, mut stream: Stream) {
        stream.ignore_for_keep_alive();
        self.drop_inbound();
        self.inbound_count += 1;
        let link = self.link(stream, &self.shared.budget);
        self.inbound = Some(Inbound::new(link, self.inbound_count));
    }

    fn link(&self, stream: Stream, budget: &Arc<Budget>) -> Link<Stream> {
        let meter = Meter::new(Arc::clone(&self.shared.traffic));
        Link::new(stream, Arc::clone(budget), meter)
    }

    fn drop_inbound(&mut self) {
        if let Some(inbound) = self.inbound.take() {
            self.reports.push_back(Report::InboundClosed {
                serial: inbound.serial(),
            });
        }
    }

    fn opened(&mut self, mut stream: Stream) {
        stream.ignore_for_keep_alive();
        let link = self.link(stream, &self.shared.unbounded);
        self.outbound.opened(link);
    }

    fn open_failed(&mut self, error: &StreamUpgradeError<Infallible>) {
        let error = match error {
            StreamUpgradeError::NegotiationFailed => RequestError::Unsupported,
            StreamUpgradeError::Timeout
            | StreamUpgradeError::Io(_)
            | StreamUpgradeError::Apply(_) => RequestError::Disconnected,
        };
        self.outbound.fail(error);
    }

    /// Runs `act` on the inbound substream if it is still the one meant, and ends it on failure.
    fn with_inbound(
        &mut self,
        serial: u64,
        act: impl FnOnce(&mut Inbound<Stream>) -> Result<(), End>,
    ) {
        let Some(inbound) = self
            .inbound
            .as_mut()
            .filter(|inbound| inbound.serial() == serial)
        else {
            return;
        };
        if let Err(end) = act(inbound) {
            self.end_inbound(end);
        }
    }

    fn end_inbound(&mut self, end: End) {
        self.count(end);
        self.drop_inbound();
    }

    /// Counts why a substream ended; a broken protocol ends the connection too.
    fn count(&mut self, end: End) {
        if let Some(count) = end {
            self.shared.counters.add(count);
            if count.is_protocol_violation() {
                self.reports.push_back(Report::Violation);
            }
        }
    }

    /// Tells whether the connection has work, or is held.
    fn is_busy(&self) -> bool {
        self.held || self.outbound.is_busy() || self.inbound.as_ref().is_some_and(Inbound::is_busy)
    }

    /// Tells whether the outbound substream has been of no use for a while: the peer keeps the connection for it.
    fn is_unused(&mut self, cx: &mut Context<'_>) -> bool {
        if self.held || self.outbound.is_busy() || !self.outbound.is_open() {
            self.unused.clear();
            return false;
        }
        self.unused.fires(OUTBOUND_UNUSED_MAX, cx)
    }

    fn poll_inbound(&mut self, cx: &mut Context<'_>) -> Poll<Report> {
        let Some(inbound) = &mut self.inbound else {
            return Poll::Pending;
        };
        let serial = inbound.serial();
        match inbound.poll(cx, &mut self.patience) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Ok(frame)) => Poll::Ready(Report::Request {
                kind: frame.kind,
                serial,
                id: frame.id,
                payload: frame.payload,
            }),
            Poll::Ready(Err(end)) => {
                self.count(end);
                self.inbound = None;
                Poll::Ready(Report::InboundClosed { serial })
            }
        }
    }
}

impl ConnectionHandler for Handler {
    type FromBehaviour = Order;
    type ToBehaviour = Report;
    type InboundProtocol = Offer;
    type OutboundProtocol = Offer;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = ();

    fn listen_protocol(&self) -> SubstreamProtocol<Offer> {
        let offer = Offer(self.serving.then(|| self.shared.protocol.clone()));
        SubstreamProtocol::new(offer, ()).with_timeout(NEGOTIATE_TIMEOUT)
    }

    /// Leaves it to whoever opened a substream here to end the connection: it may want it for what is to come.
    fn connection_keep_alive(&self) -> bool {
        self.is_busy() || self.inbound.is_some()
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ConnectionHandlerEvent<Offer, (), Report>> {
        if let Some(report) = self.reports.pop_front() {
            return Poll::Ready(ConnectionHandlerEvent::NotifyBehaviour(report));
        }
        let report = match self.outbound.poll(cx) {
            Poll::Ready(Outcome::Open) => {
                let offer = Offer(Some(self.shared.protocol.clone()));
                let protocol = SubstreamProtocol::new(offer, ()).with_timeout(NEGOTIATE_TIMEOUT);
                return Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest { protocol });
            }
            Poll::Ready(Outcome::Push(payload)) => Poll::Ready(Report::Push { payload }),
            Poll::Ready(Outcome::Ended(end)) => {
                self.count(end);
                Poll::Ready(Report::OutboundClosed)
            }
            Poll::Pending if self.is_unused(cx) => {
                self.outbound.fail(RequestError::Disconnected);
                Poll::Ready(Report::OutboundClosed)
            }
            Poll::Pending => self.poll_inbound(cx),
        };
        let busy = self.is_busy();
        if report.is_pending() && (busy != self.busy || self.calls != self.calls_reported) {
            (self.busy, self.calls_reported) = (busy, self.calls);
            let report = if busy {
                Report::Busy
            } else {
                Report::Idle { calls: self.calls }
            };
            return Poll::Ready(ConnectionHandlerEvent::NotifyBehaviour(report));
        }
        report.map(ConnectionHandlerEvent::NotifyBehaviour)
    }

    fn on_behaviour_event(&mut self, order: Order) {
        match order {
            Order::Call(call) => {
                self.calls += 1;
                self.outbound.call(call);
            }
            Order::Respond {
                serial,
                id,
                payload,
            } => {
                self.with_inbound(serial, |inbound| inbound.respond(id, &payload));
            }
            Order::Push { serial, payload } => {
                self.with_inbound(serial, |inbound| inbound.push(&payload));
            }
            Order::CloseInbound { serial } => self.with_inbound(serial, |_| Err(None)),
            Order::CloseOutbound if self.outbound.is_open() => {
                self.outbound.fail(RequestError::Disconnected);
                self.reports.push_back(Report::OutboundClosed);
            }
            Order::CloseOutbound => {}
            Order::Keep { serial, kept } => self.with_inbound(serial, |inbound| {
                inbound.keep(kept);
                Ok(())
            }),
            Order::Hold(held) => self.held = held,
            Order::Serve(serving) => self.serving = serving,
        }
    }

    fn on_connection_event(&mut self, event: ConnectionEvent<'_, Offer, Offer>) {
        match event {
            ConnectionEvent::FullyNegotiatedInbound(FullyNegotiatedInbound {
                protocol, ..
            }) => self.accept(protocol),
            ConnectionEvent::FullyNegotiatedOutbound(FullyNegotiatedOutbound {
                protocol, ..
            }) => self.opened(protocol),
            ConnectionEvent::DialUpgradeError(DialUpgradeError { error, .. }) => {
                self.open_failed(&error);
            }
            _ => {}
        }
    }
}
