use rand::{SeedableRng, rngs::Xoshiro256PlusPlus};

use super::*;

#[test]
fn as_many_nodes_as_can_be_counted_are_taken() {
    for mut options in [Options::default(), Options::million(), Options::latency()] {
        assert_eq!(options.check(), Ok(()));
        options.mean_life_ms = Some(1_000);
        assert!(options.check().is_err());
        (options.mean_life_ms, options.nodes) = (None, 0);
        assert_eq!(options.check(), Err(OptionsError(0)));
    }
}

#[test]
fn times_are_drawn_within_their_ends() {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
    for (span, from, to) in [
        (Span::Fixed(7), 7, 7),
        (Span::Uniform(3, 9), 3, 9),
        (Span::LogUniform(10, 100_000), 10, 100_000),
        (Span::Exponential(50), 1, u64::MAX),
    ] {
        let drawn: Vec<u64> = (0..2_000).map(|_| span.draw(&mut rng)).collect();
        assert!(drawn.iter().all(|ms| (from..=to).contains(ms)));
        if let Span::LogUniform(..) = span {
            let below = drawn.iter().filter(|ms| **ms < 1_000).count();
            assert!((900..1_100).contains(&below), "{below}");
        }
    }
}
