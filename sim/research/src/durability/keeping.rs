//! How likely it is that all copies of a message are lost, and by which rule of repair how rarely.
//!
//! One message is looked at: some nodes near its address hold it, each leaves for good after a life that is
//! exponential, and somebody else becomes one of the R nearest and copies it some time later. The sender is gone
//! and nobody fetches it. It is lost when nobody holds it any more.
//!
//! Losses that matter happen to one message in a million, so that they are not waited for:
//!
//! - [`Keeping::loss`] computes the probability, for delays that are exponential and have the right mean. Which
//!   distribution a delay has matters little: how often several places are empty at once depends on its mean alone.
//! - [`Keeping::split`] simulates the delays as they are, and multiplies the odds of losing one copy more.
//! - [`Keeping::draw`] simulates messages one by one, where losses are common, to test both.
//!
//! All three are on the safe side of a network: whoever is pushed out of the R nearest by a nearer node keeps its
//! copy, and is not counted here.

mod chain;
mod group;
#[cfg(test)]
mod tests;

use self::{chain::Chain, group::Group};
use crate::random::randomness;
use crate::statistics::{Estimate, share};

/// Copies at most.
const COPIES_MAX: usize = 16;

/// One message that nobody but its keepers looks after; times are in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Keeping {
    /// Nodes that are to hold it: R.
    pub(crate) copies: usize,
    /// Nodes that hold it at first: W, or R when the sender reached them all.
    pub(crate) receipts: usize,
    /// Fewer copies than this are repaired; R is at once, less is lazy.
    pub(crate) below: usize,
    /// Mean time after which a node leaves for good.
    pub(crate) life_ms: u64,
    /// From a loss until somebody else has copied the message.
    pub(crate) repair: Delay,
    /// From the deposit until one of the nodes that the sender did not reach has copied the message.
    pub(crate) catch_up: Delay,
    /// How long it has to last.
    pub(crate) lasts_ms: u64,
}

/// A time between two others, all alike; in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Delay {
    /// The shortest.
    pub(crate) least_ms: u64,
    /// The longest.
    pub(crate) most_ms: u64,
}

/// How long delays are in a simulation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Law {
    /// As [`Delay`] says, and whoever has not finished copying is replaced when it leaves or a nearer node comes.
    Uniform,
    /// Exponential, with the mean that [`Keeping::loss`] computes with.
    Exponential,
}

/// A message that cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum KeepingError {
    /// Numbers of copies that contradict each other.
    #[error(
        "{receipts} receipts of {copies} copies, repaired below {below}, are not within 1 to {COPIES_MAX} copies"
    )]
    Copies {
        /// Copies wanted.
        copies: usize,
        /// Copies at first.
        receipts: usize,
        /// Copies below which they are repaired.
        below: usize,
    },
    /// A life of no length.
    #[error("a life has a length")]
    Life,
    /// A delay of no length, or one that ends before it begins.
    #[error("a delay from {} to {} ms has no length", .0.least_ms, .0.most_ms)]
    Delay(Delay),
}

impl Delay {
    /// Returns a delay that is always the same.
    pub(crate) const fn fixed(ms: u64) -> Self {
        Self {
            least_ms: ms,
            most_ms: ms,
        }
    }

    fn mean_ms(self) -> f64 {
        f64::midpoint(self.least_ms as f64, self.most_ms as f64)
    }

    fn check(self) -> Result<(), KeepingError> {
        if self.most_ms == 0 || self.least_ms > self.most_ms {
            return Err(KeepingError::Delay(self));
        }
        Ok(())
    }
}

impl Keeping {
    /// Looks for what cannot be.
    ///
    /// # Errors
    ///
    /// See [`KeepingError`].
    pub(crate) fn check(&self) -> Result<(), KeepingError> {
        let Self {
            copies,
            receipts,
            below,
            ..
        } = *self;
        let makes_sense = (1..=COPIES_MAX).contains(&copies)
            && (1..=copies).contains(&receipts)
            && (1..=copies).contains(&below);
        if !makes_sense {
            return Err(KeepingError::Copies {
                copies,
                receipts,
                below,
            });
        }
        if self.life_ms == 0 {
            return Err(KeepingError::Life);
        }
        self.repair.check()?;
        self.catch_up.check()
    }

    /// Returns the probability that the message is lost, exactly, for exponential delays.
    ///
    /// Right to some twelve digits however small it is: nothing is ever subtracted.
    ///
    /// # Errors
    ///
    /// [`KeepingError`], before anything is done.
    pub(crate) fn loss(&self) -> Result<f64, KeepingError> {
        self.check()?;
        Ok(Chain::of(self).absorbed(self.lasts_ms as f64))
    }

    /// Returns the longest fixed delay of repair with which the loss is not above `bound`, to the second and in
    /// milliseconds; nothing when a second is too long already, and a day at most.
    ///
    /// # Errors
    ///
    /// [`KeepingError`], before anything is done.
    pub(crate) fn longest_repair_ms(&self, bound: f64) -> Result<Option<u64>, KeepingError> {
        let is_within = |seconds: u64| {
            let repair = Delay::fixed(seconds * 1_000);
            let loss = Self { repair, ..*self }.loss()?;
            Ok(loss <= bound)
        };
        if !is_within(1)? {
            return Ok(None);
        }
        let (mut good, mut bad) = (1, 86_401);
        while bad - good > 1 {
            let middle = u64::midpoint(good, bad);
            if is_within(middle)? {
                good = middle;
            } else {
                bad = middle;
            }
        }
        Ok(Some(good * 1_000))
    }

    /// Simulates so many messages and returns the share that was lost, with its 95 % interval.
    ///
    /// # Errors
    ///
    /// [`KeepingError`], before anything is done.
    pub(crate) fn draw(
        &self,
        law: Law,
        seed: u64,
        messages: u64,
    ) -> Result<Option<Estimate>, KeepingError> {
        self.check()?;
        let mut rng = randomness(seed, "durability");
        let mut lost = 0;
        for _ in 0..messages {
            let mut group = Group::new(self, law, &mut rng);
            lost += u64::from(group.falls_to(0, &mut rng));
        }
        Ok(share(lost, messages))
    }

    /// Estimates the probability that the message is lost, one figure for each batch: their mean is right, and how
    /// far they lie apart says how well it is known.
    ///
    /// A batch has `messages` of them. Those that have lost a copy more than any before go on, drawn again and again
    /// until they are as many as at first; the odds of all steps are multiplied.
    ///
    /// # Errors
    ///
    /// [`KeepingError`], before anything is done.
    pub(crate) fn split(
        &self,
        law: Law,
        seed: u64,
        batches: usize,
        messages: usize,
    ) -> Result<Vec<f64>, KeepingError> {
        self.check()?;
        let mut rng = randomness(seed, "durability, split");
        let batch = |_| group::split(self, law, messages, &mut rng);
        Ok((0..batches).map(batch).collect())
    }

    /// How many times as often as it leaves somebody who has not finished copying is replaced: a nearer node may
    /// come in the place of each of the R nearest too.
    const fn replacements(&self) -> f64 {
        (self.copies + 1) as f64
    }

    /// Returns how long a place is empty on average, in milliseconds: copying begins anew when whoever does it is
    /// replaced.
    fn empty_ms(&self) -> f64 {
        let rate = self.replacements() / self.life_ms as f64;
        let Delay { least_ms, most_ms } = self.repair;
        let (least, most) = (least_ms as f64, most_ms as f64);
        // The chance that nobody is replaced meanwhile, over all lengths of the delay.
        let undisturbed = if most > least {
            (libm::exp(-rate * least) - libm::exp(-rate * most)) / (rate * (most - least))
        } else {
            libm::exp(-rate * least)
        };
        (1.0 / undisturbed - 1.0) / rate
    }
}
