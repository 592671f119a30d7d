//! Node keys that lie nearer to an address than everybody else's.

use restante::net::distance;
use restante_proto::keys::SecretKey;
use restante_proto::{Address, NodeId};

use crate::random::Random;

/// Keys tried for each that is wanted, at most.
const TRIES_MAX: usize = 1_000_000;

/// Draws node keys until so many lie nearer to `address` than all of `others`.
///
/// Among N nodes about one key in N will do: that is all an attack costs.
pub(in crate::world) fn grind(
    address: &Address,
    others: &[NodeId],
    count: usize,
    random: &mut Random,
) -> Vec<SecretKey> {
    let nearest = others.iter().map(|node| distance(node, address)).min();
    let mut ground = Vec::with_capacity(count);
    for _ in 0..count.saturating_mul(TRIES_MAX) {
        if ground.len() == count {
            break;
        }
        let key = SecretKey::from_seed(&random.bytes());
        let own = distance(&node_of(&key), address);
        if nearest.is_none_or(|nearest| own < nearest) {
            ground.push(key);
        }
    }
    ground
}

/// Returns the node that has this key.
pub(in crate::world) fn node_of(key: &SecretKey) -> NodeId {
    NodeId::new(*key.public().as_bytes())
}
