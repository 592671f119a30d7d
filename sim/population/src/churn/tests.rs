use rand::{SeedableRng, rngs::Xoshiro256PlusPlus};

use super::*;

const HOUR_MS: u64 = 3_600_000;
const DAY_MS: u64 = 24 * HOUR_MS;
const NODES: u32 = 40_000;

fn rng(seed: u64) -> Xoshiro256PlusPlus {
    Xoshiro256PlusPlus::seed_from_u64(seed)
}

fn near(got: f64, wanted: f64, part: f64) {
    assert!(
        (got / wanted - 1.0).abs() < part,
        "{got} is not within {part} of {wanted}"
    );
}

/// Draws many fresh stays up, in order.
fn fresh(churn: &Churn, up: bool) -> Vec<u64> {
    let mut rng = rng(3);
    let draw = |_| churn.next(Habit::Common, !up, 0, &mut rng).lasts_ms;
    let mut stays: Vec<u64> = (0..200_000).map(draw).collect();
    stays.sort_unstable();
    stays
}

fn mean(values: &[u64]) -> f64 {
    values.iter().map(|value| *value as f64).sum::<f64>() / values.len() as f64
}

/// Settles many nodes; returns the share that is up, and the first stays of those that are up.
fn settled(churn: &Churn) -> (f64, Vec<u64>) {
    let mut rng = rng(4);
    let stays: Vec<Stay> = (0..NODES)
        .map(|node| churn.settle(node, &mut rng).1)
        .collect();
    let up: Vec<u64> = stays
        .iter()
        .filter(|stay| stay.up)
        .map(|stay| stay.lasts_ms)
        .collect();
    (up.len() as f64 / f64::from(NODES), up)
}

/// Lets nodes live and returns the share that is up at `at_ms`.
fn up_at(churn: &Churn, at_ms: u64) -> f64 {
    let mut rng = rng(5);
    let mut up = 0;
    for node in 0..NODES {
        let (habit, mut stay) = churn.settle(node, &mut rng);
        let mut now_ms = 0_u64;
        while now_ms.saturating_add(stay.lasts_ms) <= at_ms {
            now_ms += stay.lasts_ms;
            stay = churn.next(habit, stay.up, now_ms, &mut rng);
        }
        up += u32::from(stay.up);
    }
    f64::from(up) / f64::from(NODES)
}

#[test]
fn exponential_times_have_their_means_and_no_memory() {
    let churn = Churn::exponential(2 * HOUR_MS, 6 * HOUR_MS).unwrap();
    near(mean(&fresh(&churn, true)), 2.0 * HOUR_MS as f64, 0.01);
    near(mean(&fresh(&churn, false)), 6.0 * HOUR_MS as f64, 0.01);
    let stays = fresh(&churn, true);
    let half = std::f64::consts::LN_2 * 2.0 * HOUR_MS as f64;
    near(stays[stays.len() / 2] as f64, half, 0.02);
    let (share, rests) = settled(&churn);
    near(share, 0.25, 0.03);
    near(churn.availability(), 0.25, 1e-9);
    near(mean(&rests), 2.0 * HOUR_MS as f64, 0.03);
}

#[test]
fn kad_has_the_published_fits_and_does_not_swap_them() {
    let (up, down) = (fresh(&Churn::Kad, true), fresh(&Churn::Kad, false));
    near(KAD_UP.mean_ms(), 247.0 * MINUTE_MS, 0.01);
    near(KAD_DOWN.mean_ms(), 909.5 * MINUTE_MS, 0.01);
    near(mean(&up), KAD_UP.mean_ms(), 0.02);
    near(mean(&down), KAD_DOWN.mean_ms(), 0.03);
    near(up[up.len() / 2] as f64, KAD_UP.quantile_ms(0.5), 0.02);
    near(up[up.len() / 2] as f64, 94.0 * MINUTE_MS, 0.02);
    near(up[up.len() / 10 * 9] as f64, KAD_UP.quantile_ms(0.9), 0.02);
    near(down[down.len() / 2] as f64, 3.2 * 60.0 * MINUTE_MS, 0.02);
    assert!(KAD_DOWN.mean_ms() > 3.0 * KAD_UP.mean_ms());
    let share = Churn::Kad.availability();
    assert!((0.18..=0.22).contains(&share), "{share}");
}

#[test]
fn the_rest_of_a_weibull_stay_is_longer_than_a_fresh_one() {
    let (share, rests) = settled(&Churn::Kad);
    near(share, Churn::Kad.availability(), 0.04);
    near(mean(&rests), KAD_UP.residual_mean_ms(), 0.05);
    assert!(KAD_UP.residual_mean_ms() > 1.5 * KAD_UP.mean_ms());
    let even = Churn::Weibull {
        up: Weibull::new(3.0, 1e7).unwrap(),
        down: Weibull::new(1.0, 1e7).unwrap(),
    };
    let (share, rests) = settled(&even);
    near(share, even.availability(), 0.02);
    let up = Weibull::new(3.0, 1e7).unwrap();
    near(mean(&rests), up.residual_mean_ms(), 0.03);
    assert!(up.residual_mean_ms() < 0.6 * up.mean_ms());
}

#[test]
fn the_share_that_is_up_does_not_drift() {
    let churns = [
        Churn::exponential(2 * HOUR_MS, 6 * HOUR_MS).unwrap(),
        Churn::Kad,
        Churn::Ipfs,
        Churn::Diurnal(Diurnal::default()),
        Churn::Always,
    ];
    for churn in churns {
        for at_ms in [0, HOUR_MS, 30 * HOUR_MS, 6 * DAY_MS + 5] {
            let share = up_at(&churn, at_ms);
            let wanted = churn.availability();
            assert!(
                (share - wanted).abs() < 0.012,
                "{churn:?}: {share} {wanted}"
            );
        }
    }
}

#[test]
fn ipfs_has_its_classes() {
    let mut rng = rng(6);
    let nodes: Vec<(Habit, Stay)> = (0..NODES)
        .map(|node| Churn::Ipfs.settle(node, &mut rng))
        .collect();
    let share = |wanted: fn(&Stay) -> bool| {
        let count = nodes.iter().filter(|(_, stay)| wanted(stay)).count();
        count as f64 / f64::from(NODES)
    };
    near(
        share(|stay| stay.up && stay.lasts_ms == FOREVER_MS),
        0.106,
        0.05,
    );
    near(
        share(|stay| !stay.up && stay.lasts_ms == FOREVER_MS),
        0.377,
        0.03,
    );
    let total: u16 = ipfs::CLASSES.iter().map(|(share, _)| share).sum();
    assert_eq!(total, 1_000);
    near(ipfs::UP.quantile_ms(0.5), 2.0 * HOUR_MS as f64, 0.002);
    near(ipfs::UP.quantile_ms(0.8), 8.0 * HOUR_MS as f64, 0.002);
    near(ipfs::UP.mean_ms(), 324.7 * MINUTE_MS, 0.001);
    let share = Churn::Ipfs.availability();
    assert!((0.18..=0.22).contains(&share), "{share}");
    // Nodes that are always up make up more than half of those that are up.
    assert!((0.5..=0.6).contains(&(0.106 / share)));
}

#[test]
fn diurnal_nodes_sleep_once_a_day() {
    let one_zone = Diurnal::new(10 * HOUR_MS, HOUR_MS, 0).unwrap();
    let churn = Churn::Diurnal(one_zone);
    near(up_at(&churn, 5 * HOUR_MS), 1.0, 1e-9);
    assert!(up_at(&churn, 3 * DAY_MS + 15 * HOUR_MS) < 1e-9);
    near(up_at(&churn, 2 * DAY_MS + 10 * HOUR_MS), 0.5, 0.03);
    let mut rng = rng(7);
    let (habit, mut stay) = churn.settle(0, &mut rng);
    let (mut now_ms, mut changes) = (0, 0);
    while now_ms + stay.lasts_ms < 100 * DAY_MS {
        now_ms += stay.lasts_ms;
        changes += 1;
        stay = churn.next(habit, stay.up, now_ms, &mut rng);
        let within = if stay.up { 10 } else { 14 };
        assert!(stay.lasts_ms.abs_diff(within * HOUR_MS) <= 2 * HOUR_MS);
    }
    assert!((198..=200).contains(&changes), "{changes}");
}

#[test]
fn diurnal_days_that_cannot_be_are_refused() {
    let day_ms = DAY_MS;
    let up_ms = DAY_MS;
    assert_eq!(
        Diurnal::new(up_ms, 0, 0),
        Err(ChurnError::Day { up_ms, day_ms })
    );
    assert!(matches!(
        Diurnal::new(20 * HOUR_MS, 2 * HOUR_MS, 0),
        Err(ChurnError::Jitter { .. })
    ));
    assert!(matches!(
        Diurnal::new(HOUR_MS, 0, 25 * HOUR_MS),
        Err(ChurnError::Spread { .. })
    ));
}

#[test]
fn a_trace_is_followed_to_the_millisecond() {
    let text = "node,second,state\na,10,down\nb,5,up\na,20,up\n\nb,25,down\n";
    let trace: Trace = text.parse().unwrap();
    assert_eq!(trace.nodes(), 2);
    let churn = Churn::Trace(trace);
    let mut rng = rng(8);
    let lives = [
        (0, vec![(true, 10), (false, 10), (true, u64::MAX)]),
        (1, vec![(false, 5), (true, 20), (false, u64::MAX)]),
        (2, vec![(true, 10), (false, 10), (true, u64::MAX)]),
    ];
    for (node, wanted) in lives {
        let (habit, mut stay) = churn.settle(node, &mut rng);
        let mut now_ms = 0;
        for (up, seconds) in wanted {
            let lasts_ms = seconds.saturating_mul(1_000);
            assert_eq!(stay, Stay { up, lasts_ms }, "node {node} at {now_ms}");
            if lasts_ms < FOREVER_MS {
                now_ms += lasts_ms;
                stay = churn.next(habit, stay.up, now_ms, &mut rng);
            }
        }
    }
    // a is up for 15 of 25 s, b for 20.
    near(churn.availability(), 35.0 / 50.0, 1e-9);
}

#[test]
fn a_trace_that_makes_no_sense_is_refused_with_its_line() {
    let fault = |text: &str| text.parse::<Trace>().unwrap_err();
    assert_eq!(fault(""), TraceError::Empty);
    assert_eq!(fault("node,second,state\n"), TraceError::Empty);
    assert_eq!(fault("a,1,up\nb;2;up"), TraceError::Line { line: 2 });
    assert_eq!(fault("a,1,UP"), TraceError::Line { line: 1 });
    assert_eq!(fault("a,1,up,x"), TraceError::Line { line: 1 });
    let second = "-3".to_owned();
    assert_eq!(fault("a,-3,up"), TraceError::Second { line: 1, second });
    let node = "a".to_owned();
    assert_eq!(fault("a,1,up\na,2,up"), TraceError::Order { line: 2, node });
    let node = "a".to_owned();
    assert_eq!(
        fault("a,2,up\na,2,down"),
        TraceError::Order { line: 2, node }
    );
}

#[test]
fn names_are_strict_and_the_answer_lists_them() {
    for name in Churn::NAMES {
        Churn::named(name).unwrap();
    }
    let fault = Churn::named("IPFS").unwrap_err();
    assert_eq!(
        fault.to_string(),
        "there is no churn called \"IPFS\", only always, kad, ipfs, diurnal"
    );
}

#[test]
fn parameters_that_cannot_be_are_refused() {
    assert!(matches!(Churn::exponential(0, 1), Err(ChurnError::Zero(_))));
    assert!(matches!(Churn::exponential(1, 0), Err(ChurnError::Zero(_))));
    assert!(matches!(Weibull::new(0.01, 5.0), Err(ChurnError::Shape(_))));
    assert!(matches!(
        Weibull::new(f64::NAN, 5.0),
        Err(ChurnError::Shape(_))
    ));
    assert!(matches!(Weibull::new(1.0, 0.0), Err(ChurnError::Scale(_))));
}
