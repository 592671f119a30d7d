use super::super::super::limits::EVENTS_MAX;
use super::*;

fn outlet() -> (Outlet, mpsc::Receiver<NetEvent>) {
    let (sender, receiver) = mpsc::channel(EVENTS_MAX);
    (Outlet::new(sender, Arc::new(Counters::new())), receiver)
}

fn lost(outlet: &Outlet) -> u64 {
    outlet.counters.read()[Count::EventDropped.name()]
}

#[test]
fn what_may_be_lost_leaves_room_for_what_must_not() {
    let (outlet, _receiver) = outlet();
    let accepted = (0..EVENTS_MAX)
        .filter(|_| outlet.offer(NetEvent::RoutingChanged))
        .count();
    assert_eq!(accepted, EVENTS_MAX - EVENTS_RESERVED);
}

#[tokio::test]
async fn what_must_not_be_lost_waits_in_order() {
    let (mut outlet, mut receiver) = outlet();
    let id = |number: usize| NodeId::new([(number % 251) as u8; 32]);
    let all = EVENTS_MAX + EVENTS_KEPT_MAX;
    for number in 0..all + 3 {
        outlet.tell(NetEvent::Connected(id(number)));
    }
    assert_eq!(lost(&outlet), 3);
    assert!(!outlet.offer(NetEvent::RoutingChanged));
    for number in 0..all {
        let Some(NetEvent::Connected(found)) = receiver.recv().await else {
            panic!("event {number} is missing");
        };
        assert_eq!(found, id(number));
        if !outlet.kept.is_empty() {
            outlet.drain().await;
        }
    }
    assert!(outlet.offer(NetEvent::RoutingChanged));
}
