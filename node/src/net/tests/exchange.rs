//! Requests, answers, pushes and their ends between two nodes.

use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;
use libp2p::identity::Keypair;

use super::super::limits::{
    OUTBOUND_UNUSED_MAX, PAYLOAD_BYTES_MAX, REQUESTS_IN_FLIGHT_MAX, REQUESTS_WAITING_MAX,
};
use super::{
    Count, NetEvent, Node, Over, PATIENCE, Serve, config, connect, counted, echo, ignore, payload,
    start, until, wait,
};
use crate::net::{RequestError, node_of};

/// Two nodes, the first connected with the second.
async fn pair(over: Over) -> (Node, Node) {
    let mut left = start(&config(over)).await;
    let right = start(&config(over)).await;
    connect(&mut left, &right).await;
    (left, right)
}

async fn many_requests_are_answered(over: Over) {
    let (left, right) = pair(over).await;
    let (id, _right) = echo(right);
    let requests = (0..200u32).map(|number| {
        let left = left.handle.clone();
        async move {
            let mut bytes = vec![0; (number as usize * 397) % PAYLOAD_BYTES_MAX];
            bytes.extend_from_slice(&number.to_be_bytes());
            let sent = Bytes::from(bytes);
            let answer = left.request(id, sent.clone(), PATIENCE).await.unwrap();
            assert_eq!(answer, sent);
        }
    });
    let answered = futures::stream::iter(requests)
        .buffer_unordered(64)
        .count()
        .await;
    assert_eq!(answered, 200);
}

#[tokio::test]
async fn two_hundred_requests_are_answered_over_tcp() {
    many_requests_are_answered(Over::Tcp).await;
}

#[tokio::test]
async fn two_hundred_requests_are_answered_over_quic() {
    many_requests_are_answered(Over::Quic).await;
}

#[tokio::test]
async fn payloads_from_nothing_to_the_limit_arrive() {
    let (left, right) = pair(Over::Quic).await;
    let (id, _right) = echo(right);
    for length in [0, 1, PAYLOAD_BYTES_MAX] {
        let sent = payload(length);
        assert_eq!(
            left.handle.request(id, sent.clone(), PATIENCE).await,
            Ok(sent)
        );
    }
    let error = RequestError::TooLong(PAYLOAD_BYTES_MAX + 1);
    let long = payload(PAYLOAD_BYTES_MAX + 1);
    assert_eq!(left.handle.request(id, long, PATIENCE).await, Err(error));
}

#[tokio::test]
async fn a_push_reaches_the_subscriber_and_the_end_is_told_to_both() {
    let (mut left, mut right) = pair(Over::Quic).await;
    let handle = left.handle.clone();
    let id = right.id;
    let subscribe = tokio::spawn(async move { handle.request(id, payload(1), PATIENCE).await });
    let (via, token) = wait(&mut right.events, |event| match event {
        NetEvent::Request { via, token, .. } => Some((via, token)),
        _ => None,
    })
    .await;
    right.handle.respond(token, payload(2)).await.unwrap();
    right.handle.push(via, payload(3)).await.unwrap();
    assert_eq!(subscribe.await.unwrap(), Ok(payload(2)));
    let (from, pushed) = wait(&mut left.events, |event| match event {
        NetEvent::Push { from, payload } => Some((from, payload)),
        _ => None,
    })
    .await;
    assert_eq!((from, pushed), (right.id, payload(3)));

    right.handle.shutdown().await;
    wait(&mut left.events, |event| {
        matches!(event, NetEvent::OutboundClosed(node) if node == id).then_some(())
    })
    .await;
}

#[tokio::test]
async fn the_acceptor_learns_that_a_subscriber_is_gone() {
    let (left, mut right) = pair(Over::Quic).await;
    let handle = left.handle.clone();
    let id = right.id;
    tokio::spawn(async move { handle.request(id, payload(1), PATIENCE).await });
    let via = wait(&mut right.events, |event| match event {
        NetEvent::Request { via, .. } => Some(via),
        _ => None,
    })
    .await;
    left.handle.shutdown().await;
    wait(&mut right.events, |event| {
        matches!(event, NetEvent::ViaClosed(closed) if closed == via).then_some(())
    })
    .await;
}

#[tokio::test]
async fn one_request_too_many_fails_at_once() {
    let (left, mut right) = pair(Over::Quic).await;
    let all = REQUESTS_IN_FLIGHT_MAX + REQUESTS_WAITING_MAX;
    let id = right.id;
    let requests: Vec<_> = (0..all)
        .map(|_| {
            let handle = left.handle.clone();
            tokio::spawn(async move { handle.request(id, payload(1), PATIENCE).await })
        })
        .collect();
    // The acceptor sees those in flight and no more: it has stopped reading.
    let mut tokens = Vec::new();
    while tokens.len() < REQUESTS_IN_FLIGHT_MAX {
        tokens.push(
            wait(&mut right.events, |event| match event {
                NetEvent::Request { token, .. } => Some(token),
                _ => None,
            })
            .await,
        );
    }
    let error = left.handle.request(id, payload(1), PATIENCE).await;
    assert_eq!(error, Err(RequestError::QueueFull));
    assert!(
        !matches!(right.events.try_recv(), Ok(NetEvent::Request { .. })),
        "more than {REQUESTS_IN_FLIGHT_MAX} requests in flight"
    );

    for token in tokens {
        right.handle.respond(token, payload(2)).await.unwrap();
    }
    let (_, _right) = echo(right);
    for request in requests {
        assert!(request.await.unwrap().is_ok());
    }
}

#[tokio::test]
async fn a_late_answer_is_dropped_without_harm() {
    let (left, mut right) = pair(Over::Quic).await;
    let id = right.id;
    let late = left
        .handle
        .request(id, payload(1), Duration::from_millis(300))
        .await;
    assert_eq!(late, Err(RequestError::TimedOut));
    let token = wait(&mut right.events, |event| match event {
        NetEvent::Request { token, .. } => Some(token),
        _ => None,
    })
    .await;
    right.handle.respond(token, payload(2)).await.unwrap();
    let (_, _right) = echo(right);
    // The same substream carries on: the answer of this request comes after the late one.
    assert_eq!(
        left.handle.request(id, payload(3), PATIENCE).await,
        Ok(payload(3))
    );
    assert_eq!(counted(&left.handle, Count::UnknownResponse).await, 0);
}

#[tokio::test]
async fn a_node_that_never_serves_offers_no_items() {
    let mut left = start(&config(Over::Quic)).await;
    let mut client = config(Over::Quic);
    client.serve = Serve::Never;
    let mut right = start(&client).await;
    connect(&mut right, &left).await;
    wait(&mut left.events, |event| {
        matches!(event, NetEvent::Connected(_)).then_some(())
    })
    .await;
    // The client has no address that others learn, but there is a connection to ask on.
    let error = left.handle.request(right.id, payload(1), PATIENCE).await;
    assert_eq!(error, Err(RequestError::Unsupported));
    let (left, _handle) = echo(left);
    assert_eq!(
        right.handle.request(left, payload(1), PATIENCE).await,
        Ok(payload(1))
    );
}

#[tokio::test]
async fn a_node_nobody_knows_is_not_reachable() {
    let left = start(&config(Over::Quic)).await;
    let stranger = node_of(&Keypair::generate_ed25519().public().to_peer_id()).unwrap();
    let error = left.handle.request(stranger, payload(1), PATIENCE).await;
    assert_eq!(error, Err(RequestError::NotReachable));
    let own = left.handle.request(left.id, payload(1), PATIENCE).await;
    assert_eq!(own, Err(RequestError::NotReachable));
}

#[tokio::test]
async fn a_request_dials_a_node_whose_address_was_learned() {
    let left = start(&config(Over::Tcp)).await;
    let right = start(&config(Over::Tcp)).await;
    left.handle
        .learn(right.id, vec![right.address.clone()])
        .await
        .unwrap();
    let (id, _right) = echo(right);
    assert_eq!(
        left.handle.request(id, payload(1), PATIENCE).await,
        Ok(payload(1))
    );
}

#[tokio::test]
async fn an_idle_connection_is_closed_unless_it_is_held_and_kept() {
    let mut short = config(Over::Quic);
    short.limits.idle_timeout = Duration::from_millis(200);
    let mut left = start(&short).await;
    let mut right = start(&short).await;
    connect(&mut left, &right).await;
    let id = right.id;
    left.handle.hold(id).await.unwrap();
    let handle = left.handle.clone();
    let request = tokio::spawn(async move { handle.request(id, payload(1), PATIENCE).await });
    let (via, token) = wait(&mut right.events, |event| match event {
        NetEvent::Request { via, token, .. } => Some((via, token)),
        _ => None,
    })
    .await;
    right.handle.keep(via, true).await.unwrap();
    right.handle.respond(token, payload(1)).await.unwrap();
    request.await.unwrap().unwrap();

    // Five idle timeouts later the push still gets through.
    tokio::time::sleep(Duration::from_secs(1)).await;
    right.handle.push(via, payload(3)).await.unwrap();
    wait(&mut left.events, |event| match event {
        NetEvent::Disconnected(_) => panic!("a held connection was closed"),
        NetEvent::Push { .. } => Some(()),
        _ => None,
    })
    .await;
    right.handle.keep(via, false).await.unwrap();
    left.handle.release(id).await.unwrap();
    // Whoever asked leaves the substream open for a while, in case it asks again.
    tokio::time::sleep(OUTBOUND_UNUSED_MAX).await;
    wait(&mut left.events, |event| {
        matches!(event, NetEvent::Disconnected(node) if node == id).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_consumer_that_does_not_read_loses_requests_and_hears_of_every_end() {
    let mut served = config(Over::Quic);
    served.limits.connections.per_peer_max = 1;
    let mut right = start(&served).await;
    let mut left = start(&config(Over::Quic)).await;
    connect(&mut left, &right).await;
    let id = right.id;
    let (_, left) = ignore(left);
    // Nobody takes events from `right`; its queue fills with requests whose callers give up.
    let lost = until(|| async {
        let requests = (0..64).map(|_| left.request(id, payload(1), Duration::from_millis(200)));
        futures::future::join_all(requests).await;
        Some(counted(&right.handle, Count::RequestDropped).await).filter(|count| *count > 0)
    })
    .await;
    assert!(lost > 0);
    left.shutdown().await;
    wait(&mut right.events, |event| {
        matches!(event, NetEvent::ViaClosed(_)).then_some(())
    })
    .await;
    wait(&mut right.events, |event| {
        matches!(event, NetEvent::Disconnected(_)).then_some(())
    })
    .await;
}
