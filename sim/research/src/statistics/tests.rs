use super::{Estimate, mean, percentile, rank, share};
use crate::random::randomness;
use restante_sim_population::draw;

#[track_caller]
fn check(got: Option<Estimate>, (value, low, high): (f64, f64, f64)) {
    let got = got.unwrap();
    for (got, wanted) in [(got.value, value), (got.low, low), (got.high, high)] {
        assert!((got - wanted).abs() < 5e-4, "{got} is not {wanted}");
    }
}

#[test]
fn a_mean_has_students_interval() {
    check(mean(&[1.0, 2.0, 3.0, 4.0]), (2.5, 0.4458, 4.5542));
    check(mean(&[7.0]), (7.0, 7.0, 7.0));
    assert_eq!(mean(&[]), None);
}

#[test]
fn t_of_many_runs_comes_near_the_normal_deviate() {
    for (free, t) in [(1, 12.706), (30, 2.042), (40, 2.021), (100, 1.984)] {
        assert!((super::student(free) - t).abs() < 2e-3, "{free}");
    }
}

#[test]
fn a_share_has_wilsons_interval() {
    check(share(8, 10), (0.8, 0.4902, 0.9433));
    check(share(0, 10), (0.0, 0.0, 0.2775));
    check(share(10, 10), (1.0, 0.7225, 1.0));
    assert_eq!(share(0, 0), None);
}

#[test]
fn a_percentile_is_one_of_the_figures() {
    let figures: Vec<f64> = (1..=100).rev().map(f64::from).collect();
    for (percent, wanted) in [(50, 50.0), (99, 99.0), (100, 100.0), (1, 1.0)] {
        assert_eq!(rank(figures.clone(), percent), Some(wanted));
    }
    assert_eq!(rank(Vec::new(), 50), None);
}

#[test]
fn the_interval_of_a_percentile_knows_that_runs_differ() {
    // Within a run all figures are alike: ten runs are ten figures, not a thousand.
    let groups: Vec<Vec<f64>> = (1..=10).map(|run| vec![f64::from(run); 100]).collect();
    let got = percentile(&groups, 50).unwrap();
    assert_eq!(got.value, 5.0);
    assert!(got.low <= 3.0 && got.high >= 7.0, "{got:?}");
    assert_eq!(percentile(&groups, 50), Some(got));
    assert_eq!(percentile(&[Vec::new()], 50), None);
}

#[test]
fn intervals_hold_the_truth_about_as_often_as_they_say() {
    let mut random = randomness(1, "coverage");
    let mut means = 0;
    let mut shares = 0;
    for _ in 0..1_000 {
        let draws: Vec<f64> = (0..20)
            .map(|_| super::whole(draw::below(&mut random, 1_000)))
            .collect();
        let got = mean(&draws).unwrap();
        means += u32::from(got.low <= 499.5 && 499.5 <= got.high);
        let hits = (0..50).filter(|_| draw::below(&mut random, 10) < 3).count();
        let got = share(hits as u64, 50).unwrap();
        shares += u32::from(got.low <= 0.3 && 0.3 <= got.high);
    }
    for covered in [means, shares] {
        assert!((925..=975).contains(&covered), "{covered} of 1000");
    }
}
