use restante_proto::limits::{DAY_MS, HOUR_MS, MINUTE_MS};

use super::{Delay, Keeping, KeepingError, Law};

const NEVER: Delay = Delay::fixed(1 << 60);

/// Five copies from the first moment, repaired at once, for fourteen days.
const fn five(life_ms: u64, repair_ms: u64) -> Keeping {
    Keeping {
        copies: 5,
        receipts: 5,
        below: 5,
        life_ms,
        repair: Delay::fixed(repair_ms),
        catch_up: Delay::fixed(1),
        lasts_ms: 14 * DAY_MS,
    }
}

fn assert_close(value: f64, wanted: f64, part: f64) {
    assert!(
        (value / wanted - 1.0).abs() <= part,
        "{value:e} instead of {wanted:e}"
    );
}

/// Mean of independent figures and how far it may be off: three standard errors and a half.
fn mean(values: &[f64]) -> (f64, f64) {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (mean, 3.5 * (squares / (count - 1.0) / count).sqrt())
}

#[test]
fn without_repair_all_copies_are_gone_as_often_as_the_formula_says() {
    for copies in 1..=8 {
        let keeping = Keeping {
            copies,
            receipts: copies,
            below: 1,
            ..five(40 * DAY_MS, HOUR_MS)
        };
        let wanted = (1.0 - (-14.0_f64 / 40.0).exp()).powi(copies as i32);
        // Below one copy there is nobody left to copy it.
        assert_close(keeping.loss().unwrap(), wanted, 1e-9);
    }
}

#[test]
fn two_copies_are_lost_as_often_as_the_formula_says() {
    // From two copies to one at the rate 2 a, from one to two at b, from one to none at a: the survival is a sum of
    // two exponentials with the roots of s^2 + (3 a + b) s + 2 a^2.
    let (life_ms, repair_ms, lasts_ms) = (HOUR_MS, 10 * MINUTE_MS, DAY_MS);
    let keeping = Keeping {
        copies: 2,
        receipts: 2,
        below: 2,
        lasts_ms,
        ..five(life_ms, repair_ms)
    };
    let (a, b) = (1.0 / life_ms as f64, 1.0 / keeping.empty_ms());
    let (sum, product) = (3.0 * a + b, 2.0 * a * a);
    let root = (sum * sum - 4.0 * product).sqrt();
    let (slow, fast) = ((sum - root) / 2.0, f64::midpoint(sum, root));
    let time = lasts_ms as f64;
    let survives = (fast * (-slow * time).exp() - slow * (-fast * time).exp()) / (fast - slow);
    assert_close(keeping.loss().unwrap(), 1.0 - survives, 1e-9);
}

#[test]
fn rare_losses_are_as_rare_as_the_formula_for_any_delay_says() {
    // Each place is empty for the share x of the time; the last one falls empty while all others are.
    for (copies, life_hours, minutes) in
        [(3, 24, 1), (5, 24, 10), (5, 8, 5), (8, 24, 5), (8, 72, 1)]
    {
        let keeping = Keeping {
            copies,
            receipts: copies,
            below: copies,
            ..five(life_hours * HOUR_MS, minutes * MINUTE_MS)
        };
        let (life, empty) = (keeping.life_ms as f64, keeping.empty_ms());
        let x = empty / (life + empty);
        let places = copies as f64;
        let often = keeping.lasts_ms as f64 * places / (life + empty) * x.powf(places - 1.0);
        assert_close(keeping.loss().unwrap(), often, 0.05);
    }
}

#[test]
fn messages_drawn_one_by_one_are_lost_as_often_as_the_chain_says() {
    let lazy = Keeping {
        below: 4,
        ..five(3 * HOUR_MS, 15 * MINUTE_MS)
    };
    let with_three = Keeping {
        receipts: 3,
        catch_up: Delay {
            least_ms: 0,
            most_ms: 20 * HOUR_MS,
        },
        lasts_ms: DAY_MS,
        ..five(4 * HOUR_MS, 40 * MINUTE_MS)
    };
    for (seed, keeping) in (1..).zip([
        five(2 * HOUR_MS, 20 * MINUTE_MS),
        five(HOUR_MS, 8 * MINUTE_MS),
        lazy,
        with_three,
    ]) {
        let loss = keeping.loss().unwrap();
        let drawn = keeping
            .draw(Law::Exponential, seed, 4_000)
            .unwrap()
            .unwrap();
        assert!((0.01..0.99).contains(&loss), "{keeping:?}: {loss}");
        // The whole of an interval of 95 % on either side is four standard errors.
        let error = drawn.high - drawn.low;
        assert!(
            (drawn.value - loss).abs() <= error,
            "{keeping:?}: {loss}, {drawn:?}"
        );
    }
}

#[test]
fn splitting_finds_what_drawing_finds_and_what_is_too_rare_for_it() {
    let common = five(2 * HOUR_MS, 8 * MINUTE_MS);
    let drawn = common.draw(Law::Uniform, 1, 6_000).unwrap().unwrap();
    let (split, error) = mean(&common.split(Law::Uniform, 2, 10, 300).unwrap());
    assert!(
        split - error <= drawn.high && split + error >= drawn.low,
        "{split} {drawn:?}"
    );
    for repair_ms in [5 * MINUTE_MS, 10 * MINUTE_MS] {
        let keeping = Keeping {
            lasts_ms: 2 * DAY_MS,
            ..five(8 * HOUR_MS, repair_ms)
        };
        let (split, error) = mean(&keeping.split(Law::Exponential, 3, 12, 4_000).unwrap());
        let loss = keeping.loss().unwrap();
        assert!(loss < 1e-5 && error < 0.6 * split, "{split:e} {error:e}");
        assert!(
            (split - loss).abs() <= error,
            "{split:e} +- {error:e}, {loss:e}"
        );
    }
}

#[test]
fn which_law_a_delay_has_matters_little() {
    let steady = Keeping {
        lasts_ms: 2 * DAY_MS,
        ..five(8 * HOUR_MS, 10 * MINUTE_MS)
    };
    let spread = Keeping {
        repair: Delay {
            least_ms: 5 * MINUTE_MS,
            most_ms: 15 * MINUTE_MS,
        },
        ..steady
    };
    for keeping in [steady, spread] {
        let (split, error) = mean(&keeping.split(Law::Uniform, 4, 12, 4_000).unwrap());
        let loss = keeping.loss().unwrap();
        assert!(
            (split - loss).abs() <= error + 0.1 * loss,
            "{split:e} +- {error:e}, {loss:e}"
        );
    }
}

#[test]
fn more_copies_and_quicker_repair_lose_less_and_a_slow_start_loses_more() {
    let loss = |keeping: Keeping| keeping.loss().unwrap();
    let base = five(24 * HOUR_MS, 10 * MINUTE_MS);
    let quick = Keeping {
        repair: Delay::fixed(MINUTE_MS),
        ..base
    };
    let more = Keeping {
        copies: 6,
        receipts: 6,
        below: 6,
        ..base
    };
    let lazy = Keeping { below: 3, ..base };
    let late = Keeping {
        receipts: 3,
        catch_up: Delay::fixed(HOUR_MS),
        ..base
    };
    let shorter = Keeping {
        life_ms: 8 * HOUR_MS,
        ..base
    };
    assert!(loss(quick) < loss(base) / 100.0 && loss(more) < loss(base) / 10.0);
    for worse in [lazy, late, shorter] {
        assert!(loss(worse) > 10.0 * loss(base), "{worse:?}");
    }
}

#[test]
fn the_longest_delay_within_a_bound_is_just_within_it() {
    let keeping = five(24 * HOUR_MS, 1);
    let longest_ms = keeping.longest_repair_ms(1e-6).unwrap().unwrap();
    let with = |ms| {
        Keeping {
            repair: Delay::fixed(ms),
            ..keeping
        }
        .loss()
        .unwrap()
    };
    assert!(with(longest_ms) <= 1e-6 && with(longest_ms + 1_000) > 1e-6);
    let one = Keeping {
        copies: 1,
        receipts: 1,
        below: 1,
        ..keeping
    };
    assert_eq!(one.longest_repair_ms(0.5), Ok(None));
    assert_eq!(keeping.longest_repair_ms(1.0), Ok(Some(DAY_MS)));
}

#[test]
fn one_seed_gives_one_answer() {
    let keeping = five(2 * HOUR_MS, 8 * MINUTE_MS);
    let split = |seed| keeping.split(Law::Uniform, seed, 2, 100).unwrap();
    assert_eq!(split(1), split(1));
    assert_ne!(split(1), split(2));
}

#[test]
fn what_cannot_be_is_refused() {
    let base = five(DAY_MS, MINUTE_MS);
    let refused = [
        Keeping { copies: 0, ..base },
        Keeping {
            receipts: 6,
            ..base
        },
        Keeping {
            receipts: 0,
            ..base
        },
        Keeping { below: 6, ..base },
        Keeping { copies: 17, ..base },
    ];
    for keeping in refused {
        assert!(matches!(keeping.loss(), Err(KeepingError::Copies { .. })));
    }
    assert_eq!(
        Keeping { life_ms: 0, ..base }.loss(),
        Err(KeepingError::Life)
    );
    let backwards = Delay {
        least_ms: 2,
        most_ms: 1,
    };
    for delay in [backwards, Delay::fixed(0)] {
        let keeping = Keeping {
            repair: delay,
            ..base
        };
        assert_eq!(
            keeping.draw(Law::Uniform, 1, 1),
            Err(KeepingError::Delay(delay))
        );
        assert_eq!(
            Keeping {
                catch_up: delay,
                ..base
            }
            .loss(),
            Err(KeepingError::Delay(delay))
        );
    }
    assert!(
        Keeping {
            repair: NEVER,
            ..base
        }
        .loss()
        .unwrap()
            > 0.99
    );
}
