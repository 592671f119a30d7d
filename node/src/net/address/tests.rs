use libp2p::identity::Keypair;
use restante_proto::routing::{Answer, Named};

use super::*;
use crate::net::node_of;

fn at(text: &str) -> Multiaddr {
    text.parse().unwrap()
}

#[track_caller]
fn check(text: &str, production: bool, local: bool) {
    assert_eq!(
        is_dialable(&at(text), Profile::Internet),
        production,
        "{text} in production"
    );
    assert_eq!(
        is_dialable(&at(text), Profile::Local),
        local,
        "{text} in the local profile"
    );
}

#[test]
fn public_addresses_with_a_known_transport_may_be_dialled() {
    let peer = libp2p::PeerId::random();
    check("/ip4/8.8.8.8/tcp/4001", true, true);
    check("/ip4/8.8.8.8/udp/4001/quic-v1", true, true);
    check(
        &format!("/ip4/8.8.8.8/udp/4001/quic-v1/p2p/{peer}"),
        true,
        true,
    );
    check("/ip6/2606:4700::1111/tcp/1", true, true);
    check("/ip6/::ffff:8.8.8.8/tcp/1", true, true);
}

#[test]
fn in_a_lan_private_addresses_count_and_this_machine_does_not() {
    for (text, counts, is_shared) in [
        ("/ip4/192.168.1.1/udp/1/quic-v1", true, true),
        ("/ip4/10.1.2.3/tcp/1", true, true),
        ("/ip4/100.64.0.1/tcp/1", true, true),
        ("/ip4/169.254.1.1/tcp/1", true, true),
        ("/ip6/fd00::1/tcp/1", true, true),
        ("/ip4/8.8.8.8/tcp/1", true, false),
        ("/ip4/127.0.0.1/tcp/1", false, true),
        ("/ip6/::1/tcp/1", false, true),
        ("/ip6/fe80::1/tcp/1", false, true),
        ("/memory/1", false, false),
        ("/dns4/a.example.org/tcp/1", false, false),
    ] {
        let address = at(text);
        let lan = Profile::Lan;
        assert_eq!(is_dialable(&address, lan), counts, "{text}");
        assert_eq!(lan.is_shared(&address), is_shared, "{text}");
        assert_eq!(lan.vouches_for(&address), counts && is_shared, "{text}");
    }
}

#[test]
fn in_a_lan_every_host_is_its_own_neighbourhood() {
    let of = |profile: Profile, text: &str| profile.neighbourhood(&at(text));
    let (one, other) = ("/ip4/192.168.1.1/tcp/1", "/ip4/192.168.1.2/tcp/1");
    assert_ne!(of(Profile::Lan, one), of(Profile::Lan, other));
    assert_eq!(of(Profile::Internet, one), of(Profile::Internet, other));
    let (one, other) = ("/ip4/9.8.1.1/tcp/1", "/ip4/9.8.1.2/tcp/1");
    assert_eq!(of(Profile::Lan, one), of(Profile::Lan, other));
}

#[test]
fn what_can_be_listened_at() {
    for text in ["/ip4/0.0.0.0/tcp/0", "/ip6/::/udp/0/quic-v1"] {
        assert!(is_listenable(&at(text)), "{text}");
    }
    for text in [
        "/dns4/a.example.org/tcp/1",
        "/ip4/0.0.0.0/udp/1",
        "/ip4/0.0.0.0/tcp/1/ws",
        "/memory/1",
    ] {
        assert!(!is_listenable(&at(text)), "{text}");
    }
}

#[test]
fn what_is_not_public_may_be_dialled_in_the_local_profile_alone() {
    for ip in [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.1.1",
        "100.64.0.1",
        "192.0.2.1",
        "198.18.0.1",
        "203.0.113.9",
        "192.88.99.1",
        "240.0.0.1",
    ] {
        check(&format!("/ip4/{ip}/tcp/80"), false, true);
    }
    for ip in [
        "::1",
        "fe80::1",
        "fc00::1",
        "2001:db8::1",
        "2002:7f00:1::",
        "64:ff9b::7f00:1",
        "::ffff:127.0.0.1",
        "2001::1",
        "3fff::1",
    ] {
        check(&format!("/ip6/{ip}/tcp/80"), false, true);
    }
    check("/memory/7", false, true);
}

#[test]
fn names_relays_and_odd_shapes_are_never_dialled_for_others() {
    let peer = libp2p::PeerId::random();
    for text in [
        "/dns4/example.org/tcp/80",
        "/dnsaddr/example.org",
        "/ip4/8.8.8.8",
        "/ip4/8.8.8.8/tcp/0",
        "/ip4/8.8.8.8/udp/4001",
        "/ip4/8.8.8.8/tcp/4001/ws",
        "/ip4/0.0.0.0/tcp/80",
        "/ip6/::/tcp/80",
        "/ip4/224.0.0.1/udp/9/quic-v1",
        "/ip6/ff02::1/udp/9/quic-v1",
    ] {
        check(text, false, false);
    }
    check(
        &format!("/ip4/8.8.8.8/tcp/1/p2p/{peer}/p2p-circuit"),
        false,
        false,
    );
    check(
        &format!("/ip4/8.8.8.8/tcp/1/p2p/{peer}/p2p-circuit/p2p/{peer}"),
        false,
        false,
    );
}

#[test]
fn groups_are_prefixes() {
    let near = |text| IpGroup::near(&at(text));
    let wide = |text| IpGroup::wide(&at(text));
    assert_eq!(
        near("/ip4/1.2.3.4/tcp/1"),
        near("/ip4/1.2.3.250/udp/9/quic-v1")
    );
    assert_ne!(near("/ip4/1.2.3.4/tcp/1"), near("/ip4/1.2.4.4/tcp/1"));
    assert_eq!(wide("/ip4/1.2.3.4/tcp/1"), wide("/ip4/1.2.200.4/tcp/1"));
    assert_ne!(wide("/ip4/1.2.3.4/tcp/1"), wide("/ip4/1.3.3.4/tcp/1"));
    assert_eq!(
        near("/ip6/2606:4700:1:2::1/tcp/1"),
        near("/ip6/2606:4700:1:3::1/tcp/1")
    );
    assert_ne!(
        near("/ip6/2606:4700:1::1/tcp/1"),
        near("/ip6/2606:4700:2::1/tcp/1")
    );
    assert_eq!(
        wide("/ip6/2606:4700:1::1/tcp/1"),
        wide("/ip6/2606:4700:2::1/tcp/1")
    );
    assert_eq!(
        near("/ip6/::ffff:1.2.3.4/tcp/1"),
        near("/ip4/1.2.3.4/tcp/1")
    );
    assert_eq!(near("/memory/1"), IpGroup::Other);
    assert_eq!(format!("{:?}", near("/ip4/1.2.3.4/tcp/1")), "IpGroup(v4)");
}

#[test]
fn a_circuit_over_ip6_travels_in_an_answer_although_this_node_does_not_dial_it() {
    let relay = Keypair::generate_ed25519().public().to_peer_id();
    let node = node_of(&Keypair::generate_ed25519().public().to_peer_id()).unwrap();
    let circuit = at(&format!(
        "/ip6/2606:4700::1111/udp/4717/quic-v1/p2p/{relay}/p2p-circuit"
    ));
    assert_eq!(circuit.len(), 66);
    let named = Named {
        node,
        addresses: vec![circuit.to_vec().into()],
    };
    let answer = Answer { nodes: vec![named] };
    let read = Answer::decode(&answer.encode()).unwrap();
    assert_eq!(read, answer);
    let read = Multiaddr::try_from(read.nodes[0].addresses[0].to_vec()).unwrap();
    assert_eq!(read, circuit);
    assert!(!is_dialable(&read, Profile::Internet) && !is_dialable(&read, Profile::Local));
}
