//! A date that is set back and forward by hours and days while time goes on.

use proptest::prelude::*;

use super::*;
use crate::{
    NodeId,
    dates::DateStanding,
    keeper::SWEEP_INTERVAL_MS,
    limits::{DAY_MS, HOUR_MS, MINUTE_MS, SUBSCRIPTION_MS},
};

#[derive(Clone, Copy, Debug)]
enum Step {
    /// Time passes, for the date as well.
    Pass(u64),
    /// The date is set back or forward by so many minutes.
    Set(i64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (1..20 * 60_000_u64).prop_map(Step::Pass),
        (-10_i64 * 1_440..10 * 1_440).prop_map(Step::Set),
    ]
}

impl Office {
    fn ask_at(&mut self, now: Now, conn: u64, request: &Request) -> Vec<Output> {
        self.calls += 1;
        let input = Input::Request {
            conn: ConnId(conn),
            call: CallId(self.calls),
            source: Source(conn),
            payload: request.encode(),
        };
        let mut done = Vec::new();
        for output in self.keeper.handle(now, input) {
            match output {
                Output::Store { ticket, op } => {
                    let result = self.store.apply(now.date, vec![op]);
                    let result = result.map(|mut outcomes| outcomes.remove(0));
                    done.extend(self.keeper.handle(now, Input::Stored { ticket, result }));
                }
                other => done.push(other),
            }
        }
        done
    }

    /// Wakes the keeper when it wants to be woken, until `end`.
    fn wake(&mut self, now: Now, end: MonoMillis) {
        let mut last = None;
        while self.keeper.next_timeout() <= end {
            let due = self.keeper.next_timeout().max(now.mono);
            assert!(last < Some(due), "it spins");
            last = Some(due);
            let at = Now::new(due, now.date.plus(due.since(now.mono)));
            let outputs = self.keeper.handle(at, Input::Timer);
            let [Output::Sweep(date)] = outputs.as_slice() else {
                panic!("{outputs:?}")
            };
            assert!(*date <= at.date, "nothing is over that has not ended");
            self.store.sweep(*date, usize::MAX).unwrap();
        }
        assert!(end.plus(SWEEP_INTERVAL_MS) >= self.keeper.next_timeout());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_keeper_goes_on_whatever_the_date_does(steps in prop::collection::vec(step(), 1..40)) {
        let mut office = Office::new();
        let mut now = both(NOW);
        let mut subscribed: Option<(Mailbox, MonoMillis)> = None;
        for (number, step) in steps.into_iter().enumerate() {
            match step {
                Step::Pass(ms) => {
                    office.wake(now, now.mono.plus(ms));
                    now = Now::new(now.mono.plus(ms), now.date.plus(ms));
                }
                Step::Set(minutes) => {
                    let ms = minutes.unsigned_abs() * 60_000;
                    now.date = if minutes < 0 { now.date.minus(ms) } else { now.date.plus(ms) };
                }
            }
            // A subscription lasts an hour, and says so by the date as it is.
            let bob = person("bob");
            if subscribed.is_none_or(|(_, until)| until <= now.mono) {
                let mailbox = bob.first_contact_mailbox(now.date.epoch());
                let request = subscribe(&mailbox, &bob.first_contact(), now.date);
                let outputs = office.ask_at(now, 1, &request);
                let until = Some(now.date.plus(SUBSCRIPTION_MS));
                let is_done = matches!(
                    outputs[..],
                    [Output::Respond { response: Response::Done { until: told }, .. }] if told == until
                );
                prop_assert!(is_done, "{:?}", outputs);
                subscribed = Some((mailbox, now.mono.plus(SUBSCRIPTION_MS)));
            }
            // Whoever deposits by the same date is served, and the subscriber hears of it.
            let (subscribed, _) = subscribed.unwrap();
            let mailbox = bob.first_contact_mailbox(now.date.epoch());
            let expires = now.date.plus(HOUR_MS);
            let bytes = noise_envelope(&format!("{number}"), 2_048, expires);
            let deposit = stamped_worth(&mailbox, &bytes, expires, 16);
            let outputs = office.ask_at(now, 100 + number as u64, &deposit);
            let is_stored = matches!(outputs[0], Output::Respond { response: Response::Receipt(_), .. });
            prop_assert!(is_stored, "{:?}", outputs);
            let pushes = outputs.iter().filter(|output| matches!(output, Output::Push { .. }));
            prop_assert_eq!(pushes.count(), usize::from(mailbox == subscribed));
            // Nothing that has ended by the date is shown.
            let request = list(&mailbox, &bob.first_contact(), now.date, None);
            let outputs = office.ask_at(now, 2, &request);
            let [Output::Respond { response: Response::Listing { items, .. }, .. }] = &outputs[..] else {
                panic!("{outputs:?}");
            };
            prop_assert!(items.iter().all(|item| item.expires > now.date));
        }
    }
}

#[test]
fn what_a_source_has_used_up_comes_back_with_time_and_not_with_the_date() {
    let policy = Policy {
        requests_per_second: 1,
        requests_burst: 2,
        ..Policy::default()
    };
    let request = Request::GetCards {
        locator: crate::Address::new([1; 32]),
    };
    for jump_ms in [0, HOUR_MS, 30 * DAY_MS] {
        for date in [NOW.plus(jump_ms), NOW.minus(jump_ms)] {
            let mut office = Office::with(policy, u64::MAX);
            let mut answers = |now: Now| {
                let outputs = office.ask_at(now, 0, &request);
                matches!(
                    outputs[..],
                    [Output::Respond {
                        response: Response::Cards(_),
                        ..
                    }]
                )
            };
            let now = both(NOW);
            assert!(answers(now) && answers(now) && !answers(now));
            assert!(!answers(Now { date, ..now }));
            let later = Now::new(now.mono.plus(1_000), date);
            assert!(answers(later) && !answers(later));
        }
    }
}

/// What a date that is wrong says to be over stays on the disk, at a start and while the keeper runs, until others
/// agree that it is.
#[test]
fn a_keeper_destroys_nothing_by_a_date_that_others_contradict() {
    let wrong = NOW.plus(400 * DAY_MS);
    let others = [1_u8, 2, 3].map(|number| NodeId::new([number; 32]));
    for is_start in [true, false] {
        let (mailbox, _) = open_box();
        let mut office = Office::new();
        let started = Now::new(MonoMillis::new(1_000), NOW);
        office.ask_at(started, 1, &stamped(&mailbox, &envelope("kept")));
        if is_start {
            let policy = Policy::default();
            office.keeper = Keeper::new(key("keeper"), policy, Arc::new(CheapForTests));
            let changed = office.store.changed();
            assert_eq!(changed, NOW);
            let opened = Input::Opened(changed);
            let _nothing = office.keeper.handle(Now::new(started.mono, wrong), opened);
        }
        let at = |minutes: u64, date: UnixMillis| {
            let ms = minutes * MINUTE_MS;
            Now::new(started.mono.plus(ms), date.plus(ms))
        };
        let say = |office: &mut Office, now: Now, date: UnixMillis| {
            for other in others {
                let _nothing = office.keeper.handle(now, Input::Date(other, date));
            }
        };
        office.wake(at(1, wrong), at(2, wrong).mono);
        say(&mut office, at(2, wrong), NOW);
        office.wake(at(3, wrong), at(90, wrong).mono);
        assert_eq!(office.store.usage().items, 1, "{is_start}");
        let standing = office.keeper.date_standing(at(59, wrong));
        assert!(
            matches!(standing, DateStanding::Contradicted { keepers: 3, .. }),
            "{standing:?}"
        );
        // Set right, and then more than a year later indeed.
        office.wake(at(91, NOW), at(100, NOW).mono);
        assert_eq!(office.store.usage().items, 1, "{is_start}");
        office.wake(at(101, wrong), at(102, wrong).mono);
        say(&mut office, at(102, wrong), at(102, wrong).date);
        office.wake(at(102, wrong), at(150, wrong).mono);
        // All of them may have been set by one who was wrong.
        assert_eq!(office.store.usage().items, 1, "{is_start}");
        say(&mut office, at(150, wrong), at(150, wrong).date);
        office.wake(at(150, wrong), at(162, wrong).mono);
        assert_eq!(office.store.usage().items, 0, "{is_start}");
    }
}
