//! What keepers' answers say of the date (SPEC 2.5).
//!
//! Keepers say what they make of it with every answer to an owner's request: a proof with a date far from their own is
//! refused, and the refusal names theirs.

use restante_proto::NodeId;
use restante_proto::dates;
pub use restante_proto::dates::DateStanding;
use restante_proto::request::{Reason, Response};
use restante_proto::time::{MonoMillis, Now, UnixMillis};
use tracing::{info, warn};

use crate::records::Loaded;

/// What is known of the date.
#[derive(Debug)]
pub(crate) struct Dates {
    dates: dates::Dates,
    was_contradicted: bool,
}

impl Dates {
    /// Begins with what the disk shows.
    pub(crate) fn new(now: Now, loaded: &Loaded) -> Self {
        Self {
            dates: dates::Dates::new(now, newest(loaded)),
            was_contradicted: false,
        }
    }

    /// See [`dates::Dates::look`].
    pub(crate) fn look(&mut self, now: Now) -> bool {
        self.dates.look(now)
    }

    /// Returns how far the date can be relied on.
    pub(crate) fn standing(&self, now: Now) -> DateStanding {
        self.dates.standing(now)
    }

    /// Tells whether the date can be relied on.
    pub(crate) fn is_sure(&self, now: Now) -> bool {
        self.dates.is_sure(now)
    }

    /// See [`dates::Dates::settled`].
    pub(crate) fn settled(&self, now: Now) -> UnixMillis {
        self.dates.settled(now)
    }

    /// Returns when the date may be sure without anybody's word.
    pub(crate) fn next_timeout(&self, now: Now) -> Option<MonoMillis> {
        self.dates.next_timeout(now)
    }

    /// Takes what a keeper's answer to an owner's request says of the date in it, which was that of `made`: the clock
    /// may have been set since.
    pub(crate) fn on_answer(
        &mut self,
        now: Now,
        (keeper, made): (NodeId, Now),
        answer: Option<&Response>,
    ) {
        let theirs = match answer {
            Some(Response::Refusal(refusal)) if refusal.reason == Reason::Clock => refusal.date,
            Some(Response::Done { .. } | Response::Listing { .. } | Response::Envelopes(_)) => {
                Some(made.date.plus(now.mono.since(made.mono)))
            }
            _ => None,
        };
        if let Some(theirs) = theirs {
            self.dates.on_heard(now, keeper, theirs);
            self.tell(now);
        }
    }

    fn tell(&mut self, now: Now) {
        let standing = self.standing(now);
        let is_contradicted = matches!(standing, DateStanding::Contradicted { .. });
        if is_contradicted == self.was_contradicted {
            return;
        }
        self.was_contradicted = is_contradicted;
        match standing {
            DateStanding::Contradicted { ahead_ms, keepers } => warn!(
                ahead_s = ahead_ms / 1_000,
                keepers,
                "the clock is wrong by what keepers say: set it; nothing is destroyed or published until then"
            ),
            _ => info!("the clock is right again by what keepers say"),
        }
    }
}

/// Returns the latest date on a disk: when it was written, it was at least that late.
fn newest(loaded: &Loaded) -> UnixMillis {
    let made = loaded.card.iter().map(|card| card.issued);
    let sent = loaded.sent.values().map(|sent| sent.sent);
    let received = loaded.inbox.values().map(|header| header.received);
    let seen = loaded
        .contacts
        .values()
        .filter_map(|contact| contact.last_seen);
    let all = made.chain(sent).chain(received).chain(seen);
    all.max().unwrap_or_default().max(loaded.account.created)
}
