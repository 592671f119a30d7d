//! Figures below an axis never touch.

use proptest::prelude::*;

use super::*;
use crate::data::Axis;
use crate::scale::Ends;
use crate::{Unit, text};

proptest! {
    #[test]
    fn figures_below_an_axis_never_touch(
        high in 1e-3..1e9_f64,
        narrow in any::<bool>(),
        log in any::<bool>(),
        bytes in any::<bool>(),
        left in 20.0..100.0_f64,
        right in 14.0..200.0_f64,
    ) {
        let width = if narrow { Width::Narrow } else { Width::Wide };
        let unit = if bytes { Unit::BytesPerSecond } else { Unit::Seconds };
        let axis = Axis { log, ..Axis::new("", unit) };
        let values = [high / 1e4, high].into_iter();
        let x = Scale::fit(&axis, values, Ends::Tight, width.ticks_max());
        let sides = Sides { left, right: (width.px() - right).max(left + 40.0) };
        let labels = tick_labels(width, sides, &x);
        prop_assert!(!labels.is_empty());
        let spans: Vec<(f64, f64)> = labels
            .iter()
            .map(|(middle, label)| (*middle, text::width(label) / 2.0))
            .map(|(middle, half)| (middle - half, middle + half))
            .collect();
        prop_assert!(spans.windows(2).all(|pair| pair[0].1 < pair[1].0), "{:?}", labels);
        prop_assert!(spans.iter().all(|span| span.0 >= -1e-9 && span.1 <= width.px() + 1e-9));
    }
}
