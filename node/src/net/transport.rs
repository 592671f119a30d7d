//! The transports of production: QUIC, and TCP with Noise and yamux, both behind name resolution.

use std::io;

use libp2p::core::muxing::StreamMuxerBox;
use libp2p::core::transport::Boxed;
use libp2p::core::upgrade::Version;
use libp2p::identity::Keypair;
use libp2p::{PeerId, Transport as _, dns, noise, quic, tcp, yamux};

use super::error::SpawnError;
use super::limits::{HANDSHAKE_TIMEOUT, NetLimits, QUIC_IDLE_TIMEOUT, QUIC_KEEP_ALIVE, TCP_PAUSE};
use super::paced::Paced;
use super::second_choice::SecondChoice;

/// What [`Network::spawn`](super::Network::spawn) takes: connections with a proven peer at their
/// other end, and many streams in each.
pub type Transport = Boxed<(PeerId, StreamMuxerBox)>;

/// Builds QUIC and TCP + Noise + yamux with name resolution, under the given limits.
///
/// # Errors
///
/// [`SpawnError::Noise`] when the key cannot sign, [`SpawnError::Resolver`] when the operating
/// system's resolver configuration cannot be read.
pub fn real(keypair: &Keypair, limits: &NetLimits) -> Result<Transport, SpawnError> {
    let tcp = tcp::tokio::Transport::new(tcp::Config::default().nodelay(true))
        .upgrade(Version::V1Lazy)
        .authenticate(noise::Config::new(keypair).map_err(SpawnError::Noise)?)
        .multiplex(yamux_config(limits))
        .timeout(HANDSHAKE_TIMEOUT)
        .map(|(peer, muxer), _| (peer, StreamMuxerBox::new(Paced::new(muxer))))
        .map_err(io::Error::other)
        .boxed();
    let tcp = SecondChoice::new(tcp, TCP_PAUSE);
    let quic = quic::tokio::Transport::new(quic_config(keypair, limits))
        .map(|(peer, muxer), _| (peer, StreamMuxerBox::new(Paced::new(muxer))))
        .map_err(io::Error::other)
        .boxed();
    let both = quic.or_transport(tcp).map(|either, _| either.into_inner());
    let named = dns::tokio::Transport::system(both).map_err(SpawnError::Resolver)?;
    Ok(named.boxed())
}

pub(super) fn yamux_config(limits: &NetLimits) -> yamux::Config {
    let mut config = yamux::Config::default();
    config.set_max_num_streams(limits.transport.yamux_streams_max);
    config
}

pub(super) fn quic_config(keypair: &Keypair, limits: &NetLimits) -> quic::Config {
    let mut config = quic::Config::new(keypair);
    config.handshake_timeout = HANDSHAKE_TIMEOUT;
    config.max_idle_timeout = u32::try_from(QUIC_IDLE_TIMEOUT.as_millis()).unwrap_or(u32::MAX);
    config.keep_alive_interval = QUIC_KEEP_ALIVE;
    config.max_concurrent_stream_limit = limits.transport.quic_streams_max;
    config.max_stream_data = limits.transport.quic_stream_bytes_max;
    config.max_connection_data = limits.transport.quic_connection_bytes_max;
    // Finding out whether packets may be a fifth larger than all may be takes five of them, each way: more than the
    // handshake, and more than most connections carry.
    config.disable_path_mtu_discovery()
}
