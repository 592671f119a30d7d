//! What became of dialling the entry points, and why.

use std::collections::BTreeMap;
use std::error::Error;
use std::io;
use std::time::Duration;

use either::Either;
use libp2p::core::transport::TransportError;
use libp2p::swarm::DialError;
use libp2p::{Multiaddr, dns, quic};
use tokio::time::Instant;
use tracing::{debug, info, warn};

use super::super::address::bare;
use super::super::error::causes;
use super::super::status::{EntryFailure, EntryState};

/// How often the same failure of an entry point is logged.
const LOG_AGAIN: Duration = Duration::from_secs(3_600);

/// The entry points of the configuration, each with how its last dial ended.
#[derive(Debug, Default)]
pub(super) struct EntryPoints(BTreeMap<Multiaddr, Known>);

#[derive(Debug)]
struct Known {
    /// As it is configured.
    address: Multiaddr,
    state: EntryState,
    logged: Option<Instant>,
}

impl EntryPoints {
    pub(super) fn new(configured: &[Multiaddr]) -> Self {
        let known = |address: &Multiaddr| {
            let known = Known {
                address: address.clone(),
                state: EntryState::NotTried,
                logged: None,
            };
            (bare(address.clone()), known)
        };
        Self(configured.iter().map(known).collect())
    }

    /// Returns all of them.
    pub(super) fn states(&self) -> Vec<(Multiaddr, EntryState)> {
        let known = self.0.values();
        known
            .map(|known| (known.address.clone(), known.state))
            .collect()
    }

    /// A connection was made to an address; whether to a node of this network is known when it is identified.
    pub(super) fn on_connected(&mut self, address: &Multiaddr) {
        let known = self.0.get(&bare(address.clone()));
        let other = EntryState::Failed(EntryFailure::OtherNetwork);
        if known.is_some_and(|known| known.state != other) {
            self.on_reached(address);
        }
    }

    /// A node of another network is at an address.
    pub(super) fn on_other_network(&mut self, now: Instant, address: &Multiaddr) {
        self.fail(now, address, EntryFailure::OtherNetwork);
    }

    /// A node of this network is at an address.
    pub(super) fn on_reached(&mut self, address: &Multiaddr) {
        if let Some(known) = self.0.get_mut(&bare(address.clone())) {
            if matches!(known.state, EntryState::Failed(_)) {
                info!(entry = %known.address, "the entry point answers again");
            }
            known.state = EntryState::Reached;
            known.logged = None;
        }
    }

    /// A dial has failed at one or more addresses.
    pub(super) fn on_failed(&mut self, now: Instant, error: &DialError) {
        match error {
            DialError::WrongPeerId { address, .. } => {
                self.fail(now, address, EntryFailure::OtherIdentity);
            }
            DialError::Transport(failed) => {
                for (address, error) in failed {
                    self.fail(now, address, failure_of(error));
                }
            }
            _ => {}
        }
    }

    fn fail(&mut self, now: Instant, address: &Multiaddr, failure: EntryFailure) {
        let Some(known) = self.0.get_mut(&bare(address.clone())) else {
            return;
        };
        let is_new = known.state != EntryState::Failed(failure);
        let is_due = known.logged.is_none_or(|last| now - last >= LOG_AGAIN);
        known.state = EntryState::Failed(failure);
        let entry = &known.address;
        if is_new || is_due {
            known.logged = Some(now);
            warn!(%entry, why = ?failure, "an entry point cannot be used");
        } else {
            debug!(%entry, why = ?failure, "an entry point cannot be used");
        }
    }
}

fn failure_of(error: &TransportError<io::Error>) -> EntryFailure {
    match error {
        TransportError::MultiaddrNotSupported(_) => EntryFailure::Unsupported,
        TransportError::Other(error) => {
            let known = causes(error).find_map(known_failure);
            known.unwrap_or_else(|| {
                // The transports' timeout is a type of its own for each stack of them.
                let is_late = causes(error).any(|cause| cause.to_string().contains("Timeout"));
                match is_late {
                    true => EntryFailure::NoAnswer,
                    false => EntryFailure::NoHandshake,
                }
            })
        }
    }
}

fn known_failure(cause: &(dyn Error + 'static)) -> Option<EntryFailure> {
    if let Some(named) = cause.downcast_ref::<dns::Error<Either<io::Error, io::Error>>>() {
        return of_name(named);
    }
    if let Some(quic::Error::HandshakeTimedOut) = cause.downcast_ref::<quic::Error>() {
        return Some(EntryFailure::NoAnswer);
    }
    of_socket(cause.downcast_ref::<io::Error>()?.kind())
}

/// Returns why a name led nowhere, if it is the name: of several addresses each has its own error.
fn of_name(error: &dns::Error<Either<io::Error, io::Error>>) -> Option<EntryFailure> {
    match error {
        dns::Error::ResolveError(_) | dns::Error::TooManyLookups => {
            Some(EntryFailure::NameUnresolved)
        }
        dns::Error::MultiaddrNotSupported(_) => Some(EntryFailure::Unsupported),
        dns::Error::Transport(either) => {
            causes(either.as_ref().into_inner()).find_map(known_failure)
        }
        dns::Error::Dial(errors) => errors.iter().find_map(of_name),
    }
}

const fn of_socket(kind: io::ErrorKind) -> Option<EntryFailure> {
    match kind {
        io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset => {
            Some(EntryFailure::Refused)
        }
        io::ErrorKind::TimedOut => Some(EntryFailure::NoAnswer),
        io::ErrorKind::NetworkUnreachable
        | io::ErrorKind::HostUnreachable
        | io::ErrorKind::AddrNotAvailable
        | io::ErrorKind::NetworkDown => Some(EntryFailure::Unreachable),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use libp2p::identity::Keypair;

    use super::*;

    fn at(text: &str) -> Multiaddr {
        text.parse().unwrap()
    }

    #[test]
    fn why_an_entry_point_failed_is_found_under_all_that_is_around_it() {
        let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
        let nested: dns::Error<Either<io::Error, io::Error>> =
            dns::Error::Transport(Either::Right(io::Error::other(refused)));
        let nested = TransportError::Other(io::Error::other(nested));
        assert_eq!(failure_of(&nested), EntryFailure::Refused);
        let late: dns::Error<Either<io::Error, io::Error>> = dns::Error::Transport(Either::Left(
            io::Error::other(quic::Error::HandshakeTimedOut),
        ));
        let late = TransportError::Other(io::Error::other(late));
        assert_eq!(failure_of(&late), EntryFailure::NoAnswer);
        let several: dns::Error<Either<io::Error, io::Error>> =
            dns::Error::Dial(vec![dns::Error::TooManyLookups]);
        let several = TransportError::Other(io::Error::other(several));
        assert_eq!(failure_of(&several), EntryFailure::NameUnresolved);
        let odd = TransportError::Other(io::Error::other("nonsense"));
        assert_eq!(failure_of(&odd), EntryFailure::NoHandshake);
    }

    #[tokio::test(start_paused = true)]
    async fn a_node_of_another_network_does_not_count_until_it_is_identified_as_one_of_this() {
        let address = at("/ip4/9.9.9.9/tcp/1");
        let mut entries = EntryPoints::new(std::slice::from_ref(&address));
        let other = EntryState::Failed(EntryFailure::OtherNetwork);
        let state = |entries: &EntryPoints| entries.states()[0].1;
        entries.on_connected(&address);
        assert_eq!(state(&entries), EntryState::Reached);
        entries.on_other_network(Instant::now(), &address);
        entries.on_connected(&address);
        assert_eq!(state(&entries), other);
        entries.on_reached(&address);
        assert_eq!(state(&entries), EntryState::Reached);
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_dial_of_each_entry_point_counts() {
        let peer = Keypair::generate_ed25519().public().to_peer_id();
        let first = at("/ip4/9.9.9.9/udp/1/quic-v1").with_p2p(peer).unwrap();
        let second = at("/dns4/example.org/tcp/1");
        let mut entries = EntryPoints::new(&[first.clone(), second.clone()]);
        let wrong = DialError::WrongPeerId {
            obtained: Keypair::generate_ed25519().public().to_peer_id(),
            address: bare(first.clone()),
        };
        entries.on_failed(Instant::now(), &wrong);
        entries.on_reached(&second);
        let failed = EntryState::Failed(EntryFailure::OtherIdentity);
        let mut states = entries.states();
        states.sort_by_key(|(address, _)| address.to_string());
        assert_eq!(
            states,
            [(second, EntryState::Reached), (first.clone(), failed)]
        );
        entries.on_reached(&first);
        assert!(
            entries
                .states()
                .iter()
                .all(|(_, state)| *state == EntryState::Reached)
        );
    }
}
