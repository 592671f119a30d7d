//! The store against its model, power cuts, damage and a full disk.

mod cap;
mod crash;
mod damage;
mod disk_failures;
mod model;
mod rows;
mod upkeep;
mod world;
