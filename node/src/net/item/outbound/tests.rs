use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use super::super::codec::{Decoder, encode};
use super::super::link::Budget;
use super::super::link::tests::Peer;
use super::super::meter::Meter;
use super::*;
use tokio::sync::oneshot;

type Answer = oneshot::Receiver<Result<Bytes, RequestError>>;

fn ask(outbound: &mut Outbound<Peer>, after: Duration) -> Answer {
    let (reply, answer) = oneshot::channel();
    let deadline = Instant::now() + after;
    outbound.call(Call {
        kind: Kind::Request,
        payload: Bytes::from_static(b"ask"),
        deadline,
        reply,
    });
    answer
}

async fn once(outbound: &mut Outbound<Peer>) -> Poll<Outcome> {
    poll_fn(|cx| Poll::Ready(outbound.poll(cx))).await
}

/// Gives the opener the substream it asks for.
async fn open(outbound: &mut Outbound<Peer>) {
    assert!(matches!(once(outbound).await, Poll::Ready(Outcome::Open)));
    assert!(once(outbound).await.is_pending());
    let peer = Peer {
        takes: usize::MAX,
        ..Peer::default()
    };
    outbound.opened(Link::new(
        peer,
        Arc::new(Budget::new(usize::MAX)),
        Meter::default(),
    ));
}

/// Returns the ids of the requests that were written so far.
fn written(outbound: &mut Outbound<Peer>) -> Vec<u64> {
    let mut decoder = Decoder::default();
    decoder.extend(&outbound.link.as_mut().unwrap().peer().taken);
    std::iter::from_fn(|| decoder.next().unwrap())
        .map(|frame| frame.id)
        .collect()
}

fn answer(outbound: &mut Outbound<Peer>, id: u64) {
    let frame = encode(Kind::Response, id, b"answer");
    outbound.link.as_mut().unwrap().peer().sent.extend(frame);
}

const LONG: Duration = Duration::from_secs(1000);

#[tokio::test]
async fn no_more_requests_are_written_than_may_be_in_flight() {
    let mut outbound = Outbound::new();
    let mut answers: Vec<Answer> = (0..128).map(|_| ask(&mut outbound, LONG)).collect();
    let refused = ask(&mut outbound, LONG).await.unwrap();
    assert_eq!(refused, Err(RequestError::QueueFull));
    open(&mut outbound).await;
    assert!(once(&mut outbound).await.is_pending());
    assert_eq!(written(&mut outbound), (1..=64).collect::<Vec<u64>>());
    for id in [64, 3] {
        answer(&mut outbound, id);
    }
    assert!(once(&mut outbound).await.is_pending());
    assert_eq!(written(&mut outbound).len(), 66);
    assert_eq!(answers[63].try_recv().unwrap().unwrap(), "answer");
    assert_eq!(answers[2].try_recv().unwrap().unwrap(), "answer");
    assert!(answers[0].try_recv().is_err());
}

#[tokio::test(start_paused = true)]
async fn deadlines_pass_in_their_order_and_late_answers_are_no_fault() {
    let mut outbound = Outbound::new();
    let late = ask(&mut outbound, Duration::from_secs(5));
    let early = ask(&mut outbound, Duration::from_secs(1));
    open(&mut outbound).await;
    let wait = poll_fn(|cx| outbound.poll(cx));
    assert!(
        tokio::time::timeout(Duration::from_secs(2), wait)
            .await
            .is_err()
    );
    assert_eq!(early.await.unwrap(), Err(RequestError::TimedOut));
    answer(&mut outbound, 2);
    answer(&mut outbound, 1);
    assert!(once(&mut outbound).await.is_pending());
    assert_eq!(late.await.unwrap().unwrap(), "answer");
    assert!(!outbound.is_busy());
    // A second answer to either is one too many.
    answer(&mut outbound, 2);
    let end = once(&mut outbound).await;
    assert!(
        matches!(
            end,
            Poll::Ready(Outcome::Ended(Some(Count::UnknownResponse)))
        ),
        "{end:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_request_that_expires_before_it_is_written_is_never_written() {
    let mut outbound = Outbound::new();
    let expired = ask(&mut outbound, Duration::from_secs(1));
    assert!(matches!(
        once(&mut outbound).await,
        Poll::Ready(Outcome::Open)
    ));
    let wait = poll_fn(|cx| outbound.poll(cx));
    assert!(
        tokio::time::timeout(Duration::from_secs(2), wait)
            .await
            .is_err()
    );
    assert_eq!(expired.await.unwrap(), Err(RequestError::TimedOut));
    let _answer = ask(&mut outbound, LONG);
    let peer = Peer {
        takes: usize::MAX,
        ..Peer::default()
    };
    outbound.opened(Link::new(
        peer,
        Arc::new(Budget::new(usize::MAX)),
        Meter::default(),
    ));
    assert!(once(&mut outbound).await.is_pending());
    assert_eq!(written(&mut outbound), [2]);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_never_answers_is_given_up() {
    let mut outbound = Outbound::new();
    let first = ask(&mut outbound, Duration::from_secs(1));
    open(&mut outbound).await;
    drop(first);
    let mut rounds = 0;
    let end = loop {
        for _ in 0..64 {
            drop(ask(&mut outbound, Duration::from_secs(1)));
        }
        let wait = poll_fn(|cx| outbound.poll(cx));
        if let Ok(end) = tokio::time::timeout(Duration::from_secs(2), wait).await {
            break end;
        }
        rounds += 1;
        assert!(rounds < 10, "nobody gives up");
    };
    assert!(
        matches!(end, Outcome::Ended(Some(Count::Unresponsive))),
        "{end:?}"
    );
    assert!(outbound.expired.is_empty() && !outbound.is_open());
}

#[tokio::test]
async fn every_call_fails_with_the_substream() {
    let mut outbound = Outbound::new();
    let answers: Vec<Answer> = (0..100).map(|_| ask(&mut outbound, LONG)).collect();
    open(&mut outbound).await;
    assert!(once(&mut outbound).await.is_pending());
    outbound.fail(RequestError::Disconnected);
    for answer in answers {
        assert_eq!(answer.await.unwrap(), Err(RequestError::Disconnected));
    }
    assert!(!outbound.is_busy());
    // The next call opens a new substream, and ids go on.
    let _answer = ask(&mut outbound, LONG);
    open(&mut outbound).await;
    assert!(once(&mut outbound).await.is_pending());
    assert_eq!(written(&mut outbound), [101]);
}
