use std::convert::Infallible;
use std::future::poll_fn;
use std::time::Duration;

use futures::FutureExt as _;
use futures::io::Cursor;
use tokio::time::timeout;

use super::*;

/// A connection whose peer opens streams as fast as they are taken.
struct Eager;

impl StreamMuxer for Eager {
    type Substream = Cursor<Vec<u8>>;
    type Error = Infallible;

    fn poll_inbound(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Result<Self::Substream, Infallible>> {
        Poll::Ready(Ok(Cursor::default()))
    }

    fn poll_outbound(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Result<Self::Substream, Infallible>> {
        Poll::Ready(Ok(Cursor::default()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn poll(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Result<StreamMuxerEvent, Infallible>> {
        Poll::Pending
    }
}

#[tokio::test(start_paused = true)]
async fn streams_of_the_peer_are_taken_at_their_pace_and_own_ones_at_once() {
    let mut paced = Paced::new(Eager);
    for _ in 0..STREAMS_AT_ONCE {
        let stream = poll_fn(|cx| Pin::new(&mut paced).poll_inbound(cx));
        assert!(stream.now_or_never().is_some());
    }
    let start = Instant::now();
    let mut taken = 0;
    let whole = Duration::from_secs(10);
    while timeout(
        (start + whole).saturating_duration_since(Instant::now()),
        poll_fn(|cx| Pin::new(&mut paced).poll_inbound(cx)),
    )
    .await
    .is_ok()
    {
        taken += 1;
    }
    let due = 10 * STREAMS_PER_SECOND;
    assert!((due - 1..=due).contains(&taken), "{taken}");
    for _ in 0..100 {
        let stream = poll_fn(|cx| Pin::new(&mut paced).poll_outbound(cx));
        assert!(stream.now_or_never().is_some());
    }
}
