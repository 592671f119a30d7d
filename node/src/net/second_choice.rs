//! A transport that is dialled a moment later than others.
//!
//! All addresses of a peer are dialled at once, and the first connection is the one that stays. Over TCP it costs more
//! for as long as it lives: a ping and its answer where QUIC sends one packet, and streams that wait for each other.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use libp2p::Multiaddr;
use libp2p::core::transport::{DialOpts, ListenerId, Transport, TransportError, TransportEvent};

/// A transport whose dials begin after a pause, and not at all when another one has connected meanwhile.
pub(super) struct SecondChoice<T> {
    transport: T,
    pause: Duration,
}

impl<T> SecondChoice<T> {
    pub(super) const fn new(transport: T, pause: Duration) -> Self {
        Self { transport, pause }
    }
}

impl<T: Transport + Unpin> Transport for SecondChoice<T>
where
    T::Dial: Send + 'static,
{
    type Output = T::Output;
    type Error = T::Error;
    type ListenerUpgrade = T::ListenerUpgrade;
    type Dial = BoxFuture<'static, Result<T::Output, T::Error>>;

    fn listen_on(
        &mut self,
        id: ListenerId,
        address: Multiaddr,
    ) -> Result<(), TransportError<Self::Error>> {
        self.transport.listen_on(id, address)
    }

    fn remove_listener(&mut self, id: ListenerId) -> bool {
        self.transport.remove_listener(id)
    }

    fn dial(
        &mut self,
        address: Multiaddr,
        opts: DialOpts,
    ) -> Result<Self::Dial, TransportError<Self::Error>> {
        let dial = self.transport.dial(address, opts)?;
        let pause = self.pause;
        let later = async move {
            tokio::time::sleep(pause).await;
            dial.await
        };
        Ok(later.boxed())
    }

    fn poll(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<TransportEvent<Self::ListenerUpgrade, Self::Error>> {
        Pin::new(&mut self.get_mut().transport).poll(cx)
    }
}

#[cfg(test)]
mod tests {
    use futures::StreamExt as _;
    use futures::future::{Either, select};
    use libp2p::core::Endpoint;
    use libp2p::core::transport::{MemoryTransport, PortUse};
    use tokio::time::Instant;

    use super::*;

    const PAUSE: Duration = Duration::from_millis(250);
    const OPTS: DialOpts = DialOpts {
        role: Endpoint::Dialer,
        port_use: PortUse::New,
    };

    #[tokio::test(start_paused = true)]
    async fn it_dials_after_the_pause_and_not_at_all_when_nobody_waits_that_long() {
        let mut listener = MemoryTransport::new().boxed();
        let any = "/memory/0".parse().unwrap();
        listener.listen_on(ListenerId::next(), any).unwrap();
        let address = listener.select_next_some().await.into_new_address();
        let address = address.expect("it listens");
        let mut second = SecondChoice::new(MemoryTransport::new(), PAUSE);

        let dial = second.dial(address.clone(), OPTS).unwrap();
        tokio::time::timeout(PAUSE / 2, dial)
            .await
            .map(|_| ())
            .expect_err("the pause is not over");
        tokio::time::sleep(PAUSE).await;
        assert!(listener.select_next_some().now_or_never().is_none());

        let (began, dial) = (Instant::now(), second.dial(address, OPTS).unwrap());
        let both = select(dial, Box::pin(listener.select_next_some())).await;
        let dialled = match both {
            Either::Left((dialled, _)) => dialled,
            Either::Right((_, dial)) => dial.await,
        };
        dialled.expect("somebody listens there");
        assert!(began.elapsed() >= PAUSE);
    }
}
