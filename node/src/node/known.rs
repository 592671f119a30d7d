//! Peers known from the last run: a second way into the network when the configured entry points are away.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use data_encoding::HEXLOWER;
use restante_proto::NodeId;
use serde::{Deserialize, Serialize};
use tracing::debug;

use crate::net::{Multiaddr, NetHandle};

/// How long after the start the list is written first: a node that is killed soon still finds back.
const INTERVAL_MIN: Duration = Duration::from_secs(1);
/// How often the list is written in the long run.
const INTERVAL_MAX: Duration = Duration::from_secs(600);
/// Peers read from the file, at most.
const PEERS_MAX: usize = 256;
/// Largest file read, in bytes.
const FILE_BYTES_MAX: u64 = 256 * 1024;

/// One line of the file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Peer {
    node: String,
    addresses: Vec<Multiaddr>,
}

/// Where the list is kept: a small file that is replaced as a whole.
pub trait PeerList: Send + Sync {
    /// Returns what was last written; nothing if there is none or it is too long.
    fn read(&self) -> Option<Vec<u8>>;

    /// Replaces it, as a whole or not at all.
    ///
    /// # Errors
    ///
    /// What the disk says.
    fn write(&self, text: &[u8]) -> io::Result<()>;
}

/// A [`PeerList`] in a file.
#[derive(Debug)]
pub struct PeerFile(pub PathBuf);

impl PeerList for PeerFile {
    fn read(&self) -> Option<Vec<u8>> {
        let small = fs::metadata(&self.0).is_ok_and(|file| file.len() <= FILE_BYTES_MAX);
        small.then(|| fs::read(&self.0).ok()).flatten()
    }

    fn write(&self, text: &[u8]) -> io::Result<()> {
        let draft = self.0.with_extension("new");
        let mut options = fs::OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        options.open(&draft)?.write_all(text)?;
        fs::rename(&draft, &self.0)
    }
}

/// Reads the list; an unreadable one is as good as none.
pub(super) fn read(list: &dyn PeerList) -> Vec<(NodeId, Vec<Multiaddr>)> {
    let text = list.read().unwrap_or_default();
    let peers: Vec<Peer> = serde_json::from_slice(&text).unwrap_or_default();
    let known = |peer: Peer| {
        let node = HEXLOWER.decode(peer.node.as_bytes()).ok()?;
        Some((NodeId::try_from(node.as_slice()).ok()?, peer.addresses))
    };
    peers
        .into_iter()
        .take(PEERS_MAX)
        .filter_map(known)
        .collect()
}

/// Writes the list now and then, for as long as it is polled.
///
/// # Cancel safety
///
/// Dropping the future leaves the last whole list.
pub(super) async fn keep(list: Arc<dyn PeerList>, net: NetHandle) {
    let mut interval = INTERVAL_MIN;
    loop {
        tokio::time::sleep(interval).await;
        save(&*list, &net).await;
        interval = (interval * 2).min(INTERVAL_MAX);
    }
}

/// Writes the list once, whole or not at all.
///
/// # Cancel safety
///
/// Dropping the future leaves the last whole list.
pub(super) async fn save(list: &dyn PeerList, net: &NetHandle) {
    let Ok(known) = net.known_peers().await else {
        return;
    };
    if known.is_empty() {
        return;
    }
    let peer = |(node, addresses): (NodeId, Vec<Multiaddr>)| Peer {
        node: HEXLOWER.encode(node.as_bytes()),
        addresses,
    };
    let peers: Vec<Peer> = known.into_iter().take(PEERS_MAX).map(peer).collect();
    let written = serde_json::to_vec(&peers)
        .map_err(io::Error::other)
        .and_then(|text| list.write(&text));
    if let Err(error) = written {
        debug!(%error, "the list of known peers was not written");
    }
}
