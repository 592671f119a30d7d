//! The person side.
