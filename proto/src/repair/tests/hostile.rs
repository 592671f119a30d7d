//! Keepers that lie, and those that are none.

use proptest::{collection::vec, prelude::*};

use super::*;
use crate::{
    keeper::{AdmissionProof, Element, ElementKind, Replica, StoreOutcome},
    repair::{Part, Range, RangeAnswer, Sum, Terms},
    request::Reason,
    routing::Point,
};

fn ask(world: &mut World, at: usize, from: NodeId, request: &RepairRequest) -> Vec<Output> {
    let input = Input::Request {
        call: CallId(0),
        from,
        payload: request.encode(),
    };
    let now = world.now;
    world.offices[at].repair.handle(now, input)
}

#[test]
fn a_stranger_learns_nothing() {
    let mut world = World::new(6);
    let key = world.place(1, "letter");
    let request = RepairRequest::Copy { keys: vec![key] };
    let outputs = ask(&mut world, 0, NodeId::new([9; 32]), &request);
    let [Output::Respond(_, RepairResponse::Refusal(refusal))] = outputs.as_slice() else {
        panic!("{outputs:?}");
    };
    assert_eq!(refusal.reason, Reason::Unavailable);
}

#[test]
fn a_neighbour_sees_only_what_is_its_business() {
    let mut world = World::new(40);
    let keys: Vec<ElementKey> = (0..40)
        .map(|number| world.place(number, "letter"))
        .collect();
    let (mut shown, mut hidden) = (0, 0);
    for key in keys {
        let holder = world.nearest(&key.address)[0];
        let mut others: Vec<usize> = (0..40).filter(|at| *at != holder).collect();
        others.sort_by_key(|at| distance(&world.offices[*at].node, &key.address));
        for (rank, at) in others.into_iter().enumerate() {
            let from = world.offices[at].node;
            let outputs = ask(
                &mut world,
                holder,
                from,
                &RepairRequest::Copy { keys: vec![key] },
            );
            match outputs.as_slice() {
                [Output::Store(_, StoreOp::Export { keys })] if keys.is_empty() => hidden += 1,
                [Output::Store(ticket, StoreOp::Export { keys })] => {
                    assert_eq!(keys, &[key]);
                    assert!(rank < 8, "rank {rank}");
                    shown += 1;
                    let now = world.now;
                    let ticket = *ticket;
                    let done = Input::Stored(ticket, Ok(StoreOutcome::Replicas(Vec::new())));
                    assert_eq!(world.offices[holder].repair.handle(now, done).len(), 1);
                    continue;
                }
                [Output::Respond(_, RepairResponse::Refusal(_))] => hidden += 1,
                other => panic!("{other:?}"),
            }
            // What it serves at once is bounded: begin anew.
            let up: Vec<NodeId> = world.offices.iter().map(|office| office.node).collect();
            let now = world.now;
            let office = &mut world.offices[holder];
            office.repair = Repair::new(office.node, [1; 32]);
            assert!(office.repair.handle(now, Input::Neighbours(up)).is_empty());
        }
    }
    assert!(shown > 30 && hidden > 100, "{shown} {hidden}");
}

fn replica(world: &mut World) -> Replica {
    let key = world.place(1, "letter");
    let at = world.nearest(&key.address)[0];
    let now = world.now;
    match world.offices[at].one(now, StoreOp::Export { keys: vec![key] }) {
        StoreOutcome::Replicas(mut replicas) => replicas.remove(0),
        other => panic!("{other:?}"),
    }
}

fn taken(world: &mut World, replica: Replica) -> u64 {
    let mut fresh = office(99);
    let input = keeper::Input::Import {
        call: CallId(1),
        replicas: vec![replica],
    };
    let outputs = fresh.ask(world.now, input);
    match outputs.as_slice() {
        [keeper::Output::Imported { taken, .. }] => *taken,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_was_not_admitted_elsewhere_is_not_admitted_here() {
    let mut world = World::new(5);
    let sound = replica(&mut world);
    assert_eq!(taken(&mut world, sound.clone()), 1);
    let mut changed = sound.item.to_vec();
    changed[100] ^= 1;
    let other_mailbox = deposit(2, "letter").0.address;
    let more_than_enough = AdmissionProof {
        deletion_key: Some(key("somebody").public()),
        ..AdmissionProof::decode(&sound.proof).unwrap()
    };
    let forged = [
        Replica {
            item: changed.into(),
            ..sound.clone()
        },
        Replica {
            until: sound.until.plus(1),
            ..sound.clone()
        },
        Replica {
            proof: Bytes::new(),
            ..sound.clone()
        },
        Replica {
            proof: more_than_enough.encode(),
            ..sound.clone()
        },
        Replica {
            deposited: true,
            ..sound.clone()
        },
        Replica {
            key: ElementKey {
                address: other_mailbox,
                ..sound.key
            },
            ..sound.clone()
        },
        Replica {
            key: ElementKey {
                kind: ElementKind::Ack,
                ..sound.key
            },
            ..sound.clone()
        },
        Replica {
            key: ElementKey {
                kind: ElementKind::Card,
                ..sound.key
            },
            ..sound.clone()
        },
        Replica {
            key: ElementKey {
                kind: ElementKind::Chunk,
                ..sound.key
            },
            ..sound.clone()
        },
        Replica {
            key: ElementKey {
                kind: ElementKind::Deletion,
                ..sound.key
            },
            ..sound
        },
    ];
    for replica in forged {
        assert_eq!(taken(&mut world, replica.clone()), 0, "{replica:?}");
    }
}

/// Answers what `liar` is asked with `lie` and everything else truly; returns how the one who asked fared.
fn lie(lie: impl Fn(&RepairRequest) -> Option<Bytes>) -> super::super::RepairCounters {
    let mut world = World::new(2);
    for number in 0..200 {
        let (_, request) = deposit(number, "letter");
        let now = world.now;
        world.offices[0].deposit(now, &request);
    }
    world.pass(2 * 60 * MINUTE_MS);
    let now = world.now;
    let mut asked = VecDeque::from(world.offices[0].repair.handle(now, Input::Timer));
    let mut rounds = 0;
    while let Some(output) = asked.pop_front() {
        rounds += 1;
        assert!(rounds < 10_000, "it goes on for ever");
        let office = &mut world.offices[0];
        match output {
            Output::Ask(ticket, _, request) => {
                let answer = Input::Answered(ticket, lie(&request));
                asked.extend(office.repair.handle(now, answer));
            }
            other => {
                world.act(0, other);
                while let Some(Post::Repair(0, input)) = world.post.pop_front() {
                    asked.extend(world.offices[0].repair.handle(now, input));
                }
            }
        }
    }
    *world.offices[0].repair.counters()
}

#[test]
fn lies_end_a_comparison_and_nothing_else() {
    let honest = lie(|_| Some(compared(vec![RangeAnswer::Equal]).encode()));
    let before = honest.failed;
    let part = |to, count| Part {
        to,
        sum: Sum { count, total: 7 },
    };
    let key = |number| ElementKey::chunk(Address::new([number; 32]));
    let lies: [RepairResponse; 6] = [
        RepairResponse::Done,
        compared(Vec::new()),
        compared(vec![RangeAnswer::Equal; 2]),
        compared(vec![RangeAnswer::Parts(vec![part(Some(key(9)), 1)])]),
        compared(vec![RangeAnswer::Parts(vec![
            part(Some(key(9)), 1),
            part(Some(key(3)), 1),
            part(None, 1),
        ])]),
        RepairResponse::Replicas(Vec::new()),
    ];
    for response in lies {
        let counters = lie(|_| Some(response.encode()));
        assert_eq!(counters.failed, before + 1, "{response:?}");
    }
    assert_eq!(lie(|_| None).failed, before + 1);
    assert_eq!(
        lie(|_| Some(Bytes::from_static(b"\xff"))).failed,
        before + 1
    );
}

#[test]
fn elements_outside_of_what_was_asked_are_a_lie() {
    let key = |number| ElementKey::chunk(Address::new([number; 32]));
    let sum = Sum { count: 9, total: 7 };
    let part = |to| Part { to, sum };
    let outside = |request: &RepairRequest| {
        let RepairRequest::Compare { ranges, .. } = request else {
            return Some(RepairResponse::Replicas(Vec::new()).encode());
        };
        let answer = |(range, _): &(Range, Sum)| match (range.after, range.to) {
            (None, None) => RangeAnswer::Parts(vec![part(Some(key(9))), part(None)]),
            (after, _) => RangeAnswer::Elements(vec![Element {
                key: key(if after.is_some() { 1 } else { 200 }),
                expires: EXPIRES,
                version: 0,
            }]),
        };
        Some(compared(ranges.iter().map(answer).collect()).encode())
    };
    let honest = lie(|_| Some(compared(vec![RangeAnswer::Equal]).encode()));
    assert_eq!(lie(outside).failed, honest.failed + 1);
}

#[test]
fn a_comparison_without_its_ends_among_the_points_is_malformed() {
    let mut world = World::new(3);
    let points = [0, 1, 2].map(|at| Point::of_node(&world.offices[at].node));
    let from = world.offices[1].node;
    let mut refused = |points: &[Point]| {
        let terms = Terms {
            salt: [1; 16],
            points: points.to_vec(),
            alive: NOW,
            leaving: false,
        };
        let ranges = vec![(Range::default(), Sum::default())];
        let request = RepairRequest::Compare { terms, ranges };
        match ask(&mut world, 0, from, &request).as_slice() {
            [Output::Respond(_, RepairResponse::Refusal(refusal))] => Some(refusal.reason),
            _ => None,
        }
    };
    let [asked, asker, third] = points;
    assert_eq!(refused(&[asked, asker]), None);
    assert_eq!(refused(&[asked, third]), Some(Reason::Malformed));
    assert_eq!(refused(&[third, asker]), Some(Reason::Malformed));
}

#[test]
fn a_liar_that_always_finds_another_difference_is_left_alone() {
    let endless = |request: &RepairRequest| {
        let RepairRequest::Compare { ranges, .. } = request else {
            return None;
        };
        let closer = |(range, sum): &(Range, Sum)| {
            let begin = range
                .after
                .map_or([0; 32], |after| *after.address.as_bytes());
            let mut middle = begin;
            for byte in middle.iter_mut().rev() {
                *byte = byte.wrapping_add(1);
                if *byte != 0 {
                    break;
                }
            }
            let sum = Sum {
                count: sum.count + 1,
                total: sum.total + 1,
            };
            let first = Part {
                to: Some(ElementKey::chunk(Address::new(middle))),
                sum,
            };
            RangeAnswer::Parts(vec![first, Part { to: range.to, sum }])
        };
        Some(compared(ranges.iter().map(closer).collect()).encode())
    };
    let honest = lie(|_| Some(compared(vec![RangeAnswer::Equal]).encode()));
    assert_eq!(lie(endless).failed, honest.failed + 1);
}

#[test]
fn too_many_who_ask_at_once_are_told_to_wait() {
    let mut world = World::new(3);
    let from = world.offices[1].node;
    let keys = vec![deposit(1, "letter").0];
    let request = RepairRequest::Copy { keys };
    let mut refused = 0;
    for _ in 0..100 {
        let outputs = ask(&mut world, 0, from, &request);
        refused += usize::from(matches!(outputs.as_slice(), [Output::Respond(..)]));
    }
    assert_eq!(refused, 100 - 32);
}

#[test]
fn ranges_out_of_order_are_refused() {
    let key = |number| Some(ElementKey::chunk(Address::new([number; 32])));
    let range = |after, to| (Range { after, to }, Sum::default());
    let terms = Terms {
        salt: [1; 16],
        points: vec![Point::new([1; 32]), Point::new([2; 32])],
        alive: NOW,
        leaving: false,
    };
    let compare = |ranges: Vec<(Range, Sum)>| {
        let terms = terms.clone();
        RepairRequest::decode(&RepairRequest::Compare { terms, ranges }.encode())
    };
    assert!(
        compare(vec![
            range(None, key(3)),
            range(key(3), key(4)),
            range(key(6), None)
        ])
        .is_ok()
    );
    for wrong in [
        vec![range(None, key(3)), range(key(2), key(4))],
        vec![range(None, None), range(key(2), key(4))],
        vec![range(None, key(3)), range(None, key(4))],
        vec![range(key(4), key(4))],
        vec![range(key(5), key(4))],
    ] {
        assert!(compare(wrong).is_err());
    }
}

proptest! {
    #[test]
    fn any_bytes_are_decoded_or_refused(bytes in vec(any::<u8>(), 0..400)) {
        let _request = RepairRequest::decode(&bytes);
        let _response = RepairResponse::decode(&bytes);
    }
}

fn compared(ranges: Vec<RangeAnswer>) -> RepairResponse {
    RepairResponse::Compared { ranges, date: NOW }
}
