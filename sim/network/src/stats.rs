//! What is counted.

/// What happened on an [`Internet`](crate::Internet).
///
/// Bytes are those on the wire: a packet carries up to 1,250 bytes of a stream and 60 of headers.
/// Keep-alives and acknowledgements are 60 bytes each.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Pieces of streams that arrived, of up to 16 KiB.
    pub segments: u64,
    /// Bytes of streams that arrived.
    pub payload_bytes: u64,
    /// Bytes sent, lost ones included.
    pub sent_bytes: u64,
    /// Packets sent, lost ones included.
    pub packets: u64,
    /// Packets lost by chance and sent again.
    pub lost: u64,
    /// Packets that arrived twice.
    pub duplicated: u64,
    /// Segments that arrived after another of the same connection that was sent later.
    pub overtaken: u64,
    /// Packets that a cut or a host without network held up.
    pub cut: u64,
    /// Dials begun.
    pub dials: u64,
    pub dials_failed: u64,
    /// First packets of dials that nobody took: no host, no listener, or a NAT before it.
    pub knocks_unheard: u64,
    /// Connections whose handshake both ends completed.
    pub established: u64,
    /// Connection ends that timed out.
    pub idled_out: u64,
    /// Processes crashed.
    pub crashes: u64,
}

/// What one host sent and received, in bytes on the wire.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Bytes sent, lost ones included.
    pub up_bytes: u64,
    /// Bytes that arrived.
    pub down_bytes: u64,
}

/// What a [`Weather`](crate::Weather) changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WeatherEffect {
    /// Packets it lost.
    pub lost: u64,
    /// Packets it doubled.
    pub duplicated: u64,
    /// Segments and control messages that took longer.
    pub slowed: u64,
}

/// What a cut changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CutEffect {
    /// Packets that did not get across, first packets of dials included.
    pub packets: u64,
    /// Connections that ran across it when it was made or while it lasted.
    pub connections: u64,
}

impl CutEffect {
    /// Returns whether it changed nothing.
    #[must_use]
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}
