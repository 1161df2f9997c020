//! The meta group as others see it: following its catalog, proposing changes.

use std::time::Duration;

use dnc_core::catalog::{Catalog, Change, Decision};
use dnc_core::codec;
use dnc_meta::{CatalogCache, ProposeError};
use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep};

use crate::net::Port;
use crate::plan::VOTERS;
use crate::world::Dice;

/// A voter is asked for a newer catalog this often, on average.
const PAUSE: Duration = Duration::from_millis(150);
/// Time for one voter to answer.
const ATTEMPT: Duration = Duration::from_millis(1_500);
/// What proposals are sent to.
pub const PROPOSE: &str = "meta/propose";
/// What asks for a newer catalog.
pub const CATALOG: &str = "meta/catalog";

/// What a voter says to a proposal.
#[derive(Serialize, Deserialize)]
pub enum Proposed {
    /// It is decided.
    Decision(Vec<u8>),
    /// Another one leads.
    NotLeader(Option<u64>),
    /// It may be decided.
    Unknown(String),
}

/// The host of a voter of the meta group.
pub fn voter(id: u64) -> String {
    format!("m{id}")
}

/// Keeps a cache fresh, for ever. `each` is called after every newer catalog.
pub async fn follow(port: &Port, dice: &Dice, cache: &CatalogCache, each: impl Fn(&Catalog)) {
    loop {
        let id = dice.draw(|rng| rand::Rng::random_range(rng, 1..=u64::from(VOTERS)));
        let known = cache.get().catalog.revision;
        let asked = port.call(&voter(id), CATALOG, codec::encode(&known), ATTEMPT).await;
        if let Ok(Ok(Some(newer))) = asked.map(|answer| codec::decode::<Option<Catalog>>(&answer))
            && cache.offer(newer) == Ok(true)
        {
            each(&cache.get().catalog);
        }
        sleep(dice.time(PAUSE / 3, PAUSE * 2)).await;
    }
}

/// Proposes a change until it is decided or the limit has passed.
pub async fn propose(port: &Port, dice: &Dice, change: &Change, limit: Duration) -> Result<Decision, ProposeError> {
    let deadline = Instant::now() + limit;
    let encoded = codec::encode(change);
    let mut order: Vec<u64> = (1..=u64::from(VOTERS)).collect();
    dice.draw(|rng| order.shuffle(rng));
    let mut last = String::new();
    while let Some(id) = order.pop() {
        order.insert(0, id);
        match port.call(&voter(id), PROPOSE, encoded.clone(), ATTEMPT).await {
            Err(error) => last = error.to_string(),
            Ok(answer) => match codec::decode::<Proposed>(&answer) {
                Ok(Proposed::Decision(decision)) => match codec::decode(&decision) {
                    Ok(decision) => return Ok(decision),
                    Err(error) => last = error.to_string(),
                },
                Ok(Proposed::NotLeader(leader)) => {
                    last = "not the leader".to_owned();
                    if let Some(leader) = leader.filter(|leader| *leader != id) {
                        order.retain(|other| *other != leader);
                        order.push(leader);
                    }
                }
                Ok(Proposed::Unknown(why)) => last = why,
                Err(error) => last = error.to_string(),
            },
        }
        if Instant::now() >= deadline {
            break;
        }
        sleep(dice.time(Duration::from_millis(10), Duration::from_millis(100))).await;
    }
    Err(ProposeError::TimedOut { limit, last })
}
