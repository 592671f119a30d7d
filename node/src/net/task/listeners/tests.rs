//! When it is listened again.

use std::time::Duration;

use super::*;

#[test]
fn a_listener_that_ended_is_due_after_growing_pauses_until_it_is_there_again() {
    let start = Instant::now();
    let address: Multiaddr = "/ip4/127.0.0.1/udp/4717/quic-v1".parse().unwrap();
    let (first, other) = (ListenerId::next(), ListenerId::next());
    let mut listeners = Listeners::new(start, vec![(first, address.clone())]);
    assert_eq!(listeners.next(), None);
    assert_eq!(listeners.on_closed(start, other), None);
    assert_eq!(listeners.on_closed(start, first), Some(address.clone()));
    let mut now = start;
    for seconds in [1, 2, 4, 8, 16, 30, 30] {
        let due = now + Duration::from_secs(seconds);
        assert_eq!(listeners.next(), Some(due));
        assert!(listeners.due(due - Duration::from_millis(1)).is_empty());
        let mut again = listeners.due(due);
        let listener = again.pop().unwrap();
        assert_eq!((&listener.address, again.len()), (&address, 0));
        now = due;
        listeners.on_refused(now, listener);
    }
    now += Duration::from_secs(30);
    let listener = listeners.due(now).pop().unwrap();
    listeners.on_opened(other, listener);
    assert_eq!(listeners.next(), None);
    assert_eq!(listeners.on_closed(now, other), Some(address));
}
