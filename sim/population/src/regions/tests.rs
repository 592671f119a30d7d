use rand::{SeedableRng, rngs::Xoshiro256PlusPlus};

use super::*;

#[test]
fn the_world_is_as_large_as_it_should_be() {
    let world = Regions::world();
    assert!(world.round_trip_quantile_ms(0.5).abs_diff(140) <= 2);
    assert!(world.round_trip_quantile_ms(0.95).abs_diff(280) <= 2);
    let total: f64 = world.all().map(|region| world.share(region)).sum();
    assert!((total - 1.0).abs() < 1e-9);
}

#[test]
fn drawn_nodes_are_as_far_apart_as_the_weights_say() {
    let world = Regions::world();
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
    let mut round_trips: Vec<u32> = (0..100_000)
        .map(|_| world.round_trip_ms(world.draw(&mut rng), world.draw(&mut rng)))
        .collect();
    round_trips.sort_unstable();
    assert_eq!(round_trips[50_000], 140);
    assert_eq!(round_trips[95_000], 280);
}

#[test]
fn latencies_are_the_same_both_ways_and_smallest_at_home() {
    let world = Regions::world();
    for from in world.all() {
        for to in world.all() {
            assert_eq!(world.one_way_ms(from, to), world.one_way_ms(to, from));
            assert!(from == to || world.one_way_ms(from, from) < world.one_way_ms(from, to));
        }
    }
}

#[test]
fn names_are_strict_and_the_answer_lists_them() {
    let world = Regions::world();
    let africa = world.named("africa").unwrap();
    assert_eq!(world.name(africa), "africa");
    assert_eq!(
        world.named("Atlantis").unwrap_err().to_string(),
        "there is no region called \"Atlantis\", only europe, north-america-east, \
         north-america-west, east-asia, oceania, west-asia, africa, south-america"
    );
    assert!(world.weighted(&[("europe", 1), ("mars", 1)]).is_err());
}

#[test]
fn weights_can_be_chosen() {
    let one = Regions::world().weighted(&[("europe", 1)]).unwrap();
    assert_eq!(one.round_trip_quantile_ms(0.99), 4);
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(2);
    let europe = one.named("europe").unwrap();
    assert!((0..100).all(|_| one.draw(&mut rng) == europe));
}

#[test]
fn regions_that_cannot_be_are_refused() {
    assert_eq!(Regions::new(&[]), Err(RegionsError::Count(0)));
    assert_eq!(
        Regions::new(&[("a", 1, &[1, 2]), ("a", 1, &[2, 1])]),
        Err(RegionsError::Twice("a".to_owned()))
    );
    let (name, got, wanted) = ("b".to_owned(), 1, 2);
    assert_eq!(
        Regions::new(&[("a", 1, &[1, 2]), ("b", 1, &[2])]),
        Err(RegionsError::Row { name, got, wanted })
    );
    assert_eq!(Regions::new(&[("a", 0, &[1])]), Err(RegionsError::Weights));
}
