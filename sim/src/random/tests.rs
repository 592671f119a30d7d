use super::Random;

#[test]
fn a_stream_depends_on_seed_and_label_alone() {
    let first: [u8; 32] = Random::of(1, "network").bytes();
    assert_eq!(first, Random::of(1, "network").bytes());
    assert_ne!(first, Random::of(2, "network").bytes());
    assert_ne!(first, Random::of(1, "networks").bytes());
}

#[test]
fn numbers_stay_within_their_bounds() {
    let mut random = Random::of(7, "bounds");
    for limit in 1..200 {
        assert!(random.below(limit) < limit);
        assert!((limit..=limit + 3).contains(&random.between(limit, limit + 3)));
    }
    assert_eq!(random.below(0), 0);
    assert!(!random.chance(0));
    assert!(random.chance(1_000_000));
}

#[test]
fn a_shuffle_keeps_everything_and_changes_the_order() {
    let sorted: Vec<u32> = (0..100).collect();
    let mut items = sorted.clone();
    Random::of(7, "shuffle").shuffle(&mut items);
    assert_ne!(items, sorted);
    items.sort_unstable();
    assert_eq!(items, sorted);
}
