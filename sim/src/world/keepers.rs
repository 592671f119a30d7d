//! The keepers' side of the world.

use bytes::Bytes;
use restante_proto::{
    keeper::{ConnId, Input, Output, StoreOp},
    request::{Request, Response},
};

use super::{Event, Link, World};
use crate::{clock::Instant, host::Asked, network::End as Place};

/// Clocks that differ by more than this show that they do, in milliseconds.
const SKEW_NOTICED_MS: u64 = 60_000;

impl World<'_> {
    pub(super) fn on_request(
        &mut self,
        (person, incarnation): (usize, u64),
        keeper: usize,
        call: u64,
        payload: Bytes,
    ) {
        let Some(host) = self.hosts.get(keeper) else {
            return;
        };
        if !host.is_up() {
            // Half of the time the machine is there and says that nobody listens.
            if self.random.chance(500_000) {
                let ms = self.network.round_trip_ms();
                self.later(
                    ms,
                    Event::Answer {
                        person,
                        incarnation,
                        call,
                        payload: None,
                    },
                );
            }
            self.missed(keeper);
            return;
        }
        let apart = self
            .people
            .get(person)
            .map_or(0, |own| own.clock.apart_ms(&host.clock));
        self.skewed += u64::from(apart > SKEW_NOTICED_MS);
        let Some(conn) = self.connect(person, incarnation, keeper) else {
            return;
        };
        let request = Request::decode(&payload).ok();
        let mark = blake3::hash(&payload).to_hex();
        let kind = request.as_ref().map_or("junk", kind_of);
        let mark = mark.get(..10).unwrap_or_default();
        self.trace.line(
            self.now,
            format_args!("k{keeper} gets {kind} {mark} from p{person}"),
        );
        let asked = Asked {
            person,
            incarnation,
            call,
            request,
        };
        let now = self.now;
        let Some(host) = self.hosts.get_mut(keeper) else {
            return;
        };
        let outputs = host.on_request(now, conn, asked, payload);
        self.do_outputs(keeper, outputs);
    }

    /// Returns the connection of a person to a keeper; nothing if the person's node is gone.
    fn connect(&mut self, person: usize, incarnation: u64, keeper: usize) -> Option<ConnId> {
        let own = self.people.get(person)?;
        if !own.online || own.incarnation != incarnation {
            return None;
        }
        let same = |link: &Link| {
            (link.person, link.person_incarnation, link.keeper) == (person, incarnation, keeper)
        };
        if let Some((conn, _)) = self.links.iter().find(|(_, link)| same(link)) {
            return Some(*conn);
        }
        let keeper_incarnation = self.hosts.get(keeper)?.incarnation;
        let conn = ConnId(self.order);
        self.order += 1;
        let link = Link {
            person,
            person_incarnation: incarnation,
            keeper,
            keeper_incarnation,
        };
        self.links.insert(conn, link);
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
        let Some(host) = self.hosts.get_mut(keeper) else {
            return;
        };
        if host.incarnation != incarnation {
            return;
        }
        let Some((op, outcome, outputs)) = host.on_durable(now) else {
            return;
        };
        self.checker.on_durable(keeper, &op);
        let what = op_of(&op);
        self.trace.line(
            now,
            format_args!("k{keeper} has done {what}: {}", brief(&outcome)),
        );
        self.do_outputs(keeper, outputs);
    }

    pub(super) fn on_keeper_due(&mut self, keeper: usize) {
        let now = self.now;
        let Some(host) = self.hosts.get_mut(keeper) else {
            return;
        };
        let outputs = host.handle(now, Input::Timer);
        let date = host.clock.read(now);
        if host.next_timeout().is_some_and(|due| due <= date) {
            let what = format!("k{keeper} wants to be woken at once, having just been");
            self.checker.violate(now, "idle", what);
        }
        self.do_outputs(keeper, outputs);
    }

    /// Does what a keeper wants done, and sees to its next wake.
    pub(super) fn do_outputs(&mut self, keeper: usize, outputs: Vec<Output>) {
        for output in outputs {
            match output {
                Output::Respond { call, response } => {
                    let Some(host) = self.hosts.get_mut(keeper) else {
                        return;
                    };
                    let Some(asked) = host.asked(call) else {
                        continue;
                    };
                    if let Some(request) = &asked.request {
                        self.checker
                            .on_response(self.now, keeper, host, request, &response);
                    }
                    self.respond(keeper, &asked, &response);
                }
                Output::Store { ticket, op } => {
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
                Output::Push { conn, push } => {
                    let Some(host) = self.hosts.get(keeper) else {
                        return;
                    };
                    let date = host.clock.read(self.now);
                    let (now, item) = (self.now, &push.item);
                    self.checker
                        .on_handed_over(now, keeper, date, push.mailbox, item);
                    let Some(link) = self.links.get(&conn) else {
                        continue;
                    };
                    let to = (link.person, link.person_incarnation);
                    let payload = push.encode();
                    for at in self.arrivals(keeper, to.0, payload.len()) {
                        let (person, incarnation) = to;
                        let payload = payload.clone();
                        self.at(
                            at,
                            Event::Push {
                                person,
                                incarnation,
                                keeper,
                                payload,
                            },
                        );
                    }
                }
                Output::Sweep => {
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
            }
        }
        let Some(host) = self.hosts.get(keeper) else {
            return;
        };
        if let Some(due) = host.next_timeout() {
            let at = host.clock.when(self.now, due);
            self.wake_at(Place::Keeper(keeper), at);
        }
    }

    fn respond(&mut self, keeper: usize, asked: &Asked, response: &Response) {
        let payload = response.encode();
        let kind = answer_of(response);
        let Asked {
            person,
            incarnation,
            call,
            ..
        } = *asked;
        self.trace
            .line(self.now, format_args!("k{keeper} tells p{person} {kind}"));
        for at in self.arrivals(keeper, person, payload.len()) {
            let payload = Some(payload.clone());
            self.at(
                at,
                Event::Answer {
                    person,
                    incarnation,
                    call,
                    payload,
                },
            );
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

const fn kind_of(request: &Request) -> &'static str {
    match request {
        Request::DepositEnvelope { .. } => "deposit",
        Request::DepositCard { .. } => "card",
        Request::DepositChunk { .. } => "chunk",
        Request::Offer { .. } => "offer",
        Request::List { .. } => "list",
        Request::Get { .. } => "get",
        Request::Ack { .. } => "ack",
        Request::Subscribe { .. } => "subscribe",
        Request::GetCards { .. } => "get-cards",
        Request::GetChunk { .. } => "get-chunk",
        Request::DeleteChunk { .. } => "delete-chunk",
    }
}

fn answer_of(response: &Response) -> String {
    match response {
        Response::Receipt(receipt) => format!("receipt until {}", receipt.until),
        Response::Refusal(refusal) => format!("refusal: {}", refusal.reason.name()),
        Response::Listing { items, .. } => format!("listing of {}", items.len()),
        Response::Envelopes(items) => format!("{} envelopes", items.len()),
        Response::Done { .. } => "done".to_owned(),
        Response::Cards(records) => format!("{} cards", records.len()),
        Response::Chunk { .. } => "chunk".to_owned(),
        Response::Unknown => "unknown".to_owned(),
    }
}

fn op_of(op: &StoreOp) -> String {
    match op {
        StoreOp::PutEnvelope { id, .. } => format!("put {id}"),
        StoreOp::PutCard { record, .. } => format!("card {}", record.id()),
        StoreOp::Offer { id, .. } => format!("offer {id}"),
        StoreOp::List { address, .. } => format!("list {address}"),
        StoreOp::Get { address, .. } => format!("get {address}"),
        StoreOp::Ack { address, entries } => {
            let ids: Vec<String> = entries.iter().map(|entry| entry.id.to_string()).collect();
            format!("ack {address} {}", ids.join(" "))
        }
        StoreOp::Cards { locator } => format!("cards {locator}"),
        StoreOp::PutChunk { .. } | StoreOp::Chunk { .. } | StoreOp::DeleteChunk { .. } => {
            "chunk".to_owned()
        }
    }
}

fn brief(outcome: &restante_proto::keeper::StoreOutcome) -> String {
    use restante_proto::keeper::StoreOutcome;
    match outcome {
        StoreOutcome::Held { new, .. } => if *new { "new" } else { "held" }.to_owned(),
        StoreOutcome::Refused(reason) => reason.name().to_owned(),
        StoreOutcome::Done => "done".to_owned(),
        StoreOutcome::Unknown => "unknown".to_owned(),
        StoreOutcome::Listing { items, .. } => items.len().to_string(),
        StoreOutcome::Envelopes(items) => items.len().to_string(),
        StoreOutcome::Cards(records) => records.len().to_string(),
        StoreOutcome::Chunk { .. } => "found".to_owned(),
    }
}
