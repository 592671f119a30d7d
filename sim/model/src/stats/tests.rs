use super::*;

#[test]
fn quantiles_are_within_a_percent_and_small_ones_exact() {
    let mut histogram = Histogram::default();
    for value in 1..=100 {
        histogram.add(value);
    }
    let small = histogram.quantiles();
    assert_eq!(
        (small.p50, small.p90, small.p95, small.p99),
        (50, 90, 95, 99)
    );
    assert!((small.mean - 50.5).abs() < 1e-9);
    let mut histogram = Histogram::default();
    for value in 0..1_000_000 {
        histogram.add(value * 37);
    }
    let large = histogram.quantiles();
    for (got, wanted) in [(large.p50, 18_500_000.0), (large.p99, 36_630_000.0)] {
        let ratio = got as f64 / wanted;
        assert!((1.0..1.01).contains(&ratio), "{ratio}");
    }
    assert_eq!(large.max, 36_999_963);
    histogram.add(u64::MAX);
    assert_eq!(histogram.quantiles().max, u64::MAX);
}

#[test]
fn every_value_is_in_its_bucket() {
    for shift in 0..63 {
        for value in [1 << shift, (1 << shift) + 1, (3 << shift) / 2] {
            let last = last_of(bucket_of(value));
            assert!(last >= value && last - value <= value / PARTS, "{value}");
        }
    }
}

#[test]
fn nothing_gives_no_quantiles_and_no_knowledge() {
    assert_eq!(Histogram::default().quantiles(), Quantiles::default());
    let share = Share::of(0, 0);
    assert!(share.low.abs() < 1e-9 && (share.high - 1.0).abs() < 1e-9);
}

#[test]
fn wilson_intervals_are_the_published_ones() {
    // 0 of 10 and 1 of 10: worked examples of Brown, Cai and DasGupta, 2001.
    let none = Share::of(0, 10);
    assert!((none.high - 0.2775).abs() < 1e-3 && none.low.abs() < 1e-9);
    let one = Share::of(1, 10);
    assert!((one.low - 0.0179).abs() < 1e-3 && (one.high - 0.4042).abs() < 1e-3);
    let all = Share::of(10, 10);
    assert!((all.high - 1.0).abs() < 1e-9 && (all.low - 0.7225).abs() < 1e-3);
}

#[test]
fn steps_tell_the_whole_distribution() {
    let mut histogram = Histogram::default();
    assert_eq!(histogram.steps(), []);
    for value in 1..=100 {
        histogram.add(value);
    }
    let steps = histogram.steps();
    assert_eq!(steps.len(), 200);
    assert!(steps.is_sorted_by_key(|step| (step.value, step.per_mille)));
    let median = steps.iter().find(|step| step.per_mille == 500);
    assert_eq!(median.map(|step| step.value), Some(50));
    assert_eq!(steps.last().map(|step| step.value), Some(100));
}
