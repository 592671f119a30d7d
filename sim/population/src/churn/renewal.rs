//! Times up and down that follow each other, each drawn afresh.

use rand::Rng;

use super::{ChurnError, Stay, draw, whole_ms};

/// A hundred years, in milliseconds.
const SCALE_MAX_MS: f64 = 100.0 * 365.0 * 86_400_000.0;

/// A Weibull distribution of times: with a shape below 1, whoever has stayed long stays longer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Weibull {
    shape: f64,
    scale_ms: f64,
}

impl Weibull {
    /// Makes the distribution with this shape and this scale in milliseconds.
    ///
    /// # Errors
    ///
    /// [`ChurnError::Shape`] and [`ChurnError::Scale`].
    pub fn new(shape: f64, scale_ms: f64) -> Result<Self, ChurnError> {
        if !(0.1..=10.0).contains(&shape) {
            return Err(ChurnError::Shape(shape));
        }
        if !(1.0..=SCALE_MAX_MS).contains(&scale_ms) {
            return Err(ChurnError::Scale(scale_ms));
        }
        Ok(Self { shape, scale_ms })
    }

    pub(super) const fn of(shape: f64, scale_ms: f64) -> Self {
        Self { shape, scale_ms }
    }

    /// Returns the mean, in milliseconds.
    pub fn mean_ms(&self) -> f64 {
        self.scale_ms * libm::tgamma(1.0 + 1.0 / self.shape)
    }

    /// Returns the time below which the share `part` of all times lies, in milliseconds.
    pub fn quantile_ms(&self, part: f64) -> f64 {
        self.scale_ms * libm::pow(-libm::log(1.0 - part), 1.0 / self.shape)
    }

    /// Returns the mean of what is left of a time in whose middle somebody looks, in milliseconds.
    pub fn residual_mean_ms(&self) -> f64 {
        let second = self.scale_ms * self.scale_ms * libm::tgamma(1.0 + 2.0 / self.shape);
        second / (2.0 * self.mean_ms())
    }

    fn fresh<R: Rng + ?Sized>(&self, rng: &mut R) -> f64 {
        self.scale_ms * libm::pow(draw::exponential(rng), 1.0 / self.shape)
    }

    /// Draws what is left: its density is `exp(-(x / scale)^shape)` over the mean, so that `(x /
    /// scale)^shape` follows the gamma distribution with the shape `1 / shape`.
    fn residual<R: Rng + ?Sized>(&self, rng: &mut R) -> f64 {
        let power = 1.0 / self.shape;
        self.scale_ms * libm::pow(draw::gamma(rng, power), power)
    }
}

/// A distribution of times.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Span {
    /// With this mean, in milliseconds.
    Exponential(f64),
    Weibull(Weibull),
}

impl Span {
    fn mean_ms(&self) -> f64 {
        match self {
            Self::Exponential(mean_ms) => *mean_ms,
            Self::Weibull(weibull) => weibull.mean_ms(),
        }
    }

    fn fresh<R: Rng + ?Sized>(&self, rng: &mut R) -> u64 {
        whole_ms(match self {
            Self::Exponential(mean_ms) => mean_ms * draw::exponential(rng),
            Self::Weibull(weibull) => weibull.fresh(rng),
        })
    }

    fn residual<R: Rng + ?Sized>(&self, rng: &mut R) -> u64 {
        whole_ms(match self {
            Self::Exponential(mean_ms) => mean_ms * draw::exponential(rng),
            Self::Weibull(weibull) => weibull.residual(rng),
        })
    }
}

/// Times up and times down in turn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Renewal {
    pub(super) up: Span,
    pub(super) down: Span,
}

impl Renewal {
    pub(super) fn availability(self) -> f64 {
        let (up, down) = (self.up.mean_ms(), self.down.mean_ms());
        up / (up + down)
    }

    pub(super) fn settle<R: Rng + ?Sized>(self, rng: &mut R) -> Stay {
        let up = draw::uniform(rng) <= self.availability();
        let span = if up { self.up } else { self.down };
        let lasts_ms = span.residual(rng);
        Stay { up, lasts_ms }
    }

    pub(super) fn fresh<R: Rng + ?Sized>(self, up: bool, rng: &mut R) -> Stay {
        let span = if up { self.up } else { self.down };
        let lasts_ms = span.fresh(rng);
        Stay { up, lasts_ms }
    }
}
