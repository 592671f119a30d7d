//! Who reaches whom through routers.

use super::*;

const PUBLIC: Nat = Nat::Public;

/// Whether a dial gets through, and from where it is seen to come.
async fn reach(
    from: &mut Process,
    to: &mut Process,
    address: &Multiaddr,
    port_use: PortUse,
) -> Option<(Multiaddr, StreamMuxerBox, StreamMuxerBox)> {
    let dial = from.dial_with(address, port_use).unwrap();
    let accept = tokio::time::timeout(Duration::from_secs(6), to.accept());
    let (dialled, accepted) = join(dial, accept).await;
    let (seen, _, accepted) = accepted.ok()?;
    Some((seen, dialled.unwrap().1, accepted))
}

/// A world with two public hosts and one behind a router, each listening on port 4001.
async fn world(nat: Nat) -> (Internet, [Process; 3], Multiaddr) {
    let internet = internet(1, region(20));
    let hosts = [(1, PUBLIC), (2, PUBLIC), (3, nat)];
    let mut processes =
        hosts.map(|(at, nat)| Process::start(&internet, add(&internet, at, Link::default(), nat)));
    let mut inner = Multiaddr::empty();
    for process in &mut processes {
        inner = process.listen(4001).await;
    }
    (internet, processes, inner)
}

fn public(number: u8) -> Multiaddr {
    format!("/ip4/45.1.0.{number}/udp/4001/quic-v1")
        .parse()
        .unwrap()
}

fn port_of(address: &Multiaddr) -> Multiaddr {
    let ip = address.iter().next();
    assert_eq!(ip, public(3).iter().next());
    address.clone()
}

#[test]
fn a_cone_is_seen_from_one_port_and_reached_by_whom_it_knows() {
    run(1, || async {
        let (_internet, [mut first, mut second, mut inside], inner) = world(Nat::Cone).await;
        assert_eq!(inner.to_string(), "/ip4/192.168.1.2/udp/4001/quic-v1");
        assert!(
            reach(&mut first, &mut inside, &public(3), PortUse::Reuse)
                .await
                .is_none()
        );
        assert!(
            reach(&mut first, &mut inside, &inner, PortUse::Reuse)
                .await
                .is_none()
        );

        let (seen, held, _accepted) = reach(&mut inside, &mut first, &public(1), PortUse::Reuse)
            .await
            .unwrap();
        let outside = port_of(&seen);
        assert_ne!(outside, public(3));
        // The one it knows comes from the port it knows, or not.
        let again = reach(&mut first, &mut inside, &outside, PortUse::Reuse).await;
        assert!(again.is_some());
        assert!(
            reach(&mut first, &mut inside, &outside, PortUse::New)
                .await
                .is_none()
        );
        assert!(
            reach(&mut second, &mut inside, &outside, PortUse::Reuse)
                .await
                .is_none()
        );
        drop(again);

        // A connection keeps the way open; two minutes after its end it is closed.
        sleep_ms(600_000).await;
        assert!(
            reach(&mut first, &mut inside, &outside, PortUse::Reuse)
                .await
                .is_some()
        );
        drop(held);
        drop(_accepted);
        sleep_ms(121_000).await;
        assert!(
            reach(&mut first, &mut inside, &outside, PortUse::Reuse)
                .await
                .is_none()
        );

        let (seen, ..) = reach(&mut inside, &mut second, &public(2), PortUse::Reuse)
            .await
            .unwrap();
        assert_eq!(port_of(&seen), outside);
    });
}

#[test]
fn a_symmetric_router_shows_each_destination_another_port() {
    run(2, || async {
        let (_internet, [mut first, mut second, mut inside], _) = world(Nat::Symmetric).await;
        let to_first = reach(&mut inside, &mut first, &public(1), PortUse::Reuse)
            .await
            .unwrap();
        let to_second = reach(&mut inside, &mut second, &public(2), PortUse::Reuse)
            .await
            .unwrap();
        let (for_first, for_second) = (port_of(&to_first.0), port_of(&to_second.0));
        assert_ne!(for_first, for_second);
        assert!(
            reach(&mut first, &mut inside, &for_first, PortUse::Reuse)
                .await
                .is_some()
        );
        assert!(
            reach(&mut first, &mut inside, &for_second, PortUse::Reuse)
                .await
                .is_none()
        );
    });
}

#[test]
fn a_public_host_is_seen_as_it_is() {
    run(3, || async {
        let (_internet, [mut first, mut second, mut third], inner) = world(Nat::Public).await;
        assert_eq!(inner, public(3));
        let (seen, ..) = reach(&mut first, &mut second, &public(2), PortUse::Reuse)
            .await
            .unwrap();
        assert_eq!(seen, public(1));
        let (seen, ..) = reach(&mut first, &mut third, &public(3), PortUse::New)
            .await
            .unwrap();
        assert_ne!(seen, public(1));
        assert!(seen.to_string().starts_with("/ip4/45.1.0.1/udp/"));
    });
}

/// Returns a host of some that share an address.
fn sharing(internet: &Internet, nat: Nat) -> HostId {
    let host = HostOptions {
        address: Ipv4Addr::new(45, 1, 0, 9),
        region: 0,
        link: Link::default(),
        nat,
        shared: true,
    };
    internet.add_host(host).unwrap()
}

#[test]
fn hosts_that_share_an_address_are_told_apart_by_their_ports() {
    run(5, || async {
        let internet = internet(5, region(20));
        let shared = [PUBLIC, PUBLIC, Nat::Cone].map(|nat| sharing(&internet, nat));
        let [mut first, mut second, mut inside] =
            shared.map(|host| Process::start(&internet, host));
        let mut apart = Process::start(&internet, add_public(&internet, 1));
        let (at_first, at_second) = (first.listen(4001).await, second.listen(4002).await);
        apart.listen(4001).await;
        inside.listen(4001).await;
        for from in [&mut apart, &mut inside] {
            let to_first = reach(from, &mut first, &at_first, PortUse::Reuse).await;
            let to_second = reach(from, &mut second, &at_second, PortUse::Reuse).await;
            let ((seen_first, ..), (seen_second, ..)) = (to_first.unwrap(), to_second.unwrap());
            assert_eq!(seen_first, seen_second);
        }
        // Each other, and themselves.
        let (seen, ..) = reach(&mut first, &mut second, &at_second, PortUse::Reuse)
            .await
            .unwrap();
        assert_eq!(seen, at_first);
        let nobody = "/ip4/45.1.0.9/udp/4003/quic-v1".parse().unwrap();
        assert!(first.dial(&nobody).await.is_err());
        // The one behind a router is reached at the port that it is seen from, by whom it knows.
        let (seen, ..) = reach(&mut inside, &mut apart, &public(1), PortUse::Reuse)
            .await
            .unwrap();
        let back = reach(&mut apart, &mut inside, &seen, PortUse::Reuse).await;
        assert!(back.is_some());
    });
}

#[test]
fn addresses_are_for_one_host_each_unless_all_share_them() {
    run(4, || async {
        let internet = internet(4, region(20));
        let host = HostOptions {
            address: Ipv4Addr::new(45, 1, 0, 1),
            region: 0,
            link: Link::default(),
            nat: Nat::Public,
            shared: false,
        };
        internet.add_host(host).unwrap();
        let taken = HostError::AddressTaken(host.address);
        assert_eq!(internet.add_host(host), Err(taken));
        let shared = HostOptions {
            shared: true,
            ..host
        };
        assert_eq!(internet.add_host(shared), Err(taken));
        let local = HostOptions {
            address: Ipv4Addr::LOCALHOST,
            ..host
        };
        let unusable = HostError::AddressUnusable(local.address);
        assert_eq!(internet.add_host(local), Err(unusable));
        let nowhere = HostOptions {
            address: Ipv4Addr::new(45, 1, 0, 2),
            region: 1,
            ..host
        };
        let region = HostError::Region {
            region: 1,
            regions: 1,
        };
        assert_eq!(internet.add_host(nowhere), Err(region));
    });
}
