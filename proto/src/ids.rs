//! The 32-byte names of things: nodes, addresses and items.

use std::fmt;

/// Declares a 32-byte name that prints as its first five bytes in hexadecimal.
macro_rules! name32 {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 32]);

        impl $name {
            /// Wraps the 32 bytes.
            pub const fn new(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }

            /// Returns the 32 bytes.
            pub const fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }
        }

        impl TryFrom<&[u8]> for $name {
            type Error = std::array::TryFromSliceError;

            fn try_from(bytes: &[u8]) -> Result<Self, Self::Error> {
                <[u8; 32]>::try_from(bytes).map(Self)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl fmt::Display for $name {
            /// Writes the first five bytes, enough to tell two apart in a log.
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0[..5].iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }
    };
}

name32! {
    /// A node on the network: its Ed25519 public key.
    NodeId
}
name32! {
    /// A place in the DHT: a locator, a mailbox or the hash of a chunk.
    Address
}
name32! {
    /// An item: the BLAKE3 hash of its bytes (SPEC 2.3).
    ItemId
}
