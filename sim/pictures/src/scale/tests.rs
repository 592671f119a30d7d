//! Ticks are round, few and within the axis.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::unit::{DAY, HOUR, MINUTE};

fn units() -> impl Strategy<Value = Unit> {
    prop::sample::select(vec![
        Unit::Seconds,
        Unit::Bytes,
        Unit::BytesPerSecond,
        Unit::Count,
        Unit::Share,
        Unit::Number,
    ])
}

/// Figures as a run has them: from nothing to very much, wide apart or close together.
fn figures() -> impl Strategy<Value = Vec<f64>> {
    let near = (0.0..1e6_f64, 1e-3..1e3_f64)
        .prop_flat_map(|(at, wide)| prop::collection::vec(at..at + wide, 1..20));
    prop_oneof![
        prop::collection::vec(0.0..1.0_f64, 1..20),
        prop::collection::vec(
            (-9.0..15.0_f64).prop_map(|power| 10.0_f64.powf(power)),
            1..20
        ),
        prop::collection::vec(-1e9..1e9_f64, 1..20),
        prop::collection::vec((0..50_u32).prop_map(f64::from), 1..20),
        near,
        (0.0..1e9_f64).prop_map(|same| vec![same; 3]),
    ]
}

/// Whether a step is one that people count in.
fn is_round(step: f64, unit: Unit) -> bool {
    let decimal = |step: f64| {
        let digit = step / 10.0_f64.powf(step.log10().floor());
        [1.0, 2.0, 5.0, 10.0]
            .iter()
            .any(|round| (digit / round - 1.0).abs() < 1e-6)
    };
    let among = |step: f64, list: &[f64]| list.iter().any(|x| (step / x - 1.0).abs() < 1e-6);
    match unit {
        Unit::Seconds if step < 0.999 => decimal(step),
        Unit::Seconds if step < 59.9 => among(step, &[1.0, 2.0, 5.0, 10.0, 15.0, 30.0]),
        Unit::Seconds if step < 3599.0 => among(step / MINUTE, &[1.0, 2.0, 5.0, 10.0, 15.0, 30.0]),
        Unit::Seconds if step < 86_399.0 => among(step / HOUR, &[1.0, 2.0, 3.0, 6.0, 12.0]),
        Unit::Seconds => decimal(step / DAY),
        Unit::Bytes | Unit::BytesPerSecond => (step.log2() - step.log2().round()).abs() < 1e-9,
        Unit::Count => step >= 1.0 && decimal(step),
        Unit::Share | Unit::Number => decimal(step),
    }
}

fn labels(axis: &Axis, values: &[f64]) -> String {
    let scale = Scale::fit(axis, values.iter().copied(), Ends::Tight, 8);
    let labels: Vec<String> = scale.ticks.into_iter().map(|tick| tick.label).collect();
    labels.join(", ").replace('\u{a0}', " ")
}

#[test]
fn usual_axes_read_well() {
    let time = Axis::new("", Unit::Seconds);
    assert_eq!(
        labels(&time, &[0.0, 172_800.0]),
        "0, 12 h, 24 h, 36 h, 48 h"
    );
    assert_eq!(
        labels(&time, &[0.0, 604_800.0]),
        "0, 1 days, 2 days, 3 days, 4 days, 5 days, 6 days, 7 days"
    );
    assert_eq!(
        labels(&time.log(), &[0.002, 5000.0]),
        "10 ms, 100 ms, 1 s, 10 s, 1 min, 10 min, 1 h"
    );
    let bytes = Axis::new("", Unit::Bytes);
    assert_eq!(
        labels(&bytes, &[0.0, 7e6]),
        "0, 1 MiB, 2 MiB, 3 MiB, 4 MiB, 5 MiB, 6 MiB"
    );
    let share = Axis::new("", Unit::Share);
    assert_eq!(
        labels(&share, &[0.92, 1.0]),
        "92 %, 94 %, 96 %, 98 %, 100 %"
    );
    let count = Axis::new("", Unit::Count);
    assert_eq!(labels(&count, &[0.0, 1.0]), "0, 1, 2");
}

#[test]
fn an_upright_axis_begins_at_zero_unless_told_otherwise() {
    let values = [0.93, 0.99];
    let axis = Axis::new("", Unit::Share);
    assert_eq!(
        Scale::fit(&axis, values.into_iter(), Ends::Round, 6).low,
        0.0
    );
    let axis = axis.between(0.95, 1.0);
    let scale = Scale::fit(&axis, values.into_iter(), Ends::Round, 6);
    assert!(
        scale.low > 0.9 && scale.low <= 0.93,
        "what is below the range is shown too"
    );
}

#[test]
fn what_is_no_number_has_no_part() {
    let values = [f64::NAN, 1.0, f64::INFINITY, 5.0, 1e300];
    let scale = Scale::fit(
        &Axis::new("", Unit::Number),
        values.into_iter(),
        Ends::Tight,
        8,
    );
    assert_eq!((scale.low, scale.high), (1.0, 5.0));
}

#[test]
fn zero_lies_at_the_lower_end_of_ratios() {
    let axis = Axis::new("", Unit::Seconds).log();
    let scale = Scale::fit(&axis, [0.0, 0.1, 10.0].into_iter(), Ends::Tight, 8);
    assert_eq!(scale.place(0.0), 0.0);
    assert_eq!(scale.place(0.1), 0.0);
    assert!((scale.place(1.0) - 0.5).abs() < 1e-12);
}

proptest! {
    #[test]
    fn ticks_are_few_within_and_different(
        unit in units(),
        log in any::<bool>(),
        round in any::<bool>(),
        most in 5..9_usize,
        values in figures(),
    ) {
        let axis = Axis { log, ..Axis::new("", unit) };
        let ends = if round { Ends::Round } else { Ends::Tight };
        let scale = Scale::fit(&axis, values.iter().copied(), ends, most);
        let ticks: Vec<f64> = scale.ticks.iter().map(|tick| tick.at).collect();
        prop_assert!((3..=8).contains(&ticks.len()), "{:?}", scale);
        prop_assert!(ticks.iter().all(|at| (scale.low..=scale.high).contains(at)), "{:?}", scale);
        prop_assert!(ticks.windows(2).all(|pair| pair[0] < pair[1]), "{:?}", scale);
        let labels: BTreeSet<&String> = scale.ticks.iter().map(|tick| &tick.label).collect();
        prop_assert_eq!(labels.len(), ticks.len(), "{:?}", scale);
        for value in values.iter().filter(|value| !scale.log || **value > 1e-9) {
            let slack = (scale.high - scale.low) * 1e-6;
            prop_assert!((scale.low - slack..=scale.high + slack).contains(value), "{:?}", scale);
        }
    }

    #[test]
    fn steps_are_round(unit in units(), round in any::<bool>(), values in figures()) {
        let ends = if round { Ends::Round } else { Ends::Tight };
        let scale = Scale::fit(&Axis::new("", unit), values.into_iter(), ends, 8);
        let step = (scale.ticks[2].at - scale.ticks[0].at) / 2.0;
        prop_assert!(is_round(step, unit), "{} in {:?}", step, scale);
        for tick in &scale.ticks {
            let times = tick.at / step;
            prop_assert!((times - times.round()).abs() < 1e-3, "{:?}", scale);
        }
    }

    #[test]
    fn places_keep_the_order(log in any::<bool>(), values in figures()) {
        let axis = Axis { log, ..Axis::new("", Unit::Number) };
        let scale = Scale::fit(&axis, values.iter().copied(), Ends::Tight, 8);
        let mut values = values;
        values.sort_by(f64::total_cmp);
        let places: Vec<f64> = values.iter().map(|value| scale.place(*value)).collect();
        prop_assert!(places.iter().all(|place| (0.0..=1.0).contains(place)));
        prop_assert!(places.windows(2).all(|pair| pair[0] <= pair[1]));
    }
}
