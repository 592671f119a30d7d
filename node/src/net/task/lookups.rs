//! Lookups that run, and those that wait for their turn.
//!
//! A lookup asks nodes it has no connection to. How many handshakes may be under way at once is limited, and a dial
//! that is refused looks like a node that is gone, so that lookups ask only while there is room, and few run at a time.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures::stream::FuturesUnordered;
use futures::{FutureExt as _, StreamExt as _};
use libp2p::Multiaddr;
use restante_proto::NodeId;
use restante_proto::limits::FOUND_NODES_MAX;
use restante_proto::routing::{Answer, Distance, Lookup, Point, Question};
use restante_proto::time::MonoMillis;
use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, timeout_at};

use super::super::address::bare;
use super::super::boxed::Boxed;
use super::super::command::Call;
use super::super::error::{NetError, RequestError};
use super::super::item::{self, Kind};
use super::super::limits::{
    ADDRESSES_HEARD_MAX, ADDRESSES_PER_PEER_MAX, HEARD_NODES_MAX, LOOKUP_NODES_MIN,
    LOOKUPS_AT_ONCE, LOOKUPS_MAX, QUESTION_TIMEOUT, REFRESHES_MAX,
};
use super::super::peer::peer_of;
use super::super::routing::Routing;
use super::super::status::Count;
use super::Task;

pub(super) type Reply = oneshot::Sender<Result<Vec<NodeId>, NetError>>;

/// A question that is under way: whose it is and what came of it.
type Pending = futures::future::BoxFuture<'static, Answered>;

#[derive(Debug)]
pub(super) struct Answered {
    lookup: u64,
    node: NodeId,
    result: Result<Bytes, RequestError>,
}

#[derive(Debug)]
struct Wanted {
    point: Point,
    count: usize,
    near: Option<watch::Sender<Vec<NodeId>>>,
    /// Nothing when it is for the routing table's sake.
    reply: Option<Reply>,
}

#[derive(Debug)]
struct Running {
    number: u64,
    point: Point,
    lookup: Lookup<NodeId, Distance>,
    /// The addresses of nodes that were heard of and not asked yet.
    addresses: BTreeMap<NodeId, Vec<Multiaddr>>,
    /// Who hears of the nearest while it goes on, and within what distance they have to be.
    near: Option<(watch::Sender<Vec<NodeId>>, Distance)>,
    reply: Option<(usize, Reply)>,
}

pub(super) struct Lookups {
    own: NodeId,
    began: Instant,
    running: Vec<Running>,
    /// Those with a caller that waits; they go first.
    waiting: VecDeque<Wanted>,
    refreshes: VecDeque<Wanted>,
    questions: FuturesUnordered<Pending>,
    count: u64,
    /// Whether something has happened since it was last looked whom to ask.
    changed: bool,
    /// When it has to be looked again although nothing has come.
    due: Option<Instant>,
}

impl Lookups {
    pub(super) fn new(own: NodeId) -> Self {
        Self {
            own,
            began: Instant::now(),
            running: Vec::new(),
            waiting: VecDeque::new(),
            refreshes: VecDeque::new(),
            questions: FuturesUnordered::new(),
            count: 0,
            changed: false,
            due: None,
        }
    }

    /// Takes a lookup for a caller, or refuses it; `near` hears of the nearest while it goes on.
    pub(super) fn want(
        &mut self,
        point: Point,
        count: usize,
        near: Option<watch::Sender<Vec<NodeId>>>,
        reply: Reply,
    ) {
        self.waiting.retain(|wanted| !wanted.is_abandoned());
        if self.waiting.len() >= LOOKUPS_MAX {
            let _gone = reply.send(Err(NetError::Busy));
            return;
        }
        self.changed = true;
        self.waiting.push_back(Wanted {
            point,
            count,
            near,
            reply: Some(reply),
        });
    }

    /// Takes a lookup for the routing table's sake, unless many wait.
    pub(super) fn refresh(&mut self, point: Point, count: usize) {
        if self.refreshes.len() < REFRESHES_MAX {
            self.changed = true;
            self.refreshes.push_back(Wanted {
                point,
                count,
                near: None,
                reply: None,
            });
        }
    }

    /// Returns when lookups have to be looked at although nothing has come.
    pub(super) const fn next(&self) -> Option<Instant> {
        self.due
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Answered> {
        match self.questions.poll_next_unpin(cx) {
            Poll::Ready(Some(answered)) => Poll::Ready(answered),
            Poll::Ready(None) | Poll::Pending => Poll::Pending,
        }
    }

    /// Begins lookups, asks whom they want to ask while there is room, and ends those that are done.
    fn drive(&mut self, now: Instant, routing: &mut Routing, item: &mut item::Behaviour) {
        let now = self.mono(now);
        loop {
            self.begin(now, routing);
            self.ask(now, routing, item);
            for running in &self.running {
                running.tell_near(now, routing);
            }
            let crowded = item.dial_room() == 0;
            let done =
                |running: &mut Running| running.is_abandoned() || running.lookup.is_done(now);
            let ended: Vec<Running> = self.running.extract_if(.., done).collect();
            if ended.is_empty() {
                // A lookup that could not ask for want of room asks as soon as there is some.
                self.changed = crowded;
                break;
            }
            for mut running in ended {
                let unasked = crowded && running.lookup.ask(now).is_some();
                running.end(unasked);
            }
        }
        let next = |running: &Running| running.lookup.next_timeout(now);
        let at = self.running.iter().map(next).min();
        self.due = at.map(|at| self.began + Duration::from_millis(at.get()));
    }

    /// Asks whom the lookups want to ask, while there is room; each time another one begins.
    fn ask(&mut self, now: MonoMillis, routing: &mut Routing, item: &mut item::Behaviour) {
        let mut room = item.dial_room();
        for running in &mut self.running {
            while room > 0
                && let Some(node) = running.lookup.ask(now)
            {
                room -= 1;
                self.questions.push(running.ask(node, routing, item));
            }
        }
        if !self.running.is_empty() {
            self.running.rotate_left(1);
        }
    }

    /// Begins as many of those that wait as may run.
    fn begin(&mut self, now: MonoMillis, routing: &Routing) {
        while self.running.len() < LOOKUPS_AT_ONCE {
            let Some(wanted) = self
                .waiting
                .pop_front()
                .or_else(|| self.refreshes.pop_front())
            else {
                return;
            };
            if wanted.is_abandoned() {
                continue;
            }
            self.count += 1;
            let seeds = routing.nearest(&wanted.point, FOUND_NODES_MAX);
            let place = |node: NodeId| (node, Point::of_node(&node).distance(&wanted.point));
            let least = match wanted.reply {
                Some(_) => LOOKUP_NODES_MIN,
                None => 1,
            };
            let lookup = Lookup::new(now, wanted.count.max(least), seeds.into_iter().map(place));
            self.running.push(Running {
                number: self.count,
                point: wanted.point,
                lookup,
                addresses: BTreeMap::new(),
                near: wanted.near.map(|near| (near, routing.reach())),
                reply: wanted.reply.map(|reply| (wanted.count, reply)),
            });
        }
    }

    /// Takes an answer; says whether the one who gave it broke the protocol.
    fn on_answered(&mut self, now: Instant, answered: Answered, routing: &Routing) -> bool {
        let Answered {
            lookup,
            node,
            result,
        } = answered;
        let now = self.mono(now);
        let result = result.map(|bytes| Answer::decode(&bytes));
        let is_broken = matches!(result, Ok(Err(_)));
        let Some(running) = self
            .running
            .iter_mut()
            .find(|running| running.number == lookup)
        else {
            return is_broken;
        };
        self.changed = true;
        let distance = Point::of_node(&node).distance(&running.point);
        match result {
            Ok(Ok(answer)) => {
                let named = running.believe(answer, &self.own, routing);
                running.lookup.on_answer(now, distance, named);
            }
            Err(RequestError::NoRoom) => running.lookup.on_refused(distance),
            Ok(Err(_)) | Err(_) => running.lookup.on_failed(distance),
        }
        is_broken
    }

    fn mono(&self, now: Instant) -> MonoMillis {
        let passed = now.saturating_duration_since(self.began).as_millis();
        MonoMillis::new(u64::try_from(passed).unwrap_or(u64::MAX))
    }

    /// Tells whether it has to be looked whom to ask.
    fn is_due(&self, now: Instant) -> bool {
        self.changed || self.due.is_some_and(|due| due <= now)
    }
}

impl Wanted {
    fn is_abandoned(&self) -> bool {
        self.reply.as_ref().is_some_and(oneshot::Sender::is_closed)
    }
}

impl Running {
    /// Asks a node; returns what will have come of it.
    fn ask(&mut self, node: NodeId, routing: &mut Routing, item: &mut item::Behaviour) -> Pending {
        let (reply, answer) = oneshot::channel();
        let deadline = Instant::now() + QUESTION_TIMEOUT;
        let call = Call {
            kind: Kind::Question,
            payload: Question {
                point: self.point,
                count: FOUND_NODES_MAX,
            }
            .encode(),
            deadline,
            reply,
        };
        match peer_of(&node) {
            Some(peer) => {
                if let Some(addresses) = self.addresses.remove(&node) {
                    routing.hear_of(peer, addresses);
                }
                item.call(peer, call);
            }
            None => call.finish(Err(RequestError::NotReachable)),
        }
        let lookup = self.number;
        let answered = move |result: Result<Result<_, _>, _>| Answered {
            lookup,
            node,
            result: match result {
                Ok(answer) => answer.unwrap_or(Err(RequestError::Disconnected)),
                Err(_) => Err(RequestError::TimedOut),
            },
        };
        timeout_at(deadline, answer).map(answered).boxed()
    }

    /// Returns the nodes of an answer that can be asked, and remembers where they are.
    fn believe(
        &mut self,
        answer: Answer,
        own: &NodeId,
        routing: &Routing,
    ) -> Vec<(NodeId, Distance)> {
        let mut named = Vec::new();
        for found in answer.nodes {
            if found.node == *own {
                continue;
            }
            let addresses = found.addresses.iter();
            let read = addresses.filter_map(|bytes| Multiaddr::try_from(bytes.to_vec()).ok());
            let usable = read.filter(|address| routing.is_usable(address)).map(bare);
            let usable: Vec<Multiaddr> = usable.take(ADDRESSES_HEARD_MAX).collect();
            if usable.is_empty() {
                continue;
            }
            self.note(found.node, usable);
            let distance = Point::of_node(&found.node).distance(&self.point);
            named.push((found.node, distance));
        }
        named
    }

    /// Adds the addresses that one node gives for another to those that others gave: a liar cannot hide a node.
    fn note(&mut self, node: NodeId, said: Vec<Multiaddr>) {
        if self.addresses.len() >= HEARD_NODES_MAX && !self.addresses.contains_key(&node) {
            return;
        }
        let known = self.addresses.entry(node).or_default();
        for address in said {
            if known.len() < ADDRESSES_PER_PEER_MAX && !known.contains(&address) {
                known.push(address);
            }
        }
    }

    /// Tells who waits for it whom the lookup takes for the nearest, if that has changed, and remembers where those
    /// are: they may be called before they have been asked.
    fn tell_near(&self, now: MonoMillis, routing: &mut Routing) {
        let Some((near, within)) = &self.near else {
            return;
        };
        let nodes: Vec<NodeId> = self.lookup.near(now, *within).collect();
        if nodes.is_empty() || *near.borrow() == nodes {
            return;
        }
        for node in &nodes {
            if let (Some(peer), Some(addresses)) = (peer_of(node), self.addresses.get(node)) {
                routing.hear_of(peer, addresses.clone());
            }
        }
        near.send_replace(nodes);
    }

    fn is_abandoned(&self) -> bool {
        let reply = self.reply.as_ref();
        reply.is_some_and(|(_, reply)| reply.is_closed())
    }

    /// Sends the result to its caller; `unasked` says that a node was still to be asked and could not be.
    fn end(self, unasked: bool) {
        let Some((count, reply)) = self.reply else {
            return;
        };
        let nodes: Vec<NodeId> = self.lookup.found().take(count).collect();
        let result = match (self.lookup.was_refused() || unasked, nodes.is_empty()) {
            // What is not complete for want of our own means would be taken for the truth.
            (true, _) => Err(NetError::Busy),
            (false, true) if self.lookup.was_asked() => Err(NetError::TimedOut),
            (false, _) => Ok(nodes),
        };
        let _gone = reply.send(result);
    }
}

impl Task {
    /// Looks whom lookups want to ask, when something has changed for them.
    pub(super) fn drive_lookups(&mut self) {
        let now = Instant::now();
        if self.lookups.is_due(now) {
            let Boxed(behaviour) = self.swarm.behaviour_mut();
            self.lookups
                .drive(now, &mut behaviour.routing, &mut behaviour.item);
        }
    }

    /// Takes the answer to a question.
    pub(super) fn on_answered(&mut self, answered: Answered) {
        let node = answered.node;
        let routing = &self.swarm.behaviour().routing;
        if self.lookups.on_answered(Instant::now(), answered, routing) {
            self.counters.add(Count::BadAnswer);
            if let Some(peer) = peer_of(&node) {
                // It may have gone already.
                let _gone = self.swarm.disconnect_peer_id(peer);
            }
        }
    }

    /// Answers a peer's question, or disconnects a peer whose question does not decode.
    pub(super) fn on_question(&mut self, via: item::Via, id: u64, payload: &[u8]) {
        let behaviour = self.swarm.behaviour_mut();
        match Question::decode(payload) {
            Ok(question) => {
                let answer = behaviour.routing.answer(&question).encode();
                behaviour.item.respond(via, id, answer);
            }
            Err(_) => {
                self.counters.add(Count::BadQuestion);
                self.swarm.close_connection(via.connection);
            }
        }
    }
}
