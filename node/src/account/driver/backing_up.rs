//! Backups, written beside all else: those that are asked for, and those that are set.

use std::path::PathBuf;

use restante_interface::{BackupRequest, BackupStatus, Refusal, Reply, State, Stored};
use restante_proto::time::UnixMillis;
use tracing::{info, warn};

use super::super::backup::{BackupError, Done, Step, Target};
use super::{Came, Driver};
use crate::control::Answer;

impl Driver {
    /// Writes a backup that is asked for.
    pub(super) fn back_up(&mut self, request: BackupRequest, answer: Answer) {
        let target = Target::File {
            path: PathBuf::from(request.path),
            replace: request.force,
        };
        let (services, date) = (self.services.clone(), self.services.clock.now());
        self.spawn(async move {
            let (disk, worker) = (services.disk, services.workers.backups);
            let written = worker.run(move || disk.back_up(&target, date)).await;
            let gone = |_| {
                let why = "the backup was given up".to_owned();
                Refusal::Internal { why }
            };
            let written = written.map_err(gone);
            let written = written.and_then(|done| done.map_err(refusal));
            answer.finish(written.map(Reply::Backup));
            Came::Nothing
        });
    }

    /// Begins the step of the schedule that is due.
    pub(super) fn back_up_if_due(&mut self) {
        let now = self.services.clock.both();
        let Some(step) = self.backups.as_mut().and_then(|backups| backups.next(now)) else {
            return;
        };
        let services = self.services.clone();
        self.spawn(async move {
            let (disk, worker) = (services.disk, services.workers.backups);
            let done = worker.run(move || match step {
                Step::Look(folder) => disk.newest_backup(&folder).map(Done::Newest),
                Step::Write(target) => {
                    let made = disk.back_up(&target, now.date);
                    made.map(|info| Done::Made(UnixMillis::new(info.made_ms)))
                }
            });
            Came::Backup(match done.await {
                Ok(Ok(done)) => done,
                Ok(Err(error)) => Done::Failed(error.to_string()),
                Err(ended) => Done::Failed(ended.to_string()),
            })
        });
    }

    pub(super) fn on_backup(&mut self, done: Done) {
        match &done {
            Done::Newest(_) => {}
            Done::Made(_) => info!("a backup is written"),
            Done::Failed(_) => warn!("no backup could be written; it is tried again, see `doctor`"),
        }
        let now = self.services.clock.both();
        if let Some(backups) = &mut self.backups {
            backups.on_done(now, done);
        }
    }
}

/// Returns how the backups stand that are made without being asked for.
pub(super) fn state(backup: &BackupStatus) -> State {
    let failed = backup.failed_ms.zip(backup.failed_why.clone());
    match (failed, backup.last_ms) {
        (Some((failed_ms, why)), at_ms) => State::BackupFailed {
            at_ms,
            failed_ms,
            why,
        },
        (None, Some(at_ms)) => State::BackupMade { at_ms },
        (None, None) => State::BackupNone,
    }
}

fn refusal(error: BackupError) -> Refusal {
    match error {
        BackupError::Exists(path) => Refusal::FileExists {
            path: path.display().to_string(),
        },
        BackupError::NotWritten { path, source } => Refusal::FileNotWritten {
            path: path.display().to_string(),
            why: source.to_string(),
        },
        BackupError::Store(_) | BackupError::NotRead { .. } | BackupError::NoHome => {
            Refusal::NotRead {
                what: Stored::Account,
            }
        }
    }
}
