//! Packed checks answer as bulks do.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use dnc_core::number::PhoneNumber;
use dnc_proto::v1;
use dnc_proto::v1::check_service_client::CheckServiceClient;
use dnc_tests::cluster::Cluster;
use dnc_tests::grpc::Router;
use dnc_tests::numbers::Numbers;
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{Rng, SeedableRng};

/// What of a bulk's answer the packed form leaves out.
fn bare(response: &v1::CheckResponse) -> v1::CheckResponse {
    v1::CheckResponse {
        phone_number: String::new(),
        revision: 0,
        checked_at: None,
        correlation_id: String::new(),
        ..response.clone()
    }
}

async fn packed(router: &Router, numbers: &[u64]) -> Result<v1::PackedCheckResponse> {
    let mut request =
        tonic::Request::new(v1::PackedCheckRequest { numbers: numbers.to_vec(), ..v1::PackedCheckRequest::default() });
    request.set_timeout(Duration::from_secs(10));
    Ok(CheckServiceClient::new(router.channel()).packed_check(request).await?.into_inner())
}

/// Asks two routers the same in the two forms.
async fn compare(bulk: &Router, other: &Router, numbers: &[u64]) -> Result<[u64; 7]> {
    let texts: Vec<String> = numbers.iter().map(|digits| format!("+{digits}")).collect();
    let expected = bulk.bulk(&texts).await?;
    let packed = packed(other, numbers).await?;
    ensure!(packed.verdicts.len() == numbers.len() && packed.revision == expected.revision, "{packed:?}");
    let mut seen = [0; 7];
    for (at, expected) in expected.results.iter().enumerate() {
        let result = packed.result(at).with_context(|| format!("number {at} has no answer"))?;
        ensure!(result == bare(expected), "number {at}: {result:?} and not {expected:?}");
        seen[usize::from(packed.verdicts[at])] += 1;
    }
    Ok(seen)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn packed_answers_are_those_of_the_bulk_with_all_nodes_and_with_one_killed() -> Result<()> {
    let mut cluster = Cluster::start().await?;
    let numbers = Numbers::for_clients(1);
    cluster.import(&numbers.list_files()).await?;
    let routers = [cluster.router(0).await?, cluster.router(1).await?];
    let own = &numbers.own[0];
    for number in own.iter().step_by(3).take(50) {
        routers[0].suppress(&number.to_string(), "").await?;
    }
    let all: Vec<PhoneNumber> =
        [&numbers.listed, &numbers.clear, &numbers.uncovered, own].into_iter().flatten().copied().collect();
    let mut random = rand::rngs::StdRng::seed_from_u64(1);
    for round in 0..20 {
        if round == 10 {
            cluster.nodes[1].kill9()?;
        }
        let size = random.random_range(1..2_500);
        let mut mix: Vec<u64> =
            (0..size).filter_map(|_| all.choose(&mut random)).map(|number| number.to_u64()).collect();
        // Not numbers: too short, too long, an area code that cannot be.
        mix.extend([5, u64::MAX, 11_115_550_100]);
        mix.shuffle(&mut random);
        let seen = compare(&routers[round % 2], &routers[(round + 1) % 2], &mix).await?;
        ensure!(seen[6] == 3 && seen[5] == 0, "round {round}: {seen:?}");
        ensure!(size < 500 || seen[1..4].iter().all(|count| *count > 0), "round {round}: {seen:?}");
    }
    cluster.passed()
}
