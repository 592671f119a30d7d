//! The people's side of the world.

use restante_proto::{
    Address, NodeId,
    limits::MINUTE_MS,
    request::{Push, Request, Response},
    time::UnixMillis,
};

use super::{
    World,
    event::{Event, News},
};
use crate::{
    fault::Source,
    host::{Host, Whom},
    network::End as Place,
    person::{Act, DEADLINE_MS, Person},
    workload::Letter,
};

/// How soon after the start of a node it has peers, in milliseconds.
const JOIN_MS: u64 = 1_500;
/// The longest time until a keeper notices that a person's node is gone, in milliseconds.
const NOTICE_MS: u64 = 20_000;
/// How long a keeper that is gone is still found by lookups, in milliseconds.
const STALE_MS: u64 = MINUTE_MS;

impl World<'_> {
    pub(super) fn on_start(&mut self, person: usize) {
        let Some(own) = self.people.get_mut(person).filter(|own| !own.online) else {
            return;
        };
        own.start(own.clock.read(self.now));
        let whom = Whom {
            number: person,
            incarnation: own.incarnation,
        };
        self.trace.line(self.now, format_args!("p{person} starts"));
        self.do_acts(person);
        self.later(JOIN_MS, Event::ToPerson(whom, News::NetworkUp));
    }

    pub(super) fn on_leave(&mut self, person: usize, plan: usize) {
        let Some(own) = self.people.get_mut(person).filter(|own| own.online) else {
            return;
        };
        // What leaving interrupts: mail that is still to be brought out.
        self.effects.add(Source::Away(plan), own.awaited() as u64);
        own.stop();
        own.away = Some(plan);
        self.trace.line(self.now, format_args!("p{person} leaves"));
        let links = self
            .links
            .iter()
            .filter(|(_, link)| link.person.number == person);
        let gone: Vec<_> = links
            .map(|(conn, link)| (*conn, link.keeper, link.keeper_incarnation))
            .collect();
        for (conn, keeper, incarnation) in gone {
            self.links.remove(&conn);
            let ms = self.random.below(NOTICE_MS);
            self.later(
                ms,
                Event::Closed {
                    keeper,
                    incarnation,
                    conn,
                },
            );
        }
    }

    /// Somebody writes, unless away.
    pub(super) fn on_compose(&mut self, letter: Letter) {
        let Letter {
            from,
            to,
            body,
            ttl_ms,
            ..
        } = letter;
        let Some(recipient) = self.people.get(to) else {
            return;
        };
        let account = recipient.account();
        let missed = recipient.away.filter(|_| !recipient.online);
        let Some(sender) = self.people.get_mut(from).filter(|sender| sender.online) else {
            return;
        };
        sender.write(sender.clock.read(self.now), account, body, ttl_ms);
        if let Some(plan) = missed {
            self.effects.add(Source::Away(plan), 1);
        }
        self.do_acts(from);
    }

    /// Gives a person something, unless it was meant for an earlier start of the node.
    pub(super) fn on_news(&mut self, whom: Whom, news: News) {
        match news {
            News::Answer(call, payload) => {
                let answer = payload.and_then(|payload| Response::decode(&payload).ok());
                self.give(whom, |person, now| person.on_answer(now, call, answer));
            }
            News::Push(keeper, payload) => {
                let node = self.hosts.get(keeper).map(|host| host.node);
                if let (Ok(push), Some(node)) = (Push::decode(&payload), node) {
                    self.give(whom, |person, now| person.on_push(now, node, push));
                }
            }
            News::Found(call, address, count) => {
                self.narrowed(whom.number);
                let keepers = self.closest(whom.number, &address, count);
                self.give(whom, |person, now| person.on_found(now, call, keepers));
            }
            News::Worked(call) => self.give(whom, |person, now| person.on_worked(now, call)),
            News::Lost(keeper) => {
                if let Some(node) = self.hosts.get(keeper).map(|host| host.node) {
                    self.give(whom, |person, now| person.on_lost(now, node));
                }
            }
            News::NetworkUp => self.give(whom, Person::on_network_up),
        }
    }

    fn give(&mut self, whom: Whom, give: impl FnOnce(&mut Person, UnixMillis)) {
        let Some(own) = self.people.get_mut(whom.number) else {
            return;
        };
        if own.online && own.incarnation == whom.incarnation {
            give(own, own.clock.read(self.now));
            self.do_acts(whom.number);
        }
    }

    /// Returns the closest keepers that a person can reach, or could a moment ago.
    fn closest(&mut self, person: usize, address: &Address, count: usize) -> Vec<NodeId> {
        let (hosts, network, now) = (&self.hosts, &self.network, self.now);
        let fresh =
            |host: &Host| host.is_up() || (host.incarnation > 0 && now.0 < host.since.0 + STALE_MS);
        let known = |number: usize| {
            !network.is_cut(Place::Person(person), Place::Keeper(number))
                && hosts.get(number).is_some_and(fresh)
        };
        let found = self.routing.closest(address, count, known);
        found
            .into_iter()
            .filter_map(|number| Some(self.hosts.get(number)?.node))
            .collect()
    }

    pub(super) fn on_person_due(&mut self, person: usize) {
        let Some(own) = self.people.get_mut(person).filter(|own| own.online) else {
            return;
        };
        let now = own.clock.read(self.now);
        own.on_timer(now);
        if own.next_timeout(now) <= now {
            let what = format!("p{person} wants to be woken at once, having just been");
            self.checker.violate(self.now, "idle", what);
        }
        self.do_acts(person);
    }

    /// Does what a person's node wants done, and sees to its next wake.
    fn do_acts(&mut self, person: usize) {
        let Some(own) = self.people.get_mut(person) else {
            return;
        };
        let whom = Whom {
            number: person,
            incarnation: own.incarnation,
        };
        for act in own.take_acts() {
            match act {
                Act::Lookup {
                    call,
                    address,
                    count,
                } => {
                    let ms = self.network.lookup_ms();
                    self.later(ms, Event::ToPerson(whom, News::Found(call, address, count)));
                }
                Act::Work { call, ms } => {
                    self.later(ms, Event::ToPerson(whom, News::Worked(call)));
                }
                Act::Ask {
                    call,
                    keeper,
                    request,
                } => self.ask(whom, call, &keeper, &request),
                Act::Tell(fact) => {
                    self.trace.line(self.now, format_args!("p{person} {fact}"));
                    self.checker.on_fact(self.now, person, &self.people, &fact);
                }
            }
        }
        let Some(own) = self.people.get(person).filter(|own| own.online) else {
            return;
        };
        let due = own.next_timeout(own.clock.read(self.now));
        let at = own.clock.when(self.now, due);
        self.wake_at(Place::Person(person), at);
    }

    /// Sends a request on its way, and sets the time after which nobody waits for its answer.
    fn ask(&mut self, from: Whom, call: u64, keeper: &NodeId, request: &Request) {
        let Some(keeper) = self.numbers.get(keeper).copied() else {
            return;
        };
        let payload = request.encode();
        self.later(DEADLINE_MS, Event::ToPerson(from, News::Answer(call, None)));
        let (here, there) = (Place::Person(from.number), Place::Keeper(keeper));
        for at in self.network.arrivals(self.now, here, there, payload.len()) {
            let payload = payload.clone();
            self.at(
                at,
                Event::Request {
                    from,
                    keeper,
                    call,
                    payload,
                },
            );
        }
    }
}
