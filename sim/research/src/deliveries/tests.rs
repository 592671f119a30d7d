use std::time::Duration;

use restante_sim::observed::{Observed, Return, Sample as Moment};
use restante_sim::{Counts, Outcome, Report, Violation};

use super::{Sample, markdown, row};

fn report(seed: u64, written: u64, sent: &[(u64, u64)]) -> Report {
    let moment = |(at_ms, sent_bytes): &(u64, u64)| Moment {
        at_ms: *at_ms,
        sent_bytes: *sent_bytes,
        ..Moment::default()
    };
    Report {
        scenario: "offline-recipient".into(),
        tier: Default::default(),
        seed,
        nodes: 80,
        outcome: Outcome::Passed,
        trace_hash: String::new(),
        trace_lines: 0,
        events: 0,
        virtual_ms: 100_000,
        settled_after_ms: Some(60_000),
        counts: Counts {
            written,
            shown: written,
            ..Counts::default()
        },
        effects: Vec::new(),
        observed: Some(Observed {
            samples: sent.iter().map(moment).collect(),
            healed_ms: 90_000,
            after_return_ms: vec![1_000 * seed; usize::try_from(written).unwrap()],
            returns: vec![Return {
                at_ms: 50_000,
                waiting: written,
                copies: 4 * written,
            }],
            ..Observed::default()
        }),
    }
}

fn samples() -> Vec<Sample> {
    let sample = |seed| {
        let run = report(
            seed,
            10,
            &[(40_000, 500), (80_000, 11_000 * seed), (95_000, 99_999)],
        );
        let idle = report(
            seed,
            0,
            &[(40_000, 400), (80_000, 1_000 * seed), (94_000, 88_888)],
        );
        Sample::of(&run, &idle).unwrap()
    };
    (1..=4).map(sample).collect()
}

#[test]
fn bytes_are_compared_at_the_last_moment_that_both_runs_have_seen_before_the_end() {
    let sample = &samples()[0];
    assert_eq!((sample.bytes, sample.idle_bytes), (11_000, 1_000));
    let nothing = report(1, 0, &[]);
    assert_eq!(Sample::of(&report(1, 1, &[(1, 1)]), &nothing), None);
}

#[test]
fn a_row_sums_up_its_seeds() {
    let row = row(Duration::from_secs(3_600), &samples());
    assert_eq!((row.written, row.seeds), (40, 4));
    assert_eq!(row.ratio.unwrap().value, 1.0);
    assert!(row.ratio.unwrap().low > 0.9 && row.duplicates.unwrap().high < 0.1);
    assert_eq!(row.wait_p50.unwrap().value, 2.0);
    assert_eq!(row.wait_p99.unwrap().value, 4.0);
    // 1 000 for each message of the first seed, 4 000 for each of the last.
    assert_eq!(row.bytes_more.unwrap().value, 2_500.0);
    assert_eq!(row.bytes_all.unwrap().value, 2_750.0);
    assert_eq!(row.copies.unwrap().value, 4.0);
    assert!(row.broken.is_empty());
}

#[test]
fn seeds_that_broke_a_rule_are_named() {
    let mut run = report(3, 10, &[(1, 2)]);
    run.outcome = Outcome::Violated(Violation {
        rule: "lost".into(),
        what: "m0".into(),
        at_ms: 1,
    });
    let sample = Sample::of(&run, &report(3, 0, &[(1, 1)])).unwrap();
    let row = row(Duration::from_secs(60), &[sample]);
    assert_eq!(row.broken, [(3, "lost".to_owned())]);
}

#[test]
fn the_table_has_a_line_for_each_row() {
    let rows = [
        row(Duration::from_secs(3_600), &samples()),
        row(Duration::from_secs(86_400), &[]),
    ];
    let markdown = markdown(&rows);
    assert_eq!(markdown.lines().count(), 4);
    assert!(
        markdown.lines().all(|line| line.matches('|').count() == 11),
        "{markdown}"
    );
    assert!(
        markdown.contains("| 1h | 4 | 40 | 100.00 % [91.24 %, 100.00 %] |"),
        "{markdown}"
    );
}
