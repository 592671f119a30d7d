//! One test's folder, and its turn on the machine.

use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, PoisonError};

use tempfile::TempDir;

use crate::Node;

/// Sites that exist at once, at most: each has up to ten processes, which wait for each other half of the time.
const SITES_MAX: usize = 4;

static SITES: Mutex<usize> = Mutex::new(0);
static FREED: Condvar = Condvar::new();

/// The folder that the homes of one test are in; there are few at once, and a test waits for its turn.
#[derive(Debug)]
pub struct Site {
    folder: TempDir,
    _turn: Turn,
}

impl Site {
    /// Waits for a turn and makes a folder.
    pub fn new() -> Self {
        let turn = Turn::take();
        let folder = tempfile::Builder::new()
            .prefix("restante-e2e-")
            .tempdir()
            .unwrap();
        Self {
            folder,
            _turn: turn,
        }
    }

    /// Returns the folder.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Returns a person's node that is not made yet.
    pub fn person(&self, handle: &str) -> Node {
        Node::person(self.path(), handle)
    }

    /// Returns a community server that is not made yet.
    pub fn community(&self, name: &str) -> Node {
        Node::community(self.path(), name)
    }

    /// Returns a community server that treats loopback like any other network, not made yet.
    pub fn public_community(&self, name: &str) -> Node {
        Node::public_community(self.path(), name)
    }

    /// Returns a path in the folder.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }
}

impl Default for Site {
    fn default() -> Self {
        Self::new()
    }
}

#[derive(Debug)]
struct Turn;

impl Turn {
    fn take() -> Self {
        let mut taken = SITES.lock().unwrap_or_else(PoisonError::into_inner);
        while *taken >= SITES_MAX {
            taken = FREED.wait(taken).unwrap_or_else(PoisonError::into_inner);
        }
        *taken += 1;
        Self
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        *SITES.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        FREED.notify_one();
    }
}
