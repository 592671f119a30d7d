//! Connections of one person that are open: a request over one of them takes a single round trip.

use std::collections::BTreeMap;

/// How long a connection stays open that nobody uses, in milliseconds: libp2p's default, which nodes leave as it is.
const IDLE_MS: u64 = 10_000;

/// To whom connections are open, with when each was last used, in milliseconds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Links {
    used: BTreeMap<u32, u64>,
}

impl Links {
    /// Notes that a connection to a node is used at a moment, or until then.
    pub(crate) fn on_used(&mut self, node: u32, at_ms: u64) {
        let used = self.used.entry(node).or_default();
        *used = at_ms.max(*used);
    }

    pub(crate) fn has(&self, node: u32, now_ms: u64) -> bool {
        let used = self.used.get(&node);
        used.is_some_and(|used_ms| now_ms <= used_ms + IDLE_MS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_open_for_a_while_after_it_was_used() {
        let mut links = Links::default();
        assert!(!links.has(1, 0));
        links.on_used(1, 500);
        links.on_used(1, 300);
        assert!(links.has(1, 500 + IDLE_MS) && !links.has(1, 501 + IDLE_MS));
        assert!(!links.has(2, 500));
    }
}
