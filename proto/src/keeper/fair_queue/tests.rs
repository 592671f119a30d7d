//! Nobody starves, nothing grows without bound, and no work waits while somebody could do it.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::{FairQueue, QueueBounds, ROUND_COST};
use crate::keeper::Source;

const BOUNDS: QueueBounds = QueueBounds {
    count: 24,
    cost: 20 * ROUND_COST,
    source_count: 12,
    source_cost: 16 * ROUND_COST,
};
/// The dearest thing that the tests push.
const COST_MAX: u64 = 5 * ROUND_COST;

#[derive(Clone, Debug)]
enum Step {
    Push(u64, u64),
    Pop(BTreeSet<u64>),
    Discard(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let unready = prop::collection::btree_set(0_u64..6, 0..4);
    let step = prop_oneof![
        6 => (0_u64..6, 1..=COST_MAX).prop_map(|(source, cost)| Step::Push(source, cost)),
        4 => unready.prop_map(Step::Pop),
        1 => (0_u64..50).prop_map(Step::Discard),
    ];
    prop::collection::vec(step, 1..200)
}

/// What should be waiting: by source, each thing's number and cost in the order they came.
type Model = BTreeMap<u64, Vec<(u64, u64)>>;

fn forget(model: &mut Model, number: u64) -> u64 {
    let (source, place) = model
        .iter()
        .find_map(|(source, line)| Some((*source, line.iter().position(|(n, _)| *n == number)?)))
        .expect("it waits");
    model.get_mut(&source).unwrap().remove(place);
    source
}

proptest! {
    #[test]
    fn everything_is_bounded_and_nothing_is_lost_or_turned_around(steps in steps()) {
        let (mut queue, mut model) = (FairQueue::new(BOUNDS), Model::new());
        for (number, step) in (0..).zip(steps) {
            match step {
                Step::Push(source, cost) => {
                    let before = model.get(&source).map_or((0, 0), |line| {
                        (line.len(), line.iter().map(|(_, cost)| cost).sum::<u64>())
                    });
                    let loudest = model.values()
                        .map(|line| line.iter().map(|(_, cost)| cost).sum::<u64>())
                        .max()
                        .unwrap_or(0);
                    model.entry(source).or_default().push((number, cost));
                    if let Err(lost) = queue.push(Source(source), cost, number) {
                        let of = forget(&mut model, lost);
                        let own_bound = before.0 >= BOUNDS.source_count
                            || before.1 + cost > BOUNDS.source_cost;
                        // It is the last of the loudest, or what came.
                        prop_assert!(lost == number || !own_bound);
                        prop_assert!(lost == number || loudest > before.1 + cost);
                        prop_assert!(model[&of].iter().all(|(other, _)| *other < lost));
                    }
                }
                Step::Pop(unready) => {
                    let popped = queue.pop(|source| !unready.contains(&source.0));
                    let could = model.iter().any(|(of, line)| {
                        !unready.contains(of) && !line.is_empty()
                    });
                    prop_assert_eq!(popped.is_some(), could, "work waits for no reason");
                    if let Some((source, popped)) = popped {
                        prop_assert!(!unready.contains(&source.0));
                        let (first, _) = model.get_mut(&source.0).unwrap().remove(0);
                        prop_assert_eq!(popped, first);
                    }
                }
                Step::Discard(part) => {
                    queue.discard(|number| number % 50 == part);
                    for line in model.values_mut() {
                        line.retain(|(number, _)| number % 50 != part);
                    }
                }
            }
            model.retain(|_, line| !line.is_empty());
            let usage = queue.usage();
            let costs = model.values().flatten().map(|(_, cost)| cost);
            prop_assert_eq!(usage.cost, costs.sum::<u64>());
            prop_assert_eq!(usage.count, model.values().map(Vec::len).sum::<usize>());
            prop_assert_eq!(usage.sources, model.len());
            prop_assert_eq!(queue.is_empty(), model.is_empty());
            prop_assert!(usage.count <= BOUNDS.count && usage.cost <= BOUNDS.cost);
            for line in model.values() {
                prop_assert!(line.len() <= BOUNDS.source_count);
            }
            prop_assert_eq!(queue.ring.len(), queue.lines.len());
            prop_assert_eq!(queue.by_cost.len(), queue.lines.len());
        }
    }

    #[test]
    fn sources_that_always_want_something_are_given_the_same(
        costs in prop::collection::vec(1..=COST_MAX, 2..6),
        pops in 1_usize..400,
    ) {
        let bounds = QueueBounds {
            count: 1_000,
            cost: u64::MAX,
            source_count: 1_000,
            source_cost: u64::MAX,
        };
        let mut queue = FairQueue::new(bounds);
        let mut given = vec![0; costs.len()];
        for (source, cost) in (0..).zip(&costs) {
            queue.push(Source(source), *cost, ()).unwrap();
            queue.push(Source(source), *cost, ()).unwrap();
        }
        for _ in 0..pops {
            let (source, ()) = queue.pop(|_| true).unwrap();
            let which = usize::try_from(source.0).unwrap();
            given[which] += costs[which];
            queue.push(source, costs[which], ()).unwrap();
        }
        let (least, most) = (given.iter().min().unwrap(), given.iter().max().unwrap());
        prop_assert!(most - least <= ROUND_COST + 2 * COST_MAX, "{given:?}");
    }

    #[test]
    fn one_that_asks_little_waits_for_one_round_at_most(
        loud in prop::collection::vec(1..=COST_MAX, 1..12),
        before in 0_usize..60,
        cost in 1..=ROUND_COST,
    ) {
        let bounds = QueueBounds { count: 10_000, ..BOUNDS };
        let mut queue = FairQueue::new(QueueBounds { cost: u64::MAX, source_cost: u64::MAX, ..bounds });
        for (source, each) in (1..).zip(&loud) {
            for _ in 0..BOUNDS.source_count {
                queue.push(Source(source), *each, ()).unwrap();
            }
        }
        for _ in 0..before.min(loud.len() * (BOUNDS.source_count - 1)) {
            queue.pop(|_| true).unwrap();
        }
        queue.push(Source(0), cost, ()).unwrap();
        let mut given = BTreeMap::new();
        while let Some((Source(source), ())) = queue.pop(|_| true) {
            let Some(which) = usize::try_from(source).unwrap().checked_sub(1) else {
                break;
            };
            *given.entry(which).or_insert(0) += loud[which];
        }
        // Each was given one share, and what it had saved for a thing that is dearer than that.
        for (which, given) in given {
            prop_assert!(given <= ROUND_COST + loud[which], "{which} was given {given}");
        }
    }
}

#[test]
fn a_full_room_takes_a_newcomer_and_the_loudest_loses_its_last() {
    let bounds = QueueBounds {
        count: 4,
        cost: 1_000,
        source_count: 4,
        source_cost: 1_000,
    };
    let mut queue = FairQueue::new(bounds);
    for number in 0..4 {
        queue.push(Source(1), 10, number).unwrap();
    }
    assert_eq!(queue.push(Source(2), 10, 4), Err(3), "the loudest's last");
    assert_eq!(
        queue.push(Source(1), 10, 5),
        Err(5),
        "it may not take another's"
    );
    // Two each: nobody is louder than a second one of the newcomer would make it.
    assert_eq!(queue.push(Source(2), 10, 6), Err(2));
    assert_eq!(queue.push(Source(2), 10, 7), Err(7));
    assert_eq!(
        queue.push(Source(3), 900, 8),
        Err(8),
        "it takes the room of many"
    );
}
