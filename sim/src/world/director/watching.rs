//! What is written down of a run beside its messages.

use restante_interface::{Reply, Request};
use restante_proto::limits::{MINUTE_MS, SECOND_MS};
use restante_proto::request::Reason;

use super::{Director, Event, TELL_MS};
use crate::observed::{Sample, Span};
use crate::world::Progress;
use crate::world::machine::Machine;
use crate::world::person::Desk;

/// Samples of a run, about.
const SAMPLES: u64 = 120;
/// Keepers asked for what they hold at each sample, at most: of more, as many are asked and the sum is scaled.
const ASKED_MAX: usize = 200;
/// People whose outboxes are looked at with each sample, at most.
const LOOKED_AT_MAX: usize = 20;
/// Machines whose faults and absences are written down, at most: a picture shows no more.
const SPANS_MACHINES_MAX: usize = 100;
/// Spans that are written down, at most.
const SPANS_MAX: usize = 20_000;

/// What the keepers that run say at the end, in sum.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct AtKeepers {
    /// Bytes that they hold.
    pub(super) held_bytes: u64,
    /// Requests that they refused since they were started because their askers asked too much at once.
    pub(super) refused_busy: u64,
    /// Those that they refused because a date lay too far from their clocks, but for lives that were over.
    pub(super) refused_clock: u64,
}

impl Director<'_> {
    /// Returns how much time lies between two samples, in milliseconds.
    pub(super) fn pace_ms(&self) -> u64 {
        let whole = self.scenario.duration_ms() + self.scenario.time.settle.get().min(MINUTE_MS);
        (whole / SAMPLES).max(SECOND_MS)
    }

    /// Looks how what some people have sent stands, and does not wait for the answers.
    fn look_around(&self) {
        for (person, machine) in self.people.iter().enumerate().take(LOOKED_AT_MAX) {
            if let Some(calls) = machine.calls() {
                let (news, clock) = (self.news.0.clone(), machine.clock);
                let desk = Desk {
                    person,
                    calls,
                    news,
                    clock,
                };
                tokio::spawn(desk.look());
            }
        }
    }

    fn connections(&self) -> u64 {
        let all = match &self.ideal {
            Some(ideal) => ideal.links(),
            None => self.internet.connections(),
        };
        all as u64
    }

    /// Writes down how the run stands.
    pub(super) async fn sample(&mut self) {
        self.look_around();
        let up: Vec<&Machine> = self
            .keepers
            .iter()
            .filter(|keeper| keeper.is_up())
            .collect();
        let step = up.len().div_ceil(ASKED_MAX).max(1);
        let (mut copies, mut asked) = (0, 0);
        for keeper in up.iter().step_by(step) {
            if let Some(Ok(Reply::Status(status))) = keeper.ask(Request::Status).await {
                copies += status.keeper.items;
                asked += 1;
            }
        }
        let keepers_up = up.len() as u64;
        let counts = self.ledger.counts(&[]);
        self.observed.samples.push(Sample {
            at_ms: self.now().0,
            written: counts.written,
            stored: counts.stored,
            shown: counts.shown,
            keepers_up,
            copies: (copies * keepers_up).checked_div(asked).unwrap_or(0),
            connections: self.connections(),
            sent_bytes: self.internet.stats().sent_bytes,
        });
        self.later(self.pace_ms(), Event::Sample);
    }

    /// Returns what the keepers that run say at the end, which the network need not be there for.
    pub(super) async fn at_keepers(&self) -> AtKeepers {
        let mut all = AtKeepers::default();
        for keeper in self.keepers.iter().filter(|keeper| keeper.is_up()) {
            if let Some(Ok(Reply::Status(status))) = keeper.ask(Request::Status).await {
                let refused = |reason: Reason| {
                    let refusals = &status.keeper.refusals;
                    refusals.get(reason.name()).copied().unwrap_or(0)
                };
                all.held_bytes += status.keeper.bytes;
                all.refused_busy += refused(Reason::Busy);
                let dates = [Reason::Clock, Reason::Epoch, Reason::Lifetime];
                all.refused_clock += dates.into_iter().map(refused).sum::<u64>();
            }
        }
        all
    }

    /// Writes down that something begins.
    pub(super) fn begin(&mut self, what: &str, who: String) {
        let from_ms = self.now().0;
        if self.spanned.len() < SPANS_MACHINES_MAX && !self.spanned.contains(&who) {
            self.spanned.insert(who.clone());
        }
        if !self.spanned.contains(&who) || self.observed.spans.len() >= SPANS_MAX {
            self.observed.more_spans += 1;
        } else {
            self.observed.spans.push(Span {
                what: what.to_owned(),
                who,
                from_ms,
                to_ms: None,
            });
        }
    }

    /// Writes down that what last began there is over.
    pub(super) fn end(&mut self, who: &str) {
        let now = self.now().0;
        let mut open = self.observed.spans.iter_mut().rev();
        if let Some(span) = open.find(|span| span.who == who && span.to_ms.is_none()) {
            span.to_ms = Some(now);
        }
    }

    pub(super) fn tell(&mut self) {
        let counts = self.ledger.counts(&[]);
        (self.told)(Progress {
            virtual_ms: self.now().0,
            end_ms: self.scenario.duration_ms(),
            written: counts.written,
            shown: counts.shown,
        });
        self.later(TELL_MS, Event::Tell);
    }
}
