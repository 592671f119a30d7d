//! Memory from the system, in large pieces.

use std::ptr;

/// A large page; where the system has them, memory comes and goes by these, and its addresses are found faster.
const LARGE_PAGE_BYTES: usize = 2 << 20;

/// Maps a piece of zeroed memory and returns it with its length; the system gives it page by page, when it is first
/// written to.
pub(super) fn map(bytes: usize) -> Option<(*mut u8, usize)> {
    let mapped = bytes + LARGE_PAGE_BYTES;
    // SAFETY: a new mapping at an address of the system's choice touches nobody's memory.
    let start = unsafe {
        libc::mmap(
            ptr::null_mut(),
            mapped,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
            -1,
            0,
        )
    };
    if start == libc::MAP_FAILED {
        return None;
    }
    // What lies before the first large page is never written to, and so costs nothing.
    let skipped = start.addr().next_multiple_of(LARGE_PAGE_BYTES) - start.addr();
    // SAFETY: less than a large page is skipped, and the mapping is longer by one.
    let region = unsafe { start.cast::<u8>().add(skipped) };
    // Refused, pages are small, which is slower and nothing else.
    #[cfg(target_os = "linux")]
    // SAFETY: the range lies in the mapping; the advice does not change what is in it.
    let _slower = unsafe { libc::madvise(region.cast(), bytes, libc::MADV_HUGEPAGE) };
    Some((region, bytes))
}
