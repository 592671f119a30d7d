use rand::{SeedableRng, rngs::Xoshiro256PlusPlus};

use super::*;

const HOUR_MS: u64 = 3_600_000;

fn rng(seed: u64) -> Xoshiro256PlusPlus {
    Xoshiro256PlusPlus::seed_from_u64(seed)
}

#[test]
fn stays_alternate_and_go_on() {
    let stays: Vec<Stay> = Sessions::settled(&Churn::Kad, None, 0, rng(1))
        .take(1_000)
        .collect();
    assert_eq!(stays.len(), 1_000);
    assert!(stays.windows(2).all(|pair| pair[0].up != pair[1].up));
}

#[test]
fn a_node_that_is_always_up_stays_once() {
    let stays: Vec<Stay> = Sessions::settled(&Churn::Always, None, 0, rng(1)).collect();
    let lasts_ms = FOREVER_MS;
    assert_eq!(stays, [Stay { up: true, lasts_ms }]);
}

#[test]
fn nodes_leave_after_their_mean_life_and_stays_add_up_to_it() {
    let churn = Churn::exponential(HOUR_MS, 3 * HOUR_MS).unwrap();
    let (mut sum, count) = (0.0, 20_000);
    for seed in 0..count {
        let sessions = Sessions::settled(&churn, Some(24 * HOUR_MS), 0, rng(seed));
        let leaves_ms = sessions.leaves_ms();
        let total: u64 = sessions.map(|stay| stay.lasts_ms).sum();
        assert_eq!(total, leaves_ms);
        sum += total as f64;
    }
    let mean = sum / count as f64 / HOUR_MS as f64;
    assert!((mean / 24.0 - 1.0).abs() < 0.02, "{mean} h");
}

#[test]
fn who_arrives_is_up_first() {
    for seed in 0..50 {
        let mut sessions = Sessions::arriving(&Churn::Kad, Some(HOUR_MS), 0, 7_000, rng(seed));
        assert!(sessions.leaves_ms() > 7_000);
        assert!(sessions.next().unwrap().up);
    }
}

#[test]
fn one_seed_gives_one_life() {
    let life = |seed| -> Vec<Stay> {
        Sessions::settled(&Churn::Ipfs, Some(99 * HOUR_MS), 0, rng(seed)).collect()
    };
    assert_eq!(life(9), life(9));
    assert!((0..9).any(|seed| life(seed) != life(9)));
}
