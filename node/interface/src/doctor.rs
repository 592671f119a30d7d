//! What a running node finds when it examines itself.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::State;

/// The findings of a [`Request::Doctor`](crate::Request::Doctor).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DoctorReport {
    /// One for each thing examined.
    pub findings: Vec<State>,
}

/// How bad a state is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Nothing is wrong.
    Ok,
    /// It works, but a person should look at it.
    Warn,
    /// It does not work.
    Fail,
}
