//! What processes ask for, and what becomes of it.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use libp2p::PeerId;
use restante::net::{
    Call, Command, ConnToken, InboundToken, IpGroup, Kind, Mode, NetError, NetEvent, NetStatus,
    Profile, RequestError, Serve,
};
use restante_proto::NodeId;
use restante_proto::routing::{Answer, Named, Point, Question};
use restante_sim_network::HostId;

use super::event::Event;
use super::processes::Serving;
use super::state::{Life, State, Waiting};

/// Bytes of a frame beside its payload.
const FRAME_BYTES: u32 = 13;
/// How long it takes to find that nobody is there.
const DIAL: Duration = Duration::from_secs(5);
/// How long a lookup takes in which nobody answers.
const LOOKUP: Duration = Duration::from_secs(10);
/// One-way trips of a lookup: two rounds.
const LOOKUP_TRIPS: u32 = 4;

impl State {
    pub(super) fn on_command(&mut self, life: Life, command: Command) {
        if self.process(life).is_none() {
            return;
        }
        match command {
            Command::Closest {
                address,
                count,
                reply,
                ..
            } => {
                let found = self.found(life.0, &Point::of_address(&address), count);
                let (found, after) = self.looked_up(life.0, &found);
                self.after(after, Event::Found(reply, found));
            }
            Command::ClosestKnown {
                address,
                count,
                reply,
            } => {
                let known = self.known(life.0, &Point::of_address(&address), count);
                let _gone = reply.send(nodes(&known));
            }
            Command::Neighbours { count, reply } => {
                let _gone = reply.send(self.neighbours(life, count));
            }
            Command::Request { to, call } => self.request(life, to, call),
            Command::Respond { id, payload, .. } => self.respond(life, id, payload),
            Command::Push { via, payload } => {
                if let Some(asker) = self.link_of(life, via).map(|link| link.ends.0) {
                    self.carry_back(asker, life, payload, |payload| Event::Push {
                        from: life,
                        to: asker,
                        payload,
                    });
                }
            }
            Command::Keep { via, kept } => {
                if let Some(link) = self.link_of(life, via) {
                    link.kept = kept;
                }
            }
            Command::Hold(peer) => self.hold(life, peer, 1),
            Command::Release(peer) => self.hold(life, peer, -1),
            Command::Dial { reply, .. } => {
                let _gone = reply.send(Ok(()));
            }
            Command::KnownPeers(reply) => {
                let _gone = reply.send(Vec::new());
            }
            Command::Status(reply) => {
                if let Some(status) = self.status(life) {
                    let _gone = reply.send(status);
                }
            }
            // Whoever is to be found is known, and a process that ends has its own way.
            Command::Learn { .. } | Command::Shutdown(_) => {}
        }
    }

    /// Returns what a lookup says, and how long it takes.
    fn looked_up(
        &self,
        host: HostId,
        found: &[Serving],
    ) -> (Result<Vec<NodeId>, NetError>, Duration) {
        let others = self.serving.iter().any(|other| other.host != host);
        if found.is_empty() && others {
            return (Err(NetError::TimedOut), LOOKUP);
        }
        let trips = found
            .iter()
            .map(|one| self.internet.latency(host, one.host));
        let after = trips.max().unwrap_or_default() * LOOKUP_TRIPS;
        (Ok(nodes(found)), after)
    }

    fn neighbours(&self, life: Life, count: usize) -> Vec<NodeId> {
        let serving = self.process(life).filter(|process| process.serves);
        let found = serving.map(|own| self.known(life.0, &own.point, count));
        found.map(|found| nodes(&found)).unwrap_or_default()
    }

    fn hold(&mut self, life: Life, peer: PeerId, by: i32) {
        if let Some(process) = self.process_mut(life) {
            let held = process.held.entry(peer).or_default();
            *held = held.saturating_add_signed(by);
            if *held == 0 {
                process.held.remove(&peer);
            }
        }
    }

    fn request(&mut self, from: Life, peer: PeerId, call: Call) {
        let number = self.number();
        let to = self
            .hosts
            .get(&peer)
            .and_then(|host| self.processes.get(host));
        let Some(to) = to.map(|process| process.life) else {
            let nobody = (from.0, 0);
            self.wait(number, from, nobody, call);
            return self.after(DIAL, Event::Unreachable(number));
        };
        let (kind, payload) = (call.kind, call.payload.clone());
        self.wait(number, from, to, call);
        let (now, takes) = (self.now, self.internet.send(from.0, to.0, size(&payload)));
        if let Some(takes) = takes {
            let at = self.link(from, to).arrival(now, takes, false);
            self.at(
                at,
                Event::Request {
                    from,
                    to,
                    call: number,
                    kind,
                    payload,
                },
            );
        }
    }

    fn wait(&mut self, number: u64, from: Life, to: Life, call: Call) {
        self.calls.insert(number, Waiting { from, to, call });
    }

    pub(super) fn on_unreachable(&mut self, call: u64) {
        if let Some(waiting) = self.calls.remove(&call) {
            waiting.call.finish(Err(RequestError::NotReachable));
        }
    }

    pub(super) fn on_request(
        &mut self,
        (from, to): (Life, Life),
        call: u64,
        kind: Kind,
        payload: Bytes,
    ) {
        let Some(asked) = self.process(to) else {
            return;
        };
        if !self.internet.arrive(from.0, to.0, &payload) {
            return;
        }
        if !asked.serves {
            if let Some(waiting) = self.calls.remove(&call) {
                waiting.call.finish(Err(RequestError::Unsupported));
            }
            return;
        }
        let (Some(via), Some(asker)) = (self.via(from, to), self.process(from)) else {
            return;
        };
        let token = InboundToken { via, id: call };
        let from_node = asker.node;
        match kind {
            Kind::Question => self.answer_question(to, call, &payload),
            Kind::Repair => asked.tell(NetEvent::Repair {
                from: from_node,
                token,
                payload,
            }),
            Kind::Request | Kind::Response | Kind::Push => asked.tell(NetEvent::Request {
                from: from_node,
                via: ConnToken(via),
                source: IpGroup::near_ip(self.internet.address(from.0).into()),
                token,
                payload,
            }),
        }
    }

    fn answer_question(&mut self, asked: Life, call: u64, payload: &[u8]) {
        let Ok(question) = Question::decode(payload) else {
            return;
        };
        let known = self.known(
            asked.0,
            &question.point,
            question.count.min(restante_proto::placement::CANDIDATES),
        );
        let named = known.iter().map(|one| Named {
            node: one.node,
            // Only whether there is one counts here.
            addresses: vec![Bytes::from_static(&[0])],
        });
        let answer = Answer {
            nodes: named.collect(),
        };
        self.respond(asked, call, answer.encode());
    }

    fn respond(&mut self, asked: Life, call: u64, payload: Bytes) {
        let Some(asker) = self.calls.get(&call).map(|waiting| waiting.from) else {
            return;
        };
        self.carry_back(asker, asked, payload, |payload| Event::Answer {
            from: asked.0,
            call,
            payload,
        });
    }

    /// Sends something to whoever has a link, on it.
    fn carry_back(
        &mut self,
        asker: Life,
        asked: Life,
        payload: Bytes,
        event: impl FnOnce(Bytes) -> Event,
    ) {
        let (now, takes) = (
            self.now,
            self.internet.send(asked.0, asker.0, size(&payload)),
        );
        if let Some(takes) = takes {
            let at = self.link(asker, asked).arrival(now, takes, true);
            self.at(at, event(payload));
        }
    }

    pub(super) fn on_answer(&mut self, from: HostId, call: u64, payload: Bytes) {
        let Some(to) = self.calls.get(&call).map(|waiting| waiting.from) else {
            return;
        };
        if self.internet.arrive(from, to.0, &payload)
            && let Some(waiting) = self.calls.remove(&call)
        {
            #[cfg(debug_assertions)]
            let payload = self.heard(to.0, payload);
            waiting.call.finish(Ok(payload));
        }
    }

    pub(super) fn on_push(&mut self, from: Life, to: Life, payload: Bytes) {
        let Some(node) = self.process(from).map(|process| process.node) else {
            return;
        };
        if let Some(process) = self.process(to)
            && self.internet.arrive(from.0, to.0, &payload)
        {
            process.tell(NetEvent::Push {
                from: node,
                payload,
            });
        }
    }

    fn status(&self, life: Life) -> Option<NetStatus> {
        let process = self.process(life)?;
        let others = self.links.keys().filter_map(|(from, to)| match life.0 {
            host if host == *from => Some(*to),
            host if host == *to => Some(*from),
            _ => None,
        });
        let held = process.held.keys().filter_map(|peer| self.hosts.get(peer));
        let held = held.filter(|host| self.internet.reaches(life.0, **host));
        let others = others.chain(held.copied());
        let mut connected: Vec<NodeId> = others
            .filter_map(|host| Some(self.processes.get(&host)?.node))
            .collect();
        connected.sort_unstable();
        connected.dedup();
        Some(NetStatus {
            node: process.node,
            mode: match process.serves {
                true => Mode::Server,
                false => Mode::Client,
            },
            connection_count: connected.len(),
            connected,
            queued_bytes: 0,
            queued_bytes_max: 0,
            table_count: self.serving.len(),
            listen: Vec::new(),
            external: Vec::new(),
            claims: Vec::new(),
            seen_from: Vec::new(),
            serve: Serve::Auto,
            profile: Profile::Internet,
            entry_points: Vec::new(),
            join_in: None,
            counters: BTreeMap::new(),
            traffic: BTreeMap::new(),
        })
    }
}

fn size(payload: &Bytes) -> u32 {
    u32::try_from(payload.len())
        .unwrap_or(u32::MAX)
        .saturating_add(FRAME_BYTES)
}

fn nodes(found: &[Serving]) -> Vec<NodeId> {
    found.iter().map(|one| one.node).collect()
}
