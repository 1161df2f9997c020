//! What one router has acknowledged, every other router knows at once.

use std::time::Duration;

use anyhow::{Result, ensure};
use dnc_core::verdict::{Cause, Verdict};
use dnc_proto::v1;
use dnc_proto::v1::suppression_service_client::SuppressionServiceClient;
use dnc_tests::cluster::Cluster;
use dnc_tests::grpc::{Upload, into_registry};
use dnc_tests::numbers::{self, Numbers};
use dnc_tests::wait;

/// How often it must hold.
const ROUNDS: usize = 500;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_suppression_acknowledged_by_one_router_is_seen_by_the_next_check_at_the_other() -> Result<()> {
    let cluster = Cluster::start().await?;
    let numbers = Numbers::for_clients(1);
    cluster.import(&numbers.list_files()).await?;
    let routers = [cluster.router(0).await?, cluster.router(1).await?];
    for (number, round) in numbers.own[0].iter().take(ROUNDS).zip(0..) {
        let (here, there) = (&routers[round % 2], &routers[(round + 1) % 2]);
        ensure!(there.check(*number).await? == Verdict::Clear, "round {round}: clear before");
        here.suppress(&number.to_string(), "").await?;
        let seen = there.check(*number).await?;
        ensure!(seen == Verdict::Listed, "round {round}: {seen:?} after the suppression was acknowledged");
    }
    cluster.passed()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_import_activated_through_one_router_judges_at_the_other_at_once() -> Result<()> {
    let cluster = Cluster::start().await?;
    let routers = [cluster.router(0).await?, cluster.router(1).await?];
    for round in 0..20u16 {
        let (here, there) = (&routers[usize::from(round % 2)], &routers[usize::from((round + 1) % 2)]);
        let area = 301 + round;
        let (listed, clear) = (numbers::number(area, 100), numbers::number(area, 101));
        let before = there.check(listed).await?;
        ensure!(before == Verdict::Unknown(Cause::NotCovered), "round {round}: {before:?} before");
        let file = numbers::list_file(numbers::today(), area, &[listed]);
        let imported = here.import(into_registry("federal"), &[Upload::from(file)]).await?;
        let answer = there.check_text(&listed.to_string()).await?;
        ensure!(dnc_tests::grpc::verdict(&answer)? == Verdict::Listed, "round {round}: {answer:?}");
        ensure!(answer.revision >= imported.revision, "judged by an older catalog: {answer:?} {imported:?}");
        ensure!(there.check(clear).await? == Verdict::Clear, "round {round}");
        // What was loaded before still counts.
        ensure!(there.check(numbers::number(301, 100)).await? == Verdict::Listed, "round {round}");
        // The same area without the number: it is dropped, at once and everywhere.
        let file = numbers::list_file(numbers::today(), area, &[clear]);
        let imported = here.import(into_registry("federal"), &[Upload::from(file)]).await?;
        ensure!((imported.added, imported.dropped) == (1, 1), "{imported:?}");
        ensure!(there.check(clear).await? == Verdict::Listed, "round {round}");
        ensure!(there.check(listed).await? == Verdict::Clear, "round {round}");
        let file = numbers::list_file(numbers::today(), area, &[listed]);
        here.import(into_registry("federal"), &[Upload::from(file)]).await?;
    }
    cluster.passed()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repeated_removal_that_comes_late_takes_away_no_newer_suppression() -> Result<()> {
    let cluster = Cluster::start().await?;
    let numbers = Numbers::for_clients(1);
    cluster.import(&numbers.list_files()).await?;
    let (late, there) = (cluster.router(0).await?, cluster.router(1).await?);
    for number in &numbers.own[0][..20] {
        let text = number.to_string();
        there.suppress(&text, "").await?;
        let removal = v1::RemoveSuppressionRequest {
            phone_number: text.clone(),
            reason: "entered by mistake".into(),
            request_id: uuid::Uuid::now_v7().to_string(),
            ..v1::RemoveSuppressionRequest::default()
        };
        // One router stands still with the removal in its hands, the other one does it.
        cluster.routers[0].pause()?;
        let mut client = SuppressionServiceClient::new(late.channel());
        let waiting = {
            let removal = removal.clone();
            tokio::spawn(async move { client.remove_suppression(removal).await })
        };
        let mut client = SuppressionServiceClient::new(there.channel());
        ensure!(client.remove_suppression(removal).await?.into_inner().removed == 1);
        // A replica that has not applied the removal yet may list the number a moment longer.
        wait::until(Duration::from_secs(5), "the removed number to be clear", async || {
            Ok((there.check(*number).await? == Verdict::Clear).then_some(()))
        })
        .await?;
        // Whoever asks not to be called again is not to be forgotten when the first router goes on.
        there.suppress(&text, "").await?;
        cluster.routers[0].resume()?;
        let repeated = waiting.await?;
        let seen = there.check(*number).await?;
        ensure!(seen == Verdict::Listed, "{seen:?} after the late removal was answered {repeated:?}");
    }
    cluster.passed()
}
