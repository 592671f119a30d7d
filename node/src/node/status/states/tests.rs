use restante_interface::{NodeMode, Verdict};
use restante_proto::NodeId;

use super::*;
use crate::net::{EntryFailure, EntryState, Mode};
use crate::node::status::entry_point;

fn at(text: &str) -> Multiaddr {
    text.parse().unwrap()
}

fn net() -> NetStatus {
    NetStatus {
        node: NodeId::new([1; 32]),
        mode: Mode::Client,
        connected: Vec::new(),
        connection_count: 0,
        queued_bytes: 0,
        queued_bytes_max: 1,
        table_count: 0,
        listen: vec![at("/ip4/127.0.0.1/tcp/1"), at("/ip4/10.0.0.1/tcp/1")],
        external: Vec::new(),
        claims: Vec::new(),
        seen_from: Vec::new(),
        serve: Serve::Auto,
        profile: Profile::Internet,
        entry_points: Vec::new(),
        join_in: None,
        counters: Default::default(),
        traffic: Default::default(),
    }
}

fn claim(text: &str, is_set: bool, state: AddressState) -> Claim {
    Claim {
        address: at(text),
        is_set,
        state,
    }
}

fn reach_code(net: &NetStatus, role: Role) -> &'static str {
    reach(net, role).code()
}

#[test]
fn what_a_server_is_that_nobody_reaches() {
    let mut net = net();
    assert_eq!(reach_code(&net, Role::Server), "reach_private");
    assert_eq!(
        reach(&net, Role::Server),
        State::ReachPrivate {
            addresses: vec!["/ip4/10.0.0.1/tcp/1".into()]
        }
    );
    assert_eq!(reach_code(&net, Role::Person), "reach_client");
    net.listen.push(at("/ip4/8.8.8.8/tcp/1"));
    assert_eq!(reach_code(&net, Role::Server), "reach_unknown");
    net.listen.clear();
    assert_eq!(reach_code(&net, Role::Server), "reach_unknown");
    net.serve = Serve::Never;
    assert_eq!(reach_code(&net, Role::Server), "reach_off");
    (net.serve, net.profile) = (Serve::Auto, Profile::Local);
    assert_eq!(reach_code(&net, Role::Server), "reach_local");
}

#[test]
fn a_claim_is_told_as_what_others_have_found() {
    use AddressState::{Confirmed, Refuted, Untested};
    let (one, other) = ("/ip4/8.8.8.8/tcp/1", "/ip4/8.8.4.4/tcp/1");
    let code = |claims: Vec<Claim>| {
        let external = claims.iter().filter(|claim| claim.state != Refuted);
        let external = external.map(|claim| claim.address.clone()).collect();
        let net = NetStatus {
            claims,
            external,
            ..net()
        };
        reach_code(&net, Role::Server)
    };
    assert_eq!(code(vec![claim(one, true, Untested)]), "reach_claimed");
    assert_eq!(code(vec![claim(one, true, Confirmed)]), "reach_confirmed");
    assert_eq!(code(vec![claim(one, true, Refuted)]), "reach_refuted");
    let both = |first, second| vec![claim(one, true, first), claim(other, true, second)];
    assert_eq!(code(both(Confirmed, Refuted)), "reach_partial");
    assert_eq!(code(both(Untested, Refuted)), "reach_refuted");
    assert_eq!(code(both(Confirmed, Untested)), "reach_confirmed");
    let reached = NetStatus {
        mode: Mode::Server,
        claims: vec![claim(one, true, Refuted)],
        ..net()
    };
    assert_eq!(reach_code(&reached, Role::Server), "reach_partial");
    // What only the profile took for reachable is nobody's mistake, unless nothing is left.
    let own = |state| claim("/ip4/172.17.0.1/tcp/1", false, state);
    assert_eq!(
        code(vec![own(Refuted), claim(one, true, Confirmed)]),
        "reach_confirmed"
    );
    assert_eq!(code(vec![own(Refuted), own(Untested)]), "reach_claimed");
    assert_eq!(code(vec![own(Refuted)]), "reach_refuted");
}

#[test]
fn an_address_that_others_found_by_themselves_is_confirmed() {
    let net = NetStatus {
        external: vec![at("/ip4/8.8.8.8/tcp/1")],
        ..net()
    };
    assert_eq!(reach_code(&net, Role::Person), "reach_confirmed");
}

fn status(peers: u32, routing_table: u32, net: &NetStatus) -> StatusInfo {
    StatusInfo {
        peers,
        routing_table,
        mode: NodeMode::Client,
        entry_points: net.entry_points.iter().map(entry_point).collect(),
        ..crate::fixture::status()
    }
}

#[test]
fn the_network_is_told_by_those_who_are_there() {
    let code = |net: &NetStatus, (peers, known), role| {
        network(net, &status(peers, known, net), role).code()
    };
    let mut net = net();
    assert_eq!(code(&net, (0, 0), Role::Person), "network_alone");
    assert_eq!(code(&net, (0, 0), Role::Server), "network_first");
    assert_eq!(code(&net, (2, 4), Role::Person), "network_small");
    assert_eq!(code(&net, (2, 5), Role::Person), "network_joined");
    net.entry_points = vec![(at("/ip4/10.0.0.9/tcp/1"), EntryState::Reached)];
    assert_eq!(code(&net, (1, 0), Role::Person), "network_private");
    assert_eq!(code(&net, (0, 0), Role::Person), "network_alone");
    net.profile = Profile::Lan;
    assert_eq!(code(&net, (0, 0), Role::Person), "network_alone");
    net.entry_points[0].1 = EntryState::NotTried;
    assert_eq!(code(&net, (0, 0), Role::Person), "network_joining");
    net.entry_points[0].1 = EntryState::Failed(EntryFailure::OtherNetwork);
    assert_eq!(code(&net, (1, 0), Role::Person), "network_alone");
}

#[test]
fn entry_points_are_told_by_how_many_failed() {
    let failed = EntryState::Failed(EntryFailure::NameUnresolved);
    let said = |states: &[EntryState], known| {
        let points = states.iter().zip(1..);
        let points = points.map(|(state, port)| (at(&format!("/ip4/8.8.8.8/tcp/{port}")), *state));
        let net = NetStatus {
            entry_points: points.collect(),
            ..net()
        };
        entries(&net, &status(0, known, &net)).map(|state| (state.code(), state.verdict()))
    };
    assert_eq!(said(&[], 0), Some(("entries_unset", Verdict::Warn)));
    assert_eq!(said(&[], 1), None);
    let usable = Some(("entries_usable", Verdict::Ok));
    assert_eq!(
        said(&[EntryState::Reached, EntryState::NotTried], 0),
        usable
    );
    let some = Some(("entries_failed_some", Verdict::Warn));
    assert_eq!(said(&[EntryState::Reached, failed], 0), some);
    assert_eq!(said(&[failed], 3), some);
    assert_eq!(said(&[failed], 0), Some(("entries_failed", Verdict::Fail)));
}
