use super::account::{Account, Gap, Standing};
use super::{Calibration, Figure, Run, SCENARIO, shown, simulated};
use crate::scenario::Scenario;
use crate::statistics::Estimate;

fn account(trace: &str) -> Account {
    let mut account = Account {
        from_ms: 9_000,
        pays: true,
        ..Account::default()
    };
    for line in trace.lines() {
        account.read(line);
    }
    account
}

#[test]
fn a_trace_becomes_times() {
    let account = account(
        "1.000 k0 starts\n2.500 p3 starts\n9.000 p0 writes m1\n9.900 p3 is shown m1\n\
         50.000 p0 writes m0\n50.000 m0 is Stored with 5 of 5\n50.120 p3 is shown m0\n\
         90.000 p3 leaves\n95.000 p0 writes m2\n200.000 p3 starts\n201.000 p3 is shown m2\n",
    );
    let run = account.judge();
    // The first of the pair pays with a stamp and does not count.
    assert_eq!((run.written, run.shown, run.duplicates), (2, 2, 0));
    assert_eq!(run.online_ms, [120.0]);
    assert_eq!(run.after_return_ms, [1_000.0]);
}

#[test]
fn what_was_not_shown_or_shown_twice_counts() {
    let account = account(
        "9.000 p0 writes m1\n9.900 p3 is shown m1\n50.000 p0 writes m0\n60.000 p0 writes m2\n\
         61.000 p3 is shown m2\n62.000 p3 is shown m2\n",
    );
    let run = account.judge();
    assert_eq!((run.written, run.shown, run.duplicates), (2, 1, 1));
}

#[test]
fn copies_and_bytes_are_those_beyond_what_there_is_anyhow() {
    let mut account = account(
        "10.000 p0 writes m0\n10.100 p3 is shown m0\n20.000 p0 writes m1\n20.100 p3 is shown m1\n\
         100.000 p3 leaves\n110.000 p0 writes m2\n120.000 p0 writes m3\n400.000 p3 starts\n",
    );
    let sample = |at_ms, copies, bytes| Standing {
        at_ms,
        copies,
        bytes,
    };
    account.samples = vec![
        sample(6_000, 20, 1_000),
        sample(9_000, 20, 1_300),
        sample(90_000, 20, 11_000),
        sample(109_000, 20, 13_300),
        sample(300_000, 30, 99_000),
    ];
    let run = account.judge();
    assert_eq!(run.copies, Some(5.0));
    // 100 bytes in a second are sent anyhow: of 12,000 in 100 s, 2,000 are for two messages.
    assert_eq!(run.bytes, Some(1_000.0));
    account.gaps.insert(
        3,
        Gap {
            leaves_ms: 100_000,
            returns_ms: 101_000,
        },
    );
    assert_eq!(account.judge().copies, None);
}

#[test]
fn two_differ_when_their_error_bars_do_not_touch() {
    let run = |ms: f64| Run {
        written: 2,
        shown: 2,
        online_ms: vec![ms, ms + 1.0],
        copies: Some(5.0),
        ..Run::default()
    };
    let fast: Vec<Run> = (0..4).map(|number| run(f64::from(number))).collect();
    let slow: Vec<Run> = (0..4).map(|number| run(90.0 + f64::from(number))).collect();
    let found = Calibration::of(&[slow, fast.clone(), fast]);
    let row = |figure| found.rows.iter().find(|row| row.figure == figure).unwrap();
    let differences = &row(Figure::OnlineP50).differences;
    assert_eq!(
        differences[0],
        "writing to showing, p50: 92 ms on the real processes is more than 2 ms on the full tier, beyond the error \
         bars"
    );
    assert_eq!(differences.len(), 2);
    for figure in [Figure::Delivery, Figure::Copies, Figure::Bytes] {
        assert!(row(figure).differences.is_empty(), "{figure:?}");
    }
    assert_eq!(row(Figure::Bytes).processes, None);
    let whole = Estimate {
        value: 1.0,
        low: row(Figure::Delivery).full.unwrap().low,
        high: 1.0,
    };
    assert_eq!(row(Figure::Delivery).full, Some(whole));
}

#[test]
fn the_model_runs_the_scenario() {
    let scenario = Scenario::shipped(SCENARIO).unwrap().unwrap();
    let run = simulated::on_model(&scenario, 1).unwrap();
    assert!(run.written >= 40 && run.shown == run.written, "{run:?}");
    assert!(!run.online_ms.is_empty() && !run.after_return_ms.is_empty());
    let copies = run.copies.unwrap();
    assert!((4.9..=5.1).contains(&copies), "{copies}");
    assert!(run.bytes.unwrap() > 5.0 * 2_048.0 && run.lookups.unwrap() >= 2.0);
}

#[test]
fn programs_that_are_not_there_are_named() {
    let fault = super::processes::run(std::path::Path::new("/nowhere")).unwrap_err();
    assert!(fault.to_string().contains("/nowhere/restante-bootstrap"));
}

#[test]
fn figures_are_told_in_their_units() {
    use super::Measure::{Bytes, Milliseconds, Number, Share};
    for (measure, value, text) in [
        (Share, 0.5, "50.00 %"),
        (Milliseconds, 42.4, "42 ms"),
        (Milliseconds, 12_340.0, "12.3 s"),
        (Number, 4.999, "5.00"),
        (Bytes, 900.0, "900 B"),
        (Bytes, 20_480.0, "20.0 KiB"),
    ] {
        assert_eq!(shown(measure, value), text);
    }
}
