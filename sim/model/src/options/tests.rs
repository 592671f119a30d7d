use rand::{SeedableRng, rngs::Xoshiro256PlusPlus};

use super::*;

fn fault(change: impl FnOnce(&mut Options)) -> BadOptions {
    let mut options = Options::default();
    options.check().unwrap();
    change(&mut options);
    options.check().unwrap_err()
}

#[test]
fn the_presets_are_possible() {
    Options::default().check().unwrap();
    Options::million().check().unwrap();
}

#[test]
fn what_cannot_be_is_refused() {
    assert_eq!(fault(|options| options.nodes = 0), BadOptions::Nodes(0));
    assert!(matches!(
        fault(|options| {
            options.nodes = 1_000_000;
            options.mean_life_ms = Some(1_000);
        }),
        BadOptions::Nodes(_)
    ));
    assert_eq!(
        fault(|options| options.churn = vec![(0, Churn::Kad)]),
        BadOptions::Empty("churn")
    );
    assert_eq!(
        fault(|options| options.sizes = [0, 0, 0]),
        BadOptions::Empty("sizes")
    );
    assert_eq!(
        fault(|options| options.dead_share = 1.0),
        BadOptions::Dead(1.0)
    );
    assert!(matches!(
        fault(|options| options.ttl = Span::Fixed(31 * DAY_MS)),
        BadOptions::Life { .. }
    ));
    assert!(matches!(
        fault(|options| options.ttl = Span::Exponential(DAY_MS)),
        BadOptions::Life { .. }
    ));
    assert!(matches!(
        fault(|options| options.writing_ms = 8 * DAY_MS),
        BadOptions::Duration { .. }
    ));
}

#[test]
fn copies_and_lookups_that_cannot_be_are_refused() {
    assert!(matches!(
        fault(|options| options.copies = 18),
        BadOptions::Copies { .. }
    ));
    assert!(matches!(
        fault(|options| options.receipts = Some(6)),
        BadOptions::Copies { .. }
    ));
    let interval_ms = HOUR_MS;
    let (threshold, copies) = (6, 5);
    let repair = Repair {
        after: None,
        interval_ms,
        threshold,
        copies,
    };
    assert_eq!(
        fault(|options| options.repair = Some(repair)),
        BadOptions::Repair(repair)
    );
    assert_eq!(
        fault(|options| options.routing.bucket = 7),
        BadOptions::Routing
    );
    assert_eq!(
        fault(|options| options.routing.wanted = 21),
        BadOptions::Routing
    );
    assert_eq!(
        fault(|options| options.copies = 9),
        BadOptions::Found {
            copies: 9,
            found: 8
        }
    );
    let span = Span::LogUniform(0, 5);
    let senders = Senders::Sometimes {
        here: span,
        away: Span::Fixed(1),
    };
    assert_eq!(
        fault(|options| options.senders = senders).to_string(),
        "a sender's presence of LogUniform(0, 5) makes no sense"
    );
}

#[test]
fn times_are_drawn_within_their_ends() {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
    for span in [
        Span::Fixed(7),
        Span::Uniform(3, 9),
        Span::LogUniform(10, 100_000),
        Span::Exponential(50),
    ] {
        let (from, to) = span.ends();
        let drawn: Vec<u64> = (0..2_000).map(|_| span.draw(&mut rng)).collect();
        assert!(drawn.iter().all(|ms| (from.max(1)..=to).contains(ms)));
        if let Span::LogUniform(..) = span {
            let below = drawn.iter().filter(|ms| **ms < 1_000).count();
            assert!((900..1_100).contains(&below), "{below}");
        }
    }
}
