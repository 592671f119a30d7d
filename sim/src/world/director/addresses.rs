//! Where machines are on the internet: which share a group of addresses (/16), or an address.

use std::net::Ipv4Addr;

use crate::random::Random;
use crate::scenario::Addresses;
use crate::world::machine::{Outside, PORT};

/// The first number of addresses of which many are in one group; those that are apart have smaller ones.
const TOGETHER: u8 = 150;
/// The first number of addresses of which each is in one of some groups.
const SOME: u8 = 151;
/// The first number of addresses of sybils in given groups.
const SYBILS: u8 = 152;
/// The first number of addresses of machines that run on copies of homes.
const TWINS: u8 = 153;

/// Returns where a machine of so many is seen.
pub(super) fn of_machine(number: usize, kind: Addresses, nodes: usize, seed: u64) -> Outside {
    let ip = match kind {
        Addresses::Apart => apart(number),
        Addresses::OneGroup => within(TOGETHER, 0, number),
        Addresses::TwoGroups => within(TOGETHER, number % 2, number),
        Addresses::HalfOneGroup if number.is_multiple_of(2) => within(TOGETHER, 0, number),
        Addresses::HalfOneGroup => apart(number),
        Addresses::OneAddress => within(TOGETHER, 0, 0),
        Addresses::Random => {
            let groups = 1 + Random::of(seed, "groups of addresses").index(nodes);
            let group = Random::of(seed, &format!("group {number}")).index(groups);
            within(SOME, group, number)
        }
    };
    let beyond = match kind {
        Addresses::OneAddress => u16::try_from(number).unwrap_or(u16::MAX - PORT),
        _ => 0,
    };
    let port = PORT + beyond;
    Outside { ip, port }
}

/// Returns where a sybil is seen: in one of so many groups, or in one of its own.
pub(super) fn of_sybil(number: usize, groups: Option<usize>) -> Outside {
    let ip = match groups {
        Some(groups) => within(SYBILS, number % groups, number),
        None => apart(number),
    };
    Outside { ip, port: PORT }
}

/// Returns where a machine is seen that runs on a copy of a home.
pub(super) fn of_twin(number: usize) -> Outside {
    let ip = within(TWINS, number, number);
    Outside { ip, port: PORT }
}

/// Returns an address of another /16 than that of most others.
fn apart(number: usize) -> Ipv4Addr {
    let number = u32::try_from(number).unwrap_or(u32::MAX);
    let first = 20 + u8::try_from(number % 80).unwrap_or_default();
    let second = u8::try_from(number / 80 % 250).unwrap_or_default();
    let third = u8::try_from(number / 20_000).unwrap_or_default();
    Ipv4Addr::new(first, second, third, 1)
}

/// Returns an address in a group, of another /24 than that of most others.
fn within(first: u8, group: usize, number: usize) -> Ipv4Addr {
    let byte = |number: usize| u8::try_from(number % 250).unwrap_or_default();
    Ipv4Addr::new(first, byte(group), byte(number), 1 + byte(number / 250))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Machines that are looked at: as many as a run may have.
    const MANY: usize = 10_000;

    fn groups(all: &BTreeSet<Ipv4Addr>) -> usize {
        let group = |ip: &Ipv4Addr| [ip.octets()[0], ip.octets()[1]];
        all.iter().map(group).collect::<BTreeSet<_>>().len()
    }

    fn all(kind: Addresses, nodes: usize, seed: u64) -> BTreeSet<Ipv4Addr> {
        let of = |number| of_machine(number, kind, nodes, seed).ip;
        (0..nodes).map(of).collect()
    }

    #[test]
    fn each_machine_has_an_address_of_its_own_in_as_many_groups_as_are_said() {
        for (kind, expected) in [
            (Addresses::Apart, MANY),
            (Addresses::OneGroup, 1),
            (Addresses::TwoGroups, 2),
            (Addresses::HalfOneGroup, 1 + MANY / 2),
        ] {
            let all = all(kind, MANY, 1);
            assert_eq!((all.len(), groups(&all)), (MANY, expected), "{kind:?}");
        }
    }

    #[test]
    fn behind_one_address_each_has_a_port() {
        let of = |number| of_machine(number, Addresses::OneAddress, MANY, 1);
        let ports: BTreeSet<u16> = (0..MANY).map(|number| of(number).port).collect();
        assert_eq!(
            (all(Addresses::OneAddress, MANY, 1).len(), ports.len()),
            (1, MANY)
        );
    }

    #[test]
    fn random_groups_are_few_and_many() {
        let counts = (0..200).map(|seed| {
            let all = all(Addresses::Random, 20, seed);
            assert_eq!(all.len(), 20);
            groups(&all)
        });
        let counts: BTreeSet<usize> = counts.collect();
        assert!(
            counts.contains(&1) && counts.iter().any(|count| *count > 10),
            "{counts:?}"
        );
    }

    #[test]
    fn sybils_are_in_as_many_groups_as_are_said() {
        for (said, expected) in [(Some(1), 1), (Some(4), 4), (Some(16), 16), (None, 20)] {
            let all = (30..50).map(|number| of_sybil(number, said).ip).collect();
            assert_eq!(groups(&all), expected);
            assert_eq!(all.len(), 20);
        }
    }
}
