//! Troubles that people have had with programs of this kind: each is told, or does not happen.

mod copies;
mod entries;
mod readers;
mod servers;
mod settings;
