use libp2p::core::ConnectedPoint;
use libp2p::identity::Keypair;
use libp2p::swarm::{DialError, ListenError};

use super::super::limits::NetLimits;
use super::*;

/// A limiter with small limits, and the connections it was asked for.
struct Asked {
    limiter: ConnectionLimiter,
    next: usize,
}

fn asked(profile: Profile) -> Asked {
    let mut limits = NetLimits::personal().connections;
    limits.pending_in_max = 3;
    limits.pending_out_max = 3;
    limits.established_in_max = 5;
    limits.established_out_max = 3;
    limits.established_max = 6;
    limits.per_peer_max = 2;
    limits.few_max = 0;
    limits.per_ip_max = 2;
    limits.per_group_max = 3;
    limits.tcp_max = 4;
    Asked {
        limiter: ConnectionLimiter::new(limits, profile, Arc::new(Counters::new())),
        next: 1,
    }
}

fn peer() -> PeerId {
    Keypair::generate_ed25519().public().to_peer_id()
}

fn at(text: &str) -> Multiaddr {
    text.parse().unwrap()
}

impl Asked {
    fn id(&mut self) -> ConnectionId {
        self.next += 1;
        ConnectionId::new_unchecked(self.next)
    }

    fn pending(&mut self, remote: &str) -> Result<ConnectionId, ConnectionDenied> {
        let id = self.id();
        let here = at("/ip4/127.0.0.1/tcp/1");
        self.limiter
            .handle_pending_inbound_connection(id, &here, &at(remote))
            .map(|()| id)
    }

    /// Opens an incoming connection all the way.
    fn incoming(&mut self, peer: PeerId, remote: &str) -> Result<ConnectionId, Count> {
        let id = self.pending(remote).map_err(reason)?;
        let here = at("/ip4/127.0.0.1/tcp/1");
        let there = at(remote);
        self.limiter
            .handle_established_inbound_connection(id, peer, &here, &there)
            .map_err(reason)?;
        let endpoint = ConnectedPoint::Listener {
            local_addr: here,
            send_back_addr: there,
        };
        self.established(id, peer, &endpoint);
        Ok(id)
    }

    /// Opens an outgoing connection all the way.
    fn outgoing(&mut self, peer: PeerId, remote: &str) -> Result<ConnectionId, Count> {
        let id = self.id();
        let there = at(remote);
        self.limiter
            .handle_pending_outbound_connection(id, Some(peer), &[], Endpoint::Dialer)
            .map_err(reason)?;
        self.limiter
            .handle_established_outbound_connection(
                id,
                peer,
                &there,
                Endpoint::Dialer,
                PortUse::Reuse,
            )
            .map_err(reason)?;
        let endpoint = ConnectedPoint::Dialer {
            address: there,
            role_override: Endpoint::Dialer,
            port_use: PortUse::Reuse,
        };
        self.established(id, peer, &endpoint);
        Ok(id)
    }

    #[track_caller]
    fn check_nothing_counted(&self) {
        let limiter = &self.limiter;
        assert!(limiter.per_peer.is_empty() && limiter.per_ip.is_empty());
        assert!(limiter.per_group.is_empty() && limiter.established.is_empty());
        assert!(limiter.pending_in.is_empty() && limiter.pending_out.is_empty());
    }

    fn established(&mut self, id: ConnectionId, peer: PeerId, endpoint: &ConnectedPoint) {
        self.limiter
            .on_swarm_event(FromSwarm::ConnectionEstablished(ConnectionEstablished {
                peer_id: peer,
                connection_id: id,
                endpoint,
                failed_addresses: &[],
                other_established: 0,
            }));
    }
}

fn reason(denied: ConnectionDenied) -> Count {
    denied.downcast::<Refused>().expect("the limiter refuses").0
}

#[test]
fn every_limit_refuses_one_more_and_counts_it() {
    let mut full = asked(Profile::Internet);
    let same = peer();
    full.incoming(same, "/ip4/1.0.0.1/udp/1/quic-v1").unwrap();
    full.outgoing(same, "/ip4/1.0.1.1/udp/1/quic-v1").unwrap();
    assert_eq!(
        full.incoming(same, "/ip4/1.0.2.1/udp/1/quic-v1"),
        Err(Count::PerPeer)
    );
    full.incoming(peer(), "/ip4/1.0.0.1/tcp/1").unwrap();
    assert_eq!(
        full.incoming(peer(), "/ip4/1.0.0.1/tcp/1"),
        Err(Count::PerIp)
    );
    assert_eq!(
        full.outgoing(peer(), "/ip4/1.0.0.1/tcp/1"),
        Err(Count::PerIp)
    );
    full.incoming(peer(), "/ip4/1.0.0.2/tcp/1").unwrap();
    assert_eq!(
        full.incoming(peer(), "/ip4/1.0.0.3/tcp/1"),
        Err(Count::PerGroup)
    );
    full.outgoing(peer(), "/ip4/2.0.0.1/tcp/1").unwrap();
    full.outgoing(peer(), "/ip4/3.0.0.1/tcp/1").unwrap();
    assert_eq!(
        full.outgoing(peer(), "/ip4/4.0.0.1/tcp/1"),
        Err(Count::EstablishedOut)
    );
    assert_eq!(
        full.incoming(peer(), "/ip4/4.0.0.1/tcp/1"),
        Err(Count::Established)
    );
    let counters = full.limiter.counters.read();
    for count in [
        Count::PerPeer,
        Count::PerGroup,
        Count::EstablishedOut,
        Count::Established,
    ] {
        assert_eq!(counters[count.name()], 1, "{count:?}");
    }
    assert_eq!(counters[Count::PerIp.name()], 2);
}

#[test]
fn few_may_all_be_behind_one_address() {
    let mut few = asked(Profile::Internet);
    few.limiter.limits.few_max = 4;
    few.limiter.limits.tcp_max = 6;
    let address = "/ip4/1.0.0.1/udp/1/quic-v1";
    for _ in 0..2 {
        few.incoming(peer(), address).unwrap();
    }
    let tcp = few.incoming(peer(), "/ip4/1.0.0.1/tcp/1");
    assert_eq!(tcp, Err(Count::PerIp), "a third of the places of TCP");
    for _ in 0..2 {
        few.outgoing(peer(), address).unwrap();
    }
    assert_eq!(few.incoming(peer(), address), Err(Count::PerIp));
    assert_eq!(few.outgoing(peer(), address), Err(Count::PerIp));
    few.incoming(peer(), "/ip4/2.0.0.1/udp/1/quic-v1").unwrap();
}

#[test]
fn incoming_connections_cannot_take_every_place() {
    let mut full = asked(Profile::Internet);
    for ip in 1..=5 {
        full.incoming(peer(), &format!("/ip4/{ip}.0.0.1/udp/1/quic-v1"))
            .unwrap();
    }
    assert_eq!(
        full.incoming(peer(), "/ip4/9.0.0.1/udp/1/quic-v1"),
        Err(Count::EstablishedIn)
    );
    full.outgoing(peer(), "/ip4/9.0.0.1/udp/1/quic-v1").unwrap();
}

#[test]
fn tcp_has_fewer_places() {
    let mut full = asked(Profile::Internet);
    for ip in 1..=4 {
        full.incoming(peer(), &format!("/ip4/{ip}.0.0.1/tcp/1"))
            .unwrap();
    }
    assert_eq!(full.incoming(peer(), "/ip4/9.0.0.1/tcp/1"), Err(Count::Tcp));
    full.incoming(peer(), "/ip4/9.0.0.1/udp/1/quic-v1").unwrap();
}

#[test]
fn handshakes_are_limited_and_counted_by_address() {
    let mut full = asked(Profile::Internet);
    full.pending("/ip4/1.0.0.1/tcp/1").unwrap();
    full.pending("/ip4/1.0.0.1/tcp/2").unwrap();
    assert_eq!(
        full.pending("/ip4/1.0.0.1/tcp/3").map_err(reason),
        Err(Count::PerIp)
    );
    full.pending("/ip4/2.0.0.1/tcp/3").unwrap();
    assert_eq!(
        full.pending("/ip4/3.0.0.1/tcp/3").map_err(reason),
        Err(Count::PendingIn)
    );
}

#[test]
fn what_ends_leaves_no_trace() {
    let mut full = asked(Profile::Internet);
    for round in 0..20 {
        let mut open = Vec::new();
        let stranger = peer();
        open.push(full.incoming(stranger, "/ip4/1.0.0.1/tcp/1").unwrap());
        open.push(full.outgoing(stranger, "/ip4/1.0.0.1/tcp/1").unwrap());
        assert_eq!(
            full.incoming(peer(), "/ip4/1.0.0.1/tcp/1"),
            Err(Count::PerIp),
            "{round}"
        );
        for id in open {
            full.limiter.on_closed(id);
        }
    }
    full.check_nothing_counted();
}

#[test]
fn failed_handshakes_and_dials_leave_no_trace() {
    let mut full = asked(Profile::Internet);
    let address = at("/ip4/1.0.0.1/tcp/1");
    for _ in 0..20 {
        let connection_id = full.pending("/ip4/1.0.0.1/tcp/1").unwrap();
        full.limiter
            .on_swarm_event(FromSwarm::ListenFailure(ListenFailure {
                local_addr: &address,
                send_back_addr: &address,
                error: &ListenError::Aborted,
                connection_id,
                peer_id: None,
            }));
        let connection_id = full.id();
        full.limiter
            .handle_pending_outbound_connection(connection_id, None, &[], Endpoint::Dialer)
            .unwrap();
        full.limiter
            .on_swarm_event(FromSwarm::DialFailure(DialFailure {
                peer_id: None,
                error: &DialError::Aborted,
                connection_id,
            }));
    }
    full.check_nothing_counted();
    full.incoming(peer(), "/ip4/1.0.0.1/tcp/1").unwrap();
}

#[test]
fn loopback_is_free_in_the_local_profile_alone() {
    let mut local = asked(Profile::Local);
    for _ in 0..5 {
        local
            .incoming(peer(), "/ip4/127.0.0.1/udp/1/quic-v1")
            .unwrap();
    }
    let mut production = asked(Profile::Internet);
    production
        .incoming(peer(), "/ip4/127.0.0.1/udp/1/quic-v1")
        .unwrap();
    production
        .incoming(peer(), "/ip4/127.0.0.1/udp/1/quic-v1")
        .unwrap();
    let third = production.incoming(peer(), "/ip4/127.0.0.1/udp/1/quic-v1");
    assert_eq!(third, Err(Count::PerIp));
}

#[test]
fn in_a_lan_hosts_are_counted_and_their_neighbourhood_is_not() {
    let mut lan = asked(Profile::Lan);
    for host in 1..=4 {
        lan.incoming(peer(), &format!("/ip4/192.168.1.{host}/udp/1/quic-v1"))
            .unwrap();
    }
    lan.incoming(peer(), "/ip4/192.168.1.1/udp/2/quic-v1")
        .unwrap();
    let third = lan.incoming(peer(), "/ip4/192.168.1.1/udp/3/quic-v1");
    assert_eq!(third, Err(Count::PerIp));
}

#[test]
fn strangers_cannot_make_a_node_dial_private_addresses() {
    let mut limiter = asked(Profile::Internet).limiter;
    let dial = |limiter: &mut ConnectionLimiter, text: &str| {
        limiter.pending_out.clear();
        let id = ConnectionId::new_unchecked(1);
        let addresses = [at(text)];
        limiter
            .handle_pending_outbound_connection(id, Some(peer()), &addresses, Endpoint::Dialer)
            .map(|_| ())
            .map_err(reason)
    };
    assert_eq!(dial(&mut limiter, "/ip4/8.8.8.8/tcp/1"), Ok(()));
    for text in [
        "/ip4/192.168.0.1/tcp/22",
        "/dns4/router.local/tcp/80",
        "/ip4/127.0.0.1/tcp/1",
    ] {
        assert_eq!(dial(&mut limiter, text), Err(Count::NotPublic), "{text}");
        limiter.trust(at(text));
        assert_eq!(
            dial(&mut limiter, text),
            Ok(()),
            "{text}, named by the user"
        );
    }
}

#[test]
fn a_peer_with_another_kind_of_key_is_refused() {
    let mut full = asked(Profile::Internet);
    let other = full.incoming(PeerId::random(), "/ip4/1.0.0.1/tcp/1");
    assert_eq!(other, Err(Count::KeyKind));
}

#[tokio::test(start_paused = true)]
async fn nobody_is_let_in_for_a_while_from_where_somebody_broke_the_protocol() {
    let mut full = asked(Profile::Internet);
    let (bad, neighbour) = (
        "/ip4/192.0.2.1/udp/1/quic-v1",
        "/ip4/192.0.2.2/udp/1/quic-v1",
    );
    let id = full.incoming(peer(), bad).unwrap();
    full.limiter.shun(id, Instant::now());
    assert_eq!(full.incoming(peer(), bad), Err(Count::Shunned));
    full.incoming(peer(), neighbour).unwrap();
    tokio::time::advance(SHUNNED_FOR).await;
    full.incoming(peer(), bad).unwrap();
    // A connection that is not there any more shuns nobody.
    full.limiter
        .shun(ConnectionId::new_unchecked(999), Instant::now());
    assert!(full.limiter.shunned.len() <= 1);
}

#[tokio::test(start_paused = true)]
async fn of_ipv6_a_whole_host_is_shunned() {
    let mut full = asked(Profile::Internet);
    let id = full
        .incoming(peer(), "/ip6/2001:db8:1:2::1/udp/1/quic-v1")
        .unwrap();
    full.limiter.shun(id, Instant::now());
    let refused = full.incoming(peer(), "/ip6/2001:db8:1:2::9/udp/1/quic-v1");
    assert_eq!(refused, Err(Count::Shunned));
    full.incoming(peer(), "/ip6/2001:db8:1:3::1/udp/1/quic-v1")
        .unwrap();
}
