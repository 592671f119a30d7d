//! Bad input and bad luck at the command line: one clear line, and nothing lost.

mod damage;
mod disk;
mod input;
mod operator;
mod scripts;
