//! A keeper with a store in memory, which may lie.

use restante_proto::NodeId;
use restante_proto::keeper::{
    self, CallId as KeeperCall, ConnId, ItemStore as _, Keeper, MemoryStore, Source,
};
use restante_proto::keys::SecretKey;
use restante_proto::request::{Request, Response};
use restante_proto::time::{Now, UnixMillis};

/// What a liar answers, who has the keeper's key.
pub(super) type Lie = fn(&SecretKey, &Request, Response) -> Response;

pub(super) struct TestKeeper {
    pub(super) node: NodeId,
    pub(super) key: SecretKey,
    pub(super) keeper: Keeper,
    pub(super) store: MemoryStore,
    pub(super) calls: u64,
    /// Answers instead of the keeper, if it has something to say.
    pub(super) lie: Option<Lie>,
}

pub(super) type Pushes = Vec<(usize, restante_proto::request::Push)>;

impl TestKeeper {
    pub(super) fn ask(
        &mut self,
        now: Now,
        person: usize,
        request: &Request,
    ) -> (Option<Response>, Pushes) {
        self.calls += 1;
        let input = keeper::Input::Request {
            conn: ConnId(person as u64),
            call: KeeperCall(self.calls),
            source: Source(person as u64),
            payload: request.encode(),
        };
        let mut outputs = self.keeper.handle(now, input);
        let (mut response, mut pushes) = (None, Vec::new());
        while let Some(output) = outputs.pop() {
            match output {
                keeper::Output::Respond {
                    response: answer, ..
                } => response = Some(answer),
                keeper::Output::Push { conn, push } => {
                    pushes.push((usize::try_from(conn.0).unwrap(), push));
                }
                keeper::Output::Store { ticket, op } => {
                    let result = self.store.apply(now.date, vec![op]);
                    let result = result.map(|mut outcomes| outcomes.remove(0));
                    let input = keeper::Input::Stored { ticket, result };
                    outputs.extend(self.keeper.handle(now, input));
                }
                keeper::Output::Sweep(date) => drop(self.store.sweep(date, 1_000)),
                keeper::Output::Imported { .. } | keeper::Output::Reopen => {}
            }
        }
        let lie = self.lie;
        let response = response.map(|answer| match lie {
            Some(lie) => lie(&self.key, request, answer),
            None => answer,
        });
        (response, pushes)
    }

    /// Returns whether it holds an envelope that was not acked.
    pub(super) fn holds(&mut self, now: UnixMillis) -> usize {
        let page = self.store.holdings(now, None, 1_000).unwrap();
        let envelopes = page
            .items
            .iter()
            .filter(|item| item.kind.name() == "envelope");
        envelopes.count()
    }
}
