use std::collections::BTreeSet;

use super::{End, Network};
use crate::clock::Instant;
use crate::random::Random;
use crate::scenario::{Ms, Network as NetworkOptions, Share};

const HERE: End = End::Person(0);
const THERE: End = End::Keeper(0);

fn network(loss_ppm: u64, duplicate_ppm: u64, jitter_ms: u64) -> Network {
    let options = NetworkOptions {
        jitter: Some(Ms(jitter_ms)),
        lookup: Ms(400),
        loss: Share(loss_ppm),
        duplicates: Share(duplicate_ppm),
        ..NetworkOptions::default()
    };
    Network::new(options, Random::of(7, "network"))
}

/// Sends a thousand packets, a millisecond apart, and returns when they arrive.
fn send(network: &mut Network) -> Vec<Instant> {
    (0..1_000)
        .flat_map(|at| network.arrivals(Instant(at), HERE, THERE, 10))
        .collect()
}

#[test]
fn a_quiet_network_delivers_everything_once_and_in_order() {
    let mut network = network(0, 0, 0);
    let all: Vec<Instant> = (0..1_000).map(|at| Instant(at + 20)).collect();
    assert_eq!(send(&mut network), all);
    let tally = &network.tally;
    assert_eq!(
        (tally.sent, tally.bytes, tally.lost, tally.overtaken),
        (1_000, 10_000, 0, 0)
    );
}

#[test]
fn a_bad_one_loses_doubles_and_reorders_and_says_how_much() {
    let mut network = network(200_000, 100_000, 50);
    let arrived = send(&mut network).len() as u64;
    let tally = network.tally.clone();
    assert_eq!(arrived, 1_000 - tally.lost + tally.duplicated);
    assert!((100..300).contains(&tally.lost), "{}", tally.lost);
    assert!(
        (40..160).contains(&tally.duplicated),
        "{}",
        tally.duplicated
    );
    assert!(tally.overtaken > 100, "{}", tally.overtaken);
    network.heal();
    assert_eq!(send(&mut network).len(), 1_000);
}

#[test]
fn a_cut_parts_the_two_sides_and_nothing_else() {
    let mut network = network(0, 0, 0);
    network.cut_off(BTreeSet::from([THERE, End::Person(1)]));
    assert!(network.is_cut(HERE, THERE) && network.is_cut(THERE, HERE));
    assert!(!network.is_cut(THERE, End::Person(1)) && !network.is_cut(HERE, End::Keeper(1)));
    assert_eq!(send(&mut network), []);
    assert_eq!(network.tally.cut, 1_000);
}
