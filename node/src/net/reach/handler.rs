//! AutoNAT on one connection: asks the other end to dial an address of this node, or takes its dial back.

use std::collections::VecDeque;
use std::io;
use std::task::{Context, Poll};

use futures::future::BoxFuture;
use futures::{AsyncRead, AsyncWrite, AsyncWriteExt as _, FutureExt as _};
use libp2p::core::upgrade::ReadyUpgrade;
use libp2p::swarm::handler::{
    ConnectionEvent, DialUpgradeError, FullyNegotiatedInbound, FullyNegotiatedOutbound,
    ProtocolsChange,
};
use libp2p::swarm::{
    ConnectionHandler, ConnectionHandlerEvent, Stream, StreamProtocol, SubstreamProtocol,
};
use libp2p::{Multiaddr, swarm};
use tokio::time::{Instant, timeout};

use super::super::limits::{NEGOTIATE_TIMEOUT, TEST_SILENCE_MIN, TEST_TIMEOUT};
use super::message::{
    Body, DataResponse, DialBack, DialBackResponse, DialRequest, DialStatus, Dialogue,
    ResponseStatus, read, write,
};

const DIAL_REQUEST: StreamProtocol = StreamProtocol::new("/libp2p/autonat/2/dial-request");
const DIAL_BACK: StreamProtocol = StreamProtocol::new("/libp2p/autonat/2/dial-back");
/// Bytes that a tester may want first, so that nobody has another node dialled for less than it costs.
const DATA_BYTES_MAX: u64 = 100_000;
/// Bytes of one of these messages.
const DATA_CHUNK_BYTES: usize = 4_096;

/// Asks the other end to dial an address.
#[derive(Debug)]
pub(crate) struct Ask {
    pub(super) nonce: u64,
    pub(super) address: Multiaddr,
}

/// What one connection tells.
#[derive(Debug)]
pub(crate) enum Report {
    /// The other end dials back when asked, or does no longer.
    Helps(bool),
    /// Somebody who was told this nonce has dialled this node.
    DialledBack(u64),
    /// What became of asking.
    Outcome(u64, Outcome),
}

/// What became of asking a node to dial an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It says that it has reached the address; what counts is that it dialled back.
    Reached,
    /// It could not reach the address.
    Unreachable,
    /// It took the request, and gave up without a word: as one does whose dial takes too long.
    Silent,
    /// It did not try.
    Untried,
}

/// AutoNAT on one connection.
pub(crate) struct Handler {
    /// Whether this node opened the connection: what comes back on it proves nothing.
    is_outgoing: bool,
    ask: Option<Ask>,
    opening: Option<Ask>,
    asked: Option<BoxFuture<'static, Report>>,
    dialled_back: Option<BoxFuture<'static, io::Result<(u64, Stream)>>>,
    answered: Option<BoxFuture<'static, ()>>,
    reports: VecDeque<Report>,
}

impl Handler {
    pub(super) const fn new(is_outgoing: bool) -> Self {
        Self {
            is_outgoing,
            ask: None,
            opening: None,
            asked: None,
            dialled_back: None,
            answered: None,
            reports: VecDeque::new(),
        }
    }

    fn on_protocols(&mut self, change: &ProtocolsChange<'_>) {
        let has = |mut protocols: swarm::handler::ProtocolsAdded<'_>| {
            protocols.any(|protocol| *protocol == DIAL_REQUEST)
        };
        match change {
            ProtocolsChange::Added(added) if has(added.clone()) => {
                self.reports.push_back(Report::Helps(true));
            }
            ProtocolsChange::Removed(removed)
                if removed.clone().any(|protocol| *protocol == DIAL_REQUEST) =>
            {
                self.reports.push_back(Report::Helps(false));
            }
            _ => {}
        }
    }
}

impl ConnectionHandler for Handler {
    type FromBehaviour = Ask;
    type ToBehaviour = Report;
    type InboundProtocol = ReadyUpgrade<StreamProtocol>;
    type OutboundProtocol = ReadyUpgrade<StreamProtocol>;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = ();

    fn listen_protocol(&self) -> SubstreamProtocol<Self::InboundProtocol> {
        SubstreamProtocol::new(ReadyUpgrade::new(DIAL_BACK), ()).with_timeout(NEGOTIATE_TIMEOUT)
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<ConnectionHandlerEvent<Self::OutboundProtocol, (), Report>> {
        if let Some(report) = self.reports.pop_front() {
            return Poll::Ready(ConnectionHandlerEvent::NotifyBehaviour(report));
        }
        if let Some(ask) = self.ask.take() {
            self.opening = Some(ask);
            let protocol = SubstreamProtocol::new(ReadyUpgrade::new(DIAL_REQUEST), ())
                .with_timeout(NEGOTIATE_TIMEOUT);
            return Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest { protocol });
        }
        if let Some(Poll::Ready(report)) = self.asked.as_mut().map(|asked| asked.poll_unpin(cx)) {
            self.asked = None;
            return Poll::Ready(ConnectionHandlerEvent::NotifyBehaviour(report));
        }
        let dialled_back = self.dialled_back.as_mut();
        if let Some(Poll::Ready(read)) = dialled_back.map(|reading| reading.poll_unpin(cx)) {
            self.dialled_back = None;
            if let Ok((nonce, stream)) = read {
                self.answered = Some(answer(stream).boxed());
                let report = Report::DialledBack(nonce);
                return Poll::Ready(ConnectionHandlerEvent::NotifyBehaviour(report));
            }
        }
        if let Some(Poll::Ready(())) = self.answered.as_mut().map(|answer| answer.poll_unpin(cx)) {
            self.answered = None;
        }
        Poll::Pending
    }

    fn on_behaviour_event(&mut self, ask: Ask) {
        self.ask = Some(ask);
    }

    fn on_connection_event(
        &mut self,
        event: ConnectionEvent<'_, Self::InboundProtocol, Self::OutboundProtocol>,
    ) {
        match event {
            // One at a time, which is the last.
            ConnectionEvent::FullyNegotiatedInbound(FullyNegotiatedInbound {
                protocol, ..
            }) if !self.is_outgoing => {
                self.dialled_back = Some(take(protocol).boxed());
            }
            ConnectionEvent::FullyNegotiatedOutbound(FullyNegotiatedOutbound {
                protocol, ..
            }) => {
                if let Some(ask) = self.opening.take() {
                    self.asked = Some(converse(protocol, ask).boxed());
                }
            }
            ConnectionEvent::DialUpgradeError(DialUpgradeError { .. }) => {
                if let Some(ask) = self.opening.take() {
                    let report = Report::Outcome(ask.nonce, Outcome::Untried);
                    self.reports.push_back(report);
                }
            }
            ConnectionEvent::RemoteProtocolsChange(change) => self.on_protocols(&change),
            _ => {}
        }
    }
}

/// Reads the nonce of somebody who dials back.
async fn take(mut stream: Stream) -> io::Result<(u64, Stream)> {
    let DialBack { nonce } = timeout(NEGOTIATE_TIMEOUT, read(&mut stream)).await??;
    Ok((nonce, stream))
}

/// Tells somebody who dialled back that it has arrived.
async fn answer(mut stream: Stream) {
    let said = async {
        write(&mut stream, &DialBackResponse { status: 0 }).await?;
        stream.close().await
    };
    // Who does not wait for it needs it no more.
    let _unsaid = timeout(NEGOTIATE_TIMEOUT, said).await;
}

/// Asks the other end to dial an address, and waits for what it says.
async fn converse(mut stream: impl AsyncRead + AsyncWrite + Unpin, ask: Ask) -> Report {
    let Ask { nonce, address } = ask;
    let began = Instant::now();
    let mut is_taken = false;
    let said = timeout(
        TEST_TIMEOUT,
        request(&mut stream, nonce, &address, &mut is_taken),
    );
    let outcome = match said.await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(_)) | Err(_) if is_taken && began.elapsed() >= TEST_SILENCE_MIN => Outcome::Silent,
        Ok(Err(_)) | Err(_) => Outcome::Untried,
    };
    Report::Outcome(nonce, outcome)
}

async fn request(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    nonce: u64,
    address: &Multiaddr,
    is_taken: &mut bool,
) -> io::Result<Outcome> {
    let wrong = || io::Error::new(io::ErrorKind::InvalidData, "not what was asked");
    let say = |body| Dialogue { body: Some(body) };
    let asked = DialRequest {
        addresses: vec![address.to_vec()],
        nonce,
    };
    write(stream, &say(Body::DialRequest(asked))).await?;
    *is_taken = true;
    let mut said: Dialogue = read(stream).await?;
    if let Some(Body::DataRequest(wanted)) = &said.body {
        if wanted.address_index != 0 || wanted.bytes > DATA_BYTES_MAX {
            return Err(wrong());
        }
        let mut left = usize::try_from(wanted.bytes).map_err(|_| wrong())?;
        while left > 0 {
            let count = left.min(DATA_CHUNK_BYTES);
            let data = vec![0; count];
            write(stream, &say(Body::DataResponse(DataResponse { data }))).await?;
            left -= count;
        }
        said = read(stream).await?;
    }
    let Some(Body::DialResponse(answer)) = said.body else {
        return Err(wrong());
    };
    Ok(match (answer.status(), answer.dial_status()) {
        (ResponseStatus::Ok, DialStatus::Ok) => Outcome::Reached,
        (ResponseStatus::Ok, DialStatus::DialError | DialStatus::DialBackError) => {
            Outcome::Unreachable
        }
        _ => Outcome::Untried,
    })
}
