use libp2p::identity::Keypair;

use super::*;

fn at(text: &str) -> Multiaddr {
    text.parse().unwrap()
}

fn peer() -> PeerId {
    Keypair::generate_ed25519().public().to_peer_id()
}

#[tokio::test(start_paused = true)]
async fn attempts_follow_at_growing_distances_while_nobody_is_known() {
    let mut join = Join::new(&[at("/ip4/9.9.9.9/tcp/1")], Vec::new());
    let mut now = Instant::now();
    assert_eq!(join.due(now, Company::None, 1.0).len(), 1);
    let mut pauses = Vec::new();
    for _ in 0..12 {
        let next = join.next().unwrap();
        assert!(
            join.due(next - Duration::from_millis(1), Company::None, 1.0)
                .is_empty()
        );
        assert_eq!(join.due(next, Company::None, 1.0).len(), 1);
        pauses.push((next - now).as_secs());
        now = next;
    }
    assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]);

    // Somebody is known; later nobody is: at once again.
    assert!(join.due(now, Company::Few, 1.0).is_empty());
    assert_eq!(join.due(now + JOIN_PAUSE_MIN, Company::None, 1.0).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn in_company_those_remembered_are_dialled_rarely_and_for_ever() {
    let mut join = Join::new(&[at("/ip4/9.9.9.9/tcp/1")], Vec::new());
    let mut now = Instant::now();
    for _ in 0..5 {
        assert!(join.due(now, Company::Few, 0.5).is_empty());
        assert_eq!(join.next(), Some(now + JOIN_REVIEW));
        now += JOIN_REVIEW;
        assert_eq!(join.due(now, Company::Few, 0.5).len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn who_does_not_serve_leaves_it_to_its_keepers_for_hours() {
    let mut join = Join::new(&[at("/ip4/9.9.9.9/tcp/1")], Vec::new());
    let now = Instant::now();
    assert!(join.due(now, Company::Keepers, 0.5).is_empty());
    assert_eq!(join.next(), Some(now + JOIN_REVIEW_CLIENT));
    // Once it serves it looks itself.
    let later = now + JOIN_REVIEW_CLIENT;
    assert_eq!(join.due(later, Company::Few, 0.5).len(), 1);
    assert_eq!(join.next(), Some(later + JOIN_REVIEW));
}

#[tokio::test(start_paused = true)]
async fn in_much_company_it_is_rarer() {
    let mut join = Join::new(&[at("/ip4/9.9.9.9/tcp/1")], Vec::new());
    let now = Instant::now();
    assert!(join.due(now, Company::Many, 0.5).is_empty());
    assert_eq!(join.next(), Some(now + JOIN_REVIEW_RARE));
    // Of those many, all but a few may have gone.
    let later = now + JOIN_REVIEW_RARE;
    assert_eq!(join.due(later, Company::Few, 0.5).len(), 1);
    assert_eq!(join.next(), Some(later + JOIN_REVIEW));
}

#[tokio::test(start_paused = true)]
async fn peers_that_were_lost_are_remembered_up_to_a_bound() {
    let mut join = Join::new(&[], Vec::new());
    let first = peer();
    for lost in std::iter::repeat_n(first, 2).chain((0..KNOWN_PEERS_MAX).map(|_| peer())) {
        join.lost(lost, vec![at("/ip4/9.9.9.9/tcp/1")]);
    }
    assert_eq!(join.known.len(), KNOWN_PEERS_MAX);
    assert!(join.known.iter().all(|entry| entry.peer != Some(first)));
}

#[tokio::test(start_paused = true)]
async fn jitter_halves_a_pause_at_most_and_never_below_the_least() {
    assert_eq!(pause(0, 0.0), JOIN_PAUSE_MIN);
    assert_eq!(pause(5, 0.0), Duration::from_secs(16));
    assert_eq!(pause(5, 0.5), Duration::from_secs(24));
    assert_eq!(pause(u32::MAX, f64::NAN.max(1.0)), JOIN_PAUSE_MAX);
}

#[tokio::test(start_paused = true)]
async fn a_quick_change_of_luck_does_not_dial_without_pause() {
    let mut join = Join::new(&[at("/ip4/9.9.9.9/tcp/1")], Vec::new());
    let now = Instant::now();
    assert_eq!(join.due(now, Company::None, 1.0).len(), 1);
    assert!(join.due(now, Company::Few, 1.0).is_empty());
    assert!(join.due(now, Company::None, 1.0).is_empty());
    assert_eq!(join.next(), Some(now + JOIN_PAUSE_MIN));
}

#[test]
fn names_of_entry_points_are_learned_and_those_configured_are_kept() {
    let (named, first, second) = (peer(), peer(), peer());
    let fixed = at("/ip4/8.8.8.8/tcp/1").with_p2p(named).unwrap();
    let mut join = Join::new(&[at("/ip4/9.9.9.9/tcp/1"), fixed.clone()], Vec::new());
    let peers = |join: &Join| -> Vec<Option<PeerId>> {
        join.entries.iter().map(|entry| entry.peer).collect()
    };
    assert_eq!(peers(&join), [None, Some(named)]);
    join.reached(&at("/ip4/9.9.9.9/tcp/1").with_p2p(first).unwrap(), first);
    join.reached(&fixed, second);
    assert_eq!(peers(&join), [Some(first), Some(named)]);
    join.mistaken(first);
    join.mistaken(named);
    assert_eq!(peers(&join), [None, Some(named)]);
}

#[tokio::test(start_paused = true)]
async fn all_addresses_of_a_peer_are_dialled_together() {
    let named = peer();
    let (quic, tcp) = (at("/ip4/9.9.9.9/udp/1/quic-v1"), at("/ip4/9.9.9.9/tcp/1"));
    let other = at("/ip6/2606::9/tcp/1");
    let entries = [
        quic.clone().with_p2p(named).unwrap(),
        at("/ip4/8.8.8.8/tcp/1"),
        tcp.clone().with_p2p(named).unwrap(),
    ];
    let mut join = Join::new(&entries, vec![(named, vec![tcp.clone(), other.clone()])]);
    let targets = join.due(Instant::now(), Company::None, 1.0);
    assert_eq!(targets.len(), 2);
    assert_eq!(targets[0].peer, Some(named));
    assert_eq!(targets[0].addresses, [quic, tcp, other]);
}

#[tokio::test(start_paused = true)]
async fn known_nodes_take_turns() {
    let known = (0..20)
        .map(|_| (peer(), vec![at("/ip4/9.9.9.9/tcp/1")]))
        .collect();
    let mut join = Join::new(&[], known);
    let mut now = Instant::now();
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..3 {
        let targets = join.due(now, Company::None, 1.0);
        assert_eq!(targets.len(), JOIN_KNOWN_MAX);
        seen.extend(targets.into_iter().filter_map(|entry| entry.peer));
        now = join.next().unwrap();
    }
    assert_eq!(seen.len(), 20);
}

#[tokio::test(start_paused = true)]
async fn without_entry_points_nothing_is_planned() {
    let mut join = Join::new(&[], Vec::new());
    assert!(join.due(Instant::now(), Company::None, 1.0).is_empty());
    assert_eq!(join.next(), None);
}
