//! What stands for a connection: whoever asks has a link, on which pushes come back until it ends.

use std::time::Duration;

use libp2p::swarm::ConnectionId;
use restante::net::{ConnToken, NetEvent, RequestError, Via};
use restante_proto::NodeId;
use restante_sim_network::HostId;
use tokio::time::Instant;

use super::event::Event;
use super::processes::Process;
use super::state::{Life, State};

/// How often it is looked after links.
pub(super) const TICK: Duration = Duration::from_secs(4);
/// How long a link lives on which nothing can come or has come: what a connection takes on average that carries
/// nothing, with a keep-alive every 25 s and 30 s of patience after it.
const SILENCE: Duration = Duration::from_secs(45);
/// How long a link lives that nobody wants to keep.
const IDLE: Duration = Duration::from_secs(60);

/// A link from one process to another.
pub(super) struct Link {
    pub(super) ends: (Life, Life),
    number: u64,
    /// The one who is asked keeps it, for a subscription.
    pub(super) kept: bool,
    used: Instant,
    /// Since when nothing can come through.
    cut: Option<Instant>,
    /// When the last message in each direction arrives: none overtakes another.
    there: Instant,
    back: Instant,
}

/// How a link that has ended looks from one of its ends.
pub(super) enum Ended {
    /// Whom it was used to ask.
    Asked { node: NodeId, whom: Life },
    /// What came on it, and from whom.
    Asker { node: NodeId, via: Via },
}

impl Link {
    fn via(&self, asker: &Process) -> Via {
        Via {
            peer: asker.peer,
            connection: ConnectionId::new_unchecked(usize::try_from(self.number).unwrap_or(0)),
            serial: self.number,
        }
    }

    /// Returns when a message arrives that takes so long, in order.
    pub(super) fn arrival(&mut self, now: Instant, takes: Duration, is_back: bool) -> Instant {
        self.used = now;
        let last = if is_back {
            &mut self.back
        } else {
            &mut self.there
        };
        *last = (now + takes).max(*last);
        *last
    }
}

impl State {
    /// Returns the link from one process to another, made anew if there is none.
    pub(super) fn link(&mut self, from: Life, to: Life) -> &mut Link {
        let (number, now) = (self.number(), self.now);
        let fresh = || Link {
            ends: (from, to),
            number,
            kept: false,
            used: now,
            cut: None,
            there: now,
            back: now,
        };
        let link = self.links.entry((from.0, to.0)).or_insert_with(fresh);
        if link.ends != (from, to) {
            *link = fresh();
        }
        link
    }

    /// Returns what the one who is asked calls the substream of its asker.
    pub(super) fn via(&self, from: Life, to: Life) -> Option<Via> {
        let link = self.links.get(&(from.0, to.0))?;
        (link.ends == (from, to)).then(|| Some(link.via(self.process(from)?)))?
    }

    /// Returns the link that a substream stands for, if it has not ended.
    pub(super) fn link_of(&mut self, to: Life, via: Via) -> Option<&mut Link> {
        let from = *self.hosts.get(&via.peer)?;
        let link = self.links.get_mut(&(from, to.0))?;
        (link.number == via.serial && link.ends.1 == to).then_some(link)
    }

    pub(super) fn links_of(&self, host: HostId) -> usize {
        let links = self.links.keys();
        let links = links.filter(|(from, to)| *from == host || *to == host);
        let calls = self.calls.values();
        let calls = calls.filter(|call| call.from.0 == host || call.to.0 == host);
        links.count() + calls.count() + self.holds_of(host)
    }

    /// Returns how many connections that somebody wants to keep a host has an end of.
    fn holds_of(&self, host: HostId) -> usize {
        let Some(own) = self.processes.get(&host) else {
            return 0;
        };
        let running = own.held.keys();
        let running = running.filter(|peer| self.hosts.contains_key(peer));
        let others = self.processes.values();
        let others = others.filter(|other| other.held.contains_key(&own.peer));
        running.count() + others.count()
    }

    /// Ends a process without a word: the others notice by its silence.
    pub(super) fn crash(&mut self, host: HostId) {
        self.end(host, |_, _| SILENCE);
    }

    /// Ends a process that says so.
    pub(super) fn leave(&mut self, life: Life) {
        if self.process(life).is_some() {
            self.end(life.0, |state, other| state.internet.latency(life.0, other));
        }
    }

    fn end(&mut self, host: HostId, noticed_after: impl Fn(&Self, HostId) -> Duration) {
        let ending = self.links.keys().copied();
        let ending = ending.filter(|(from, to)| *from == host || *to == host);
        for pair in ending.collect::<Vec<_>>() {
            let other = if pair.0 == host { pair.1 } else { pair.0 };
            let after = noticed_after(self, other);
            self.end_link(pair, after);
        }
        let gone = self.remove(host);
        self.calls.retain(|_, call| call.from.0 != host);
        let Some(gone) = gone else { return };
        // Who wants to stay connected without having asked anything notices too.
        let holders = self.processes.values();
        let holders = holders.filter(|other| other.held.contains_key(&gone.peer));
        let holders: Vec<Life> = holders.map(|other| other.life).collect();
        for holder in holders {
            let after = noticed_after(self, holder.0);
            let (node, whom) = (gone.node, gone.life);
            self.after(after, Event::Ended(holder, Ended::Asked { node, whom }));
        }
    }

    /// Ends a link; each end notices after a while.
    fn end_link(&mut self, pair: (HostId, HostId), after: Duration) {
        let Some(link) = self.links.remove(&pair) else {
            return;
        };
        let (asker, asked) = link.ends;
        let (Some(from), Some(to)) = (self.process(asker), self.process(asked)) else {
            return;
        };
        let via = link.via(from);
        let (from, to) = (from.node, to.node);
        let at_asker = Ended::Asked {
            node: to,
            whom: asked,
        };
        let at_asked = Ended::Asker { node: from, via };
        self.after(after, Event::Ended(asker, at_asker));
        self.after(after, Event::Ended(asked, at_asked));
    }

    /// A process notices that a link has ended.
    pub(super) fn on_ended(&mut self, life: Life, ended: Ended) {
        if let Ended::Asked { whom, .. } = &ended {
            let lost = self.calls.iter();
            let lost = lost.filter(|(_, call)| call.from == life && call.to == *whom);
            let lost: Vec<u64> = lost.map(|(number, _)| *number).collect();
            for number in lost {
                if let Some(waiting) = self.calls.remove(&number) {
                    waiting.call.finish(Err(RequestError::Disconnected));
                }
            }
        }
        let Some(process) = self.process(life) else {
            return;
        };
        match ended {
            Ended::Asked { node, .. } => {
                process.tell(NetEvent::OutboundClosed(node));
                process.tell(NetEvent::Disconnected(node));
            }
            Ended::Asker { node, via } => {
                process.tell(NetEvent::ViaClosed(ConnToken(via)));
                process.tell(NetEvent::Disconnected(node));
            }
        }
    }

    /// Ends links on which nothing comes through, or that nobody needs.
    pub(super) fn tick(&mut self) {
        let (now, divided) = (self.now, self.internet.is_divided());
        if divided {
            self.keep_alive();
        }
        let mut over = Vec::new();
        for (pair, link) in &mut self.links {
            let is_cut = divided && !self.internet.reaches(pair.0, pair.1);
            link.cut = is_cut.then(|| link.cut.unwrap_or(now));
            let silent = link.cut.is_some_and(|since| now - since >= SILENCE);
            let holds = |holder: HostId, other: HostId| {
                let (holder, other) = (self.processes.get(&holder), self.processes.get(&other));
                let pair = holder.zip(other);
                pair.is_some_and(|(holder, other)| holder.held.contains_key(&other.peer))
            };
            let wanted = link.kept || now - link.used < IDLE;
            if silent || !(wanted || holds(pair.0, pair.1) || holds(pair.1, pair.0)) {
                over.push(*pair);
            }
        }
        for pair in over {
            self.end_link(pair, Duration::ZERO);
        }
        self.calls
            .retain(|_, waiting| !waiting.call.reply.is_closed());
        self.look_at_routes();
    }

    /// Lets those who want to stay connected say that they are there.
    fn keep_alive(&self) {
        for (host, process) in &self.processes {
            let others = process.held.keys().filter_map(|peer| self.hosts.get(peer));
            for other in others {
                let _heard = self.internet.keep_alive(*host, *other);
            }
        }
    }

    /// Tells everybody, after a while, that others can be reached than before.
    fn look_at_routes(&mut self) {
        if self.routes_known.is_some_and(|at| at <= self.now) {
            self.routes_known = None;
            self.tell_all();
        }
        let routes = self.internet.route_changes();
        if routes != self.routes {
            self.routes = routes;
            self.routes_known = Some(self.now + SILENCE);
        }
    }
}
