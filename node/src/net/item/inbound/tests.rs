use std::future::poll_fn;
use std::sync::Arc;

use super::super::codec::{Decoder, encode};
use super::super::link::Budget;
use super::super::link::tests::Peer;
use super::super::meter::Meter;
use super::*;
use tokio::time::Instant;

fn inbound(requests: u64, takes: usize) -> Inbound<Peer> {
    let sent = (1..=requests)
        .flat_map(|id| encode(Kind::Request, id, b"ask").to_vec())
        .collect();
    let peer = Peer {
        sent,
        takes,
        ..Peer::default()
    };
    let budget = Arc::new(Budget::new(usize::MAX));
    Inbound::new(Link::new(peer, budget, Meter::default()), 1)
}

/// Polls once.
async fn once(inbound: &mut Inbound<Peer>) -> Poll<Result<Frame, End>> {
    let mut patience = Patience::new(Instant::now());
    poll_fn(|cx| Poll::Ready(inbound.poll(cx, &mut patience))).await
}

/// Takes requests until none comes, and returns their ids.
async fn drain(inbound: &mut Inbound<Peer>) -> Vec<u64> {
    let mut ids = Vec::new();
    while let Poll::Ready(Ok(frame)) = once(inbound).await {
        ids.push(frame.id);
    }
    ids
}

#[tokio::test]
async fn an_acceptor_reads_no_more_than_it_has_places() {
    let mut inbound = inbound(70, usize::MAX);
    assert_eq!(drain(&mut inbound).await, (1..=64).collect::<Vec<u64>>());
    inbound.respond(7, b"answer").unwrap();
    assert_eq!(drain(&mut inbound).await, [65]);
    // An answer given twice, or to nothing, makes no place and no frame.
    inbound.respond(7, b"answer").unwrap();
    inbound.respond(500, b"answer").unwrap();
    assert!(drain(&mut inbound).await.is_empty());
    assert!(inbound.is_busy());
}

#[tokio::test]
async fn answers_that_are_not_taken_hold_their_places() {
    let mut inbound = inbound(70, 0);
    drain(&mut inbound).await;
    // Too large to be joined into one write.
    for id in 1..=6 {
        inbound.respond(id, &[0; 60_000]).unwrap();
    }
    assert!(drain(&mut inbound).await.is_empty());
    inbound.link.peer().takes = usize::MAX;
    assert_eq!(drain(&mut inbound).await, [65, 66, 67, 68, 69, 70]);
}

#[tokio::test]
async fn pushes_are_written_and_cut_off_at_their_bound() {
    let mut inbound = inbound(0, usize::MAX);
    inbound.push(b"news").unwrap();
    drain(&mut inbound).await;
    let mut decoder = Decoder::default();
    decoder.extend(&inbound.link.peer().taken);
    let frame = decoder.next().unwrap().unwrap();
    assert_eq!(
        (frame.kind, frame.id, &frame.payload[..]),
        (Kind::Push, 0, &b"news"[..])
    );

    inbound.link.peer().takes = 0;
    let mut fitted = 0;
    let end = loop {
        match inbound.push(&[0; 70_000]) {
            Ok(()) => fitted += 1,
            Err(end) => break end,
        }
    };
    assert_eq!((fitted, end), (14, Some(Count::PushOverflow)));
    let small = (0..1000).find_map(|_| inbound.push(b"").err());
    assert_eq!(small, Some(Some(Count::PushOverflow)));
}

#[tokio::test]
async fn a_kept_substream_is_busy_although_nothing_is_asked() {
    let mut inbound = inbound(0, 0);
    assert!(!inbound.is_busy());
    inbound.keep(true);
    assert!(inbound.is_busy());
    inbound.keep(false);
    assert!(!inbound.is_busy());
}
