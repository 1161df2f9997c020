//! What a node says to routers, with a replica that leads.

use dnc_consensus::Host;
use dnc_core::command::{Addition, ShardCommand, ShardReply};
use dnc_core::exemption::{Exemption, Ground};
use dnc_core::ids::{RegistryId, RequestId, ShardId, TenantId};
use dnc_core::number::PhoneNumber;
use dnc_core::query::{By, Search, ShardAnswer, ShardQuery};
use dnc_core::suppression::{Origin, Suppression};
use dnc_core::verdict::LiveFinding;
use dnc_proto::internal::{shard_query_response, shard_write_response};
use tokio::sync::watch;
use tonic::Code;

use super::*;
use crate::testing::{NODE, catalog, host, until};

struct Node {
    service: Service,
    host: Host,
    stop: CancellationToken,
    _folder: tempfile::TempDir,
}

impl Node {
    /// With two shards that it leads.
    async fn start() -> Node {
        let folder = tempfile::tempdir().expect("folder");
        let (host, hosting, stop, cache) =
            (host(folder.path()).await, Hosting::default(), CancellationToken::new(), catalog(2));
        let (ready, is_ready) = watch::channel(false);
        tokio::spawn(hosting.clone().follow(host.clone(), NODE, cache.clone(), ready, stop.clone()));
        until("it is ready", || *is_ready.borrow()).await;
        until("it leads", || {
            let all = hosting.all();
            all.len() == 2 && all.iter().all(|replica| replica.group.is_leader())
        })
        .await;
        let service = Service::new(Identity { cluster: 7, node: NODE }, hosting, cache, Disk::default());
        Node { service, host, stop, _folder: folder }
    }

    async fn stop(self) {
        self.stop.cancel();
        self.host.shutdown(Duration::from_secs(10)).await;
    }

    async fn write(&self, shard: u32, command: &ShardCommand) -> Result<ShardReply, Status> {
        let request =
            wire::ShardWriteRequest { shard, command: codec::encode(command), limit_ms: 5_000, generation: 0 };
        match self.service.propose(request).await?.outcome {
            Some(shard_write_response::Outcome::Reply(reply)) => Ok(codec::decode(&reply).expect("a reply")),
            other => panic!("{other:?}"),
        }
    }

    async fn ask(&self, shard: u32, query: &ShardQuery) -> Result<ShardAnswer, Status> {
        let request = wire::ShardQueryRequest { shard, query: codec::encode(query), limit_ms: 5_000, generation: 0 };
        match self.service.ask(request).await?.outcome {
            Some(shard_query_response::Outcome::Answer(answer)) => Ok(codec::decode(&answer).expect("an answer")),
            other => panic!("{other:?}"),
        }
    }
}

/// A number of the first shard, and one of the second.
fn numbers() -> [PhoneNumber; 2] {
    [0, 1].map(|shard| {
        let all = (0..).map(|i| PhoneNumber::from_u64(12_015_550_100 + i * 10_000).expect("a number"));
        all.into_iter().find(|number| number.block().shard(2) == shard).expect("one of each shard")
    })
}

fn check(shard: u32, number: PhoneNumber) -> wire::NodeCheckRequest {
    about(wire::ShardQuestion::about(shard, [number.to_u64()].into_iter()))
}

fn about(question: wire::ShardQuestion) -> wire::NodeCheckRequest {
    wire::NodeCheckRequest { questions: vec![question], ..wire::NodeCheckRequest::default() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_written_is_answered_searched_and_counted() {
    let node = Node::start().await;
    let [number, of_other] = numbers();
    let suppression = Suppression {
        reason: "asked".into(),
        expires_ms: Some(4_000_000_000_000),
        ..Suppression::new(RequestId(1), TenantId(1), Origin::Consumer, 5)
    };
    let addition = Addition { number, registry: RegistryId(2), suppression: suppression.clone() };
    let reply = node.write(0, &ShardCommand::Suppress(addition)).await.expect("written");
    assert_eq!(reply, ShardReply::Suppressed { id: RequestId(1) });
    let exemption = |id, expires_ms| Exemption {
        id: RequestId(id),
        tenant: TenantId(1),
        ground: Ground::Consent,
        since: jiff::civil::date(2026, 1, 1),
        expires_ms,
        proof: "form".into(),
        proof_sha256: String::new(),
        notes: String::new(),
        granted_by: String::new(),
        granted_ms: 0,
    };
    for granted in [exemption(2, None), exemption(3, Some(1_000))] {
        node.write(0, &ShardCommand::Grant { number, exemption: granted }).await.expect("written");
    }

    let answer = node.service.answer(check(0, number)).expect("answers").answers.remove(0);
    assert_eq!(answer.no_answer(), wire::NoAnswer::Unspecified);
    let findings: Vec<LiveFinding> =
        answer.live_hits.iter().map(|hit| codec::decode(&hit.finding).expect("a finding")).collect();
    assert_eq!(findings, [LiveFinding::of(RegistryId(2), &suppression)]);
    let exempt: Vec<Exemption> =
        answer.exempt_hits.iter().map(|hit| codec::decode(&hit.exemption).expect("an exemption")).collect();
    // The other one has ended by this node's clock.
    assert_eq!(exempt, [Exemption { proof: String::new(), ..exemption(2, None) }]);

    let by = By::Number { first: number.to_u64(), last: number.to_u64() };
    let search = Search { tenant: TenantId(1), by, registry: None, after: None, limit: 10 };
    let found = node.ask(0, &ShardQuery::Search(search.clone())).await.expect("answers");
    let ShardAnswer::Entries { entries, more: false } = found else { panic!("{found:?}") };
    assert_eq!(entries.iter().map(|entry| &entry.suppression).collect::<Vec<_>>(), [&suppression]);
    assert_eq!(
        node.ask(0, &ShardQuery::Live).await.expect("answers"),
        ShardAnswer::Live(vec![(RegistryId(2), TenantId(1), 1)])
    );

    let status = node.service.status(wire::ReplicasRequest { checksums: true }).await.expect("status");
    assert!(status.now_ms > 1_700_000_000_000);
    assert_eq!(status.failed, Vec::<u32>::new());
    assert_eq!(status.replicas[0].due_ms, 1_000);
    assert_eq!(status.replicas[1].due_ms, 0);
    assert_eq!((status.replicas[0].filter_numbers, status.replicas[0].filter_hits), (1, 1));
    let warmed = node.service.warm_up(wire::WarmRequest { shards: vec![0] }).await.expect("warms");
    assert_eq!(warmed.shards.len(), 1);
    assert_eq!((warmed.shards[0].suppressions, warmed.shards[0].exemptions), (1, 2));

    // What does not belong here.
    let foreign = node.service.answer(check(0, of_other)).expect_err("another shard's");
    assert_eq!(foreign.code(), Code::InvalidArgument);
    let not_here = node.service.answer(check(7, number)).expect("answers").answers.remove(0);
    assert_eq!(not_here.no_answer(), wire::NoAnswer::NotHere);
    let many = wire::ShardQuestion::about(0, [number.to_u64(); check::MAX_NUMBERS + 1].into_iter());
    let half = wire::ShardQuestion { shard: 0, numbers: vec![1; 12] };
    for bad in [many, half] {
        assert_eq!(node.service.answer(about(bad)).expect_err("refused").code(), Code::InvalidArgument);
    }
    let exemptions = ShardQuery::Exemptions { tenant: TenantId(1), number: of_other };
    assert_eq!(node.ask(0, &exemptions).await.expect_err("another shard's").code(), Code::InvalidArgument);
    let nowhere = ShardQuery::Search(Search { after: Some(vec![1]), ..search });
    assert_eq!(node.ask(0, &nowhere).await.expect_err("no place").code(), Code::InvalidArgument);
    assert_eq!(node.ask(9, &ShardQuery::Live).await.expect_err("not here").code(), Code::NotFound);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_write_is_surely_not_written() {
    let node = Node::start().await;
    let known = node.service.cache.get().catalog.revision;
    node.write(0, &ShardCommand::Barrier { revision: known }).await.expect("known");
    // It would have every check wait for a catalog that nobody has.
    let refused = node.write(0, &ShardCommand::Barrier { revision: known + 1 }).await.expect_err("not known");
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(refused.message().contains("catalog"), "{}", refused.message());
    assert_eq!(node.service.hosting.replica(ShardId(0)).expect("runs").shard.barrier(), known);

    let write = |command: Vec<u8>| wire::ShardWriteRequest { shard: 0, command, limit_ms: 1_000, generation: 0 };
    let unreadable = node.service.propose(write(vec![255, 1])).await.expect_err("unreadable");
    assert_eq!(unreadable.code(), Code::InvalidArgument);
    let (request, number) = (RequestId(1), numbers()[0]);
    let entries = vec![RequestId(u128::MAX); 150_000];
    let removal = dnc_core::suppression::Removal {
        request: None,
        reason: String::new(),
        removed_by: String::new(),
        removed_ms: 0,
    };
    let (registry, tenant) = (RegistryId(2), TenantId(1));
    let large = ShardCommand::Release { request, number, registry, tenant, entries, removal };
    assert_eq!(node.write(0, &large).await.expect_err("too large").code(), Code::InvalidArgument);

    let replica = node.service.hosting.replica(ShardId(0)).expect("runs");
    node.stop.cancel();
    node.host.stop_group(replica.group.id()).await.expect("stops");
    let stopped = node.write(0, &ShardCommand::Barrier { revision: known }).await.expect_err("stopped");
    assert_eq!(stopped.code(), Code::NotFound);
    node.stop().await;
}
