//! The keepers' side of the world.

use bytes::Bytes;
use restante_proto::{
    keeper::{CallId, ConnId, Input, Output, StoreOp, Ticket},
    request::{Push, Request, Response},
};

use super::{
    World,
    event::{Event, Link, News},
    words::{answer_of, kind_of, op_of, outcome_of},
};
use crate::{
    clock::Instant,
    host::{Asked, Whom},
    network::End as Place,
};

/// Clocks that differ by more than this show that they do, in milliseconds.
const SKEW_NOTICED_MS: u64 = 60_000;
/// How often a host whose keeper is down says that nobody listens, in a million.
const REFUSED_PPM: u64 = 500_000;

impl World<'_> {
    pub(super) fn on_request(&mut self, from: Whom, keeper: usize, call: u64, payload: Bytes) {
        let Some(host) = self.hosts.get(keeper) else {
            return;
        };
        if !host.is_up() {
            if self.random.chance(REFUSED_PPM) {
                let ms = self.network.round_trip_ms();
                self.later(ms, Event::ToPerson(from, News::Answer(call, None)));
            }
            return self.missed(keeper);
        }
        let person = from.number;
        let apart = self
            .people
            .get(person)
            .map_or(0, |own| own.clock.apart_ms(&host.clock));
        self.injected.skewed += u64::from(apart > SKEW_NOTICED_MS);
        let Some(conn) = self.connect(from, keeper) else {
            return;
        };
        let request = Request::decode(&payload).ok();
        let mark = blake3::hash(&payload).to_hex();
        let mark = mark.get(..10).unwrap_or_default();
        let kind = request.as_ref().map_or("junk", kind_of);
        self.trace.line(
            self.now,
            format_args!("k{keeper} gets {kind} {mark} from p{person}"),
        );
        let now = self.now;
        let Some(host) = self.hosts.get_mut(keeper) else {
            return;
        };
        let outputs = host.on_request(
            now,
            conn,
            Asked {
                from,
                call,
                request,
            },
            payload,
        );
        self.do_outputs(keeper, outputs);
    }

    /// Returns the connection of a person to a keeper; nothing if the person's node is gone.
    fn connect(&mut self, person: Whom, keeper: usize) -> Option<ConnId> {
        let own = self.people.get(person.number)?;
        if !own.online || own.incarnation != person.incarnation {
            return None;
        }
        let same = |link: &Link| (link.person, link.keeper) == (person, keeper);
        if let Some((conn, _)) = self.links.iter().find(|(_, link)| same(link)) {
            return Some(*conn);
        }
        let keeper_incarnation = self.hosts.get(keeper)?.incarnation;
        let conn = ConnId(self.order);
        self.order += 1;
        self.links.insert(
            conn,
            Link {
                person,
                keeper,
                keeper_incarnation,
            },
        );
        Some(conn)
    }

    pub(super) fn on_closed(&mut self, keeper: usize, incarnation: u64, conn: ConnId) {
        let now = self.now;
        let Some(host) = self.hosts.get_mut(keeper) else {
            return;
        };
        if host.incarnation == incarnation {
            let outputs = host.handle(now, Input::Closed(conn));
            self.do_outputs(keeper, outputs);
        }
    }

    pub(super) fn on_durable(&mut self, keeper: usize, incarnation: u64) {
        let now = self.now;
        let host = self
            .hosts
            .get_mut(keeper)
            .filter(|host| host.incarnation == incarnation);
        let Some((op, outcome, outputs)) = host.and_then(|host| host.on_durable(now)) else {
            return;
        };
        self.checker.on_durable(keeper, &op);
        let (what, result) = (op_of(&op), outcome_of(&outcome));
        self.trace
            .line(now, format_args!("k{keeper} has done {what}: {result}"));
        self.do_outputs(keeper, outputs);
    }

    pub(super) fn on_keeper_due(&mut self, keeper: usize) {
        let now = self.now;
        let Some(host) = self.hosts.get_mut(keeper) else {
            return;
        };
        let outputs = host.handle(now, Input::Timer);
        if host.next_timeout().is_some_and(|due| due <= now) {
            let what = format!("k{keeper} wants to be woken at once, having just been");
            self.checker.violate(now, "idle", what);
        }
        self.do_outputs(keeper, outputs);
    }

    /// Does what a keeper wants done, and sees to its next wake.
    pub(super) fn do_outputs(&mut self, keeper: usize, outputs: Vec<Output>) {
        for output in outputs {
            match output {
                Output::Respond { call, response } => self.respond(keeper, call, &response),
                Output::Store { ticket, op } => self.store(keeper, ticket, op),
                Output::Push { conn, push } => self.push(keeper, conn, &push),
                Output::Sweep => self.sweep(keeper),
                // Keepers of this tier hand nothing over to each other.
                Output::Imported { .. } => {}
            }
        }
        let Some(host) = self.hosts.get(keeper) else {
            return;
        };
        if let Some(due) = host.next_timeout() {
            self.wake_at(Place::Keeper(keeper), due.max(self.now));
        }
    }

    fn respond(&mut self, keeper: usize, call: CallId, response: &Response) {
        let now = self.now;
        let Some(host) = self.hosts.get_mut(keeper) else {
            return;
        };
        let Some(Asked {
            from,
            call,
            request,
        }) = host.asked(call)
        else {
            return;
        };
        if let Some(request) = &request {
            self.checker
                .on_response(now, keeper, host, request, response);
        }
        let (person, kind) = (from.number, answer_of(response));
        self.trace
            .line(now, format_args!("k{keeper} tells p{person} {kind}"));
        let payload = response.encode();
        for at in self.arrivals(keeper, person, payload.len()) {
            let answer = News::Answer(call, Some(payload.clone()));
            self.at(at, Event::ToPerson(from, answer));
        }
    }

    fn store(&mut self, keeper: usize, ticket: Ticket, op: StoreOp) {
        let (now, is_deposit) = (self.now, matches!(op, StoreOp::PutEnvelope { .. }));
        let Some(host) = self.hosts.get_mut(keeper) else {
            return;
        };
        let at = host.write(now, ticket, op);
        let incarnation = host.incarnation;
        self.at(
            at,
            Event::Durable {
                keeper,
                incarnation,
            },
        );
        if is_deposit {
            self.on_busy(keeper, at);
        }
    }

    fn push(&mut self, keeper: usize, conn: ConnId, push: &Push) {
        let now = self.now;
        let Some(host) = self.hosts.get(keeper) else {
            return;
        };
        let date = host.clock.read(now);
        self.checker
            .on_handed_over(now, keeper, date, push.mailbox, &push.item);
        let Some(whom) = self.links.get(&conn).map(|link| link.person) else {
            return;
        };
        self.trace
            .line(now, format_args!("k{keeper} pushes to p{}", whom.number));
        let payload = push.encode();
        for at in self.arrivals(keeper, whom.number, payload.len()) {
            self.at(
                at,
                Event::ToPerson(whom, News::Push(keeper, payload.clone())),
            );
        }
    }

    fn sweep(&mut self, keeper: usize) {
        let now = self.now;
        let Some(host) = self.hosts.get_mut(keeper) else {
            return;
        };
        let dropped = host.sweep(now);
        if dropped > 0 {
            self.trace
                .line(now, format_args!("k{keeper} sweeps {dropped} items out"));
        }
    }

    fn arrivals(&mut self, keeper: usize, person: usize, bytes: usize) -> Vec<Instant> {
        self.network.arrivals(
            self.now,
            Place::Keeper(keeper),
            Place::Person(person),
            bytes,
        )
    }
}
