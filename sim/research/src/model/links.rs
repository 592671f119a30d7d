//! Connections of one person that are open: a request over one of them takes a single round trip.

use std::collections::BTreeMap;

/// How long a connection stays open that nobody uses, in milliseconds: libp2p's default, which nodes leave as it is.
const IDLE_MS: u64 = 10_000;

/// To whom connections are open: from when on, and when each was last used, in milliseconds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Links {
    open: BTreeMap<u32, (u64, u64)>,
}

impl Links {
    /// Notes that a connection to a node is used at a moment; if none was open by then, it is from then on.
    pub(crate) fn on_used(&mut self, node: u32, at_ms: u64) {
        let (open_ms, used_ms) = self.open.entry(node).or_insert((at_ms, at_ms));
        if at_ms > *used_ms + IDLE_MS {
            *open_ms = at_ms;
        }
        *open_ms = at_ms.min(*open_ms);
        *used_ms = at_ms.max(*used_ms);
    }

    pub(crate) fn has(&self, node: u32, now_ms: u64) -> bool {
        let open = self.open.get(&node);
        open.is_some_and(|(open_ms, used_ms)| *open_ms <= now_ms && now_ms <= used_ms + IDLE_MS)
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
        assert!(links.has(1, 300) && !links.has(1, 299) && !links.has(2, 500));
        links.on_used(1, 20_000);
        assert!(!links.has(1, 19_999) && links.has(1, 30_000));
    }
}
