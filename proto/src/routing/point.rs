//! Where nodes and addresses lie, and how far they are apart.

use std::fmt;

use crate::{Address, NodeId, context};

/// A place in the space that nodes and addresses share.
///
/// # Layout
///
/// 32 bytes, most significant first.
///
/// # References
///
/// SPEC 9.4.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Point([u8; 32]);

impl Point {
    /// Wraps the 32 bytes.
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Returns where a node lies.
    pub fn of_node(node: &NodeId) -> Self {
        Self(context::derive(context::NODE_POINT, &[node.as_bytes()]))
    }

    /// Returns where an address lies.
    ///
    /// A node that is asked for it learns this point alone, and not the address: only the nodes that are then found do.
    pub fn of_address(address: &Address) -> Self {
        Self(context::derive(
            context::ADDRESS_POINT,
            &[address.as_bytes()],
        ))
    }

    /// Returns the 32 bytes, most significant first.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Returns how far another point is.
    pub fn distance(&self, other: &Self) -> Distance {
        let mut bytes = self.0;
        for (byte, other) in bytes.iter_mut().zip(other.0) {
            *byte ^= other;
        }
        Distance(bytes)
    }
}

impl fmt::Debug for Point {
    /// Writes the first five bytes, enough to tell two apart in a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Point(")?;
        let start = self.0.iter().take(5);
        start
            .into_iter()
            .try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str(")")
    }
}

/// How far two points are apart: a 256-bit number, the smaller the nearer.
///
/// # Layout
///
/// 32 bytes, most significant first; the derived order is the numeric order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Distance([u8; 32]);

impl Distance {
    /// The largest there is.
    pub const FARTHEST: Self = Self([0xff; 32]);

    /// Returns the 32 bytes, most significant first.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Returns how many leading bits the two points share: 0 to 256.
    pub fn shared_bits(&self) -> usize {
        let mut shared = 0;
        for byte in self.0 {
            let zeros = byte.leading_zeros();
            shared += zeros as usize;
            if zeros < 8 {
                break;
            }
        }
        shared
    }
}

/// Returns how far `node` is from `address`.
pub fn distance(node: &NodeId, address: &Address) -> Distance {
    Point::of_node(node).distance(&Point::of_address(address))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Distance, Point};

    #[test]
    fn shared_bits_are_counted_from_the_most_significant() {
        let zero = Point::new([0; 32]);
        assert_eq!(zero.distance(&zero).shared_bits(), 256);
        let mut bytes = [0; 32];
        bytes[0] = 0x80;
        assert_eq!(zero.distance(&Point::new(bytes)).shared_bits(), 0);
        bytes[0] = 0;
        bytes[2] = 0x10;
        assert_eq!(zero.distance(&Point::new(bytes)).shared_bits(), 19);
    }

    proptest! {
        #[test]
        fn distance_is_a_metric_of_its_own_kind(a: [u8; 32], b: [u8; 32], c: [u8; 32]) {
            let [a, b, c] = [a, b, c].map(Point::new);
            prop_assert_eq!(a.distance(&b), b.distance(&a));
            prop_assert_eq!(a.distance(&a), Distance([0; 32]));
            // Exactly one point lies at each distance of another.
            prop_assert_eq!(a.distance(&b) == a.distance(&c), b == c);
        }
    }
}
