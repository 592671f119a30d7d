use restante_proto::NodeId;

use super::{Asking, NEAR_ASKED_MAX};

/// A record, where what it says does not matter.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Record;

fn nodes(numbers: std::ops::Range<u8>) -> Vec<NodeId> {
    numbers.map(|number| NodeId::new([number; 32])).collect()
}

fn answer(asking: &mut Asking<Record>, nodes: &[NodeId], records: usize) {
    for node in nodes {
        asking.on_answer(*node, Some(vec![Record; records]));
    }
}

#[test]
fn three_records_near_are_enough_before_the_keepers_are_known() {
    let mut asking = Asking::new();
    let near = asking.on_near(nodes(0..5));
    assert_eq!(near, nodes(0..5));
    answer(&mut asking, &near[..2], 1);
    assert!(!asking.is_enough());
    answer(&mut asking, &near[2..4], 0);
    assert!(!asking.is_enough(), "they may be no keepers");
    answer(&mut asking, &near[4..], 1);
    assert!(asking.is_enough());
    assert_eq!(asking.into_found(), (vec![Record; 3], 5));
}

#[test]
fn three_keepers_are_enough_if_anybody_has_a_record() {
    let mut asking = Asking::new();
    let near = asking.on_near(nodes(5..10));
    assert_eq!(asking.on_keepers(nodes(0..5)), nodes(0..5));
    answer(&mut asking, &nodes(0..3), 0);
    assert!(!asking.is_enough(), "nobody has a record");
    answer(&mut asking, &near[..1], 1);
    assert!(asking.is_enough());
}

#[test]
fn without_a_record_all_are_waited_for() {
    let mut asking = Asking::new();
    asking.on_keepers(nodes(0..5));
    answer(&mut asking, &nodes(0..5), 0);
    assert!(!asking.is_enough());
    assert_eq!(asking.into_found(), (vec![], 5));
}

#[test]
fn one_that_does_not_answer_has_not_answered() {
    let mut asking = Asking::new();
    asking.on_keepers(nodes(0..5));
    answer(&mut asking, &nodes(0..2), 1);
    asking.on_answer(NodeId::new([2; 32]), None);
    assert!(!asking.is_enough());
    answer(&mut asking, &nodes(3..4), 1);
    assert!(asking.is_enough());
}

#[test]
fn nodes_near_are_limited_and_take_no_place_from_the_keepers() {
    let mut asking = Asking::<Record>::new();
    let mut asked = 0;
    for step in 0..20 {
        let near = asking.on_near(nodes(100 + 5 * step..105 + 5 * step));
        asked += near.len();
    }
    assert_eq!(asked, NEAR_ASKED_MAX);
    assert_eq!(asking.on_keepers(nodes(0..5)), nodes(0..5));
}

#[test]
fn only_the_nearest_are_asked_and_each_once() {
    let mut asking = Asking::<Record>::new();
    assert_eq!(asking.on_near(nodes(0..20)), nodes(0..5));
    assert_eq!(asking.on_near(nodes(3..8)), nodes(5..8));
    assert_eq!(asking.on_keepers(nodes(6..11)), nodes(8..11));
}

#[test]
fn the_only_keeper_decides_alone() {
    let mut asking = Asking::new();
    let own = asking.on_near(nodes(0..1));
    assert_eq!(asking.on_keepers(own.clone()), []);
    assert!(!asking.is_enough());
    answer(&mut asking, &own, 1);
    assert!(asking.is_enough());
}

#[test]
fn nobody_to_ask_is_never_enough() {
    let mut asking = Asking::<Record>::new();
    assert_eq!(asking.on_keepers(Vec::new()), []);
    assert!(!asking.is_enough());
}
