//! Ideal routing: everybody knows all keepers, and finds those closest to an address in the DHT's
//! own metric.

use std::collections::BTreeMap;

use restante::net::distance;
use restante_proto::{Address, NodeId};

/// All keepers, in the order of their distance from each address that was ever looked up.
pub(crate) struct Routing {
    nodes: Vec<NodeId>,
    orders: BTreeMap<Address, Vec<usize>>,
}

impl Routing {
    pub(crate) const fn new(nodes: Vec<NodeId>) -> Self {
        Self {
            nodes,
            orders: BTreeMap::new(),
        }
    }

    /// Returns the `count` closest keepers among those that are `known`, nearest first.
    pub(crate) fn closest(
        &mut self,
        address: &Address,
        count: usize,
        known: impl Fn(usize) -> bool,
    ) -> Vec<usize> {
        let nodes = &self.nodes;
        let order = self.orders.entry(*address).or_insert_with(|| {
            let mut order: Vec<usize> = (0..nodes.len()).collect();
            order.sort_by_cached_key(|index| nodes.get(*index).map(|node| distance(node, address)));
            order
        });
        order
            .iter()
            .copied()
            .filter(|index| known(*index))
            .take(count)
            .collect()
    }
}
