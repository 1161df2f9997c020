//! The rounds of questions: asks all peers who they are, until the decision is made.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use dnc_proto::internal::meta_service_client::MetaServiceClient;
use dnc_proto::internal::{HelloRequest, HelloResponse};
use futures::future::join_all;
use tokio::time::{Instant, sleep, timeout};
use tonic::transport::Channel;
use tracing::info;

use super::decide::{Answer, Step, decide};
use super::{Bootstrap, BootstrapError, Identity};
use crate::client::{channel, describe};
use crate::options::Voter;

/// Time for one peer's answer.
const ANSWER: Duration = Duration::from_secs(1);
/// Pause between rounds.
const PAUSE: Duration = Duration::from_millis(200);
/// Who is missing is logged this often at most.
const COMPLAIN: Duration = Duration::from_secs(5);

/// Asks the peers in rounds until the cluster is known. Waits for ever: without all voters there is nothing else to do.
pub(crate) async fn settle(me: Identity, voters: &[Voter]) -> Result<Bootstrap, BootstrapError> {
    let configured: BTreeSet<u64> = voters.iter().map(|voter| voter.id).collect();
    let mut peers = Vec::new();
    for voter in voters.iter().filter(|voter| voter.id != me.voter) {
        let channel = channel(&voter.service).map_err(|why| BootstrapError::Address { voter: voter.id, why })?;
        peers.push((voter.id, MetaServiceClient::new(channel)));
    }
    let mut complained: Option<Instant> = None;
    loop {
        let round = peers.iter().map(|(peer, service)| ask(me, *peer, service.clone()));
        let answers: BTreeMap<u64, Answer> = join_all(round).await.into_iter().collect();
        match decide(me, &configured, &answers) {
            Step::Found(bootstrap) => {
                info!(voter = me.voter, cluster = %bootstrap.cluster_id(), "all voters are here, this is the cluster");
                return Ok(bootstrap);
            }
            Step::Adopt(bootstrap) => {
                info!(voter = me.voter, cluster = %bootstrap.cluster_id(), "joining the cluster that the other voters know");
                return Ok(bootstrap);
            }
            Step::Refuse(refused) => return Err(refused.into()),
            Step::Wait(missing) => {
                if complained.is_none_or(|at| at.elapsed() >= COMPLAIN) {
                    info!(voter = me.voter, ?missing, "waiting for the other voters before the cluster can begin");
                    complained = Some(Instant::now());
                }
            }
        }
        sleep(PAUSE).await;
    }
}

async fn ask(me: Identity, peer: u64, mut service: MetaServiceClient<Channel>) -> (u64, Answer) {
    let request = HelloRequest { voter: me.voter, incarnation: to_text(me.incarnation) };
    let answer = match timeout(ANSWER, service.hello(request)).await {
        Err(_) => Answer::Silent("no answer in time".into()),
        Ok(Err(status)) => Answer::Silent(describe(&status)),
        Ok(Ok(response)) => read(peer, &response.into_inner()),
    };
    (peer, answer)
}

/// What a peer's answer means.
fn read(peer: u64, response: &HelloResponse) -> Answer {
    if response.voter != peer {
        return Answer::AnotherVoter(response.voter);
    }
    let unreadable = || Answer::Silent("an answer that cannot be read".into());
    if response.cluster.is_empty() {
        return from_text(&response.incarnation).map_or_else(unreadable, Answer::Fresh);
    }
    let voters = response
        .voters
        .iter()
        .map(|voter| Some((voter.id, from_text(&voter.incarnation)?)))
        .collect::<Option<BTreeMap<u64, u128>>>();
    match (from_text(&response.cluster), voters) {
        (Some(cluster), Some(voters)) => Answer::Bootstrapped(Bootstrap { cluster, voters }),
        _ => unreadable(),
    }
}

/// 128 bits as they are written on the wire.
pub(crate) fn to_text(bits: u128) -> String {
    format!("{bits:032x}")
}

fn from_text(text: &str) -> Option<u128> {
    let plain = text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit());
    plain.then(|| u128::from_str_radix(text, 16).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use dnc_proto::internal::Voter as WireVoter;

    #[test]
    fn answers_are_read_and_what_makes_no_sense_is_silence() {
        let fresh = HelloResponse { voter: 2, incarnation: to_text(22), ..HelloResponse::default() };
        assert_eq!(read(2, &fresh), Answer::Fresh(22));
        assert_eq!(read(3, &fresh), Answer::AnotherVoter(2));
        let bootstrap = Bootstrap::of(BTreeMap::from([(1, 11), (2, 22)]));
        let voters =
            bootstrap.voters.iter().map(|(id, incarnation)| WireVoter { id: *id, incarnation: to_text(*incarnation) });
        let known = HelloResponse { cluster: to_text(bootstrap.cluster), voters: voters.collect(), ..fresh.clone() };
        assert_eq!(read(2, &known), Answer::Bootstrapped(bootstrap));
        for odd in ["+1", "xyz", "00000000000000000000000000000000000"] {
            let odd = HelloResponse { incarnation: odd.into(), ..fresh.clone() };
            assert!(matches!(read(2, &odd), Answer::Silent(_)));
        }
    }
}
