//! Any order of deposits, acks, offers and hours against a model that is a few lines long.

use std::collections::BTreeMap;

use bytes::Bytes;
use proptest::prelude::*;

use super::{Office, ack, get, offer, open_box, stamped_until};
use crate::{
    ItemId,
    envelope::id_of,
    fixture::{NOW, noise_envelope},
    limits::{ACK_MEMORY_MS, DAY_MS, HOUR_MS},
    request::{Reason, Response},
    time::UnixMillis,
};

#[derive(Clone, Copy, Debug)]
enum Step {
    Deposit(usize),
    Ack(usize),
    Offer(usize),
    Wait(u64),
    Sweep,
}

fn steps() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0_usize..6).prop_map(Step::Deposit),
        2 => (0_usize..6).prop_map(Step::Ack),
        2 => (0_usize..6).prop_map(Step::Offer),
        1 => (1_u64..36).prop_map(|hours| Step::Wait(hours * HOUR_MS)),
        1 => Just(Step::Sweep),
    ]
}

/// Six envelopes that end one, two and three days after the start.
fn envelope(which: usize) -> (Bytes, UnixMillis) {
    let expires = NOW.plus((which as u64 % 3 + 1) * DAY_MS);
    (
        noise_envelope(&format!("model {which}"), 2_048, expires),
        expires,
    )
}

/// What a keeper must know of one envelope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    Waiting(UnixMillis),
    Acked(UnixMillis),
    /// Its ack came, and it never did.
    AckedUnseen(UnixMillis),
}

impl Known {
    const fn until(self) -> UnixMillis {
        match self {
            Self::Waiting(until) | Self::Acked(until) | Self::AckedUnseen(until) => until,
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_keeper_does_what_the_model_says(steps in prop::collection::vec(steps(), 1..40)) {
        let (mailbox, owner) = open_box();
        let mut office = Office::new();
        let mut now = NOW;
        let mut known: BTreeMap<ItemId, Known> = BTreeMap::new();
        for step in steps {
            known.retain(|_, known| known.until() > now);
            match step {
                Step::Deposit(which) => {
                    let (bytes, expires) = envelope(which);
                    let request = stamped_until(&mailbox, &bytes, expires);
                    let response = office.ask(now, &request);
                    if expires <= now {
                        let Response::Refusal(refusal) = response else { panic!("{response:?}") };
                        prop_assert_eq!(refusal.reason, Reason::Expired);
                    } else {
                        let Response::Receipt(receipt) = response else { panic!("{response:?}") };
                        prop_assert_eq!(receipt.until, expires);
                        let id = id_of(&bytes);
                        let entry = known.entry(id).or_insert(Known::Waiting(expires));
                        if let Known::AckedUnseen(_) = entry {
                            *entry = Known::Acked(expires);
                        }
                    }
                }
                Step::Ack(which) => {
                    let (bytes, expires) = envelope(which);
                    let id = id_of(&bytes);
                    // Whether an ack after the hour is remembered is nobody's concern.
                    if expires <= now {
                        continue;
                    }
                    let response = office.ask(now, &ack(&mailbox, &owner, &[id]));
                    prop_assert_eq!(response, Response::Done { until: None });
                    let entry = known
                        .entry(id)
                        .or_insert_with(|| Known::AckedUnseen(now.plus(ACK_MEMORY_MS)));
                    if let Known::Waiting(until) = *entry {
                        *entry = Known::Acked(until);
                    }
                }
                Step::Offer(which) => {
                    let id = id_of(&envelope(which).0);
                    match (office.ask(now, &offer(&mailbox, id)), known.get(&id)) {
                        (Response::Receipt(receipt), Some(known)) => {
                            prop_assert!(!matches!(known, Known::AckedUnseen(_)));
                            prop_assert_eq!(receipt.until, known.until());
                        }
                        (response, known) => {
                            prop_assert_eq!(response, Response::Unknown);
                            prop_assert!(matches!(known, None | Some(Known::AckedUnseen(_))));
                        }
                    }
                }
                Step::Wait(ms) => now = now.plus(ms),
                Step::Sweep => office.timer(now),
            }
            known.retain(|_, known| known.until() > now);
            let waiting: Vec<ItemId> = known
                .iter()
                .filter(|(_, known)| matches!(known, Known::Waiting(_)))
                .map(|(id, _)| *id)
                .collect();
            prop_assert_eq!(office.listed(now, &mailbox, &owner), waiting.clone());
            let all: Vec<ItemId> = (0..6).map(|which| id_of(&envelope(which).0)).collect();
            let got = office.got(now, &get(&mailbox, &owner, now, &all));
            prop_assert_eq!(got.len(), waiting.len());
        }
    }
}
