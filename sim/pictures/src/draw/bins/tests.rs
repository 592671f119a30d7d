//! Nothing falls between bins.

use proptest::prelude::*;

use super::*;

fn found(axis: &Axis, values: &[f64]) -> Vec<Bin> {
    bins(axis, &Bins::Each(values.to_vec()), &mut Unusable::default())
}

#[test]
fn bins_are_round() {
    let values: Vec<f64> = (0..1000).map(f64::from).collect();
    let bins = found(&Axis::new("", Unit::Count), &values);
    assert_eq!((bins[0].from, bins[0].to, bins[0].count), (0.0, 50.0, 50));
    assert_eq!(bins.len(), 20);
}

#[test]
fn figures_that_are_all_the_same_have_one_bin() {
    for axis in [
        Axis::new("", Unit::Seconds),
        Axis::new("", Unit::Seconds).log(),
    ] {
        let bins = found(&axis, &[3.0; 40]);
        assert_eq!(bins.iter().filter(|bin| bin.count > 0).count(), 1);
        assert_eq!(bins.iter().map(|bin| bin.count).sum::<u64>(), 40);
    }
}

#[test]
fn counted_bins_that_are_too_many_are_put_together() {
    let many = (0..1000).map(|from| (f64::from(from), f64::from(from + 1)));
    let many: Vec<Bin> = many.map(|(from, to)| Bin { from, to, count: 2 }).collect();
    let axis = Axis::new("", Unit::Count);
    let bins = bins(&axis, &Bins::Counted(many), &mut Unusable::default());
    assert!(bins.len() <= 3 * BINS_MAX);
    assert_eq!(bins.iter().map(|bin| bin.count).sum::<u64>(), 2000);
}

proptest! {
    #[test]
    fn every_figure_is_in_its_bin(
        values in prop::collection::vec(1e-3..1e6_f64, 1..300),
        log in any::<bool>(),
    ) {
        let axis = Axis { log, ..Axis::new("", Unit::Number) };
        let bins = found(&axis, &values);
        prop_assert!((1..=BINS_MAX + 1).contains(&bins.len()));
        prop_assert_eq!(bins.iter().map(|bin| bin.count).sum::<u64>(), values.len() as u64);
        for pair in bins.windows(2) {
            prop_assert!((pair[0].to - pair[1].from).abs() <= 1e-9 * pair[0].to);
        }
        for value in values {
            let slack = value * 1e-9;
            let holds = |bin: &Bin| {
                bin.count > 0 && bin.from <= value + slack && value <= bin.to + slack
            };
            prop_assert!(bins.iter().any(holds), "{} is in none", value);
        }
    }
}
