//! What is counted on the way and at the end.

use restante_proto::limits::ENVELOPE_BYTES;

use super::World;
use crate::model::{lookup::Walk, report::CopiesAt};

impl World<'_> {
    pub(super) fn count_walk(&mut self, origin: u32, key: u64, walk: Walk, found: &[u32]) {
        let rules = &self.options.routing;
        for (node, named) in self.walker.answers() {
            let bytes = 2 * rules.question_bytes + u64::from(named) * rules.named_bytes;
            self.nodes.load[node as usize].moved += bytes;
            self.tally.bytes.total += bytes;
            self.tally.bytes.lookups += bytes;
        }
        let wanted = self.options.copies;
        let mut closest = std::mem::take(&mut self.tally.closest);
        self.nodes
            .keys
            .closest(key, wanted + 1, &self.nodes.up, &mut closest);
        closest.retain(|(_, node)| *node != origin);
        closest.truncate(wanted);
        let nearest = closest.iter().map(|(_, node)| node);
        let is_exact = nearest.eq(found.iter().take(wanted));
        self.tally.closest = closest;
        self.tally.lookups.add(walk, is_exact);
    }

    /// Counts all copies.
    pub(super) fn sample(&mut self) {
        let mut sample = CopiesAt {
            at_ms: self.now_ms,
            ..CopiesAt::default()
        };
        for message in self.messages[self.first..].iter().flatten() {
            let kept = message.copies.iter();
            let kept = kept.filter(|node| !self.nodes.gone.has(**node)).count() as u64;
            sample.copies += kept;
            if message.is_taken || !message.is_stored {
                continue;
            }
            let is_up = |node: &u32| self.nodes.up.has(*node);
            sample.waiting += 1;
            sample.waiting_copies += kept;
            sample.out_of_reach += u64::from(!message.copies.iter().any(is_up));
        }
        self.tally.copies.push(sample);
    }

    /// Counts what each node had to do, and what lies at them.
    pub(super) fn count_loads(&mut self) {
        for message in self.messages[self.first..].iter().flatten() {
            let kept = message.copies.iter();
            let kept = kept.filter(|node| !self.nodes.gone.has(**node)).count() as u64;
            self.tally.bytes.held += kept * ENVELOPE_BYTES[usize::from(message.size)] as u64;
        }
        for node in 0..self.nodes.keys.len() {
            if self.nodes.seen.has(node) {
                let load = self.nodes.load[node as usize];
                self.tally.moved.add(load.moved);
                self.tally.copies_max.add(u64::from(load.copies_max));
            }
        }
    }
}
