//! Crashes, cuts, cables pulled, and what connections notice of them.

use futures::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;

/// Waits until a connection has ended, and returns when, and why.
async fn ended(muxer: &mut StreamMuxerBox, since: Instant) -> (u64, String) {
    match take(muxer).await {
        Ok(_) => panic!("a stream instead of an end"),
        Err(fault) => (millis(since), fault.to_string()),
    }
}

#[test]
fn a_crash_is_noticed_after_the_idle_timeout_and_the_address_is_free_at_once() {
    run(1, || async {
        let internet = internet(1, region(20));
        let hosts = [add_public(&internet, 1), add_public(&internet, 2)];
        let mut first = Process::start(&internet, hosts[0]);
        let mut second = Process::start(&internet, hosts[1]);
        let address = second.listen(4001).await;
        let (dialled, accepted) = join(first.dial(&address), second.accept()).await;
        let (mut dialled, mut accepted) = (dialled.unwrap().1, accepted.2);
        let mut here = open(&mut dialled).await;
        here.write_all(b"known").await.unwrap();
        let mut there = take(&mut accepted).await.unwrap();
        here.write_all(b"on its way").await.unwrap();
        let began = Instant::now();
        internet.crash(hosts[1]);

        let mut again = Process::start(&internet, hosts[1]);
        assert_eq!(again.listen(4001).await, address);
        let (new, _accepted) = join(first.dial(&address), again.accept()).await;
        let (mut new, _) = (new.unwrap().1, assert_eq!(millis(began), 60));
        let old = ended(&mut dialled, began).await;
        // What it wrote before the crash was the last it sent; the next keep-alive comes 25 s later.
        assert_eq!(old, (55_000, "timed out".into()));
        let read = here.read(&mut [0]).await.unwrap_err();
        assert_eq!(read.kind(), std::io::ErrorKind::NotConnected);
        assert_eq!(internet.stats().idled_out, 1);

        // What is left of the crashed process notices nothing, and the new one lives on.
        let mut buffer = [0; 16];
        let minute = Duration::from_secs(60);
        let read = tokio::time::timeout(minute, there.read(&mut buffer)).await;
        let new = tokio::time::timeout(minute, take(&mut new)).await;
        assert!(read.is_err() && new.is_err());
        drop((accepted, second));
        assert_eq!(internet.connections(), 2);
    });
}

#[test]
fn a_crashed_process_sends_nothing_more_and_its_end_goes_without_effect() {
    run(2, || async {
        let mut pair = pair(internet(2, region(20)), [Link::default(); 2]).await;
        let (here, mut there) = stream(&mut pair).await;
        let before = pair.internet.stats();
        pair.internet.crash(pair.hosts[0]);
        drop((here, pair.dialled));
        sleep_ms(1_000).await;
        assert_eq!(pair.internet.stats().packets, before.packets);
        let began = Instant::now();
        let read = there.read(&mut [0]).await.unwrap_err();
        // A second has gone by; the next keep-alive comes 25 s after the last word, and is answered by nobody for 30 s.
        assert_eq!(
            (read.kind(), millis(began)),
            (std::io::ErrorKind::NotConnected, 54_000)
        );
        drop((there, pair.accepted));
        assert_eq!(pair.internet.connections(), 0);
    });
}

#[test]
fn closing_is_noticed_after_the_latency_and_what_came_before_can_be_read() {
    run(3, || async {
        let mut pair = pair(internet(3, region(20)), [Link::default(); 2]).await;
        let (mut here, mut there) = stream(&mut pair).await;
        here.write_all(b"last words").await.unwrap();
        let began = Instant::now();
        std::future::poll_fn(|context| pair.dialled.poll_close_unpin(context))
            .await
            .unwrap();
        assert!(here.write(b"more").await.is_err());
        let end = ended(&mut pair.accepted, began).await;
        assert_eq!(end, (20, "closed by the peer".into()));
        let mut words = [0; 10];
        there.read_exact(&mut words).await.unwrap();
        assert_eq!(&words, b"last words");
        assert!(there.read(&mut words).await.is_err());
    });
}

#[test]
fn dropping_everything_of_one_end_closes_and_leaves_nothing_behind() {
    run(4, || async {
        let mut pair = pair(internet(4, region(20)), [Link::default(); 2]).await;
        let (here, there) = stream(&mut pair).await;
        let began = Instant::now();
        drop(pair.dialled);
        sleep_ms(100).await;
        // A stream still holds the connection.
        drop(here);
        assert_eq!(ended(&mut pair.accepted, began).await.0, 120);
        drop((there, pair.accepted));
        assert_eq!(pair.internet.connections(), 0);
        let left = |state: &mut state::State| (state.streams.len(), state.hosts[0].conns.len());
        assert_eq!(pair.internet.with(left), (0, 0));
        sleep_ms(60_000).await;
        assert_eq!(pair.internet.with(|state| state.segments.len()), 0);
    });
}

#[test]
fn a_short_cut_holds_up_and_a_long_one_kills_both_ends() {
    run(5, || async {
        let mut pair = pair(internet(5, region(20)), [Link::default(); 2]).await;
        let (mut here, mut there) = stream(&mut pair).await;
        let cut = pair.internet.cut(&pair.hosts[..1]);
        here.write_all(b"held up").await.unwrap();
        sleep_ms(11_000).await;
        let effect = pair.internet.heal(cut);
        assert!(effect.packets > 3 && effect.connections == 1, "{effect:?}");
        assert!(pair.internet.heal(cut).is_none());
        let began = Instant::now();
        there.read_exact(&mut [0; 7]).await.unwrap();
        assert!(millis(began) <= 3_020);

        let cut = pair
            .internet
            .cut_between(&pair.hosts[..1], &pair.hosts[1..]);
        let began = Instant::now();
        let (dialled, accepted) = join(
            ended(&mut pair.dialled, began),
            ended(&mut pair.accepted, began),
        )
        .await;
        assert!((30_000..=55_000).contains(&dialled.0), "{dialled:?}");
        assert_eq!(dialled.1, "timed out");
        assert_eq!(accepted, dialled);
        assert_eq!(pair.internet.heal(cut).packets, 0);
    });
}

#[test]
fn a_cut_concerns_only_whom_it_separates() {
    run(6, || async {
        let internet = internet(6, region(20));
        let hosts: Vec<HostId> = (1..=3).map(|at| add_public(&internet, at)).collect();
        let mut processes: Vec<Process> = hosts
            .iter()
            .map(|&host| Process::start(&internet, host))
            .collect();
        let mut addresses = Vec::new();
        for process in &mut processes {
            addresses.push(process.listen(4001).await);
        }
        let cut = internet.cut_between(&hosts[..1], &hosts[1..2]);
        let began = Instant::now();
        let failed = processes[0].dial(&addresses[1]).await.err().unwrap();
        assert_eq!(millis(began), 5_000);
        assert_eq!(failed.to_string(), "the handshake timed out");
        let [first, _, third] = &mut processes[..] else {
            panic!("three processes");
        };
        let (dialled, _) = join(first.dial(&addresses[2]), third.accept()).await;
        assert!(dialled.is_ok());
        assert_eq!(internet.heal(cut).packets, 3);
    });
}

#[test]
fn a_host_without_network_comes_back_in_time_or_not() {
    run(7, || async {
        let mut pair = pair(internet(7, region(20)), [Link::default(); 2]).await;
        let (mut here, mut there) = stream(&mut pair).await;
        pair.internet.set_online(pair.hosts[1], false);
        sleep_ms(6_000).await;
        here.write_all(b"late").await.unwrap();
        sleep_ms(5_000).await;
        pair.internet.set_online(pair.hosts[1], true);
        there.read_exact(&mut [0; 4]).await.unwrap();
        pair.internet.set_online(pair.hosts[1], false);
        let began = Instant::now();
        let dialled = ended(&mut pair.dialled, began).await.0;
        assert!((30_000..=55_000).contains(&dialled), "{dialled}");
        pair.internet.set_online(pair.hosts[1], true);
        assert_eq!(ended(&mut pair.accepted, began).await.0, dialled);
    });
}

#[test]
fn closing_across_a_cut_is_noticed_by_silence() {
    run(8, || async {
        let mut pair = pair(internet(8, region(20)), [Link::default(); 2]).await;
        let cut = pair.internet.cut(&pair.hosts[..1]);
        let began = Instant::now();
        drop(pair.dialled);
        sleep_ms(3_000).await;
        pair.internet.heal(cut);
        let accepted = ended(&mut pair.accepted, began).await.0;
        assert!((30_000..=55_000).contains(&accepted), "{accepted}");
    });
}

#[test]
fn dials_to_nobody_fail_after_the_handshake_timeout_and_odd_ones_at_once() {
    run(9, || async {
        let internet = internet(9, region(20));
        let mut here = Process::start(&internet, add_public(&internet, 1));
        let there = add_public(&internet, 2);
        for address in [
            "/ip4/45.1.0.2/udp/4001/quic-v1",
            "/ip4/9.9.9.9/udp/1/quic-v1",
        ] {
            let began = Instant::now();
            assert!(here.dial(&address.parse().unwrap()).await.is_err());
            assert_eq!(millis(began), 5_000);
        }
        for address in [
            "/ip4/45.1.0.2/tcp/4001",
            "/ip4/45.1.0.2/udp/0/quic-v1",
            "/ip4/0.0.0.0/udp/4001/quic-v1",
            "/dns4/example.org/udp/4001/quic-v1",
        ] {
            let refused = here.dial_with(&address.parse().unwrap(), PortUse::Reuse);
            let unsupported = matches!(refused, Err(TransportError::MultiaddrNotSupported(_)));
            assert!(unsupported, "{address}");
        }
        assert_eq!(internet.stats().dials_failed, 2);
        // Somebody who comes while the dialer still knocks is found.
        let late = async {
            sleep_ms(1_500).await;
            let mut late = Process::start(&internet, there);
            late.listen(4001).await;
            late.accept().await;
            late
        };
        let began = Instant::now();
        let address = "/ip4/45.1.0.2/udp/4001/quic-v1".parse().unwrap();
        let (found, _late) = join(here.dial(&address), late).await;
        assert!(found.is_ok());
        assert_eq!(millis(began), 3_060);
    });
}

#[test]
fn a_refused_connection_is_closed_towards_its_dialer() {
    run(10, || async {
        let internet = internet(10, region(20));
        let mut here = Process::start(&internet, add_public(&internet, 1));
        let mut there = Process::start(&internet, add_public(&internet, 2));
        let address = there.listen(0).await;
        let refuse = async {
            let event = there.transport.select_next_some().await;
            drop(event);
            there
        };
        let began = Instant::now();
        let (dialled, _there) = join(here.dial(&address), refuse).await;
        match dialled {
            Err(fault) => assert_eq!(fault.to_string(), "closed by the peer"),
            Ok((_, mut muxer)) => {
                let end = ended(&mut muxer, began).await;
                assert_eq!(end, (40, "closed by the peer".into()));
            }
        }
    });
}

#[test]
fn listeners_are_checked_and_take_their_connections_along() {
    run(11, || async {
        let internet = internet(11, region(20));
        let mut here = Process::start(&internet, add_public(&internet, 1));
        let mut there = Process::start(&internet, add_public(&internet, 2));
        let id = ListenerId::next();
        let address: Multiaddr = "/ip4/45.1.0.2/udp/4001/quic-v1".parse().unwrap();
        there.transport.listen_on(id, address.clone()).unwrap();
        let twice = there
            .transport
            .listen_on(ListenerId::next(), address.clone());
        let text = match twice.unwrap_err() {
            TransportError::Other(fault) => fault.to_string(),
            other => panic!("{other}"),
        };
        assert_eq!(text, "port 4001 is in use");
        let foreign: Multiaddr = "/ip4/45.1.0.1/udp/4001/quic-v1".parse().unwrap();
        assert!(
            there
                .transport
                .listen_on(ListenerId::next(), foreign)
                .is_err()
        );
        there.transport.select_next_some().await;
        let (dialled, _accepted) = join(here.dial(&address), there.accept()).await;
        assert!(there.transport.remove_listener(id));
        assert!(!there.transport.remove_listener(id));
        let closed = there.transport.select_next_some().await;
        match closed {
            TransportEvent::ListenerClosed { listener_id, .. } => assert_eq!(listener_id, id),
            other => panic!("{other:?}"),
        }
        let began = Instant::now();
        assert_eq!(ended(&mut dialled.unwrap().1, began).await.0, 20);
    });
}

#[test]
fn a_host_may_dial_itself() {
    run(12, || async {
        let internet = internet(12, region(20));
        let mut process = Process::start(&internet, add_public(&internet, 1));
        let address = process.listen(4001).await;
        let dial = process.dial_with(&address, PortUse::Reuse).unwrap();
        let (dialled, accepted) = join(dial, process.accept()).await;
        let (peer, mut dialled) = dialled.unwrap();
        assert_eq!((peer, accepted.1), (process.peer, process.peer));
        internet.crash(HostId(0));
        let nothing = tokio::time::timeout(Duration::from_secs(60), take(&mut dialled)).await;
        assert!(nothing.is_err());
        drop((dialled, accepted));
        assert_eq!(internet.connections(), 0);
    });
}

#[test]
fn a_cut_shows_thirty_seconds_after_what_is_sent_first() {
    run(20, || async {
        let mut pair = pair(internet(20, region(20)), [Link::default(); 2]).await;
        let (mut here, _there) = stream(&mut pair).await;
        let _cut = pair.internet.cut(&pair.hosts[..1]);
        let began = Instant::now();
        sleep_ms(4_000).await;
        here.write_all(b"unheard").await.unwrap();
        assert_eq!(ended(&mut pair.dialled, began).await.0, 34_000);
    });
}

#[test]
fn a_connection_that_carries_nothing_costs_two_packets_for_each_keep_alive() {
    run(21, || async {
        let mut pair = pair(internet(21, region(20)), [Link::default(); 2]).await;
        let (here, there) = stream(&mut pair).await;
        sleep_ms(1_000).await;
        let traffic = |at: usize| pair.internet.traffic(pair.hosts[at]);
        let before = [traffic(0), traffic(1)];
        sleep_ms(100 * 25_000).await;
        for (at, before) in before.into_iter().enumerate() {
            let after = traffic(at);
            assert_eq!(after.up_bytes - before.up_bytes, 100 * 60);
            assert_eq!(after.down_bytes - before.down_bytes, 100 * 60);
        }
        drop((here, there));
    });
}
