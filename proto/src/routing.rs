//! Finding the nodes closest to a place: Kademlia's routing, and nothing else of it (SPEC 9.4).
//!
//! Nodes and addresses lie in one space of 256-bit [`Point`]s; how far two of them are apart is their XOR. A node asks
//! others for the nodes they know nearest to a point ([`Question`], [`Answer`]), and those for more, until no
//! nearer one turns up; [`Lookup`] decides whom to ask.

mod lookup;
mod message;
mod point;

pub use lookup::{Lookup, PATHS, QUESTION_MS};
pub use message::{Answer, Named, Question};
pub use point::{Distance, Point, distance};
