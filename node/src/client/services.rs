//! What the client works with: the network, the lanes, and what an ID and a stamp cost.

use std::fmt;
use std::sync::Arc;

use rand::Rng as _;
use restante_proto::person::IdCost;
use restante_proto::stamp::{Challenge, EFFORT_MAX, Stamp, StampScheme};

use crate::lane::Lane;
use crate::net::NetHandle;

/// Tries of one stamp before it is given up, per unit of effort: that honest work fails so often has a chance below
/// 10^-20.
const ATTEMPTS_PER_EFFORT: u64 = 64;

/// Handles to everything outside the client's own state.
#[derive(Clone)]
pub struct Services {
    /// The network.
    pub net: NetHandle,
    /// Where the vault is read and written.
    pub disk: Lane,
    /// Where envelopes are opened and Argon2id runs.
    pub cpu: Lane,
    /// Where stamps are made.
    pub stamps: Lane,
    /// What the Argon2id of an ID costs on this network.
    pub cost: IdCost,
    /// The stamps of this network.
    pub scheme: Arc<dyn StampScheme>,
}

impl fmt::Debug for Services {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Services(..)")
    }
}

/// Makes a stamp; runs in the stamp lane.
pub(super) fn make_stamp(
    scheme: &dyn StampScheme,
    challenge: &Challenge,
    effort: u32,
) -> Option<Stamp> {
    let effort = effort.clamp(1, EFFORT_MAX);
    let mut seed = [0; 24];
    rand::rng().fill_bytes(&mut seed);
    scheme.solve(challenge, &seed, effort, ATTEMPTS_PER_EFFORT * u64::from(effort))
}
