//! How much room there is on the disk.

use std::fs::File;
use std::path::Path;

/// Returns how many bytes are free where a folder is; none where that cannot be known.
pub(crate) fn free_in(folder: &Path) -> Option<u64> {
    rustix::fs::statvfs(folder).ok().map(|stat| free(&stat))
}

/// Returns how many bytes are free where a file is; none where that cannot be known.
pub(crate) fn free_beside(file: &File) -> Option<u64> {
    rustix::fs::fstatvfs(file).ok().map(|stat| free(&stat))
}

const fn free(stat: &rustix::fs::StatVfs) -> u64 {
    stat.f_bavail.saturating_mul(stat.f_frsize)
}
