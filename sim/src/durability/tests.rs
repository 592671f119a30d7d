use std::time::Duration;

use super::{Asked, COPIES, Check, markdown, page, plain};

/// A day of messages, at one life and one delay.
fn small() -> Asked {
    Asked {
        lives: vec![Duration::from_secs(8 * 3_600)],
        repairs: vec![Duration::from_secs(600)],
        compare: Duration::from_secs(1_200),
        lasts: Duration::from_secs(86_400),
        below: None,
        messages: 0,
        seed: 1,
    }
}

#[test]
fn every_number_of_copies_has_its_figures() {
    let found = small().answer().unwrap();
    assert_eq!(
        (found.losses.len(), found.limits.len(), found.costs.len()),
        (COPIES.len(), COPIES.len(), COPIES.len())
    );
    for loss in &found.losses {
        assert!(loss.from_receipts > loss.from_all && loss.from_all > 0.0);
    }
    for pair in found.losses.windows(2) {
        assert!(pair[1].from_all < pair[0].from_all / 10.0);
    }
    for limit in &found.limits {
        // Where repair may take hours it does not matter who had the message in the first minutes.
        let (all, receipts) = (limit.from_all_s, limit.from_receipts_s);
        assert!(receipts <= all.map(|all| all + all / 100), "{limit:?}");
        let loss = found.losses.iter().find(|loss| loss.copies == limit.copies);
        // The bound holds at the delay if the delay is within the limit, and only then.
        let within = limit.from_all_s.is_some_and(|longest_s| longest_s >= 600);
        assert_eq!(loss.map(|loss| loss.from_all <= limit.bound), Some(within));
    }
    for cost in &found.costs {
        assert!(
            cost.made > cost.least && cost.made < 2.0 * cost.least,
            "{cost:?}"
        );
        assert!(cost.holders > cost.copies as f64 * 0.95, "{cost:?}");
    }
    assert_eq!(found, small().answer().unwrap());
}

#[test]
fn text_and_page_say_the_same() {
    let mut found = small().answer().unwrap();
    let mut checked = small();
    checked.messages = 200;
    found.checks = vec![checked.check((1, 10, 3, 3)).unwrap()];
    let plain = plain(&found);
    assert!(
        plain.contains("R = 5 / W = 3") && plain.contains("at most 1e-4 within"),
        "{plain}"
    );
    let markdown = markdown(&found);
    let rows = markdown.lines().filter(|line| line.starts_with('|'));
    assert!(rows.count() == 10, "{markdown}");
    let html = page(&found, 1, "again".to_owned()).html();
    assert!(html.contains("How many copies does a message need?"));
    assert!(html.contains("Simulations agree"));
}

#[test]
fn a_figure_that_simulations_contradict_is_told() {
    let mut asked = small();
    asked.messages = 300;
    let good = asked.check((1, 10, 3, 3)).unwrap();
    assert!(good.agrees() && good.drawn.is_some());
    let wrong = Check {
        computed: good.computed / 2.0,
        ..good
    };
    assert!(!wrong.agrees());
}

#[test]
fn lazy_repair_copies_less_and_loses_more() {
    let mut asked = small();
    let eager = asked.answer().unwrap();
    asked.below = Some(3);
    let lazy = asked.answer().unwrap();
    for (lazy, eager) in lazy.losses.iter().zip(&eager.losses).skip(1) {
        assert!(lazy.from_all > eager.from_all);
    }
    for (lazy, eager) in lazy.costs.iter().zip(&eager.costs).skip(1) {
        assert!(lazy.made < eager.made, "{lazy:?} {eager:?}");
    }
}
