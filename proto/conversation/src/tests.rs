//! Conversations among devices whose rows are kept as a disk would.

use std::collections::{BTreeMap, BTreeSet};

use chacha20::ChaCha20Rng;
use rand::SeedableRng as _;
use restante_proto::account::Identity;
use restante_proto::keys::{PublicKey, SecretKey};
use restante_proto::time::UnixMillis;

use crate::conversation::{Committed, Opened, Sealed, Wanted};
use crate::key_package::{self, OwnKeyPackage};
use crate::rows::{Change, Row};
use crate::{Accounts, Conversation, ConversationError, EpochName, Member, Secret, Turn};

mod choosing;
mod converging;
mod envelope;
mod epochs;
mod hostile;
mod members;
mod removing;
mod rules;
mod secrecy;
mod suite;
mod vectors;

/// The present.
const NOW: UnixMillis = UnixMillis::new(1_780_000_000_000);

/// One device, with what it has on its disk.
#[derive(Clone)]
struct Device {
    identity: Identity,
    packages: Vec<OwnKeyPackage>,
    rows: BTreeMap<Row, Secret>,
    conversation: Option<Conversation>,
    date: UnixMillis,
    /// What it has invited others with.
    invitation: Option<Vec<u8>>,
    /// What the randomness of the next turn follows from.
    seed: u64,
}

impl Device {
    /// Makes the device `number` of the account `account`, with one key package.
    fn new(account: u8, number: u8) -> Self {
        let own = SecretKey::from_seed(&[account, number].repeat(16).try_into().unwrap());
        let account_key = SecretKey::from_seed(&[account; 32]);
        let identity = Identity::new(&account_key, 1, own, "somebody".parse().unwrap());
        let mut device = Self {
            identity,
            packages: Vec::new(),
            rows: BTreeMap::new(),
            conversation: None,
            invitation: None,
            date: NOW,
            seed: u64::from(account) << 48 | u64::from(number) << 32,
        };
        let package = device.with_turn(|turn| key_package::make(turn).unwrap());
        device.packages.push(package);
        device
    }

    fn with_turn<T>(&mut self, act: impl FnOnce(&mut Turn<'_>) -> T) -> T {
        self.seed += 1;
        act(&mut Turn {
            identity: &self.identity,
            date: self.date,
            rng: &mut ChaCha20Rng::seed_from_u64(self.seed),
        })
    }

    /// Does something with the conversation and commits the changes.
    fn act<T>(&mut self, act: impl FnOnce(&mut Conversation, &mut Turn<'_>) -> T) -> T {
        let mut conversation = self.conversation.take().unwrap();
        let outcome = self.with_turn(|turn| act(&mut conversation, turn));
        self.keep(conversation);
        outcome
    }

    fn keep(&mut self, mut conversation: Conversation) {
        for change in conversation.drain_changes() {
            match change {
                Change::Put(row, bytes) => self.rows.insert(row, bytes),
                Change::Drop(row) => self.rows.remove(&row),
            };
        }
        self.conversation = Some(conversation);
    }

    /// Forgets all that is not on the disk.
    fn restart(&mut self) {
        let loaded = Conversation::load(&self.rows).unwrap();
        self.conversation = Some(loaded);
    }

    fn account(&self) -> PublicKey {
        self.identity.account
    }

    fn key(&self) -> PublicKey {
        self.identity.device.public()
    }

    fn member(&self) -> Member {
        Member {
            account: self.account(),
            device: self.key(),
        }
    }

    fn package(&self) -> Vec<u8> {
        self.packages[0].public.clone()
    }

    fn wanted(&self) -> Wanted {
        Wanted {
            add: BTreeMap::from([(self.key(), self.package())]),
            remove: BTreeSet::new(),
        }
    }

    fn try_join(&mut self, welcome: &[u8]) -> Result<(), ConversationError> {
        let packages = self.packages.clone();
        let joined = self.with_turn(|turn| Conversation::join(turn, &packages, welcome))?;
        self.keep(joined);
        Ok(())
    }

    /// Removes another device of the account.
    fn remove(&mut self, other: &Self) -> Committed {
        let remove = [other.key()].into();
        let add = BTreeMap::new();
        self.commit(&Wanted { add, remove })
    }

    fn removed_by(&self) -> Option<Member> {
        self.conversation.as_ref()?.removed_by()
    }

    fn head(&self) -> EpochName {
        self.conversation.as_ref().unwrap().head()
    }

    fn seal(&mut self, body: &str) -> Sealed {
        self.act(|conversation, turn| conversation.seal(turn, body.as_bytes()).unwrap())
    }

    fn commit(&mut self, wanted: &Wanted) -> Committed {
        self.act(|conversation, turn| conversation.commit(turn, wanted).unwrap())
    }

    fn update(&mut self) -> Committed {
        self.commit(&Wanted::default())
    }

    fn open(&mut self, epoch: &EpochName, message: &[u8]) -> Result<Opened, ConversationError> {
        self.act(|conversation, turn| conversation.open(turn, epoch, message))
    }

    /// Opens a text and returns it.
    fn read(&mut self, sealed: &Sealed) -> Result<String, ConversationError> {
        match self.open(&sealed.epoch, &sealed.message)? {
            Opened::Text { body, .. } => Ok(String::from_utf8_lossy(&body).into_owned()),
            other => panic!("no text but {other:?}"),
        }
    }

    fn follow(&mut self, committed: &Committed) -> Result<Opened, ConversationError> {
        self.open(&committed.parent, &committed.message)
    }

    fn pass(&mut self, ms: u64, window_ms: u64) {
        self.date = self.date.plus(ms);
        self.act(|conversation, turn| conversation.pass(turn, window_ms).unwrap());
    }

    fn members(&self) -> BTreeSet<Member> {
        self.conversation.as_ref().unwrap().members().unwrap()
    }
}

/// Returns a conversation between these devices, which the first has made.
fn conversation(mut devices: Vec<Device>) -> Vec<Device> {
    let (maker, others) = devices.split_first_mut().unwrap();
    let others_accounts = others.iter().map(Device::account);
    let other = others_accounts
        .max_by_key(|account| *account != maker.account())
        .unwrap_or_else(|| maker.account());
    let accounts = Accounts::between(maker.account(), other);
    let invited: Vec<_> = others.iter().map(Device::package).collect();
    let (made, welcome) =
        maker.with_turn(|turn| Conversation::create(turn, &accounts, &invited).unwrap());
    maker.keep(made);
    for other in others {
        other.try_join(welcome.as_ref().unwrap()).unwrap();
    }
    maker.invitation = welcome;
    devices
}

/// Two people, the first with two devices, the second with one.
fn three() -> [Device; 3] {
    let devices = vec![Device::new(1, 1), Device::new(1, 2), Device::new(2, 1)];
    conversation(devices).try_into().ok().unwrap()
}
