use std::future::poll_fn;
use std::io;

use super::super::super::limits::FRAME_BYTES_MAX;
use super::super::codec::{Kind, encode};
use super::*;

/// A substream whose peer sent some bytes and takes some.
#[derive(Debug, Default)]
pub(crate) struct Peer {
    pub(crate) sent: VecDeque<u8>,
    pub(crate) takes: usize,
    pub(crate) taken: Vec<u8>,
}

impl AsyncRead for Peer {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let count = buffer.len().min(self.sent.len());
        if count == 0 {
            return Poll::Pending;
        }
        for (byte, sent) in buffer.iter_mut().zip(self.sent.drain(..count)) {
            *byte = sent;
        }
        Poll::Ready(Ok(count))
    }
}

impl AsyncWrite for Peer {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let count = bytes.len().min(self.takes);
        if count == 0 {
            return Poll::Pending;
        }
        self.takes -= count;
        self.taken.extend_from_slice(&bytes[..count]);
        Poll::Ready(Ok(count))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl Link<Peer> {
    /// Returns the other end.
    pub(crate) fn peer(&mut self) -> &mut Peer {
        &mut self.stream
    }
}

fn link(peer: Peer, budget: &Arc<Budget>) -> Link<Peer> {
    Link::new(peer, Arc::clone(budget), Meter::default())
}

#[tokio::test(start_paused = true)]
async fn a_frame_that_does_not_end_is_given_up_after_its_time() {
    let budget = Arc::new(Budget::new(1000));
    let mut sent: VecDeque<u8> = encode(Kind::Request, 1, b"whole").to_vec().into();
    sent.extend([0]);
    let mut link = link(
        Peer {
            sent,
            ..Peer::default()
        },
        &budget,
    );
    let frame = poll_fn(|cx| link.poll_read(cx, None)).await.unwrap();
    assert_eq!(&frame.payload[..], b"whole");
    let began = Instant::now();
    let end = poll_fn(|cx| link.poll_read(cx, None)).await;
    assert_eq!(end, Err(Some(Count::SlowFrame)));
    assert!(began.elapsed() >= FRAME_TIMEOUT);
}

#[tokio::test(start_paused = true)]
async fn a_link_without_a_begun_frame_waits_for_ever() {
    let budget = Arc::new(Budget::new(1000));
    let mut link = link(Peer::default(), &budget);
    let read = poll_fn(|cx| link.poll_read(cx, None));
    assert!(
        tokio::time::timeout(Duration::from_secs(86_400), read)
            .await
            .is_err()
    );
}

#[tokio::test(start_paused = true)]
async fn time_in_which_nothing_is_read_does_not_count() {
    let budget = Arc::new(Budget::new(1000));
    let mut link = link(
        Peer {
            sent: [0].into(),
            ..Peer::default()
        },
        &budget,
    );
    for _ in 0..3 {
        let read = poll_fn(|cx| link.poll_read(cx, None));
        assert!(tokio::time::timeout(FRAME_TIMEOUT / 2, read).await.is_err());
        link.pause();
        tokio::time::sleep(FRAME_TIMEOUT).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_takes_nothing_is_given_up_and_its_bytes_are_freed() {
    let budget = Arc::new(Budget::new(FRAME_BYTES_MAX));
    let mut link = link(
        Peer {
            takes: 5,
            ..Peer::default()
        },
        &budget,
    );
    assert!(link.queue(Kind::Push, 0, &[1; 1000]));
    let began = Instant::now();
    let end = poll_fn(|cx| match link.poll_write(cx) {
        Ok(()) => Poll::Pending::<()>,
        Err(end) => {
            assert_eq!(end, Some(Count::SlowReader));
            Poll::Ready(())
        }
    });
    end.await;
    assert!(began.elapsed() >= WRITE_TIMEOUT);
    assert_eq!((budget.used(), link.queued_bytes()), (1008, 1008));
    drop(link);
    assert_eq!(budget.used(), 0);
}

#[tokio::test]
async fn the_budget_is_shared_and_given_back() {
    let budget = Arc::new(Budget::new(100));
    let mut one = link(Peer::default(), &budget);
    let mut two = link(
        Peer {
            takes: 1000,
            ..Peer::default()
        },
        &budget,
    );
    assert!(one.queue(Kind::Push, 0, &[0; 37]));
    assert!(two.queue(Kind::Push, 0, &[0; 37]));
    assert!(!two.queue(Kind::Push, 0, b""));
    assert_eq!(budget.used(), 100);
    poll_fn(|cx| Poll::Ready(two.poll_write(cx))).await.unwrap();
    assert_eq!(budget.used(), 50);
    assert!(two.queue(Kind::Push, 0, b""));
}

#[tokio::test]
async fn small_frames_are_joined_and_arrive_in_order() {
    let budget = Arc::new(Budget::new(usize::MAX));
    let mut link = link(
        Peer {
            takes: usize::MAX,
            ..Peer::default()
        },
        &budget,
    );
    let mut expected = Vec::new();
    for (id, length) in (1..).zip([10, 0, 20_000, 5, WRITE_JOIN_BYTES, 1, 1]) {
        let payload = vec![id as u8; length];
        expected.extend_from_slice(&encode(Kind::Response, id, &payload));
        assert!(link.queue(Kind::Response, id, &payload));
    }
    poll_fn(|cx| Poll::Ready(link.poll_write(cx)))
        .await
        .unwrap();
    assert!(link.peer().taken == expected);
    assert_eq!((link.queued_bytes(), link.queued_frames()), (0, 0));
    assert!(!link.has_output());
}
