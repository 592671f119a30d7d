//! What a run sees of time and chance.

use std::collections::HashMap;
use std::time::Instant;

use super::*;

const START: Duration = Duration::from_secs(1_800_000_000);

fn wall() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap()
}

/// Draws from everything that is random and shows the order of a hash table.
fn draw(seed: u64) -> (u64, u64, Vec<u32>) {
    run(seed, START, || async {
        let table: HashMap<u32, ()> = (0..50).map(|key| (key, ())).collect();
        (
            rand::random::<u64>(),
            rand::random::<u64>(),
            table.into_keys().collect(),
        )
    })
    .unwrap()
}

#[test]
fn a_year_passes_at_once_on_all_clocks() {
    let began = real_elapsed();
    let year = Duration::from_secs(365 * 86_400);
    let (wall, monotonic) = run(1, START, move || async move {
        let instant = Instant::now();
        tokio::time::sleep(year).await;
        (wall(), instant.elapsed())
    })
    .unwrap();
    assert_eq!((wall, monotonic), (START + year, year));
    assert!(real_elapsed() - began < Duration::from_secs(60));
}

#[test]
fn the_same_seed_draws_the_same_and_another_something_else() {
    assert_eq!(draw(7), draw(7));
    let (seven, eight) = (draw(7), draw(8));
    assert_ne!(seven.0, eight.0);
    assert_ne!(seven.2, eight.2);
}

#[test]
fn other_threads_keep_their_time_and_chance() {
    assert!(wall() < START || wall() > START + Duration::from_secs(1));
    assert_ne!(rand::random::<u64>(), rand::random::<u64>());
    run(1, START, || async {
        let other = std::thread::spawn(wall).join().unwrap();
        assert_ne!(other, wall());
    })
    .unwrap();
}

#[test]
fn a_panic_is_told() {
    let fault = run(1, START, || async { panic!("on purpose") }).unwrap_err();
    assert!(matches!(fault, RunError::Panicked(text) if text == "on purpose"));
}
