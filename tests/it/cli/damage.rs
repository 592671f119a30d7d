//! What the disk can do to the files of a home.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use restante::clock;
use restante_proto::envelope::id_of;
use restante_proto::limits::{DAY_MS, ENVELOPE_BYTES};
use restante_proto::request::Response;
use restante_tests::{Cluster, Letterbox, Node, Peer, Said, Site, envelope, nonce};

/// The ways to damage a file.
const DAMAGES: [(&str, fn(&mut Vec<u8>)); 5] = [
    ("emptied", |bytes| bytes.clear()),
    ("cut in half", |bytes| bytes.truncate(bytes.len() / 2)),
    ("without its beginning", |bytes| {
        bytes.iter_mut().take(512).for_each(|byte| *byte = 0xa5)
    }),
    ("overwritten", |bytes| fill(bytes)),
    ("not there", |_| {}),
];

#[test]
fn a_damaged_account_is_said_so_left_as_it_is_and_good_again_with_a_copy() {
    let cluster = Cluster::of_servers(0);
    let mut bob = cluster.person("bob");
    Cluster::await_card(&bob);
    let (alice, bob_id) = (cluster.person("alice"), bob.id());
    alice.send(&bob_id, b"keep this", &[]);
    assert_eq!(bob.inbox_until(1).len(), 1);
    bob.stop();
    for name in ["client.redb", "message-keys", "unlock"] {
        let path = bob.home().join(name);
        let sound = fs::read(&path).unwrap();
        for (damage, inflict) in DAMAGES {
            let mut damaged = sound.clone();
            inflict(&mut damaged);
            if damage == "not there" {
                fs::remove_file(&path).unwrap();
            } else {
                fs::write(&path, &damaged).unwrap();
            }
            refuse_to_run(&bob, &format!("{name} {damage}"));
            if damage != "not there" {
                let after = fs::read(&path).unwrap();
                assert!(after == damaged, "{name} {damage} is left as it is");
            }
            fs::write(&path, &sound).unwrap();
        }
    }
    bob.run(&[]);
    let all = bob.say(&["inbox", "--all", "--json"]).done();
    assert!(all.contains("keep this"), "{all}");
}

#[test]
fn a_damaged_keeper_saves_what_can_be_read_and_goes_on() {
    let site = Site::new();
    let mut server = site.community("server");
    server.run(&[]);
    let letterbox = Letterbox::new();
    let expires = clock::now().plus(DAY_MS);
    let envelopes: Vec<_> = (0..40)
        .map(|_| envelope(ENVELOPE_BYTES[1], expires))
        .collect();
    let peer = Peer::asking();
    let node = peer.meet(&server.address());
    for envelope in &envelopes {
        let nonce = nonce();
        match peer.ask(node, &letterbox.deposit(envelope, expires, nonce)) {
            Response::Receipt(receipt) => {
                receipt
                    .verify(&node, &letterbox.claim(envelope, nonce))
                    .unwrap();
            }
            other => panic!("an honest deposit was answered with {other:?}"),
        }
    }
    server.stop();
    let path = server.home().join("keeper.redb");
    let mut bytes = fs::read(&path).unwrap();
    // The database's own header and the first of its pages, not the envelopes themselves.
    fill(&mut bytes[..8_192]);
    fs::write(&path, &bytes).unwrap();

    server.run(&[]);
    let peer = Peer::asking();
    peer.meet(&server.address());
    let listed = match peer.ask(node, &letterbox.list(&node, None)) {
        Response::Listing { items, .. } => items,
        other => panic!("a list was answered with {other:?}"),
    };
    let listed: BTreeSet<_> = listed.iter().map(|item| item.id).collect();
    let lost = envelopes
        .iter()
        .filter(|envelope| !listed.contains(&id_of(envelope)))
        .count();
    assert!(lost <= 1, "{lost} envelopes of 40 are lost with two pages");
    assert!(
        server.logged().contains("was damaged"),
        "its operator is told"
    );
    let kept = files_like(server.home(), "keeper.redb");
    let whole = kept.iter().any(|file| fs::read(file).unwrap() == bytes);
    assert!(
        whole,
        "the damaged file is kept beside the new one: {kept:?}"
    );
    server.assert_alive();
}

#[track_caller]
fn refuse_to_run(node: &Node, what: &str) {
    let said = Said::by(&mut node.run_command(&[]), &[]);
    let code = said.status.code();
    assert!(
        matches!(code, Some(1 | 2)),
        "{what}: {code:?} {}",
        said.stderr
    );
    let line = said.refused(code.unwrap_or_default(), &["; "]);
    assert!(line.len() < 400, "{what}: {line}");
}

fn fill(bytes: &mut [u8]) {
    bytes.fill(0xa5);
}

fn files_like(folder: &Path, prefix: &str) -> Vec<PathBuf> {
    let files = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    files
        .filter(|path| {
            path.file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with(prefix))
        })
        .collect()
}
