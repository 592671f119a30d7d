use std::collections::{BTreeMap, BTreeSet};

use rand::{SeedableRng, rngs::Xoshiro256PlusPlus};

use super::*;

fn take(seed: u64, count: usize) -> Vec<Ipv4Addr> {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut addresses = Addresses::new(&mut rng);
    (0..count)
        .map(|_| addresses.next(&mut rng).unwrap())
        .collect()
}

/// Counts how many addresses share their first `octets` octets.
fn groups(addresses: &[Ipv4Addr], octets: usize) -> BTreeMap<Vec<u8>, usize> {
    let mut groups = BTreeMap::new();
    for address in addresses {
        *groups
            .entry(address.octets()[..octets].to_vec())
            .or_default() += 1;
    }
    groups
}

#[test]
fn no_address_comes_twice_and_all_are_public() {
    let addresses = take(1, 200_000);
    let distinct: BTreeSet<_> = addresses.iter().collect();
    assert_eq!(distinct.len(), addresses.len());
    for address in addresses {
        assert!(!address.is_private() && !address.is_loopback() && !address.is_multicast());
        assert!(!address.is_link_local() && !address.is_documentation());
        assert!(!SPECIAL.contains(&address.octets()[0]) && address.octets()[0] < 224);
    }
}

#[test]
fn a_thousand_nodes_are_mostly_alone_in_their_blocks() {
    let addresses = take(2, 1_000);
    let groups = groups(&addresses, 2);
    let few: usize = groups.values().filter(|count| **count <= 2).sum();
    assert!((900..=990).contains(&few), "{few}");
    let most = *groups.values().max().unwrap();
    assert!((3..=12).contains(&most), "{most}");
}

#[test]
fn a_million_nodes_crowd_some_blocks_and_spread_within_them() {
    let addresses = take(3, 1_000_000);
    let blocks = groups(&addresses, 2);
    assert!(blocks.len() > 50_000, "{} blocks", blocks.len());
    let most = *blocks.values().max().unwrap();
    assert!((2_000..=10_000).contains(&most), "{most}");
    let nets = groups(&addresses, 3);
    assert!(*nets.values().max().unwrap() <= most.div_ceil(256) + 2);
}

#[test]
fn a_full_block_passes_nodes_on() {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(4);
    let mut addresses = Addresses::new(&mut rng);
    let full = vec![1 << 16; BLOCKS as usize];
    addresses.given = full;
    assert_eq!(addresses.next(&mut rng), None);
    addresses.given[5] = (1 << 16) - 1;
    assert!(addresses.next(&mut rng).is_some());
    assert_eq!(addresses.next(&mut rng), None);
}

#[test]
fn one_seed_gives_the_same_addresses() {
    assert_eq!(take(5, 1_000), take(5, 1_000));
    assert_ne!(take(5, 1_000), take(6, 1_000));
}
