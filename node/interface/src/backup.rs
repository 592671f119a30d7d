//! Backups: what was written, what came of one, and how those that a node writes by itself stand.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::IdInfo;

/// A backup to write.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BackupRequest {
    /// The absolute path of the file.
    #[schema(max_length = 4_096, pattern = "^/")]
    pub path: String,
    /// Whether a file that is there is replaced.
    #[serde(default)]
    pub force: bool,
}

/// A backup that was written: the output of `restante backup --json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BackupInfo {
    /// Its file.
    pub path: String,
    /// When it was made.
    pub made_ms: u64,
    /// How long the file is.
    pub bytes: u64,
    /// How many messages are in it.
    pub messages: u32,
    /// How many contacts are in it, strangers who wrote included.
    pub contacts: u32,
    /// How many messages are not in it because they cannot be opened any more.
    pub unreadable: u32,
}

/// A home that was made of a backup: the output of `restante restore --json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoredInfo {
    /// Whose it is.
    #[serde(flatten)]
    pub id: IdInfo,
    /// When the backup was made.
    pub made_ms: u64,
    /// How many messages have come back.
    pub messages: u32,
    /// How many contacts have, strangers who wrote included.
    pub contacts: u32,
    /// How many messages have not, because they have expired or burned meanwhile.
    pub ended: u32,
    /// How many have not, because they burn after reading and may have been read since.
    pub doubtful: u32,
}

/// How the backups stand that the node writes by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BackupStatus {
    /// Where they go.
    pub folder: String,
    /// When the newest was made, if there is one.
    pub last_ms: Option<u64>,
    /// When one failed since.
    pub failed_ms: Option<u64>,
    /// Why that one failed.
    pub failed_why: Option<String>,
    /// When the next one is due; nothing while one is being made.
    pub next_ms: Option<u64>,
}
