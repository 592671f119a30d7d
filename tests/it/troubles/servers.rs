//! One server in the way of another, and a server that would not be itself any more.

use std::fs;

use restante_tests::{Said, Site};

/// How a server's own address ends, which names it.
fn name_of(address: &str) -> String {
    let (_, name) = address.rsplit_once('/').unwrap();
    name.to_owned()
}

/// TCP lets several programs listen at one port that agree to it: half of the peers would end at the wrong node.
#[test]
fn a_second_node_at_a_tcp_port_is_refused() {
    let site = Site::new();
    let mut first = site.community("first");
    let status = first.run(&[]);
    let mut listen = status.listen.iter();
    let tcp = listen.find_map(|address| address.split_once("/tcp/"));
    let (port, _) = tcp.unwrap().1.split_once('/').unwrap();
    let taken = format!("/ip4/127.0.0.1/tcp/{port}");

    let server = site.community("second");
    let person = site.person("alice");
    person.init(&[]);
    for second in [&server, &person] {
        let said = Said::by(&mut second.run_command(&["--listen", &taken]), &[]);
        said.refused(1, &["listen", port]);
    }
    first.assert_alive();
    assert_eq!(
        name_of(&first.status().listen[0]),
        name_of(&status.listen[0])
    );
}

/// Under another key nobody of its community would find it.
#[test]
fn a_server_whose_key_is_damaged_refuses_until_the_key_is_put_back() {
    let site = Site::new();
    let mut server = site.community("server");
    let name = name_of(&server.run(&[]).listen[0]);
    server.stop();
    let path = server.home().join("node.key");
    let sound = fs::read(&path).unwrap();
    let with_bit = |bit: usize| {
        let mut bytes = sound.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        bytes
    };
    let last = 8 * sound.len() - 1;
    let damaged = [
        vec![0; 32],
        vec![0; sound.len()],
        with_bit(0),
        with_bit(255),
        with_bit(last),
        Vec::new(),
    ];
    for bytes in damaged {
        fs::write(&path, &bytes).unwrap();
        let said = Said::by(&mut server.run_command(&[]), &[]);
        said.refused(2, &["node.key", "put back"]);
        assert_eq!(fs::read(&path).unwrap(), bytes, "it is left as it is");
    }
    fs::write(&path, &sound).unwrap();
    assert_eq!(name_of(&server.run(&[]).listen[0]), name);
}
