//! Listening at what there is, and nowhere where another program listens.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener, UdpSocket};

use libp2p::Multiaddr;
use libp2p::core::transport::ListenerId;
use libp2p::multiaddr::Protocol;
use libp2p::swarm::{NetworkBehaviour, Swarm};
use tracing::warn;

use super::address::ip_of;
use super::error::SpawnError;

/// Addresses that are nowhere near: of documentation (RFC 5737, RFC 3849).
const FAR_AWAY: (Ipv4Addr, Ipv6Addr) = (
    Ipv4Addr::new(192, 0, 2, 1),
    Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1),
);

/// Listens at the addresses that this machine has, and returns where; one of several that it has not is passed over.
///
/// # Errors
///
/// [`SpawnError::Listen`] when an address is taken or forbidden, or when there is none of them.
pub(super) fn listen<B: NetworkBehaviour>(
    swarm: &mut Swarm<B>,
    addresses: &[Multiaddr],
) -> Result<Vec<(ListenerId, Multiaddr)>, SpawnError> {
    let mut missing = None;
    let mut listeners = Vec::new();
    for address in addresses {
        match swarm.listen_on(address.clone()) {
            Ok(listener) => listeners.push((listener, address.clone())),
            Err(error) => {
                let is_missing = ip_of(address).is_some_and(is_missing);
                let refused = SpawnError::Listen {
                    address: address.clone(),
                    source: Box::new(error),
                };
                if !is_missing {
                    return Err(refused);
                }
                warn!(%address, "this machine has no such address; the node listens at its others");
                missing = Some(refused);
            }
        }
    }
    match missing {
        Some(refused) if listeners.is_empty() => Err(refused),
        _ => Ok(listeners),
    }
}

/// Returns the address by which this machine would go to the Internet, of each family that has a way there: the one
/// that is most likely to be reached by others. No packet is sent.
pub fn outward_ips() -> Vec<IpAddr> {
    let ways: [(IpAddr, IpAddr); 2] = [
        (Ipv4Addr::UNSPECIFIED.into(), FAR_AWAY.0.into()),
        (Ipv6Addr::UNSPECIFIED.into(), FAR_AWAY.1.into()),
    ];
    let found = ways.into_iter().filter_map(|(any, far)| {
        let socket = UdpSocket::bind((any, 0)).ok()?;
        socket.connect((far, 9)).ok()?;
        Some(socket.local_addr().ok()?.ip())
    });
    found.collect()
}

/// Refuses TCP ports that another program listens at: the transport shares ports with whoever shares them too, and half
/// of the peers would end at the other one.
///
/// # Errors
///
/// [`SpawnError::Listen`] names the first such address.
pub fn check_free(addresses: &[Multiaddr]) -> Result<(), SpawnError> {
    for address in addresses {
        let mut parts = address.iter();
        let ip = match parts.next() {
            Some(Protocol::Ip4(ip)) => IpAddr::from(ip),
            Some(Protocol::Ip6(ip)) => IpAddr::from(ip),
            _ => continue,
        };
        let Some(Protocol::Tcp(port)) = parts.next().filter(|tcp| *tcp != Protocol::Tcp(0)) else {
            continue;
        };
        match TcpListener::bind((ip, port)) {
            Err(source) if source.kind() == io::ErrorKind::AddrInUse => {
                return Err(SpawnError::Listen {
                    address: address.clone(),
                    source: Box::new(source),
                });
            }
            // Whatever else is wrong is told when it is listened at.
            _ => {}
        }
    }
    Ok(())
}

/// Tells whether the machine has no such address, or none of its family: what the transports say of it is too deep in
/// their errors.
fn is_missing(ip: IpAddr) -> bool {
    let no_family = rustix::io::Errno::AFNOSUPPORT.raw_os_error();
    UdpSocket::bind((ip, 0)).is_err_and(|error| {
        error.kind() == io::ErrorKind::AddrNotAvailable || error.raw_os_error() == Some(no_family)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_at_which_another_program_listens_is_not_free() {
        let other = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = other.local_addr().unwrap().port();
        let taken: Multiaddr = format!("/ip4/127.0.0.1/tcp/{port}").parse().unwrap();
        let any: Multiaddr = "/ip4/127.0.0.1/tcp/0".parse().unwrap();
        let quic: Multiaddr = format!("/ip4/127.0.0.1/udp/{port}/quic-v1")
            .parse()
            .unwrap();
        let refused = check_free(&[any.clone(), quic.clone(), taken.clone()]).unwrap_err();
        assert!(matches!(refused, SpawnError::Listen { address, .. } if address == taken));
        drop(other);
        check_free(&[any, quic, taken]).unwrap();
    }

    #[test]
    fn an_address_that_the_machine_has_not_is_missing() {
        // Of documentation.
        assert!(is_missing("203.0.113.7".parse().unwrap()));
        assert!(!is_missing("127.0.0.1".parse().unwrap()));
        assert!(!is_missing("0.0.0.0".parse().unwrap()));
    }
}
