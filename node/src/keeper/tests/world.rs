//! A keeper's task with one person who asks it.

use super::*;

/// A keeper, the owner of a mailbox, and all that the keeper says.
pub(super) struct World {
    pub(super) handle: KeeperHandle<Port>,
    pub(super) said: mpsc::Receiver<Said>,
    pub(super) node: NodeId,
    pub(super) owner: SecretKey,
    pub(super) mailbox: Mailbox,
    pub(super) kept: BTreeSet<u64>,
}

#[derive(Debug)]
pub(super) enum Said {
    Answer(u64, Bytes),
    Push(u64, Bytes),
    Keep(u64, bool),
}

#[derive(Debug)]
pub(super) struct Port(pub(super) mpsc::Sender<Said>);

impl KeeperPort for Port {
    type Conn = u64;
    type Token = u64;
    type Source = u64;

    fn source(source: u64) -> Source {
        Source(source)
    }

    async fn respond(&self, token: u64, payload: Bytes) {
        let _ended = self.0.send(Said::Answer(token, payload)).await;
    }

    async fn push(&self, conn: u64, payload: Bytes) {
        let _ended = self.0.send(Said::Push(conn, payload)).await;
    }

    fn ask(&self, _: NodeId, _: Bytes) -> impl Future<Output = Option<Bytes>> + Send + 'static {
        std::future::ready(None)
    }

    async fn keep(&self, conn: u64, kept: bool) {
        let _ended = self.0.send(Said::Keep(conn, kept)).await;
    }
}

impl World {
    pub(super) fn start(store: impl KeeperStore, worker: Worker) -> Self {
        let key = SecretKey::from_seed(&[1; 32]);
        let node = NodeId::new(*key.public().as_bytes());
        let owner = SecretKey::from_seed(&[2; 32]);
        let (rule, epoch) = (Rule::Capability, clock::now().epoch());
        let mailbox = Mailbox {
            owner: owner.public(),
            rule,
            epoch,
        };
        let (port, said) = mpsc::channel(4_096);
        let scheme = Arc::new(CheapForTests);
        let handle = spawn(
            store,
            key,
            Policy::default(),
            scheme,
            Port(port),
            worker,
            Clock::system(),
        );
        Self {
            handle,
            said,
            node,
            owner,
            mailbox,
            kept: BTreeSet::new(),
        }
    }

    pub(super) fn try_ask(&self, conn: u64, token: u64, request: Request) -> Result<(), u64> {
        self.try_ask_from(1, conn, token, request)
    }

    pub(super) fn try_ask_from(
        &self,
        source: u64,
        conn: u64,
        token: u64,
        request: Request,
    ) -> Result<(), u64> {
        let payload = request.encode();
        self.handle.try_request(KeeperRequest {
            conn,
            source,
            token,
            payload,
        })
    }

    pub(super) fn ask(&self, conn: u64, token: u64, request: Request) {
        self.try_ask(conn, token, request).unwrap();
    }

    pub(super) async fn answer(&mut self, to: u64) -> Response {
        match self.next().await {
            Said::Answer(token, payload) if token == to => Response::decode(&payload).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    pub(super) async fn next(&mut self) -> Said {
        loop {
            match self.said.recv().await.unwrap() {
                Said::Keep(conn, true) => assert!(self.kept.insert(conn)),
                Said::Keep(conn, false) => assert!(self.kept.remove(&conn)),
                said => return said,
            }
        }
    }

    pub(super) fn deposit(&self, envelope: &Bytes, expires: UnixMillis) -> Request {
        let holder = SecretKey::from_seed(&[3; 32]);
        let capability = Capability::issue(&self.owner, &self.mailbox, holder);
        let proof = capability.prove(&self.mailbox.address(), &id_of(envelope), expires);
        Request::DepositEnvelope {
            mailbox: self.mailbox,
            expires,
            envelope: envelope.clone(),
            nonce: [9; 16],
            admission: Admission::Capability(proof),
        }
    }

    pub(super) fn subscribe(&self) -> Request {
        let proof = self.prove(OwnerRequest::Subscribe);
        Request::Subscribe {
            mailbox: self.mailbox,
            proof,
        }
    }

    pub(super) fn list(&self) -> Request {
        let proof = self.prove(OwnerRequest::List(None));
        Request::List {
            mailbox: self.mailbox,
            proof,
            after: None,
        }
    }

    pub(super) fn ack(&self, id: ItemId) -> Request {
        let entry = AckEntry::sign(&self.owner, &self.mailbox.address(), id);
        Request::Ack {
            mailbox: self.mailbox,
            entries: vec![entry],
        }
    }

    /// Asks as the node's own person.
    pub(super) async fn local(&self, request: Request) -> Response {
        let answer = self.handle.local(request.encode()).await.unwrap();
        Response::decode(&answer).unwrap()
    }

    pub(super) fn get(&self, id: ItemId) -> Request {
        let ids = vec![id];
        let proof = self.prove(OwnerRequest::Get(&ids));
        Request::Get {
            mailbox: self.mailbox,
            proof,
            ids,
        }
    }

    pub(super) fn prove(&self, request: OwnerRequest<'_>) -> OwnerProof {
        let address = self.mailbox.address();
        OwnerProof::sign(&self.owner, &address, &self.node, clock::now(), request)
    }
}

/// Bytes that a keeper takes for an envelope, which names its end.
pub(super) fn envelope(number: u8, ttl_ms: u64) -> (Bytes, UnixMillis) {
    assert!(ttl_ms < DAY_MS);
    let expires = clock::now().plus(ttl_ms);
    let mut bytes = vec![number; 2_048];
    bytes[2..10].copy_from_slice(&expires.get().to_be_bytes());
    (bytes.into(), expires)
}
