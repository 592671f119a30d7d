//! Who runs, and who serves.

use std::collections::BTreeMap;
use std::time::Duration;

use libp2p::PeerId;
use restante::net::{Distance, Mode, NetEvent};
use restante_proto::NodeId;
use restante_proto::routing::Point;
use restante_sim_network::HostId;
use tokio::sync::mpsc;

use super::event::Event;
use super::state::{Life, State};

/// Nodes of a bucket that a routing table takes.
const BUCKET: usize = 20;
/// How long after its start a node has somebody to ask, if there is anybody.
const JOINED: Duration = Duration::from_secs(1);

/// One process.
pub(super) struct Process {
    pub(super) life: Life,
    pub(super) node: NodeId,
    pub(super) peer: PeerId,
    pub(super) point: Point,
    pub(super) events: mpsc::Sender<NetEvent>,
    pub(super) serves: bool,
    /// With whom it wants to stay connected, and how often it said so.
    pub(super) held: BTreeMap<PeerId, u32>,
    #[cfg(debug_assertions)]
    pub(super) since: tokio::time::Instant,
}

/// A node that others find.
#[derive(Clone, Copy)]
pub(super) struct Serving {
    point: Point,
    pub(super) node: NodeId,
    pub(super) host: HostId,
}

impl Serving {
    /// Returns how far it is from a point.
    #[cfg(debug_assertions)]
    pub(super) fn distance(&self, point: &Point) -> Distance {
        self.point.distance(point)
    }
}

impl Process {
    /// Tells it something; what finds no room is dropped, as by the network task.
    pub(super) fn tell(&self, event: NetEvent) {
        let _full = self.events.try_send(event);
    }
}

impl State {
    /// Starts a process, which serves after a while or never.
    pub(super) fn start(
        &mut self,
        host: HostId,
        (node, peer): (NodeId, PeerId),
        events: mpsc::Sender<NetEvent>,
        serves_after: Option<Duration>,
    ) -> Life {
        self.crash(host);
        let life = (host, self.number());
        let process = Process {
            life,
            node,
            peer,
            point: Point::of_node(&node),
            events,
            serves: false,
            held: BTreeMap::new(),
            #[cfg(debug_assertions)]
            since: self.now,
        };
        self.processes.insert(host, process);
        self.hosts.insert(peer, host);
        if let Some(after) = serves_after {
            self.after(after, Event::Serve(life));
        }
        self.after(JOINED, Event::Joined(life));
        life
    }

    pub(super) fn on_serve(&mut self, life: Life) {
        let Some(process) = self.process_mut(life) else {
            return;
        };
        process.serves = true;
        process.tell(NetEvent::Mode(Mode::Server));
        let (point, node, host) = (process.point, process.node, life.0);
        self.serving.push(Serving { point, node, host });
        self.tell_of_change(&point);
    }

    pub(super) fn on_joined(&mut self, life: Life) {
        let others = self.serving.iter().any(|other| other.host != life.0);
        if let Some(process) = self.process(life).filter(|_| others) {
            process.tell(NetEvent::RoutingChanged);
        }
    }

    /// Takes a process away that has ended, with everybody's way to it.
    pub(super) fn remove(&mut self, host: HostId) -> Option<Process> {
        let process = self.processes.remove(&host)?;
        if self.hosts.get(&process.peer) == Some(&host) {
            self.hosts.remove(&process.peer);
        }
        if process.serves {
            self.serving.retain(|other| other.host != host);
            self.tell_of_change(&process.point);
        }
        Some(process)
    }

    /// Tells those that somebody came or went at a point in whose routing tables that makes a difference.
    fn tell_of_change(&self, point: &Point) {
        let serving = self.serving.len();
        for process in self.processes.values() {
            // Of a bucket that has more nodes than a table takes, one more or less is not seen.
            let bucket = process.point.distance(point).shared_bits() + 1;
            let nodes = serving >> bucket.min(63);
            if nodes <= BUCKET {
                process.tell(NetEvent::RoutingChanged);
            }
        }
    }

    /// Tells everybody that others can be reached than before.
    pub(super) fn tell_all(&self) {
        for process in self.processes.values() {
            process.tell(NetEvent::RoutingChanged);
        }
    }

    /// Returns the serving nodes nearest to a point, nearest first.
    pub(super) fn nearest(
        &self,
        point: &Point,
        count: usize,
        is_wanted: impl Fn(&Serving) -> bool,
    ) -> Vec<Serving> {
        let wanted = self.serving.iter().filter(|one| is_wanted(one));
        let mut all: Vec<(Distance, Serving)> = wanted
            .map(|one| (one.point.distance(point), *one))
            .collect();
        if count < all.len() {
            all.select_nth_unstable_by_key(count, |(distance, _)| *distance);
            all.truncate(count);
        }
        all.sort_unstable_by_key(|(distance, _)| *distance);
        all.into_iter().map(|(_, one)| one).collect()
    }

    /// Returns those that a host knows: itself left out, and whom it cannot reach.
    pub(super) fn known(&self, host: HostId, point: &Point, count: usize) -> Vec<Serving> {
        #[cfg(debug_assertions)]
        if super::planted::is_here() {
            let mut known = self.limited(host, point);
            known.truncate(count);
            return known;
        }
        self.reachable(host, point, count)
    }

    /// Returns those that a lookup of a host finds: all that it can reach.
    pub(super) fn found(&self, host: HostId, point: &Point, count: usize) -> Vec<Serving> {
        #[cfg(debug_assertions)]
        if super::planted::is_here() {
            return self.limited_lookup(host, point, count);
        }
        self.reachable(host, point, count)
    }

    pub(super) fn reachable(&self, host: HostId, point: &Point, count: usize) -> Vec<Serving> {
        let divided = self.internet.is_divided();
        self.nearest(point, count, |one| {
            one.host != host && (!divided || self.internet.reaches(host, one.host))
        })
    }
}
