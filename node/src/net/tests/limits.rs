//! The limits, read back from where they act.

use super::super::limits::{NetLimits, QUIC_IDLE_TIMEOUT, QUIC_KEEP_ALIVE};
use super::super::transport::{quic_config, yamux_config};
use super::{
    Count, Keypair, NetEvent, Over, Profile, config, connect, counted, ignore, start, until, wait,
};

#[test]
fn the_transports_are_built_with_the_limits() {
    for limits in [NetLimits::personal(), NetLimits::community()] {
        let quic = quic_config(&Keypair::generate_ed25519(), &limits);
        assert_eq!(
            quic.max_concurrent_stream_limit,
            limits.transport.quic_streams_max
        );
        assert_eq!(quic.max_stream_data, limits.transport.quic_stream_bytes_max);
        assert_eq!(
            quic.max_connection_data,
            limits.transport.quic_connection_bytes_max
        );
        assert_eq!(
            u128::from(quic.max_idle_timeout),
            QUIC_IDLE_TIMEOUT.as_millis()
        );
        assert_eq!(quic.keep_alive_interval, QUIC_KEEP_ALIVE);
        let yamux = format!("{:?}", yamux_config(&limits));
        let streams = format!("max_num_streams: {}", limits.transport.yamux_streams_max);
        assert!(yamux.contains(&streams), "{yamux}");
    }
}

#[test]
fn the_profiles_are_consistent() {
    for limits in [NetLimits::personal(), NetLimits::community()] {
        let of = limits.connections;
        assert!(of.established_in_max < of.established_max);
        assert!(of.per_peer_max <= of.per_ip_max && of.per_ip_max <= of.per_group_max);
        assert!(of.tcp_max <= of.established_max);
        // Ten nodes behind one address, each of which dials all others at the same moment, and some clients.
        assert!(of.few_max >= 9 * of.per_peer_max + 10);
        // What is counted by address is most of all places, whichever they are.
        assert!(of.few_max * 3 <= of.pending_in_max && of.few_max * 3 <= of.established_in_max);
    }
}

#[tokio::test]
async fn whoever_connects_and_says_nothing_gives_way_to_the_next() {
    let mut narrow = config(Over::Tcp);
    narrow.limits.connections.established_in_max = 4;
    let mut server = start(&narrow).await;
    let mut guests = Vec::new();
    for _ in 0..8 {
        let mut guest = start(&config(Over::Tcp)).await;
        connect(&mut guest, &server).await;
        wait(&mut server.events, |event| {
            matches!(event, NetEvent::Connected(_)).then_some(())
        })
        .await;
        guests.push(guest);
    }
    assert_eq!(counted(&server.handle, Count::EstablishedIn).await, 0);
    // All eight had a place, and those before them have gone for it.
    let status = server.handle.status().await.unwrap();
    assert!(status.connection_count < 4, "{}", status.connection_count);
}

#[tokio::test]
async fn production_counts_connections_of_one_ip_address() {
    let mut narrow = config(Over::Quic);
    narrow.profile = Profile::Internet;
    narrow.limits.connections.few_max = 0;
    narrow.limits.connections.per_ip_max = 2;
    let mut server = start(&narrow).await;
    let mut guests = Vec::new();
    for _ in 0..2 {
        let (_, guest) = ignore(start(&config(Over::Quic)).await);
        guest.dial(server.address.clone()).await.unwrap();
        wait(&mut server.events, |event| {
            matches!(event, NetEvent::Connected(_)).then_some(())
        })
        .await;
        guests.push(guest);
    }
    let third = start(&config(Over::Quic)).await;
    third.handle.dial(server.address.clone()).await.unwrap();
    until(|| async { (counted(&server.handle, Count::PerIp).await > 0).then_some(()) }).await;
    assert_eq!(server.handle.status().await.unwrap().connection_count, 2);
}
