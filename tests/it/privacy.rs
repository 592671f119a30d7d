//! What nobody may find in logs and files.

use std::fs;
use std::path::{Path, PathBuf};

use data_encoding::{BASE64, HEXLOWER};
use restante::net::{Multiaddr, node_of};
use restante_tests::{Cluster, Node, eventually};

/// A text that is in nothing else.
const TEXT: &str = "the nightingale sings at the third lamp post";
/// An answer that is in nothing else.
const ANSWER: &str = "the owl is listening under the viaduct";
/// Handles that are in nothing else.
const HANDLES: [&str; 2] = ["zaphira_quill", "bartimeus_vex"];
/// What an address of the network looks like in a log.
const ADDRESSES: [&str; 5] = ["127.0.0.1", "::1", "/ip4/", "/ip6/", "12D3KooW"];

#[test]
fn logs_and_files_hold_nothing_of_what_people_say_and_who_they_are() {
    let mut cluster = Cluster::of_people(3);
    let [mut alice, mut bob] = HANDLES.map(|handle| cluster.person(handle));
    Cluster::await_card(&alice);
    Cluster::await_card(&bob);
    let (alice_id, bob_id) = (alice.id(), bob.id());
    let mut secrets = Secrets::of(&[&alice, &bob]);

    // Everything a node does: strangers, contacts, mail for somebody away, expiry, verification.
    bob.stop();
    alice.send(&bob_id, TEXT.as_bytes(), &[]);
    // Whether this one gets through in time is not what matters here.
    alice.say(&["send", &bob_id, TEXT, "--ttl", "3s"]);
    bob.run(&[]);
    bob.inbox_until(1);
    bob.say(&["contact", "accept", &alice_id]).done();
    bob.say(&["contact", "verify", &alice_id]).done();
    bob.send(&alice_id, ANSWER.as_bytes(), &["--burn", "1s"]);
    assert_eq!(alice.inbox_until(1).len(), 1);
    eventually("what burns is gone", || {
        (!alice
            .say(&["inbox", "--all", "--json"])
            .done()
            .contains(ANSWER))
        .then_some(())
    });
    secrets.add_addresses(&[&alice, &bob]);
    // What is looked for can be found: in what a person's own command prints.
    let page = bob.say(&["inbox", "--all", "--json"]).done();
    let seen =
        found(&secrets.sealed, page.as_bytes()).zip(found(&secrets.personal, page.as_bytes()));
    assert_eq!(seen, Some(("a text", "a handle")));
    for node in [&mut alice, &mut bob]
        .into_iter()
        .chain(cluster.nodes_mut())
    {
        node.say(&["doctor"]);
        node.stop();
    }

    for node in [&alice, &bob].into_iter().chain(cluster.nodes()) {
        let log = node.logged();
        assert!(log.contains(" INFO "), "{} logs at info", node.name());
        secrets.assert_absent(log.as_bytes(), &format!("the log of {}", node.name()));
        for address in ADDRESSES {
            assert!(
                !log.contains(address),
                "{address} is in the log of {}:\n{log}",
                node.name()
            );
        }
    }
    for keeper in cluster.nodes() {
        for file in files(keeper.home()) {
            secrets.assert_absent(&fs::read(&file).unwrap(), &file.display().to_string());
        }
    }
    for person in [&alice, &bob] {
        let files = files(person.home());
        assert!(
            files.iter().any(|file| file.ends_with("client.redb")),
            "{files:?}"
        );
        for file in files {
            secrets.assert_sealed(&fs::read(&file).unwrap(), &file.display().to_string());
        }
    }
}

/// What is looked for.
struct Secrets {
    /// What was written, and what opens the homes: in no file of anybody.
    sealed: Vec<(String, Vec<u8>)>,
    /// Who people are: in no file of a keeper, and in no log.
    personal: Vec<(String, Vec<u8>)>,
}

impl Secrets {
    fn of(people: &[&Node]) -> Self {
        let mut secrets = Self {
            sealed: Vec::new(),
            personal: Vec::new(),
        };
        for text in [TEXT, ANSWER] {
            push_forms(&mut secrets.sealed, "a text", text.as_bytes());
        }
        for person in people {
            push_forms(
                &mut secrets.sealed,
                "a pass phrase",
                person.passphrase().as_bytes(),
            );
            let said = person.say(&["id", "--json"]).done();
            let info: restante_interface::IdInfo = serde_json::from_str(&said).unwrap();
            push_forms(&mut secrets.personal, "a handle", person.name().as_bytes());
            push_forms(&mut secrets.personal, "an ID", info.id.as_bytes());
            let tag = info.id.split('.').nth(1).unwrap().as_bytes();
            push_forms(&mut secrets.personal, "a tag", tag);
            let fingerprint = HEXLOWER.decode(info.fingerprint.as_bytes()).unwrap();
            push_forms(
                &mut secrets.personal,
                "the hash of an account",
                &fingerprint,
            );
            secrets
                .personal
                .push(("a link".into(), info.link.into_bytes()));
        }
        secrets
    }

    /// Adds what the network knows people by, which is not to be on anybody's disk.
    fn add_addresses(&mut self, people: &[&Node]) {
        for person in people {
            let address: Multiaddr = person.address();
            let peer = address.iter().find_map(|part| match part {
                libp2p::multiaddr::Protocol::P2p(peer) => Some(peer),
                _ => None,
            });
            let peer = peer.expect("the address names the node");
            self.personal
                .push(("a peer".into(), peer.to_string().into_bytes()));
            let node = node_of(&peer).unwrap();
            push_forms(&mut self.personal, "a node's key", node.as_bytes());
        }
    }

    #[track_caller]
    fn assert_absent(&self, bytes: &[u8], place: &str) {
        self.assert_sealed(bytes, place);
        assert_none(&self.personal, bytes, place);
    }

    #[track_caller]
    fn assert_sealed(&self, bytes: &[u8], place: &str) {
        assert_none(&self.sealed, bytes, place);
    }
}

/// Adds a secret as it is, in hexadecimal and in base64.
fn push_forms(secrets: &mut Vec<(String, Vec<u8>)>, what: &str, bytes: &[u8]) {
    secrets.push((what.to_owned(), bytes.to_vec()));
    secrets.push((
        format!("{what} in hexadecimal"),
        HEXLOWER.encode(bytes).into_bytes(),
    ));
    // Whole groups alone: how the rest is written depends on what comes behind.
    let groups = &bytes[..bytes.len() / 3 * 3];
    secrets.push((
        format!("{what} in base64"),
        BASE64.encode(groups).into_bytes(),
    ));
}

#[track_caller]
fn assert_none(secrets: &[(String, Vec<u8>)], bytes: &[u8], place: &str) {
    if let Some(what) = found(secrets, bytes) {
        panic!("{what} is in {place}");
    }
}

/// Returns what the first secret is that these bytes hold.
fn found<'a>(secrets: &'a [(String, Vec<u8>)], bytes: &[u8]) -> Option<&'a str> {
    let holds = |secret: &[u8]| bytes.windows(secret.len()).any(|window| window == secret);
    let mut secrets = secrets.iter();
    secrets
        .find(|(_, secret)| holds(secret))
        .map(|(what, _)| what.as_str())
}

/// Returns every file in a folder and those below.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(self::files(&path));
        } else if path.is_file() {
            files.push(path);
        }
    }
    files
}
