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
fn nothing_gives_no_quantiles() {
    assert_eq!(Histogram::default().quantiles(), Quantiles::default());
}
