//! Which states of the table (`restante_interface::State`) a node's network is in.

use restante_interface::{EntryPoint, EntryPointState, State, StatusInfo};
use restante_proto::limits::{REPLICAS, SECOND_MS};

use super::{Role, count};
use crate::net::{
    AddressState, Claim, EntryState, Mode, Multiaddr, NetStatus, Profile, Serve, is_dialable,
    is_loopback,
};

/// Returns the states of the network, of the node's place in it and of its entry points.
pub(crate) fn network_states(net: &NetStatus, info: &StatusInfo, role: Role) -> Vec<State> {
    let mut states = vec![network(net, info, role), reach(net, role)];
    states.extend(entries(net, info));
    states
}

fn network(net: &NetStatus, info: &StatusInfo, role: Role) -> State {
    let (peers, keepers) = (info.peers, info.routing_table);
    // Whoever keeps things for others is one of the keepers there are.
    match keepers as usize {
        0 if peers > 0 && is_private_entry(net) => State::NetworkPrivate { peers },
        0 => match role {
            Role::Person if is_joining(net) => State::NetworkJoining { peers },
            Role::Person => State::NetworkAlone,
            Role::Server => State::NetworkFirst { peers },
        },
        1..REPLICAS => State::NetworkSmall { peers, keepers },
        _ => State::NetworkJoined { peers, keepers },
    }
}

/// Tells whether an entry point is connected or dialled for the first time.
fn is_joining(net: &NetStatus) -> bool {
    let mut states = net.entry_points.iter().map(|(_, state)| state);
    states.any(|state| match state {
        EntryState::NotTried => true,
        EntryState::Reached => !net.connected.is_empty(),
        EntryState::Failed(_) => false,
    })
}

/// Tells whether the way in was an address that does not count with this profile.
fn is_private_entry(net: &NetStatus) -> bool {
    net.profile == Profile::Internet
        && net.entry_points.iter().any(|(address, state)| {
            *state == EntryState::Reached
                && is_dialable(address, Profile::Local)
                && !is_dialable(address, Profile::Internet)
        })
}

fn reach(net: &NetStatus, role: Role) -> State {
    if net.serve == Serve::Never {
        return State::ReachOff;
    }
    if net.profile == Profile::Local {
        return State::ReachLocal;
    }
    let claimed = |state: AddressState| {
        let claims = net.claims.iter();
        claims.filter(move |claim| claim.state == state)
    };
    let is_proven = |address: &&Multiaddr| {
        let mut claims = net.claims.iter();
        claims.all(|claim| claim.address != **address || claim.state == AddressState::Confirmed)
    };
    let confirmed: Vec<String> = net.external.iter().filter(is_proven).map(text).collect();
    let set = claimed(AddressState::Refuted).filter(|claim| claim.is_set);
    let false_ones: Vec<String> = set.map(|claim| text(&claim.address)).collect();
    let untested: Vec<String> = texts(claimed(AddressState::Untested));
    match (confirmed.is_empty(), false_ones.is_empty()) {
        (false, true) => State::ReachConfirmed {
            addresses: confirmed,
        },
        // While others come in somehow, it counts as reached.
        (true, false) if net.mode == Mode::Server => State::ReachPartial {
            addresses: Vec::new(),
            refuted: false_ones,
        },
        (false, false) => State::ReachPartial {
            addresses: confirmed,
            refuted: false_ones,
        },
        (true, false) => State::ReachRefuted {
            refuted: false_ones,
            seen_from: seen_from(net),
        },
        (true, true) if !untested.is_empty() => State::ReachClaimed {
            addresses: untested,
        },
        (true, true) if !net.claims.is_empty() => State::ReachRefuted {
            refuted: texts(net.claims.iter()),
            seen_from: seen_from(net),
        },
        (true, true) => match role {
            Role::Person => State::ReachClient,
            Role::Server => server_unreached(net),
        },
    }
}

/// Returns the state of a server that nobody is known to reach.
fn server_unreached(net: &NetStatus) -> State {
    let own = net.listen.iter().filter(|address| !is_loopback(address));
    let own: Vec<&Multiaddr> = own.collect();
    let has_public = own
        .iter()
        .any(|address| is_dialable(address, Profile::Internet));
    if has_public || own.is_empty() && net.listen.is_empty() {
        return State::ReachUnknown;
    }
    State::ReachPrivate {
        addresses: match own.is_empty() {
            true => net.listen.iter().map(text).collect(),
            false => own.into_iter().map(text).collect(),
        },
    }
}

fn seen_from(net: &NetStatus) -> Vec<String> {
    net.seen_from.iter().map(ToString::to_string).collect()
}

fn texts<'a>(claims: impl Iterator<Item = &'a Claim>) -> Vec<String> {
    claims.map(|claim| text(&claim.address)).collect()
}

fn text(address: &Multiaddr) -> String {
    address.to_string()
}

/// Returns the state of the entry points; a node that knows others needs none.
fn entries(net: &NetStatus, info: &StatusInfo) -> Option<State> {
    let failed = info.entry_points.iter();
    let failed = failed.filter(|entry| entry.state.is_failed());
    let failed: Vec<EntryPoint> = failed.cloned().collect();
    let of = count(info.entry_points.len());
    if failed.is_empty() {
        return match of {
            0 => (info.routing_table == 0).then_some(State::EntriesUnset),
            _ => Some(State::EntriesUsable { of }),
        };
    }
    let reached = |entry: &EntryPoint| entry.state == EntryPointState::Reached;
    let is_in = info.routing_table > 0 || info.entry_points.iter().any(reached);
    Some(match is_in {
        true => State::EntriesFailedSome { failed, of },
        false => State::EntriesFailed {
            failed,
            of,
            retry_in_ms: net.join_in.map_or(0, |pause| pause.as_secs() * SECOND_MS),
        },
    })
}

#[cfg(test)]
mod tests;
