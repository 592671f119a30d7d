//! What the frames of one substream are for.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::limits::{
    FRAME_HEAD_BYTES, FRAME_LENGTH_BYTES, REQUESTS_EXPIRED_MAX, REQUESTS_IN_FLIGHT_MAX,
};
use super::super::traffic::{Cause, Traffic, Way};
use super::codec::Kind;

/// Questions whose answers have not come, at most: of more, answers count as other traffic.
const ASKED_MAX: usize = REQUESTS_EXPIRED_MAX + REQUESTS_IN_FLIGHT_MAX;

/// Counts frames; an answer is for what its question is for.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    traffic: Arc<Traffic>,
    asked: BTreeMap<u64, Cause>,
}

impl Meter {
    pub(crate) const fn new(traffic: Arc<Traffic>) -> Self {
        Self {
            traffic,
            asked: BTreeMap::new(),
        }
    }

    /// Counts a frame.
    pub(crate) fn count(&mut self, way: Way, kind: Kind, id: u64, payload: &[u8]) {
        let cause = match kind {
            Kind::Response => self.asked.remove(&id).unwrap_or(Cause::Other),
            _ => Cause::of_frame(kind, payload),
        };
        if kind.is_asked() && self.asked.len() < ASKED_MAX {
            self.asked.insert(id, cause);
        }
        let bytes = FRAME_LENGTH_BYTES + FRAME_HEAD_BYTES + payload.len();
        self.traffic.carried(cause, way, bytes);
    }
}
