//! Made-up figures.

use restante_sim_pictures::{Axis, Band, Unit};

/// Seconds of an hour.
pub(crate) const HOUR: f64 = 3600.0;
/// Bytes of a MiB.
pub(crate) const MIB: f64 = 1024.0 * 1024.0;

/// Numbers that look random and are always the same (splitmix64).
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    /// A number from 0 to 1.
    pub(crate) fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) >> 11) as f64 / 9_007_199_254_740_992.0
    }

    /// A number around 0, mostly between -1 and 1.
    pub(crate) fn bell(&mut self) -> f64 {
        (0..6).map(|_| self.next()).sum::<f64>() / 1.5 - 2.0
    }
}

/// Times around a median, with a long tail.
pub(crate) fn latencies(dice: &mut Dice, many: usize, median: f64, spread: f64) -> Vec<f64> {
    (0..many)
        .map(|_| median * (dice.bell() * 1.4 * spread).exp())
        .collect()
}

/// Loads around a median.
pub(crate) fn crowd(dice: &mut Dice, many: usize, median: f64, spread: f64) -> Vec<f64> {
    (0..many)
        .map(|_| median * (dice.bell() * spread).exp())
        .collect()
}

/// Traffic of two days, with a peak now and then.
pub(crate) fn wave(dice: &mut Dice, many: u32) -> Vec<(f64, f64)> {
    let point = |index: u32| {
        let x = f64::from(index) * 172_800.0 / f64::from(many);
        let day = 1.0 + 0.6 * (x / 86_400.0 * std::f64::consts::TAU).sin();
        let peak = if dice.next() > 0.999 { 60_000.0 } else { 0.0 };
        (x, 12_000.0 * day + dice.next() * 9_000.0 + peak)
    };
    (0..=many).map(point).collect()
}

/// The time of a run.
pub(crate) fn time() -> Axis {
    Axis::new("virtual time", Unit::Seconds)
}

/// Two faults.
pub(crate) fn bands() -> Vec<Band> {
    let band = |from: f64, to: f64, label: &str| Band {
        from: from * HOUR,
        to: to * HOUR,
        label: label.into(),
    };
    vec![
        band(7.0, 9.5, "partition: Europe from the rest"),
        band(19.5, 20.5, "30 % of keepers fail"),
    ]
}
