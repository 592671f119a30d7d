//! Which addresses may be dialled and passed on, and which of them are neighbours.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use libp2p::Multiaddr;
use libp2p::multiaddr::Protocol;

use super::config::Profile;

/// A range of IP addresses that probably belong to one party: the unit of quotas and diversity.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IpGroup {
    /// An IPv4 prefix, in host order with the rest cleared.
    V4(u32),
    /// An IPv6 prefix, in host order with the rest cleared.
    V6(u128),
    /// An address without an IP, as memory transports have it.
    Other,
}

impl IpGroup {
    /// Returns the group that connection limits and quotas count: /24 (IPv4) or /48 (IPv6).
    pub fn near(address: &Multiaddr) -> Self {
        ip_of(address).map_or(Self::Other, Self::near_ip)
    }

    /// Returns the /24 or /48 of an IP address.
    pub fn near_ip(ip: IpAddr) -> Self {
        Self::prefix(ip, 24, 48)
    }

    /// Returns what one host has: its address (IPv4), or its /64 (IPv6).
    pub fn single_ip(ip: IpAddr) -> Self {
        Self::prefix(ip, 32, 64)
    }

    /// Returns the group that decides who gives way in a full bucket of the routing table: /16 (IPv4) or /32 (IPv6).
    pub fn wide(address: &Multiaddr) -> Self {
        ip_of(address).map_or(Self::Other, |ip| Self::prefix(ip, 16, 32))
    }

    fn prefix(ip: IpAddr, bits4: u32, bits6: u32) -> Self {
        match ip {
            IpAddr::V4(ip) => Self::V4(u32::from(ip) & (u32::MAX << (32 - bits4))),
            IpAddr::V6(ip) => Self::V6(u128::from(ip) & (u128::MAX << (128 - bits6))),
        }
    }
}

impl fmt::Debug for IpGroup {
    /// Says the family alone: where a peer lives belongs in no log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V4(_) => "IpGroup(v4)",
            Self::V6(_) => "IpGroup(v6)",
            Self::Other => "IpGroup(other)",
        })
    }
}

/// Returns the IP address a multiaddress begins with, an IPv4 address in IPv6 clothes as IPv4.
pub fn ip_of(address: &Multiaddr) -> Option<IpAddr> {
    match address.iter().next()? {
        Protocol::Ip4(ip) => Some(IpAddr::V4(ip)),
        Protocol::Ip6(ip) => Some(ip.to_ipv4_mapped().map_or(IpAddr::V6(ip), IpAddr::V4)),
        _ => None,
    }
}

/// Returns whether the multiaddress goes over TCP.
pub fn is_tcp(address: &Multiaddr) -> bool {
    address.iter().any(|part| matches!(part, Protocol::Tcp(_)))
}

/// Returns whether the multiaddress leads to this machine or through no IP network at all.
pub fn is_loopback(address: &Multiaddr) -> bool {
    match address.iter().next() {
        Some(Protocol::Memory(_)) => true,
        _ => ip_of(address).is_some_and(|ip| ip.is_loopback()),
    }
}

/// Returns whether an address learned from another node may be dialled and put in the table.
///
/// It must be exactly an IP address, a port and TCP or QUIC, with or without `/p2p`; a name could
/// resolve to anything. The profile says which IP addresses count.
pub fn is_dialable(address: &Multiaddr, profile: Profile) -> bool {
    let mut parts = address.iter();
    let ip = match parts.next() {
        Some(Protocol::Memory(_)) if profile == Profile::Local => return ends(parts),
        Some(Protocol::Ip4(_) | Protocol::Ip6(_)) => ip_of(address),
        _ => None,
    };
    let Some(ip) = ip.filter(|ip| !ip.is_unspecified() && !ip.is_multicast()) else {
        return false;
    };
    let shape = match parts.next() {
        Some(Protocol::Tcp(port)) => port != 0 && ends(parts),
        Some(Protocol::Udp(port)) => {
            port != 0 && matches!(parts.next(), Some(Protocol::QuicV1)) && ends(parts)
        }
        _ => false,
    };
    shape && profile.admits(ip)
}

/// Returns whether a node can listen at addresses of this form: an IP address, and TCP or QUIC.
pub fn is_listenable(address: &Multiaddr) -> bool {
    let mut parts = address.iter();
    let is_ip = matches!(parts.next(), Some(Protocol::Ip4(_) | Protocol::Ip6(_)));
    let has_transport = match parts.next() {
        Some(Protocol::Tcp(_)) => true,
        Some(Protocol::Udp(_)) => matches!(parts.next(), Some(Protocol::QuicV1)),
        _ => false,
    };
    is_ip && has_transport && parts.next().is_none()
}

/// Returns the address without a `/p2p` part at its end.
pub(super) fn bare(mut address: Multiaddr) -> Multiaddr {
    if matches!(address.iter().last(), Some(Protocol::P2p(_))) {
        address.pop();
    }
    address
}

fn ends<'a>(mut parts: impl Iterator<Item = Protocol<'a>>) -> bool {
    matches!(parts.next(), None | Some(Protocol::P2p(_))) && parts.next().is_none()
}

/// Returns whether an IP address can be reached from anywhere on the Internet.
pub(super) fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => ip
            .to_ipv4_mapped()
            .map_or_else(|| is_public_v6(ip), is_public_v4),
    }
}

/// Returns whether an IP address means something else on every link it is used on, and cannot be dialled without the
/// link's name.
pub(super) fn is_link_local_v6(ip: IpAddr) -> bool {
    matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local())
}

/// Follows the IANA IPv4 Special-Purpose Address Registry.
fn is_public_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    let special = ip.is_private()
        || ip.is_loopback()
        || ip.is_link_local()
        || ip.is_documentation()
        || a == 0
        || a >= 224
        || (a == 100 && b & 0xc0 == 64)
        || (a == 192 && b == 0 && c == 0)
        || (a == 192 && b == 88 && c == 99)
        || (a == 198 && b & 0xfe == 18);
    !special
}

/// Follows the IANA IPv6 registries: global unicast is 2000::/3, less what embeds or documents.
fn is_public_v6(ip: Ipv6Addr) -> bool {
    let segments = ip.segments();
    let global = segments[0] & 0xe000 == 0x2000;
    let special = segments[0] == 0x2002
        || (segments[0] == 0x2001 && segments[1] < 0x0200)
        || (segments[0] == 0x2001 && segments[1] == 0x0db8)
        || (segments[0] == 0x3fff && segments[1] < 0x1000);
    global && !special
}

#[cfg(test)]
mod tests;
