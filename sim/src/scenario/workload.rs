//! What people write, and when they are away.

use restante_proto::limits::{BODY_BYTES_MAX, MESSAGE_TTL_MAX_MS, MESSAGE_TTL_MIN_MS};
use serde::{Deserialize, Serialize};

use super::check::{Checked, within};
use super::units::Ms;

/// Messages of one run, at most.
const MESSAGES_MAX: u64 = 100_000;

#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Workload {
    pub(crate) messages: u64,
    /// When the first is written.
    pub(crate) from: Ms,
    /// All are written within so long.
    pub(crate) over: Ms,
    /// Length of a message, from and to.
    pub(crate) bytes: (u64, u64),
    /// Life of a message, from and to.
    pub(crate) ttl: (Ms, Ms),
    /// How long after it was read a message is destroyed, from and to; one message in two, if any.
    pub(crate) burn: Option<(Ms, Ms)>,
    pub(crate) pattern: Pattern,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Pattern {
    /// Everybody writes to everybody else.
    Everybody,
    /// The first half of the people writes to the second half.
    OneWay,
}

/// A time in which some people's nodes do not run.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Away {
    pub(crate) who: Who,
    pub(crate) from: Ms,
    /// Left out: they never return.
    pub(crate) lasts: Option<Ms>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Who {
    /// The first half of the people.
    Senders,
    /// The second half.
    Recipients,
    Everybody,
}

impl Workload {
    /// Returns when all is written.
    pub(crate) const fn until_ms(&self) -> u64 {
        self.from.get().saturating_add(self.over.get())
    }

    pub(super) fn check(&self, latest: Ms) -> Checked {
        within("workload.messages", self.messages, 0..=MESSAGES_MAX)?;
        within("workload.from", self.from, Ms::ZERO..=latest)?;
        within("workload.over", self.over, Ms::ZERO..=latest)?;
        let (shortest, longest) = self.bytes;
        let most = BODY_BYTES_MAX as u64;
        within("workload.bytes.0", shortest, 1..=most)?;
        within("workload.bytes.1", longest, shortest..=most)?;
        let (least, most) = (Ms(MESSAGE_TTL_MIN_MS), Ms(MESSAGE_TTL_MAX_MS));
        let (shortest, longest) = self.ttl;
        within("workload.ttl.0", shortest, least..=most)?;
        within("workload.ttl.1", longest, shortest..=most)?;
        if let Some((shortest, longest)) = self.burn {
            within("workload.burn.0", shortest, Ms::seconds(1)..=most)?;
            within("workload.burn.1", longest, shortest..=most)?;
        }
        Ok(())
    }
}

impl Away {
    pub(super) fn over(&self) -> Ms {
        Ms(self.from.get() + self.lasts.unwrap_or_default().get())
    }

    pub(super) fn check(&self, path: &str, latest: Ms) -> Checked {
        within(format_args!("{path}.from"), self.from, Ms::ZERO..=latest)?;
        let lasts = self.lasts.unwrap_or_default();
        within(format_args!("{path}.lasts"), lasts, Ms::ZERO..=latest)
    }
}

impl Who {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Senders => "senders",
            Self::Recipients => "recipients",
            Self::Everybody => "everybody",
        }
    }
}
