//! When the node writes a backup by itself: a state machine without disk and clock.

use std::path::PathBuf;

use restante_interface::BackupStatus;
use restante_proto::limits::{CLOCK_SKEW_MS, HOUR_MS, MINUTE_MS};
use restante_proto::time::{MonoMillis, Now, UnixMillis};

use super::Target;

/// The pause after the first failure, in milliseconds; it doubles.
const RETRY_MS: u64 = MINUTE_MS;
/// The longest such pause, in milliseconds.
const RETRY_MAX_MS: u64 = 6 * HOUR_MS;

/// What is set about backups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Where they go.
    pub folder: PathBuf,
    /// How often one is made, in milliseconds.
    pub every_ms: u64,
    /// How many are kept.
    pub keep: usize,
}

/// When backups are made, and what has become of them.
#[derive(Debug)]
pub struct Schedule {
    plan: Plan,
    /// The folder was looked into.
    is_known: bool,
    is_busy: bool,
    last: Option<UnixMillis>,
    failed: Option<(UnixMillis, String)>,
    failures: u32,
    /// When it is tried again after a failure.
    again: Option<MonoMillis>,
}

/// What is to be done beside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Find out when the newest backup in this folder was made.
    Look(PathBuf),
    /// Write one.
    Write(Target),
}

/// What has become of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Done {
    /// The newest backup is of then, if there is one.
    Newest(Option<UnixMillis>),
    /// One was made, as things were then.
    Made(UnixMillis),
    /// It did not work.
    Failed(String),
}

impl Schedule {
    pub fn new(plan: Plan) -> Self {
        Self {
            plan,
            is_known: false,
            is_busy: false,
            last: None,
            failed: None,
            failures: 0,
            again: None,
        }
    }

    /// Returns the step that is due, which is under way from now on.
    pub fn next(&mut self, now: Now) -> Option<Step> {
        let is_due = self.due(now).is_some_and(|due| due <= now.mono);
        if !is_due {
            return None;
        }
        self.is_busy = true;
        let path = self.plan.folder.clone();
        Some(match self.is_known {
            false => Step::Look(path),
            true => Step::Write(Target::Folder {
                path,
                keep: self.plan.keep,
            }),
        })
    }

    /// Takes what has become of the step under way.
    pub fn on_done(&mut self, now: Now, done: Done) {
        self.is_busy = false;
        match done {
            Done::Newest(last) => {
                self.is_known = true;
                self.last = last;
                self.settle();
            }
            Done::Made(at) => {
                self.last = Some(at);
                self.settle();
            }
            Done::Failed(why) => {
                let pause = (RETRY_MS << self.failures.min(16)).min(RETRY_MAX_MS);
                self.failures = self.failures.saturating_add(1);
                self.failed = Some((now.date, why));
                self.again = Some(now.mono.plus(pause.min(self.plan.every_ms)));
            }
        }
    }

    /// Returns when [`Self::next`] is worth asking again; none while a step is under way.
    pub fn due(&self, now: Now) -> Option<MonoMillis> {
        if self.is_busy {
            return None;
        }
        let regular = match self.last.filter(|_| self.is_known) {
            // The clock was ahead when it was made.
            Some(last) if last > now.date.plus(CLOCK_SKEW_MS) => now.mono,
            Some(last) => now.when(last.plus(self.plan.every_ms)),
            None => now.mono,
        };
        Some(self.again.map_or(regular, |again| again.max(regular)))
    }

    /// Returns how backups stand.
    pub fn status(&self, now: Now) -> BackupStatus {
        let wait = self.due(now).map(|due| due.since(now.mono));
        BackupStatus {
            folder: self.plan.folder.display().to_string(),
            last_ms: self.last.map(UnixMillis::get),
            failed_ms: self.failed.as_ref().map(|(at, _)| at.get()),
            failed_why: self.failed.as_ref().map(|(_, why)| why.clone()),
            next_ms: wait.map(|wait| now.date.plus(wait).get()),
        }
    }

    fn settle(&mut self) {
        self.failures = 0;
        self.failed = None;
        self.again = None;
    }
}

#[cfg(test)]
mod tests {
    use restante_proto::limits::DAY_MS;

    use super::*;

    const START: u64 = 1_800_000_000_000;

    fn schedule() -> Schedule {
        Schedule::new(Plan {
            folder: "/backups".into(),
            every_ms: DAY_MS,
            keep: 3,
        })
    }

    fn at(ms: u64) -> Now {
        Now::new(MonoMillis::new(ms), UnixMillis::new(START + ms))
    }

    fn write() -> Step {
        Step::Write(Target::Folder {
            path: "/backups".into(),
            keep: 3,
        })
    }

    #[test]
    fn the_first_one_is_made_at_once_and_the_next_one_after_its_time() {
        let mut schedule = schedule();
        assert_eq!(schedule.next(at(0)), Some(Step::Look("/backups".into())));
        assert_eq!((schedule.next(at(1)), schedule.due(at(1))), (None, None));
        schedule.on_done(at(2), Done::Newest(None));
        assert_eq!(schedule.next(at(2)), Some(write()));
        schedule.on_done(at(5), Done::Made(at(3).date));
        assert_eq!(schedule.due(at(5)), Some(MonoMillis::new(3 + DAY_MS)));
        assert_eq!(schedule.next(at(2 + DAY_MS)), None);
        assert_eq!(schedule.next(at(3 + DAY_MS)), Some(write()));
        assert_eq!(schedule.status(at(0)).last_ms, Some(START + 3));
    }

    #[test]
    fn one_of_an_earlier_run_counts_and_one_of_the_future_does_not() {
        for (last, due) in [
            (START - DAY_MS / 2, DAY_MS / 2),
            (START - 2 * DAY_MS, 0),
            (START + 5 * DAY_MS, 0),
        ] {
            let mut schedule = schedule();
            schedule.next(at(0));
            schedule.on_done(at(0), Done::Newest(Some(UnixMillis::new(last))));
            assert_eq!(schedule.due(at(0)), Some(MonoMillis::new(due)), "{last}");
        }
    }

    #[test]
    fn a_failure_is_told_and_tried_again_after_growing_pauses_until_one_is_made() {
        let mut schedule = schedule();
        schedule.next(at(0));
        schedule.on_done(at(0), Done::Newest(Some(UnixMillis::new(START - DAY_MS))));
        let mut now = 0;
        for pause in [1, 2, 4, 8].map(|minutes| minutes * MINUTE_MS) {
            assert_eq!(schedule.next(at(now)), Some(write()));
            schedule.on_done(at(now), Done::Failed("the disk is gone".to_owned()));
            assert_eq!(schedule.next(at(now + pause - 1)), None);
            let status = schedule.status(at(now));
            assert_eq!(status.failed_ms, Some(START + now));
            assert_eq!(status.failed_why.as_deref(), Some("the disk is gone"));
            assert_eq!(status.last_ms, Some(START - DAY_MS));
            now += pause;
        }
        assert_eq!(schedule.next(at(now)), Some(write()));
        schedule.on_done(at(now), Done::Made(at(now).date));
        assert_eq!(schedule.status(at(now)).failed_ms, None);
        assert_eq!(schedule.due(at(now)), Some(MonoMillis::new(now + DAY_MS)));
    }

    #[test]
    fn a_folder_that_is_not_there_is_looked_for_again() {
        let mut schedule = schedule();
        schedule.next(at(0));
        schedule.on_done(at(0), Done::Failed("not mounted".to_owned()));
        assert_eq!(schedule.next(at(MINUTE_MS - 1)), None);
        assert_eq!(
            schedule.next(at(MINUTE_MS)),
            Some(Step::Look("/backups".into()))
        );
    }
}
