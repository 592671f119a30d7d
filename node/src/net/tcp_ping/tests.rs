use super::*;

fn handler_for(address: &str) -> THandler<TcpPing> {
    let mut ping = TcpPing::new(ping::Config::new());
    let (id, address) = (
        ConnectionId::new_unchecked(1),
        address.parse::<Multiaddr>().unwrap(),
    );
    let peer = PeerId::random();
    let outbound = ping.handle_established_outbound_connection(
        id,
        peer,
        &address,
        Endpoint::Dialer,
        PortUse::Reuse,
    );
    let inbound = ping.handle_established_inbound_connection(id, peer, &address, &address);
    assert_eq!(
        inbound.unwrap().is_left(),
        outbound.as_ref().unwrap().is_left()
    );
    outbound.unwrap()
}

#[test]
fn tcp_is_pinged_and_quic_is_not() {
    assert!(handler_for("/ip4/192.0.2.1/tcp/4717").is_left());
    assert!(handler_for("/ip6/2001:db8::1/tcp/4717").is_left());
    assert!(handler_for("/ip4/192.0.2.1/udp/4717/quic-v1").is_right());
}
