//! What is under way.

use bytes::Bytes;
use restante::net::{Kind, NetError, Reply};
use restante_proto::NodeId;
use restante_sim_network::HostId;

use super::state::Life;

/// Something that happens at a moment.
pub(super) enum Event {
    /// A request arrives.
    Request {
        from: Life,
        to: Life,
        call: u64,
        kind: Kind,
        payload: Bytes,
    },
    /// An answer arrives, by the name of its request.
    Answer {
        from: HostId,
        call: u64,
        payload: Bytes,
    },
    /// Something unasked arrives.
    Push {
        from: Life,
        to: Life,
        payload: Bytes,
    },
    /// A lookup ends.
    Found(
        Reply<Result<Vec<NodeId>, NetError>>,
        Result<Vec<NodeId>, NetError>,
    ),
    /// Nobody is where a request was sent.
    Unreachable(u64),
    /// A node can be dialled, and others know.
    Serve(Life),
    /// A node has somebody to ask.
    Joined(Life),
    /// A process notices that links with another have ended.
    Ended(Life, super::links::Ended),
    /// Look after what is idle and what is cut.
    Tick,
}
