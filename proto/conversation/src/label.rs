//! The labels that a group exports secrets under (SPEC 15).

/// Exporter of an epoch's name.
pub(crate) const EPOCH_NAME: &[u8] = b"restante/v1/epoch-name";
/// Exporter of the key of the outer seal.
pub(crate) const OUTER_KEY: &[u8] = b"restante/v1/outer-key";
