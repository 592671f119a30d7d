//! No label lies on another.

use proptest::prelude::*;

use super::*;

#[test]
fn labels_with_room_stay_where_they_want_to_be() {
    assert_eq!(
        spread(&[(50.0, 20.0), (10.0, 20.0)], 0.0, 100.0),
        [50.0, 10.0]
    );
}

#[test]
fn labels_at_one_place_spread_around_it() {
    assert_eq!(spread(&[(50.0, 20.0); 3], 0.0, 100.0), [30.0, 50.0, 70.0]);
    assert_eq!(spread(&[(0.0, 20.0); 3], 0.0, 100.0), [10.0, 30.0, 50.0]);
    assert_eq!(spread(&[(100.0, 20.0); 2], 0.0, 100.0), [70.0, 90.0]);
}

#[test]
fn spans_share_a_row_if_they_can() {
    assert_eq!(
        rows(&[(0.0, 5.0), (4.0, 9.0), (6.0, 8.0), (20.0, 30.0)], 1.0),
        [0, 1, 0, 0]
    );
}

fn rects() -> impl Strategy<Value = Vec<Rect>> {
    let rect = (
        -50.0..500.0_f64,
        -50.0..300.0_f64,
        1.0..200.0_f64,
        5.0..40.0_f64,
    )
        .prop_map(|(left, top, width, height)| Rect {
            left,
            top,
            width,
            height,
        });
    prop::collection::vec(rect, 0..15)
}

proptest! {
    #[test]
    fn labels_in_a_column_never_overlap(
        wanted in prop::collection::vec((-100.0..500.0_f64, 5.0..40.0_f64), 0..20),
        top in -50.0..50.0_f64,
        room in 0.0..600.0_f64,
    ) {
        let bottom = top + room;
        let middles = spread(&wanted, top, bottom);
        let mut spans: Vec<(f64, f64)> = middles
            .iter()
            .zip(&wanted)
            .map(|(middle, (_, height))| (middle - height / 2.0, middle + height / 2.0))
            .collect();
        spans.sort_by(|a, b| a.0.total_cmp(&b.0));
        for pair in spans.windows(2) {
            prop_assert!(pair[1].0 >= pair[0].1 - 1e-6, "{:?}", spans);
        }
        let total: f64 = wanted.iter().map(|(_, height)| height).sum();
        if let (Some(first), Some(last)) = (spans.first(), spans.last()) {
            prop_assert!(first.0 >= top - 1e-6);
            prop_assert!(total > room || last.1 <= bottom + 1e-6);
        }
        for (a, b) in (0..wanted.len()).flat_map(|a| (0..wanted.len()).map(move |b| (a, b))) {
            prop_assert!(wanted[a].0 >= wanted[b].0 || middles[a] < middles[b], "order is kept");
        }
    }

    #[test]
    fn spans_of_one_row_never_overlap(
        spans in prop::collection::vec((0.0..100.0_f64, 0.0..40.0_f64), 0..30),
        gap in 0.0..10.0_f64,
    ) {
        let spans: Vec<(f64, f64)> =
            spans.into_iter().map(|(from, long)| (from, from + long)).collect();
        let rows = rows(&spans, gap);
        for (a, b) in (0..spans.len()).flat_map(|a| (0..a).map(move |b| (a, b))) {
            let apart = spans[a].1 + gap <= spans[b].0 || spans[b].1 + gap <= spans[a].0;
            prop_assert!(rows[a] != rows[b] || apart);
        }
    }

    #[test]
    fn placed_labels_never_overlap(wanted in rects()) {
        let area = Rect { left: 0.0, top: 0.0, width: 400.0, height: 250.0 };
        let found: Vec<Rect> = place(&wanted, area).into_iter().flatten().collect();
        for (index, rect) in found.iter().enumerate() {
            prop_assert!(rect.top >= 0.0 && rect.top + rect.height <= 250.0);
            prop_assert!(rect.left >= 0.0 && rect.left + rect.width <= 400.0 + 1e-9);
            prop_assert!(found[..index].iter().all(|other| !other.overlaps(rect)));
        }
    }
}
