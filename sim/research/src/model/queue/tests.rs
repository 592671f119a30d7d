use rand::{Rng, SeedableRng, rngs::Xoshiro256PlusPlus};

use super::*;

#[test]
fn events_come_in_order_of_moment_and_making() {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
    let mut queue = Queue::new();
    let mut wanted = std::collections::BTreeSet::new();
    let (mut now, mut number) = (0, 0_u64);
    for _ in 0..30_000 {
        let ahead = match rng.next_u64() % 4 {
            0 => rng.next_u64() % 10,
            1 => rng.next_u64() % SLICE_MS,
            2 => rng.next_u64() % (SLICE_MS * SLICES),
            _ => rng.next_u64() % (5 * SLICE_MS * SLICES),
        };
        queue.push(now + ahead, number);
        wanted.insert((now + ahead, number));
        number += 1;
        if rng.next_u64().is_multiple_of(3) {
            let got = queue.pop().unwrap();
            assert_eq!(Some(got), wanted.pop_first());
            now = got.0;
        }
    }
    while let Some(got) = queue.pop() {
        assert_eq!(Some(got), wanted.pop_first());
    }
    assert!(wanted.is_empty());
    assert_eq!(queue.made(), number);
}
