//! Whole cores among real keepers: answers in any order, lost and repeated, failed commits, restarts, clocks set.

mod about;
mod clocks;
mod commits;
mod conversing;
mod copies;
mod disks;
mod keeper;
mod liars;
mod orders;
mod people;
mod person;
mod recovering;
mod refusals;
mod restoring;
mod seeded;
mod stamps;
mod world;
