//! Nodes that answer, refuse, hang and lag as they are told: real servers on loopback, with nothing behind them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use dnc_core::catalog::{Catalog, Change, Decision, Founding, NodeAddresses, ShardMap};
use dnc_core::codec;
use dnc_core::command::ShardReply;
use dnc_core::ids::NodeId;
use dnc_core::registry::{Content, Coverage, LoadReport, RegistryKind, Settings, Source};
use dnc_core::verdict::LiveFinding;
use dnc_meta::{CatalogCache, MetaClient};
use dnc_proto::internal as wire;
use dnc_proto::internal::node_service_server::{NodeService, NodeServiceServer};
use dnc_proto::{CLUSTER_KEY, NODE_KEY};
use parking_lot::Mutex;
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::{Request, Response, Status};

use crate::route::{Reading, Route};

/// The cluster of all of them.
const CLUSTER: u128 = 7;

/// How a node meets a check.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Manner {
    /// It answers.
    #[default]
    Answers,
    /// It refuses at once.
    Refuses,
    /// It says nothing, for good.
    Hangs,
    /// It answers after this time.
    Lags(Duration),
    /// It answers that it has no answer.
    HasNone(wire::NoAnswer),
}

/// What a node says and does.
#[derive(Clone, Debug)]
pub struct Script {
    /// Who it is.
    pub id: NodeId,
    /// Whether it looks whom a call is meant for.
    pub looks: bool,
    /// How it meets checks.
    pub manner: Manner,
    /// The last index of its log.
    pub log: u64,
    /// The oldest and the newest view whose versions it has.
    pub views: (u64, u64),
    /// The newest barrier in its log.
    pub barrier: u64,
    /// What lists the first number of each question.
    pub live: Option<LiveFinding>,
    /// The catalog that it hands out.
    pub catalog: Option<Catalog>,
    /// Whether it answers those who offer it a catalog or ask for one.
    pub gossips: bool,
    /// Checks that came.
    pub checks: usize,
    /// Catalogs that were offered.
    pub offers: usize,
    /// Its clock.
    pub now_ms: u64,
    /// It takes no writes.
    pub held: bool,
    /// It leads, under its lease or not.
    pub leads: Option<Leads>,
}

/// How a node leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leads {
    UnderLease,
    WithoutLease,
}

/// One of them, as long as it runs.
pub struct Node {
    pub script: Arc<Mutex<Script>>,
    pub address: String,
    _stop: DropGuard,
}

/// Three of them and a router's way to them.
pub struct Cluster {
    pub nodes: Vec<Node>,
    pub catalog: Catalog,
    pub cache: CatalogCache,
    pub route: Route,
}

struct Service(Arc<Mutex<Script>>);

// === impl Node ===

impl Node {
    /// Starts one.
    pub async fn start(id: NodeId) -> Node {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound").to_string();
        let script = Arc::new(Mutex::new(Script {
            id,
            looks: true,
            manner: Manner::Answers,
            log: 1,
            views: (0, u64::MAX),
            barrier: 0,
            live: None,
            catalog: None,
            gossips: true,
            checks: 0,
            offers: 0,
            now_ms: 0,
            held: false,
            leads: None,
        }));
        let stop = CancellationToken::new();
        let server = tonic::transport::Server::builder()
            .add_service(NodeServiceServer::new(Service(Arc::clone(&script))))
            .serve_with_incoming_shutdown(TcpListenerStream::new(listener), stop.clone().cancelled_owned());
        tokio::spawn(server);
        Node { script, address, _stop: stop.drop_guard() }
    }

    pub fn checks(&self) -> usize {
        self.script.lock().checks
    }
}

// === impl Cluster ===

impl Cluster {
    /// One shard on three nodes, under a federal list of today that covers everything and lists nothing.
    pub async fn start() -> Cluster {
        Cluster::hedging_after(Duration::from_millis(15)).await
    }

    /// The same, with another delay before a further replica is asked.
    pub async fn hedging_after(hedge: Duration) -> Cluster {
        let nodes = vec![Node::start(1).await, Node::start(2).await, Node::start(3).await];
        let addresses: Vec<&str> = nodes.iter().map(|node| node.address.as_str()).collect();
        let catalog = founded(&addresses);
        for node in &nodes {
            node.script.lock().views = (0, catalog.view_revision);
        }
        let cache = CatalogCache::new();
        cache.offer(catalog.clone()).expect("one cluster");
        let route = Route::new(MetaClient::new(Vec::new()), cache.clone(), Reading { hedge, leases: true });
        Cluster { nodes, catalog, cache, route }
    }

    /// Changes what all nodes are told.
    pub fn each(&self, change: impl Fn(&mut Script)) {
        self.nodes.iter().for_each(|node| change(&mut node.script.lock()));
    }

    pub fn checks(&self) -> usize {
        self.nodes.iter().map(Node::checks).sum()
    }
}

/// A catalog of three nodes at these addresses.
pub fn founded(addresses: &[&str]) -> Catalog {
    let mut catalog = Catalog::default();
    change(
        &mut catalog,
        Change::Found(Founding { cluster: CLUSTER, log_key: [0; 32], shards: 1, replication: 3, initial_nodes: 3 }),
    );
    for (incarnation, address) in (1..).zip(addresses) {
        let addresses = NodeAddresses { service: (*address).into(), raft: format!("raft-{incarnation}:1") };
        change(&mut catalog, Change::RegisterNode { incarnation, addresses, zone: String::new() });
    }
    change(&mut catalog, Change::PlaceShards(ShardMap { replicas: vec![vec![1, 2, 3]] }));
    let federal = dnc_core::catalog::NewRegistry {
        settings: Settings::default(),
        ..dnc_core::catalog::NewRegistry::named("federal", RegistryKind::Federal)
    };
    change(&mut catalog, Change::CreateRegistry(federal));
    let internal = dnc_core::catalog::NewRegistry::named("internal", RegistryKind::Internal);
    change(&mut catalog, Change::CreateRegistry(internal));
    activate(&mut catalog);
    catalog
}

/// Loads and activates one more federal list, of today.
pub fn activate(catalog: &mut Catalog) {
    let registry = catalog.registry_named("federal").expect("made").id;
    let from = catalog.active(registry);
    let load = u128::from(catalog.next.version) + 1;
    let begun = change(catalog, Change::BeginVersion { registry, load, now_ms: 0 });
    let Decision::Version { id: version, .. } = begun else {
        panic!("not begun: {begun:?}");
    };
    let list = Source { list_date: crate::clock::today(), file: "all.txt".into(), sha256: [0; 32], numbers: 0 };
    let content = Content {
        coverage: Coverage::Everywhere(list),
        numbers: 0,
        by_area: Default::default(),
        checksum: 0,
        report: LoadReport::default(),
    };
    change(catalog, Change::SealVersion { registry, version, content });
    change(catalog, Change::Activate { registry, version, from, now_ms: 0 });
}

fn change(catalog: &mut Catalog, change: Change) -> Decision {
    let decision = catalog.apply(change);
    assert!(!matches!(decision, Decision::Refused(_)), "{decision:?}");
    decision
}

// === impl Service ===

impl Service {
    #[allow(clippy::result_large_err)] // tonic's own error type.
    fn admit<T>(&self, request: &Request<T>) -> Result<Script, Status> {
        let script = self.0.lock().clone();
        let said = |key| request.metadata().get(key).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if said(CLUSTER_KEY) != format!("{CLUSTER:032x}") {
            return Err(Status::failed_precondition("another cluster"));
        }
        if script.looks && said(NODE_KEY) != script.id.to_string() {
            return Err(Status::failed_precondition("another node"));
        }
        Ok(script)
    }
}

impl Script {
    fn answer(&self, question: &wire::ShardQuestion, view: u64) -> wire::ShardAnswer {
        if let Manner::HasNone(why) = self.manner {
            return wire::ShardAnswer { shard: question.shard, no_answer: why.into(), ..Default::default() };
        }
        let at = |index| Some(wire::LogPosition { term: 1, index });
        let live = self.live.iter().map(|finding| wire::LiveHit { at: 0, finding: codec::encode(finding) });
        wire::ShardAnswer {
            shard: question.shard,
            standing: Some(wire::Standing {
                last: at(self.log),
                applied: at(self.log),
                membership_at: at(0),
                membership: vec![wire::VoterSet { nodes: BTreeSet::from([1, 2, 3]).into_iter().collect() }],
                barrier: self.barrier,
                leader: self.leads.map_or(0, |_| self.id),
                leased: self.leads == Some(Leads::UnderLease),
                generation: 0,
            }),
            has_view: (self.views.0..=self.views.1).contains(&view),
            live_hits: live.collect(),
            ..Default::default()
        }
    }
}

#[tonic::async_trait]
impl NodeService for Service {
    async fn check(
        &self,
        request: Request<wire::NodeCheckRequest>,
    ) -> Result<Response<wire::NodeCheckResponse>, Status> {
        self.0.lock().checks += 1;
        let script = self.admit(&request)?;
        match &script.manner {
            Manner::Refuses => return Err(Status::unavailable("not now")),
            Manner::Hangs => std::future::pending().await,
            Manner::Lags(time) => tokio::time::sleep(*time).await,
            Manner::Answers | Manner::HasNone(_) => {}
        }
        let request = request.into_inner();
        Ok(Response::new(wire::NodeCheckResponse {
            answers: request.questions.iter().map(|question| script.answer(question, request.view)).collect(),
            view: script.views.1,
            node: script.id,
        }))
    }

    async fn write(
        &self,
        request: Request<wire::ShardWriteRequest>,
    ) -> Result<Response<wire::ShardWriteResponse>, Status> {
        let script = self.admit(&request)?;
        if script.held {
            return Err(Status::resource_exhausted("its disk is full"));
        }
        let reply = wire::shard_write_response::Outcome::Reply(codec::encode(&ShardReply::Done));
        Ok(Response::new(wire::ShardWriteResponse { outcome: Some(reply), node: script.id }))
    }

    async fn query(
        &self,
        request: Request<wire::ShardQueryRequest>,
    ) -> Result<Response<wire::ShardQueryResponse>, Status> {
        let script = self.admit(&request)?;
        Ok(Response::new(wire::ShardQueryResponse { outcome: None, node: script.id }))
    }

    async fn version_status(
        &self,
        request: Request<wire::VersionStatusRequest>,
    ) -> Result<Response<wire::VersionStatusResponse>, Status> {
        let script = self.admit(&request)?;
        Ok(Response::new(wire::VersionStatusResponse { shards: Vec::new(), node: script.id }))
    }

    async fn replicas(
        &self,
        request: Request<wire::ReplicasRequest>,
    ) -> Result<Response<wire::ReplicasResponse>, Status> {
        let script = self.admit(&request)?;
        let response = wire::ReplicasResponse { node: script.id, now_ms: script.now_ms, ..Default::default() };
        Ok(Response::new(response))
    }

    async fn warm(&self, request: Request<wire::WarmRequest>) -> Result<Response<wire::WarmResponse>, Status> {
        let script = self.admit(&request)?;
        Ok(Response::new(wire::WarmResponse { shards: Vec::new(), node: script.id }))
    }

    async fn change_group(
        &self,
        _: Request<wire::ChangeGroupRequest>,
    ) -> Result<Response<wire::ChangeGroupResponse>, Status> {
        Err(Status::unimplemented("routers change no groups"))
    }

    async fn get_catalog(
        &self,
        request: Request<wire::GetCatalogRequest>,
    ) -> Result<Response<wire::CatalogCopy>, Status> {
        let script = self.admit(&request)?;
        if !script.gossips {
            std::future::pending().await
        }
        let newer = script.catalog.filter(|catalog| catalog.revision > request.get_ref().newer_than);
        Ok(Response::new(newer.map_or_else(wire::CatalogCopy::default, |catalog| wire::CatalogCopy {
            revision: catalog.revision,
            catalog: codec::encode(&catalog),
        })))
    }

    async fn offer_catalog(
        &self,
        request: Request<wire::CatalogCopy>,
    ) -> Result<Response<wire::OfferCatalogResponse>, Status> {
        self.0.lock().offers += 1;
        let script = self.admit(&request)?;
        if !script.gossips {
            std::future::pending().await
        }
        Ok(Response::new(wire::OfferCatalogResponse { revision: request.get_ref().revision }))
    }
}
