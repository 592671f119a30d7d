use std::time::Duration;

use libp2p::identity::Keypair;

use super::*;

fn at(text: &str) -> Multiaddr {
    text.parse().unwrap()
}

fn peer() -> PeerId {
    Keypair::generate_ed25519().public().to_peer_id()
}

/// Addresses under test, and nodes that can be asked.
struct Asked {
    addresses: Addresses,
    now: Instant,
    testers: Vec<(PeerId, Multiaddr)>,
    numbers: u64,
}

impl Asked {
    fn with(testers: usize) -> Self {
        let tester = |number: usize| (peer(), at(&format!("/ip4/9.{number}.0.1/tcp/1")));
        Self {
            addresses: Addresses::default(),
            now: Instant::now(),
            testers: (1..=testers).map(tester).collect(),
            numbers: 0,
        }
    }

    fn due(&mut self) -> Vec<Test> {
        let testers = self.testers.iter().zip(1..);
        let testers: Vec<Tester<'_>> = testers
            .map(|((peer, address), id)| Tester {
                connection: ConnectionId::new_unchecked(id),
                peer: *peer,
                address,
            })
            .collect();
        let numbers = &mut self.numbers;
        self.addresses.due(self.now, &testers, || {
            *numbers += 1;
            *numbers
        })
    }

    /// Makes the only test that is due, and returns what follows from its outcome.
    fn test(&mut self, outcome: Outcome) -> Option<Change> {
        let tests = self.due();
        assert_eq!(tests.len(), 1);
        let others = self.testers.len();
        self.addresses
            .on_outcome(self.now, tests[0].nonce, outcome, others)
    }

    fn wait(&mut self, time: Duration) {
        self.now += time;
    }

    fn state(&self) -> AddressState {
        self.addresses.claims()[0].state
    }
}

const OWN: &str = "/ip4/8.0.0.1/udp/4717/quic-v1";

#[tokio::test(start_paused = true)]
async fn a_claim_is_refuted_by_several_tests_of_several_nodes() {
    let mut asked = Asked::with(3);
    asked.addresses.claim(asked.now, at(OWN), true);
    assert_eq!(asked.state(), AddressState::Untested);
    assert_eq!(asked.test(Outcome::Unreachable), None);
    assert_eq!(asked.test(Outcome::Silent), None);
    let refuted = Change::Refuted {
        address: at(OWN),
        is_news: true,
    };
    assert_eq!(asked.test(Outcome::Unreachable), Some(refuted));
    assert_eq!(asked.state(), AddressState::Refuted);
    // It is looked at again, and good again once somebody reaches it.
    assert_eq!(asked.due(), []);
    asked.wait(TEST_AGAIN);
    let known = Change::Refuted {
        address: at(OWN),
        is_news: false,
    };
    assert_eq!(asked.test(Outcome::Unreachable), Some(known));
    asked.wait(TEST_AGAIN);
    let tests = asked.due();
    let change = asked.addresses.on_dialled_back(asked.now, tests[0].nonce);
    assert_eq!(change, Some(Change::Confirmed(at(OWN))));
    assert_eq!(asked.state(), AddressState::Confirmed);
}

#[tokio::test(start_paused = true)]
async fn one_node_alone_refutes_nothing_where_there_are_others() {
    let mut asked = Asked::with(2);
    let liar = asked.testers[0].clone();
    asked.addresses.claim(asked.now, at(OWN), true);
    let all = std::mem::replace(&mut asked.testers, vec![liar]);
    for _ in 0..10 {
        let tests = asked.due();
        let nonce = tests[0].nonce;
        let outcome = Outcome::Unreachable;
        let change = asked.addresses.on_outcome(asked.now, nonce, outcome, 2);
        assert_eq!(change, None);
    }
    assert_eq!(asked.state(), AddressState::Untested);
    // The other one is asked as soon as it is there.
    asked.testers = all;
    let tests = asked.due();
    assert_eq!(tests[0].peer, asked.testers[1].0);
    let change = asked.addresses.on_dialled_back(asked.now, tests[0].nonce);
    assert_eq!(change, Some(Change::Confirmed(at(OWN))));
}

#[tokio::test(start_paused = true)]
async fn the_only_node_there_is_refutes_by_itself() {
    let mut asked = Asked::with(1);
    asked.addresses.claim(asked.now, at(OWN), false);
    for _ in 1..TEST_FAILURES {
        assert_eq!(asked.test(Outcome::Unreachable), None);
    }
    assert!(asked.test(Outcome::Unreachable).is_some());
}

#[tokio::test(start_paused = true)]
async fn whoever_did_not_try_says_nothing_about_an_address() {
    let mut asked = Asked::with(3);
    asked.addresses.claim(asked.now, at(OWN), true);
    for _ in 0..10 {
        assert_eq!(asked.test(Outcome::Untried), None);
        assert_eq!(asked.due(), []);
        asked.wait(TEST_PAUSE);
    }
    assert_eq!(asked.state(), AddressState::Untested);
    // That it was reached is not believed without the dial back, and asked again later.
    assert_eq!(asked.test(Outcome::Reached), None);
    assert_eq!(asked.state(), AddressState::Untested);
    assert_eq!(asked.due(), []);
    asked.wait(2 * TEST_TIMEOUT);
    assert_eq!(asked.due().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn whoever_has_another_ip_family_is_not_asked() {
    let mut asked = Asked::with(2);
    let own = at("/ip6/2001:4::1/tcp/1");
    asked.addresses.claim(asked.now, own, true);
    assert_eq!(asked.due(), []);
    assert!(asked.addresses.is_waiting(asked.now));
    asked.testers.push((peer(), at("/ip6/2001:5::1/tcp/1")));
    assert_eq!(asked.due()[0].peer, asked.testers[2].0);
    assert!(!asked.addresses.is_waiting(asked.now));
}

#[tokio::test(start_paused = true)]
async fn what_others_saw_is_tested_once_and_few_of_it() {
    let mut asked = Asked::with(1);
    asked.addresses.offer(asked.now, &at(OWN));
    assert_eq!(asked.test(Outcome::Unreachable), None);
    asked.wait(TEST_AGAIN_REACHED);
    assert_eq!(asked.due(), []);
    assert_eq!(asked.addresses.claims(), []);
    let seen: Vec<IpAddr> = asked.addresses.seen_from().into_iter().collect();
    assert_eq!(seen, ["8.0.0.1".parse::<IpAddr>().unwrap()]);
    for port in 1..1_000 {
        let seen = at(&format!("/ip4/8.0.0.1/tcp/{port}"));
        asked.addresses.offer(asked.now, &seen);
    }
    assert_eq!(asked.addresses.0.len(), CANDIDATES_MAX);
    // A claim finds room all the same.
    asked
        .addresses
        .claim(asked.now, at("/ip4/8.0.0.2/tcp/1"), true);
    assert_eq!(asked.addresses.claims().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn one_tester_has_one_test_at_a_time() {
    let mut asked = Asked::with(2);
    for port in 1..=5 {
        let own = at(&format!("/ip4/8.0.0.1/tcp/{port}"));
        asked.addresses.claim(asked.now, own, true);
    }
    let tests = asked.due();
    let connections: BTreeSet<ConnectionId> = tests.iter().map(|test| test.connection).collect();
    assert_eq!((tests.len(), connections.len()), (2, 2));
}
