//! What every subject works with while one input is handled.

use std::collections::VecDeque;

use rand_core::CryptoRng;
use restante_interface::{Event, Refusal, Reply, SendResult};
use restante_proto::receipt::NONCE_BYTES;
use restante_proto::time::{MonoMillis, Now, UnixMillis};
use restante_proto::{Address, NodeId, request};

use crate::dates::DateStanding;
use crate::io::{CallId, Output};
use crate::job::Job;
use crate::model::Slot;
use crate::pending::{Pending, Question, ToAsk};
use crate::records::Records;
use crate::settings::Settings;
use crate::signal::Signal;

/// The context of one input.
pub(crate) struct Cx<'a> {
    pub(crate) now: Now,
    /// The latest date that has certainly come: what a date destroys, it destroys by this one.
    pub(crate) settled: UnixMillis,
    /// Whether the date can be relied on.
    pub(crate) date: DateStanding,
    /// Whether this home is none of its account's devices any more.
    pub(crate) shut_out: bool,
    /// No other copy of this home is known to be further on.
    pub(crate) is_newest: bool,
    pub(crate) rng: &'a mut dyn CryptoRng,
    pub(crate) settings: &'a Settings,
    pub(crate) records: &'a mut Records,
    pub(crate) pending: &'a mut Pending,
    /// What one subject tells another; carried out in order before the input is done with.
    pub(crate) signals: &'a mut VecDeque<Signal>,
    pub(crate) outputs: &'a mut Vec<Output>,
}

impl Cx<'_> {
    pub(crate) const fn mono(&self) -> MonoMillis {
        self.now.mono
    }

    pub(crate) const fn date(&self) -> UnixMillis {
        self.now.date
    }

    /// Returns by how much the date is ahead of that of keepers, if they contradict it.
    pub(crate) const fn wrong_clock(&self) -> Option<i64> {
        match self.date {
            DateStanding::Contradicted { ahead_ms, keepers } if keepers > 0 => Some(ahead_ms),
            _ => None,
        }
    }

    /// Both times, for what the date ends for good.
    pub(crate) const fn settled(&self) -> Now {
        Now::new(self.now.mono, self.settled)
    }

    pub(crate) fn signal(&mut self, signal: Signal) {
        self.signals.push_back(signal);
    }

    pub(crate) fn ask(&mut self, question: Question, keeper: NodeId, request: request::Request) {
        let what = ToAsk::Keeper(keeper, Box::new(request));
        self.pending.ask(self.now, question, what);
    }

    pub(crate) fn search(&mut self, question: Question, address: Address, count: usize) {
        self.pending
            .ask(self.now, question, ToAsk::Search(address, count));
    }

    pub(crate) fn ask_neighbours(&mut self, question: Question, node: NodeId, address: Address) {
        self.pending
            .ask(self.now, question, ToAsk::Neighbours(node, address));
    }

    pub(crate) fn compute(&mut self, question: Question, job: Job) {
        let token = self.pending.put(self.now, question);
        self.outputs.push(Output::Compute(token, Box::new(job)));
    }

    pub(crate) fn read(&mut self, question: Question, places: Vec<(u64, Slot)>) {
        let token = self.pending.put(self.now, question);
        self.outputs.push(Output::Read(token, places));
    }

    pub(crate) fn reply(&mut self, call: CallId, reply: Result<Reply, Refusal>) {
        self.outputs.push(Output::Reply(call, reply));
    }

    pub(crate) fn refuse(&mut self, call: CallId, refusal: Refusal) {
        self.reply(call, Err(refusal));
    }

    pub(crate) fn progress(&mut self, call: CallId, result: SendResult) {
        self.outputs.push(Output::Progress(call, result));
    }

    pub(crate) fn event(&mut self, event: Event) {
        self.outputs.push(Output::Event(event));
    }

    /// Makes the nonce that ties a receipt to one deposit.
    pub(crate) fn nonce(&mut self) -> [u8; NONCE_BYTES] {
        let mut nonce = [0; NONCE_BYTES];
        self.rng.fill_bytes(&mut nonce);
        nonce
    }
}
