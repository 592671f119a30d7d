//! Peers known from the last run: a second way into the network when the configured entry points are away.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
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

/// Reads the list; an unreadable one is as good as none.
pub(super) fn read(path: &Path) -> Vec<(NodeId, Vec<Multiaddr>)> {
    let small = fs::metadata(path).is_ok_and(|file| file.len() <= FILE_BYTES_MAX);
    let text = if small {
        fs::read(path).unwrap_or_default()
    } else {
        Vec::new()
    };
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
pub(super) async fn keep(path: PathBuf, net: NetHandle) {
    let mut interval = INTERVAL_MIN;
    loop {
        tokio::time::sleep(interval).await;
        save(&path, &net).await;
        interval = (interval * 2).min(INTERVAL_MAX);
    }
}

/// Writes the list once, whole or not at all.
///
/// # Cancel safety
///
/// Dropping the future leaves the last whole list.
pub(super) async fn save(path: &Path, net: &NetHandle) {
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
        .map_err(std::io::Error::other)
        .and_then(|text| {
            let draft = path.with_extension("new");
            let mut options = fs::OpenOptions::new();
            options.write(true).create(true).truncate(true).mode(0o600);
            options.open(&draft)?.write_all(&text)?;
            fs::rename(&draft, path)
        });
    if let Err(error) = written {
        debug!(%error, "the list of known peers was not written");
    }
}
