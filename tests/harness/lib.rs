//! What the end-to-end tests stand on: real processes of the built binaries, each with a home of its
//! own, and peers inside the test that speak the protocol with them.
//!
//! Nothing here waits for luck: every wait is for a condition, with a deadline. Whatever goes wrong
//! panics, with the end of the log of every node, and no process outlives its test.

#![expect(
    clippy::missing_panics_doc,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod cluster;
mod flood;
mod kills;
mod letterbox;
mod node;
mod peer;
mod program;
mod site;
mod strange;
mod stream;
mod wait;

pub use cluster::Cluster;
pub use flood::{Answers, Crowd, Depositor, Honest, Hostile, Seen, Times};
pub use kills::{KillReport, Kills};
pub use letterbox::{Letterbox, envelope, nonce};
pub use node::Node;
pub use peer::Peer;
pub use program::{Said, program};
pub use site::Site;
pub use strange::{Strange, Stranger};
pub use stream::{RawConnection, RawStream, frame};
pub use wait::{PATIENCE, eventually, eventually_within, seed};

/// The network of all tests: nodes of two tests never meet, since nobody tells them of each other.
pub const NETWORK: &str = "e2e";
