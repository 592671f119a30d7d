//! The two functions of libc that this crate replaces.

use std::hint::black_box;
use std::time::Duration;

use libc::{c_int, c_long, c_uint, c_void, clockid_t, size_t, ssize_t, timespec};

use super::{virtual_clock, virtual_random};

/// Makes sure that the linker takes the functions below.
pub(super) fn link() {
    black_box(clock_gettime as unsafe extern "C" fn(clockid_t, *mut timespec) -> c_int);
    black_box(getrandom as unsafe extern "C" fn(*mut c_void, size_t, c_uint) -> ssize_t);
}

/// Returns what the kernel says of a clock; zero when it does not know it.
pub(super) fn kernel_clock(clock: clockid_t) -> Duration {
    let mut time = timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` lives longer than the call.
    unsafe { libc::syscall(libc::SYS_clock_gettime, clock, &raw mut time) };
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or_default())
}

/// Takes the place of libc's function of this name.
///
/// # Safety
///
/// As for libc's: `time` is null or may be written.
#[unsafe(no_mangle)]
unsafe extern "C" fn clock_gettime(clock: clockid_t, time: *mut timespec) -> c_int {
    match virtual_clock(clock) {
        Some(now) if !time.is_null() => {
            let seconds = libc::time_t::try_from(now.as_secs()).unwrap_or_default();
            let whole = timespec {
                tv_sec: seconds,
                tv_nsec: c_long::from(now.subsec_nanos().cast_signed()),
            };
            // SAFETY: not null, and the caller's to write.
            unsafe { time.write(whole) };
            0
        }
        _ => {
            // SAFETY: the caller's arguments, passed on as they are.
            let status = unsafe { libc::syscall(libc::SYS_clock_gettime, clock, time) };
            c_int::try_from(status).unwrap_or(-1)
        }
    }
}

/// Takes the place of libc's function of this name.
///
/// # Safety
///
/// As for libc's: `length` bytes from `buffer` on may be written.
#[unsafe(no_mangle)]
unsafe extern "C" fn getrandom(buffer: *mut c_void, length: size_t, flags: c_uint) -> ssize_t {
    // The getrandom crate asks for nothing, at a dangling address, to learn whether there is such a function.
    if !buffer.is_null() && length > 0 {
        // SAFETY: the caller's to write; zeroed first, since it may never have been written.
        let out = unsafe {
            buffer.cast::<u8>().write_bytes(0, length);
            std::slice::from_raw_parts_mut(buffer.cast::<u8>(), length)
        };
        if virtual_random(out) {
            return ssize_t::try_from(length).unwrap_or(-1);
        }
    }
    // SAFETY: the caller's arguments, passed on as they are.
    let status = unsafe { libc::syscall(libc::SYS_getrandom, buffer, length, flags) };
    ssize_t::try_from(status).unwrap_or(-1)
}
