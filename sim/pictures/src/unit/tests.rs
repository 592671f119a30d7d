//! How figures read.

use proptest::prelude::*;

use super::*;

/// The two kinds of gaps, as plain ones.
fn plain(text: &str) -> String {
    text.replace(['\u{a0}', '\u{202f}'], " ")
}

#[test]
fn figures_read_as_people_write_them() {
    let cases = [
        (Unit::Seconds, 0.0, "0 s"),
        (Unit::Seconds, 0.000_25, "250 \u{b5}s"),
        (Unit::Seconds, 0.6141, "614 ms"),
        (Unit::Seconds, 2.0, "2 s"),
        (Unit::Seconds, 59.94, "59.9 s"),
        (Unit::Seconds, 90.0, "1.5 min"),
        (Unit::Seconds, 5400.0, "1.5 h"),
        (Unit::Seconds, 100_000.0, "27.8 h"),
        (Unit::Seconds, 432_000.0, "5 days"),
        (Unit::Seconds, -3.0, "\u{2212}3 s"),
        (Unit::Bytes, 0.0, "0 B"),
        (Unit::Bytes, 1023.0, "1023 B"),
        (Unit::Bytes, 1536.0, "1.5 KiB"),
        (Unit::Bytes, 155_189_248.0, "148 MiB"),
        (Unit::BytesPerSecond, 2048.0, "2 KiB/s"),
        (Unit::Count, 12_480.0, "12 480"),
        (Unit::Count, 1_000_000.0, "1 000 000"),
        (Unit::Count, 2.5, "2.5"),
        (Unit::Share, 1.0, "100 %"),
        (Unit::Share, 0.5, "50 %"),
        (Unit::Share, 0.9801, "98.0 %"),
        (Unit::Share, 0.999_96, "99.996 %"),
        (Unit::Share, 0.000_01, "0.001 %"),
        (Unit::Share, 0.0, "0 %"),
        (Unit::Number, 0.0421, "0.0421"),
        (Unit::Number, 0.000_000_12, "1.2e-7"),
        (Unit::Share, 1e-12, "1e-10 %"),
        (Unit::Share, 1.0 - 1e-11, "99.999999 %"),
    ];
    for (unit, value, expected) in cases {
        assert_eq!(plain(&unit.show(value)), expected, "{value} in {unit:?}");
    }
}

proptest! {
    #[test]
    fn a_share_reads_as_all_or_nothing_only_if_it_is(share in 1e-7..0.999_999_9_f64) {
        let text = plain(&Unit::Share.show(share));
        prop_assert_ne!(&text, "100 %");
        let number: f64 = text.trim_end_matches(" %").parse().unwrap();
        prop_assert!(number > 0.0 && number < 100.0, "{}", text);
        prop_assert!((number - share * 100.0).abs() <= 0.05, "{}", text);
    }

    #[test]
    fn a_figure_keeps_three_digits(value in 1e-9..1e12_f64) {
        let text = Unit::Number.show(value).replace('\u{202f}', "");
        let read: f64 = text.parse().unwrap();
        prop_assert!((read - value).abs() <= value * 0.006, "{} from {}", text, value);
    }
}
