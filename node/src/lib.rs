//! A Restante node: the protocol of `restante-proto` with libp2p, redb and people around it.
//!
//! The library is what the binaries, the simulator and the benchmarks share; it promises nothing to other programs.
//! This page is where to start reading.
//!
//! # How the parts fit
//!
//! Decisions are state machines without socket, disk or clock; around them stand drivers that carry out what they want
//! done and bring the results back.
//!
//! ```text
//!  command line                       strangers' requests
//!        | interface (codes)                 | item protocol
//!  control -- account::driver          net -- router -- keeper::task
//!               |        ^              ^                  |        ^
//!      inputs v |        | outputs      | ask, search      | inputs | outputs
//!        restante_client::Core ---------+        restante_proto::keeper::Keeper
//!               | commit, read                             | store
//!      AccountDisk: the vault (redb)            KeeperStore (redb, sealed items)
//! ```
//!
//! | part | owns | decides in |
//! | --- | --- | --- |
//! | [`account`] | the person's vault | `restante-client` (`node/client`) |
//! | [`keeper`] | the store of other people's items | `restante_proto::keeper`, rules in `keeper::rules` |
//! | [`net`] | connections, routing, limits | `restante_proto::routing`, `net::connection_limiter` |
//! | [`control`] | the local socket, and HTTP | nothing |
//! | [`cli`] | words | nothing |
//! | [`node`] | which parts run | nothing |
//!
//! Arrows go one way: `proto` knows nothing of the others; `restante-interface` is plain data; `restante-client` knows
//! both; this crate knows all three; what runs a node without a person ([`node::server`]) imports nothing of one,
//! though the status of both is put together in one place ([`node`]).
//!
//! Three seams let a node run elsewhere than on a machine: [`node::assembly::Environment`] has clock, worker and
//! network ([`net::Command`] and [`net::NetEvent`]), [`keeper::store::KeeperStore`] is the keeper's disk and
//! [`account::AccountDisk`] the person's. The simulator has its own behind each.
//!
//! # A message, from `send` to the inbox
//!
//! On Alice's node: `control::routes` -> `account::driver::Driver::on_call` -> `Core::handle` ->
//! `Sending::on_request` -> (`Resolving` looks Bob's card up, if it is not fresh) -> `sealing::seal` -> staged in
//! `Records` -> `Output::Commit` -> `AccountDisk::commit` -> `Input::Committed` -> `Placing::begin` -> (`Stamps`, if
//! Bob granted nothing) -> `Outbox` -> `Placement` -> `Output::Ask`, a deposit -> keepers -> `Input::Answer` ->
//! `deposit::judge` -> `Outbox` -> `Sending::on_progress`, which answers Alice.
//!
//! On Bob's: a push or a list -> `Collecting` -> `Collector` -> `Output::Compute`, which opens it ->
//! `Collecting::on_opened` -> staged -> `Output::Commit` -> `Input::Committed` -> `Records::show`, `Output::Ask` with
//! acks, `Reading::on_arrived`, which answers an `inbox` that waits; then `Receipts` sends Alice a delivery receipt the
//! same way.
//!
//! # Where to add what
//!
//! - A request of the local interface: `node/interface/src/request.rs` and `reply.rs`, one arm in `on_call` of
//!   `node/client/src/core.rs` (or of `account::driver`, if it is about the node), its path in `control::routes` and
//!   `control::wire`, an example in `node/interface/README.md`, words in `cli::words`, and an arm in the simulator's
//!   people if they are to use it.
//! - A request to keepers: SPEC 7, the schema in `proto/schema`, `proto::request`, admission in `proto::keeper`.
//! - A kind of message: `proto::message::Content`, SPEC 6.3, `Collecting::take` in `node/client/src/collecting.rs`.
//! - What a person's data is: `node/client/src/model`, a `Change` in `change.rs` with its arms in `records/owed.rs` and
//!   `records/commits.rs`, its row in `account::rows`, and its arm in `memory.rs`, which the vault is tested against.
//! - A limit: `proto/src/limits.rs` and SPEC 11, or `net::limits`; tests read both back.
//! - A scenario: a file in `sim/scenarios`; `sim/README.md` lists all keys.

// What a command line needs.
pub mod cli;
pub mod config;
pub mod control;
pub mod home;
pub mod passphrase;
mod telemetry;

// A node, and its parts.
pub mod account;
pub mod keeper;
pub mod net;
pub mod node;
pub mod vault;

// What the parts run on.
pub mod clock;
mod disk_space;
pub mod engine_panic;
#[cfg(test)]
mod fixture;
pub mod parts;
pub mod worker;
