//! Swarms of libp2p over the internet.

use std::collections::BTreeSet;

use libp2p::identity::Keypair;
use libp2p::swarm::{NetworkBehaviour, Swarm, SwarmEvent};
use libp2p::{identify, ping};

use super::*;

/// Variable of the environment with the seed of a run.
const SEED: &str = "RESTANTE_TEST_SEED";
/// What precedes the result of a run in its output.
const RESULT: &str = "result: ";

#[derive(NetworkBehaviour)]
struct Behaviour {
    ping: ping::Behaviour,
    identify: identify::Behaviour,
}

fn swarm(internet: &Internet, number: u8) -> (Swarm<Behaviour>, HostId) {
    let host = add_public(internet, u16::from(number));
    let mut secret = [number; 32];
    let keypair = Keypair::ed25519_from_bytes(&mut secret).unwrap();
    let peer = keypair.public().to_peer_id();
    let behaviour = Behaviour {
        ping: ping::Behaviour::default(),
        identify: identify::Behaviour::new(identify::Config::new(
            "/test/id/1".into(),
            keypair.public(),
        )),
    };
    let config = libp2p::swarm::Config::with_tokio_executor()
        .with_idle_connection_timeout(Duration::from_secs(60));
    let transport = internet.transport(host, peer);
    let mut swarm = Swarm::new(transport, behaviour, peer, config);
    let any = "/ip4/0.0.0.0/udp/4001/quic-v1".parse().unwrap();
    swarm.listen_on(any).unwrap();
    (swarm, host)
}

fn address(number: u8) -> Multiaddr {
    format!("/ip4/45.1.0.{number}/udp/4001/quic-v1")
        .parse()
        .unwrap()
}

#[test]
fn two_swarms_ping_and_tell_each_other_what_they_see() {
    let (ping_ms, observed, closed_ms) = run(1, || async {
        let internet = internet(1, region(25));
        let ((mut first, _), (mut second, _)) = (swarm(&internet, 1), swarm(&internet, 2));
        first.dial(address(2)).unwrap();
        let other = tokio::spawn(async move {
            let wait = tokio::time::sleep(Duration::from_secs(30));
            tokio::pin!(wait);
            loop {
                tokio::select! {
                    biased;
                    () = &mut wait => break,
                    _ = second.select_next_some() => {}
                }
            }
            drop(second);
        });
        let (mut ping_ms, mut observed) = (None, None);
        let began = Instant::now();
        loop {
            match first.select_next_some().await {
                SwarmEvent::Behaviour(BehaviourEvent::Ping(event)) => {
                    ping_ms = Some(event.result.unwrap().as_millis());
                }
                SwarmEvent::Behaviour(BehaviourEvent::Identify(identify::Event::Received {
                    info,
                    ..
                })) => observed = Some(info.observed_addr),
                SwarmEvent::ConnectionClosed { .. } => break,
                _ => {}
            }
        }
        other.await.unwrap();
        (ping_ms, observed, millis(began))
    });
    // The listener's port is used again for dials, as with QUIC.
    assert_eq!(observed, Some(address(1)));
    assert_eq!(ping_ms, Some(50));
    // 30 s, and the way of the farewell.
    assert_eq!(closed_ms, 30_025);
}

/// Twenty swarms dial each other; returns who knows how many, and the hash of it all.
async fn twenty(seed: u64) -> (Vec<usize>, u64, Stats) {
    let options = Options {
        loss_ppm: 5_000,
        jitter_ppm: 200_000,
        ..region(25)
    };
    let internet = internet(seed, options);
    let mut tasks = Vec::new();
    for number in 1..=20 {
        let (mut swarm, _) = swarm(&internet, number);
        for other in (1..=20).filter(|other| *other != number) {
            swarm.dial(address(other)).unwrap();
        }
        tasks.push(tokio::spawn(async move {
            let wait = tokio::time::sleep(Duration::from_secs(120));
            tokio::pin!(wait);
            let mut known = BTreeSet::new();
            loop {
                let event = tokio::select! {
                    biased;
                    () = &mut wait => return known.len(),
                    event = swarm.select_next_some() => event,
                };
                if let SwarmEvent::Behaviour(BehaviourEvent::Identify(
                    identify::Event::Received { peer_id, .. },
                )) = event
                {
                    known.insert(peer_id);
                }
            }
        }));
    }
    let mut known = Vec::new();
    for task in tasks {
        known.push(task.await.unwrap());
    }
    (known, internet.trace_hash(), internet.stats())
}

#[test]
fn twenty_swarms_find_each_other_even_with_losses() {
    let seed = std::env::var(SEED).map_or(7, |seed| seed.parse().unwrap());
    let (known, hash, stats) = run(seed, move || twenty(seed));
    assert!(known.iter().all(|&known| known >= 15), "{known:?}");
    assert!(stats.lost > 0 && stats.established >= 150, "{stats:?}");
    println!("{RESULT}{known:?} {hash} {stats:?}");
}

/// Runs the test above in a process of its own, since libp2p counts connections for the life of a
/// process, and returns what it printed.
fn twenty_elsewhere(seed: u64) -> String {
    let test = "tests::swarms::twenty_swarms_find_each_other_even_with_losses";
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(SEED, seed.to_string())
        .output()
        .unwrap();
    let output = String::from_utf8(output.stdout).unwrap();
    let result = output.lines().find_map(|line| line.split_once(RESULT));
    result.unwrap().1.to_owned()
}

#[test]
fn twenty_swarms_do_the_same_in_another_process() {
    let seven = twenty_elsewhere(7);
    assert_eq!(twenty_elsewhere(7), seven);
    assert_ne!(twenty_elsewhere(8), seven);
}

#[test]
fn a_swarm_starts_again_after_a_crash_and_is_found_at_its_old_address() {
    run(9, || async {
        let internet = internet(9, region(25));
        let ((mut first, _), (second, host)) = (swarm(&internet, 1), swarm(&internet, 2));
        let running = |mut swarm: Swarm<Behaviour>| {
            tokio::spawn(async move {
                loop {
                    swarm.select_next_some().await;
                }
            })
        };
        let life = running(second);
        first.dial(address(2)).unwrap();
        let wait = async |swarm: &mut Swarm<Behaviour>, seconds| {
            let mut changes = Vec::new();
            let until = tokio::time::sleep(Duration::from_secs(seconds));
            tokio::pin!(until);
            loop {
                tokio::select! {
                    biased;
                    () = &mut until => return changes,
                    event = swarm.select_next_some() => match event {
                        SwarmEvent::ConnectionEstablished { .. } => changes.push("established"),
                        SwarmEvent::ConnectionClosed { .. } => changes.push("closed"),
                        _ => {}
                    }
                }
            }
        };
        assert_eq!(wait(&mut first, 1).await, ["established"]);
        internet.crash(host);
        life.abort();
        let mut secret = [2; 32];
        let peer = Keypair::ed25519_from_bytes(&mut secret)
            .unwrap()
            .public()
            .to_peer_id();
        let mut again = Process {
            transport: internet.transport(host, peer),
            peer,
        };
        again.listen(4001).await;
        let accepting = tokio::spawn(async move {
            let accepted = again.accept().await;
            (again, accepted)
        });
        first.dial(address(2)).unwrap();
        assert_eq!(wait(&mut first, 1).await, ["established"]);
        assert_eq!(accepting.await.unwrap().1.1, *first.local_peer_id());
        // The old one is still believed in until a keep-alive was not answered for thirty seconds; the new one lost its
        // last object above.
        assert_eq!(wait(&mut first, 56).await, ["closed", "closed"]);
    });
}
