//! Runs repeat, and idle connections are small.

use futures::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;

/// Something of everything, as a hash.
fn hash(seed: u64) -> (u64, Stats) {
    run(1, move || async move {
        let options = Options {
            loss_ppm: 20_000,
            jitter_ppm: 500_000,
            ..region(20)
        };
        let mut pair = pair(internet(seed, options), [Link::default(); 2]).await;
        let (mut here, mut there) = stream(&mut pair).await;
        for round in 0..50_u8 {
            here.write_all(&[round; 3_000]).await.unwrap();
            there.read_exact(&mut [0; 3_000]).await.unwrap();
        }
        (pair.internet.trace_hash(), pair.internet.stats())
    })
}

#[test]
fn the_same_seed_gives_the_same_run_and_another_seed_another() {
    assert_eq!(hash(1), hash(1));
    assert_ne!(hash(1).0, hash(2).0);
}

#[test]
fn an_idle_connection_costs_little_and_no_events() {
    let muxers = 2 * (size_of::<muxer::Muxer>() + 32);
    let bytes = size_of::<connection::Conn>() + muxers;
    assert!(bytes <= 600, "{bytes} bytes");
    assert!(size_of::<stream::Stream>() <= 256);
    run(2, || async {
        let pair = pair(internet(2, region(20)), [Link::default(); 2]).await;
        sleep_ms(60_000).await;
        let made = pair.internet.with(|state| state.events_made());
        sleep_ms(86_400_000).await;
        assert_eq!(pair.internet.with(|state| state.events_made()), made);
        assert_eq!(pair.internet.connections(), 1);
    });
}
