//! What a key must be beyond its form, and where the key stands.

use std::fmt::Display;
use std::ops::RangeInclusive;

/// What is wrong with a value, and its path, such as `fault.0.down`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Invalid {
    pub(super) path: String,
    pub(super) message: String,
}

pub(super) type Checked = Result<(), Invalid>;

pub(super) fn refuse<T>(path: impl Display, message: impl Display) -> Result<T, Invalid> {
    Err(Invalid {
        path: path.to_string(),
        message: message.to_string(),
    })
}

pub(super) fn within<T: PartialOrd + Display>(
    path: impl Display,
    got: T,
    allowed: RangeInclusive<T>,
) -> Checked {
    if allowed.contains(&got) {
        return Ok(());
    }
    let (low, high) = allowed.into_inner();
    refuse(path, format!("{got} is not between {low} and {high}"))
}
