//! What keepers do about copies that are gone.

use restante_proto::placement::CANDIDATES;
use restante_sim_population::draw;

use super::World;
use crate::{event::Event, message::Message, options::Repair};

/// How many nodes beyond those that should have a copy are looked at: as many as a placement does.
const BEYOND: usize = CANDIDATES - restante_proto::limits::REPLICAS;

impl World<'_> {
    /// Lets the keepers of a message look in 80 to 120 percent of an interval.
    pub(super) fn check_later(&mut self, id: u32, interval_ms: u64) {
        let spread = draw::below(&mut self.people, interval_ms * 2 / 5 + 1);
        let at_ms = self.now_ms + interval_ms * 4 / 5 + spread;
        self.queue.push(at_ms, Event::Check(id));
    }

    pub(super) fn on_check(&mut self, id: u32, message: &mut Message) {
        // An ack that one keeper has wins over the copies of others.
        let Some(repair) = self.options.repair.filter(|_| !message.is_taken) else {
            return;
        };
        self.drop_gone(message);
        self.repair(message, repair);
        if !message.copies.is_empty() || message.sending.is_some() {
            self.check_later(id, repair.interval_ms);
        }
    }

    fn repair(&mut self, message: &mut Message, repair: Repair) {
        self.tally.repair.checks += 1;
        let up = &self.nodes.up;
        if !message.copies.iter().any(|node| up.has(*node)) {
            self.tally.repair.nobody += u64::from(!message.copies.is_empty());
            return;
        }
        let mut nearest = Vec::new();
        self.nodes
            .keys
            .closest(message.key, repair.copies + BEYOND, up, &mut nearest);
        let holds = |node: &u32| message.copies.contains(node);
        let mut having = nearest.iter().filter(|(_, node)| holds(node)).count();
        if having >= repair.threshold {
            return;
        }
        let without: Vec<u32> = nearest
            .iter()
            .map(|(_, node)| *node)
            .filter(|node| !holds(node))
            .collect();
        let bytes = self.cost.deposit[usize::from(message.size)];
        for node in without {
            if having >= repair.copies {
                break;
            }
            if self.keep(message, node) {
                having += 1;
                self.tally.repair.copies += 1;
                self.tally.repair.bytes += bytes;
                self.moved(node, bytes);
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
