//! The people's side of the world.

use bytes::Bytes;
use restante_proto::{
    Address, NodeId,
    request::{Push, Response},
    time::UnixMillis,
};

use super::{Event, STALE_MS, World};
use crate::{
    fault::Source,
    network::End as Place,
    person::{Act, DEADLINE_MS, Fact, Person, name_of},
    workload::Letter,
};

/// How soon after the start of a node it has peers, in milliseconds.
const JOIN_MS: u64 = 1_500;
/// The longest time until a keeper notices that a person's node is gone, in milliseconds.
const NOTICE_MS: u64 = 20_000;

impl World<'_> {
    /// Gives a person something, unless it was meant for an earlier start of the node.
    pub(super) fn with_person(
        &mut self,
        (person, incarnation): (usize, u64),
        give: impl FnOnce(&mut Person, UnixMillis),
    ) {
        let Some(own) = self.people.get_mut(person) else {
            return;
        };
        if !own.online || own.incarnation != incarnation {
            return;
        }
        give(own, own.clock.read(self.now));
        self.do_acts(person);
    }

    pub(super) fn on_start(&mut self, person: usize) {
        let Some(own) = self.people.get_mut(person).filter(|own| !own.online) else {
            return;
        };
        own.start(own.clock.read(self.now));
        let incarnation = own.incarnation;
        self.trace.line(self.now, format_args!("p{person} starts"));
        self.do_acts(person);
        self.later(
            JOIN_MS,
            Event::NetworkUp {
                person,
                incarnation,
            },
        );
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
        let links = self.links.iter().filter(|(_, link)| link.person == person);
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

    /// Somebody writes: at once, or on the day they are back.
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
        if let Some(plan) = recipient.away.filter(|_| !recipient.online) {
            self.effects.add(Source::Away(plan), 1);
        }
        let account = recipient.disk.identity.account.public();
        let Some(sender) = self.people.get_mut(from).filter(|sender| sender.online) else {
            return;
        };
        self.trace.line(
            self.now,
            format_args!("p{from} writes {} bytes to p{to}", body.len()),
        );
        sender.write(sender.clock.read(self.now), account, body, ttl_ms);
        self.do_acts(from);
    }

    pub(super) fn on_answer(&mut self, to: (usize, u64), call: u64, payload: Option<Bytes>) {
        let response = payload.and_then(|payload| Response::decode(&payload).ok());
        self.with_person(to, |person, now| person.on_answer(now, call, response));
    }

    pub(super) fn on_push(&mut self, to: (usize, u64), keeper: usize, payload: &[u8]) {
        let Ok(push) = Push::decode(payload) else {
            return;
        };
        let Some(node) = self.hosts.get(keeper).map(|host| host.node) else {
            return;
        };
        self.with_person(to, |person, now| person.on_push(now, node, push));
    }

    pub(super) fn on_found(
        &mut self,
        to: (usize, u64),
        call: u64,
        address: &Address,
        count: usize,
    ) {
        self.narrowed(to.0);
        let keepers = self.closest(to.0, address, count);
        self.with_person(to, |person, now| person.on_found(now, call, keepers));
    }

    /// Returns the closest keepers that a person can reach, or could a moment ago.
    pub(super) fn closest(
        &mut self,
        person: usize,
        address: &Address,
        count: usize,
    ) -> Vec<NodeId> {
        let (hosts, network, now) = (&self.hosts, &self.network, self.now);
        let known = |number: usize| {
            let fresh = |host: &crate::host::Host| {
                host.is_up() || (host.incarnation > 0 && now.0 < host.since.0 + STALE_MS)
            };
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
        let incarnation = own.incarnation;
        for act in own.take_acts() {
            match act {
                Act::Lookup {
                    call,
                    address,
                    count,
                } => {
                    let ms = self.network.lookup_ms();
                    self.later(
                        ms,
                        Event::Found {
                            person,
                            incarnation,
                            call,
                            address,
                            count,
                        },
                    );
                }
                Act::Work { call, ms } => {
                    self.later(
                        ms,
                        Event::Worked {
                            person,
                            incarnation,
                            call,
                        },
                    );
                }
                Act::Ask {
                    call,
                    keeper,
                    request,
                } => {
                    let Some(number) = self.numbers.get(&keeper).copied() else {
                        continue;
                    };
                    let payload = request.encode();
                    self.later(
                        DEADLINE_MS,
                        Event::Answer {
                            person,
                            incarnation,
                            call,
                            payload: None,
                        },
                    );
                    let (from, to) = (Place::Person(person), Place::Keeper(number));
                    let size = payload.len();
                    for at in self.network.arrivals(self.now, from, to, size) {
                        let payload = payload.clone();
                        let keeper = number;
                        self.at(
                            at,
                            Event::Request {
                                person,
                                incarnation,
                                keeper,
                                call,
                                payload,
                            },
                        );
                    }
                }
                Act::Tell(fact) => {
                    self.tell(person, &fact);
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

    fn tell(&mut self, person: usize, fact: &Fact) {
        let now = self.now;
        let trace = &mut self.trace;
        match fact {
            Fact::Written { message, .. } => {
                trace.line(now, format_args!("p{person} writes {}", name_of(message)));
            }
            Fact::Sealed {
                message, envelope, ..
            } => {
                let (name, id) = (name_of(message), envelope.id());
                trace.line(now, format_args!("p{person} seals {name} in {id}"));
            }
            Fact::Standing {
                message,
                envelope,
                standing,
                ..
            } => {
                let (name, with, of) = (name_of(message), standing.with, standing.of);
                trace.line(
                    now,
                    format_args!("p{person} has {name} in {envelope} at {with} of {of}"),
                );
            }
            Fact::Delivered { message } => {
                trace.line(
                    now,
                    format_args!("p{person} knows {} delivered", name_of(message)),
                );
            }
            Fact::Expired { message } => {
                trace.line(now, format_args!("p{person} gives up {}", name_of(message)));
            }
            Fact::Opening { envelope, .. } => {
                trace.line(now, format_args!("p{person} opens {envelope}"));
            }
            Fact::Shown { message, .. } => {
                trace.line(now, format_args!("p{person} is shown {}", name_of(message)));
            }
            Fact::Taken { envelope } => {
                trace.line(now, format_args!("p{person} has taken {envelope}"));
            }
            Fact::Worthless { envelope, why } => {
                trace.line(now, format_args!("p{person} cannot use {envelope}: {why}"));
            }
            Fact::Published { locators, of } => {
                trace.line(
                    now,
                    format_args!("p{person} is published at {locators} of {of}"),
                );
            }
        }
    }
}
