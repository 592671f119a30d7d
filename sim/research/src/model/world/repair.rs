//! What keepers do about copies that are gone.

use restante_sim_population::draw;

#[cfg(test)]
mod tests;

use super::World;
use crate::model::{
    bits::Bits, event::Event, keyspace::KeySpace, message::Message, options::Repair,
};

impl World<'_> {
    /// Lets the keepers of a message look after it from now on.
    pub(super) fn look_after(&mut self, id: u32, message: &Message) {
        if let Some(repair) = self.options.repair {
            self.check_later(id, repair.interval_ms);
            if repair.after.is_some() {
                self.kept.insert((message.key, id));
            }
        }
    }

    /// A node has gone or come: whoever has become one of the nearest to a message without having
    /// it is going to copy it.
    pub(super) fn notice(&mut self, node: u32) {
        let Some(repair) = self.options.repair.filter(|_| !self.kept.is_empty()) else {
            return;
        };
        let mut ids = Vec::new();
        let (keys, up) = (&self.nodes.keys, &self.nodes.up);
        near(keys, up, node, repair.copies, |from, to| {
            let range = self.kept.range((from, 0)..=(to, u32::MAX));
            ids.extend(range.map(|(_, id)| *id));
        });
        for id in ids {
            if let Some(mut message) = self.messages[id as usize].take() {
                self.copy_later(id, &mut message, repair);
                self.messages[id as usize] = Some(message);
            }
        }
    }

    /// Lets those of the nearest who do not have a message copy it later.
    fn copy_later(&mut self, id: u32, message: &mut Message, repair: Repair) {
        let Some(after) = repair.after.filter(|_| !message.is_taken) else {
            return;
        };
        for node in self.without(message, repair) {
            if !message.copying.contains(&node) {
                message.copying.push(node);
                let at_ms = self.now_ms + after.draw(&mut self.people);
                self.queue.push(at_ms, Event::Copy(id, node));
            }
        }
    }

    pub(super) fn on_copy(&mut self, message: &mut Message, node: u32) {
        message.copying.retain(|copying| *copying != node);
        let Some(repair) = self.options.repair.filter(|_| !message.is_taken) else {
            return;
        };
        self.drop_gone(message);
        if self.without(message, repair).contains(&node) {
            self.copy(message, &[node], repair);
        }
    }

    /// Lets the keepers of a message compare in 80 to 120 percent of an interval.
    fn check_later(&mut self, id: u32, interval_ms: u64) {
        let spread = draw::below(&mut self.people, interval_ms * 2 / 5 + 1);
        let at_ms = self.now_ms + interval_ms * 4 / 5 + spread;
        self.queue.push(at_ms, Event::Check(id));
    }

    pub(super) fn on_check(&mut self, id: u32, message: &mut Message) {
        // An ack that one keeper has wins over the copies of others.
        let Some(repair) = self.options.repair.filter(|_| !message.is_taken) else {
            self.kept.remove(&(message.key, id));
            return;
        };
        self.drop_gone(message);
        self.tally.repair.checks += 1;
        let without = self.without(message, repair);
        self.copy(message, &without, repair);
        if !message.copies.is_empty() || message.sending.is_some() {
            self.check_later(id, repair.interval_ms);
        }
    }

    /// Returns who of the nearest does not have a message; nobody while it has copies enough.
    fn without(&self, message: &Message, repair: Repair) -> Vec<u32> {
        let mut nearest = Vec::new();
        let (keys, up) = (&self.nodes.keys, &self.nodes.up);
        keys.closest(message.key, repair.copies, up, &mut nearest);
        let count = nearest.len();
        let nearest = nearest.into_iter().map(|(_, node)| node);
        let without: Vec<u32> = nearest
            .filter(|node| !message.copies.contains(node))
            .collect();
        if count - without.len() >= repair.threshold {
            return Vec::new();
        }
        without
    }

    /// Copies a message to these nodes, if somebody is up who has it.
    fn copy(&mut self, message: &mut Message, to: &[u32], repair: Repair) {
        let up = &self.nodes.up;
        if !message.copies.iter().any(|node| up.has(*node)) {
            self.tally.repair.nobody += u64::from(!message.copies.is_empty());
            return;
        }
        let bytes = self.cost.deposit[usize::from(message.size)];
        for node in to {
            if self.keep(message, *node) {
                self.tally.repair.copies += 1;
                self.tally.repair.bytes += bytes;
                self.moved(*node, bytes);
            }
        }
        let filled = message.copies.len().saturating_sub(message.copies_max);
        if filled > 0 {
            message.copies_max = message.copies.len();
            let wanted = repair.copies.saturating_sub(self.options.copies);
            self.tally.repair.filled += filled.min(wanted) as u64;
        }
    }
}

/// Gives `take` the ranges of keys that may have a node among their nearest `count`, from near to
/// far.
///
/// Keys that share so many bits with the node and not the next one have all nodes on their side of
/// that bit nearer to them: are those as many as count, the node does not matter there.
fn near(keys: &KeySpace, up: &Bits, node: u32, count: usize, mut take: impl FnMut(u64, u64)) {
    let key = keys.key(node);
    take(key, key);
    for shared in (0..64).rev() {
        let bit = 1 << (63 - shared);
        let side = key ^ bit;
        let rest = bit - 1;
        let (low, high) = keys.subtree(side, shared + 1);
        if !up.has_at_least(low, high, count) {
            take(side & !rest, side | rest);
        }
    }
}
