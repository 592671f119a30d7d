//! A small network: an entry point and keepers.

use std::thread;

use crate::{Node, Site, eventually};

/// An entry point and keepers that know each other; the people of a test join it.
#[derive(Debug)]
pub struct Cluster {
    /// The entry point, a keeper too.
    pub bootstrap: Node,
    /// The other keepers.
    pub keepers: Vec<Node>,
    /// The address of the entry point.
    pub entry: String,
    /// The folder; last, so that it is there until the processes have ended.
    pub site: Site,
}

impl Cluster {
    /// Starts an entry point and as many community servers.
    pub fn of_servers(count: usize) -> Self {
        Self::start(count, |site, number| {
            site.community(&format!("server{number}"))
        })
    }

    /// Starts an entry point and as many personal nodes that keep items for others.
    pub fn of_people(count: usize) -> Self {
        Self::start(count, |site, number| {
            site.person(&format!("keeper{number}"))
        })
    }

    fn start(count: usize, make: impl Fn(&Site, usize) -> Node) -> Self {
        let site = Site::new();
        let mut bootstrap = site.community("bootstrap");
        bootstrap.run(&[]);
        let entry = bootstrap.address().to_string();
        let mut keepers: Vec<Node> = (1..=count).map(|number| make(&site, number)).collect();
        thread::scope(|scope| {
            let starts = keepers.iter_mut().map(|keeper| {
                let settings = ["--bootstrap", entry.as_str()];
                scope.spawn(move || {
                    if keeper.is_person() {
                        keeper.init(&settings);
                        keeper.run(&[]);
                    } else {
                        keeper.run(&settings);
                    }
                })
            });
            for start in starts.collect::<Vec<_>>() {
                start.join().expect("every keeper starts");
            }
        });
        let cluster = Self {
            bootstrap,
            keepers,
            entry,
            site,
        };
        cluster.await_acquaintance();
        cluster
    }

    /// Waits until every node that runs knows all others that run.
    pub fn await_acquaintance(&self) {
        let count = self.nodes().filter(|node| node.runs()).count();
        for node in self.nodes().filter(|node| node.runs()) {
            eventually(&format!("{} knows the others", node.name()), || {
                let known = node.status().routing_table as usize;
                (known + 1 >= count).then_some(())
            });
        }
    }

    /// Returns the entry point and the keepers.
    pub fn nodes(&self) -> impl Iterator<Item = &Node> {
        std::iter::once(&self.bootstrap).chain(&self.keepers)
    }

    /// Returns the entry point and the keepers.
    pub fn nodes_mut(&mut self) -> impl Iterator<Item = &mut Node> {
        std::iter::once(&mut self.bootstrap).chain(&mut self.keepers)
    }

    /// Makes a person who keeps nothing for others, and starts the node.
    pub fn person(&self, handle: &str) -> Node {
        let mut person = self.site.person(handle);
        person.init(&["--serve", "never", "--bootstrap", &self.entry]);
        person.run(&[]);
        person
    }

    /// Starts a node of this network again after it was killed.
    pub fn revive(node: &mut Node, entry: &str) {
        if node.is_entry() || node.is_person() {
            node.run(&[]);
        } else {
            node.run(&["--bootstrap", entry]);
        }
    }

    /// Waits until a person's card is published.
    #[track_caller]
    pub fn await_card(person: &Node) {
        person.until("the card is published", |status| {
            status.card_published_ms.is_some()
        });
    }
}
