//! Room in the kernel for datagrams that come faster than they are read.
//!
//! Linux gives a UDP socket room for about a hundred packets. All peers of a node share one socket, so that one who
//! sends much makes the kernel drop what others send, and they notice only when a timer of theirs runs out: tens of
//! milliseconds. libp2p makes its sockets itself and leaves their buffers as they are.

use std::fs;
use std::os::fd::AsFd as _;

use rustix::fd::RawFd;
use rustix::net::{AddressFamily, SocketType, sockopt};
use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};
use tracing::debug;

/// Bytes wanted for a socket; the kernel grants no more than its `net.core.rmem_max`.
const RECEIVE_BYTES: usize = 4 << 20;

/// Enlarges the receive buffers of all UDP sockets of this process, as far as the kernel lets it.
///
/// Where the kernel does not, the node works all the same.
pub(super) fn enlarge() {
    match enlarge_all(getpid()) {
        Ok(count) => debug!(count, "receive buffers of sockets are large"),
        Err(error) => debug!(%error, "receive buffers of sockets stay as they are"),
    }
}

/// Returns how many sockets have a large buffer now.
fn enlarge_all(own: Pid) -> std::io::Result<usize> {
    let process = pidfd_open(own, PidfdFlags::empty())?;
    let mut count = 0;
    for entry in fs::read_dir("/proc/self/fd")? {
        let Some(number) = entry?
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        else {
            continue;
        };
        let number: RawFd = number;
        // It may have been closed since, or be another one now; what it is, is asked of the descriptor itself.
        let Ok(socket) = pidfd_getfd(process.as_fd(), number, PidfdGetfdFlags::empty()) else {
            continue;
        };
        let is_datagram = sockopt::socket_type(&socket) == Ok(SocketType::DGRAM);
        let domain = sockopt::socket_domain(&socket);
        let is_internet = matches!(domain, Ok(AddressFamily::INET | AddressFamily::INET6));
        if is_datagram && is_internet && sockopt::socket_recv_buffer_size(&socket)? < RECEIVE_BYTES
        {
            sockopt::set_socket_recv_buffer_size(&socket, RECEIVE_BYTES)?;
            count += 1;
        }
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::*;

    #[test]
    fn a_socket_has_a_larger_buffer_afterwards_if_the_kernel_allows_one() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let before = sockopt::socket_recv_buffer_size(&socket).unwrap();
        enlarge();
        let after = sockopt::socket_recv_buffer_size(&socket).unwrap();
        let allowed = fs::read_to_string("/proc/sys/net/core/rmem_max").unwrap();
        let allowed: usize = allowed.trim().parse().unwrap();
        // The kernel counts its own part as well and says twice as much as was asked for.
        assert!(
            after >= before.max(RECEIVE_BYTES.min(allowed)),
            "{before} {after} {allowed}"
        );
    }
}
