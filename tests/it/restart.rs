//! A receipt is a promise: what a keeper gave one for is there after kill -9.

use restante_tests::{Kills, seed};

/// How often the keeper is killed; `cargo bench -p restante-tests --bench kills` does it more often.
const KILLS: usize = 10;

#[test]
fn everything_a_receipt_was_given_for_is_there_after_a_kill_in_the_middle_of_deposits() {
    let kills = Kills {
        count: KILLS,
        fill_bytes: 0,
        seed: seed(),
    };
    let report = kills.run(|_| ());
    let (receipts, cut_short) = (report.receipts, report.cut_short);
    assert!(
        receipts > 20 * KILLS,
        "{receipts} receipts are too few to mean anything"
    );
    assert!(
        cut_short > KILLS / 2,
        "only {cut_short} kills came in the middle of deposits"
    );
}
