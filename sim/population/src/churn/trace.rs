//! Comings and goings that were recorded.

use std::collections::BTreeMap;
use std::str::FromStr;

use super::{FOREVER_MS, Stay};

const SECOND_MS: u64 = 1_000;

/// A recording of nodes that came and went.
///
/// # Layout
///
/// Text with one line for each change, `node,second,up` or `node,second,down`, in any order of
/// nodes and with rising seconds for each: `node` is any name without a comma, `second` a whole
/// number. A first line `node,second,state` is a heading. Before its first change a node is in the
/// other state; after its last it stays as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    /// For each node, in the order of first appearance: whether it was up at first, and when it
    /// changed, in milliseconds.
    rows: Vec<(bool, Vec<u64>)>,
}

/// A trace that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TraceError {
    /// A line without three fields.
    #[error("line {line} of the trace is not \"node,second,up\" or \"node,second,down\"")]
    Line {
        /// Its number, from 1.
        line: usize,
    },
    /// A time that is no whole number of seconds.
    #[error("line {line} of the trace has \"{second}\" where a whole number of seconds belongs")]
    Second {
        /// Its number, from 1.
        line: usize,
        second: String,
    },
    /// A change that is none, or not later than the one before.
    #[error("line {line} of the trace does not follow on what node \"{node}\" did before")]
    Order {
        /// Its number, from 1.
        line: usize,
        node: String,
    },
    /// No line at all.
    #[error("the trace has no node in it")]
    Empty,
}

impl FromStr for Trace {
    type Err = TraceError;

    fn from_str(text: &str) -> Result<Self, TraceError> {
        let mut places: BTreeMap<&str, usize> = BTreeMap::new();
        let mut rows: Vec<(bool, Vec<u64>)> = Vec::new();
        for (line, content) in (1..).zip(text.lines()) {
            let content = content.trim_end();
            if content.is_empty() || (line == 1 && content == "node,second,state") {
                continue;
            }
            let (node, at_ms, up) = change(line, content)?;
            let place = *places.entry(node).or_insert(rows.len());
            let Some((first, changes)) = rows.get_mut(place) else {
                rows.push((!up, vec![at_ms]));
                continue;
            };
            let was_up = *first ^ (changes.len() % 2 == 1);
            if up == was_up || changes.last().is_some_and(|last| *last >= at_ms) {
                let node = node.to_owned();
                return Err(TraceError::Order { line, node });
            }
            changes.push(at_ms);
        }
        if rows.is_empty() {
            return Err(TraceError::Empty);
        }
        Ok(Self { rows })
    }
}

impl Trace {
    /// Returns how many nodes were recorded; further ones follow the first again.
    pub const fn nodes(&self) -> usize {
        self.rows.len()
    }

    pub(super) fn row(&self, node: u32) -> u32 {
        let count = u32::try_from(self.rows.len()).unwrap_or(u32::MAX);
        node % count.max(1)
    }

    /// Returns what a recorded node does at `at_ms`, until it changes next.
    pub(super) fn at(&self, row: u32, at_ms: u64) -> Stay {
        let Some((first, changes)) = self.rows.get(row as usize) else {
            return super::NEVER;
        };
        let passed = changes.partition_point(|change| *change <= at_ms);
        let lasts_ms = changes
            .get(passed)
            .map_or(FOREVER_MS, |change| change - at_ms);
        Stay {
            up: *first ^ (passed % 2 == 1),
            lasts_ms,
        }
    }

    /// Returns the share of time up, from 0 to the last change of all.
    pub(super) fn availability(&self) -> f64 {
        let end = self.rows.iter().filter_map(|(_, changes)| changes.last());
        let end_ms = end.max().copied().unwrap_or(1).max(1);
        let mut up_ms = 0;
        for (first, changes) in &self.rows {
            let (mut up, mut since) = (*first, 0);
            for change in changes.iter().chain([&end_ms]) {
                up_ms += if up { change - since } else { 0 };
                (up, since) = (!up, *change);
            }
        }
        up_ms as f64 / (end_ms as f64 * self.rows.len() as f64)
    }
}

fn change(line: usize, content: &str) -> Result<(&str, u64, bool), TraceError> {
    let mut fields = content.split(',');
    let (Some(node), Some(second), Some(state), None) =
        (fields.next(), fields.next(), fields.next(), fields.next())
    else {
        return Err(TraceError::Line { line });
    };
    let up = match state {
        "up" => true,
        "down" => false,
        _ => return Err(TraceError::Line { line }),
    };
    let at_ms = second
        .parse::<u64>()
        .ok()
        .and_then(|second| second.checked_mul(SECOND_MS))
        .ok_or_else(|| TraceError::Second {
            line,
            second: second.to_owned(),
        })?;
    Ok((node, at_ms, up))
}
