use rand::{SeedableRng, rngs::Xoshiro256PlusPlus};

use super::*;

const DRAWS: u32 = 200_000;

fn moments(draw: impl Fn(&mut Xoshiro256PlusPlus) -> f64) -> (f64, f64) {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
    let (mut sum, mut squares) = (0.0, 0.0);
    for _ in 0..DRAWS {
        let x = draw(&mut rng);
        sum += x;
        squares += x * x;
    }
    let mean = sum / f64::from(DRAWS);
    (mean, squares / f64::from(DRAWS) - mean * mean)
}

#[test]
fn moments_are_those_of_the_distributions() {
    let (mean, variance) = moments(uniform);
    assert!((mean - 0.5).abs() < 0.003 && (variance - 1.0 / 12.0).abs() < 0.001);
    let (mean, variance) = moments(exponential);
    assert!((mean - 1.0).abs() < 0.01 && (variance - 1.0).abs() < 0.03);
    let (mean, variance) = moments(normal);
    assert!(mean.abs() < 0.01 && (variance - 1.0).abs() < 0.02);
    for shape in [0.3, 1.0, 1.6257, 2.0987, 7.0] {
        let (mean, variance) = moments(|rng| gamma(rng, shape));
        assert!((mean / shape - 1.0).abs() < 0.02, "{shape}: mean {mean}");
        assert!(
            (variance / shape - 1.0).abs() < 0.06,
            "{shape}: variance {variance}"
        );
    }
}

#[test]
fn whole_numbers_stay_below_their_limit_and_reach_all_of_it() {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(2);
    let mut seen = [false; 7];
    for _ in 0..200 {
        seen[below(&mut rng, 7) as usize] = true;
    }
    assert_eq!(seen, [true; 7]);
    assert_eq!(below(&mut rng, 0), 0);
}
