//! Events: what happens at some moment, and to whom.

use bytes::Bytes;
use restante_proto::{Address, keeper::ConnId};

use crate::{host::Whom, network::End as Place, workload::Letter};

/// What happens at some moment.
pub(super) enum Event {
    /// Somebody is due.
    Wake(Place),
    /// A person's node starts for the first time or again.
    Start(usize),
    /// A person's node stops, as this `[[away]]` says.
    Leave(usize, usize),
    /// Somebody writes something.
    Compose(Letter),
    /// Something comes to a person, if the node was not started anew since.
    ToPerson(Whom, News),
    /// A request arrives at a keeper.
    Request {
        from: Whom,
        keeper: usize,
        call: u64,
        payload: Bytes,
    },
    /// The oldest operation of a keeper is durable.
    Durable { keeper: usize, incarnation: u64 },
    /// A keeper notices that a connection is gone.
    Closed {
        keeper: usize,
        incarnation: u64,
        conn: ConnId,
    },
    /// Something goes wrong.
    Fault(usize),
    /// A keeper's process ends, as this `[[fault]]` says.
    Crash {
        keeper: usize,
        number: usize,
        down_ms: u64,
    },
    /// A keeper starts again.
    Restart(usize),
    /// A partition ends.
    Rejoin,
    /// Connections over a cut are given up.
    Break(usize),
    /// All disks are looked at.
    Audit,
    /// All faults are over.
    Heal,
    /// It is looked whether all is as it should be.
    Settle,
    /// It has been so for a while.
    Settled,
    /// The run is over.
    Stop,
}

/// What comes to a person.
pub(super) enum News {
    /// An answer, or the word that none will come.
    Answer(u64, Option<Bytes>),
    /// A push of a keeper.
    Push(usize, Bytes),
    /// A lookup of so many keepers around an address ends.
    Found(u64, Address, usize),
    /// A piece of work is done.
    Worked(u64),
    /// The connection to a keeper is gone.
    Lost(usize),
    /// There are peers to ask, after there were none.
    NetworkUp,
}

/// A connection from a person to a keeper.
pub(super) struct Link {
    pub(super) person: Whom,
    pub(super) keeper: usize,
    pub(super) keeper_incarnation: u64,
}
