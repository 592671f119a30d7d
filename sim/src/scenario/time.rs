//! When a run begins and ends.

use restante_proto::limits::{DAY_MS, MINUTE_MS};
use restante_proto::time::UnixMillis;
use serde::{Deserialize, Serialize};

use super::TIME_MAX;
use super::check::{Checked, within};
use super::units::{Date, Ms};
use crate::random::Random;

/// Largest error of a clock that is wrong for the whole run.
pub(super) const SKEW_MAX: Ms = Ms(30 * MINUTE_MS);
/// The day on which a run starts unless it is said: 2026-05-28.
const USUAL_DAY: UnixMillis = UnixMillis::new(20_601 * DAY_MS);
/// Dates on which a run may start: 2026-01-01 to 2100-01-01.
const START_MIN: Date = Date(UnixMillis::new(20_454 * DAY_MS));
const START_MAX: Date = Date(UnixMillis::new(47_482 * DAY_MS));

#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Time {
    /// When the faults end; left out, an hour after the last thing that is planned.
    pub(super) duration: Option<Ms>,
    /// By so long after that everything must be as it should be.
    pub(crate) settle: Ms,
    /// All machines are started within so long.
    #[serde(default = "ten_seconds")]
    pub(crate) arrive: Ms,
    /// Every clock is wrong by up to so much.
    #[serde(default)]
    pub(crate) skew: Ms,
    /// The date at the start; left out, some time of a day that the seed draws.
    start: Option<Date>,
}

const fn ten_seconds() -> Ms {
    Ms::seconds(10)
}

impl Time {
    /// Returns what nothing that is planned may lie behind.
    pub(super) fn latest(&self) -> Ms {
        self.duration.unwrap_or(TIME_MAX)
    }

    /// Returns the date at the start, or draws a time of the usual day.
    pub(crate) fn start(&self, random: &mut Random) -> UnixMillis {
        let drawn = USUAL_DAY.plus(random.below(DAY_MS));
        self.start.map_or(drawn, |date| date.0)
    }

    pub(super) fn check(&self) -> Checked {
        let minute = Ms(MINUTE_MS);
        within("time.duration", self.latest(), minute..=TIME_MAX)?;
        within("time.settle", self.settle, minute..=TIME_MAX)?;
        within("time.arrive", self.arrive, Ms::seconds(1)..=self.latest())?;
        within("time.skew", self.skew, Ms::ZERO..=SKEW_MAX)?;
        let start = self.start.unwrap_or(START_MIN);
        within("time.start", start, START_MIN..=START_MAX)
    }
}
