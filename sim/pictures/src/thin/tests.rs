//! What stays of many points.

use proptest::prelude::*;

use super::*;

fn points() -> impl Strategy<Value = Vec<(f64, f64)>> {
    prop::collection::vec((-1e6..1e6_f64, -1e3..1e3_f64), 1..3000).prop_map(|mut points| {
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        points
    })
}

fn ends(points: &[(f64, f64)]) -> (f64, f64) {
    let low = points
        .iter()
        .map(|point| point.1)
        .fold(f64::INFINITY, f64::min);
    let high = points
        .iter()
        .map(|point| point.1)
        .fold(f64::NEG_INFINITY, f64::max);
    (low, high)
}

#[test]
fn few_points_stay_as_they_are() {
    assert_eq!(thin(&[], 600), []);
    let points = [(0.0, 1.0), (0.0, 2.0), (1.0, 0.0)];
    assert_eq!(thin(&points, 3), points);
}

#[test]
fn a_single_peak_among_a_million_stays() {
    let mut points: Vec<(f64, f64)> = (0..1_000_000).map(|x| (f64::from(x), 1.0)).collect();
    points[123_457].1 = 9.0;
    points[654_321].1 = -9.0;
    let kept = thin(&points, 600);
    assert!(kept.contains(&(123_457.0, 9.0)) && kept.contains(&(654_321.0, -9.0)));
    assert!(kept.len() <= 600);
}

#[test]
fn points_above_one_another_are_thinned_too() {
    let points: Vec<(f64, f64)> = (0..5000).map(|y| (7.0, f64::from(y % 100))).collect();
    assert_eq!(ends(&thin(&points, 100)), (0.0, 99.0));
}

proptest! {
    #[test]
    fn extremes_ends_and_order_stay(points in points(), most in 4..700_usize) {
        let kept = thin(&points, most);
        prop_assert!(kept.len() <= most);
        prop_assert_eq!(ends(&kept), ends(&points));
        prop_assert_eq!(kept.first(), points.first());
        prop_assert_eq!(kept.last(), points.last());
        let mut rest = points.iter();
        prop_assert!(kept.iter().all(|point| rest.any(|other| other == point)), "not in order");
    }
}
