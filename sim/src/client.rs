//! Clients: they check, suppress and release, each the numbers that are its own, and check all.

use std::sync::Arc;
use std::time::Duration;

use dnc_core::codec;
use dnc_core::command::{Addition, ShardCommand, ShardRefusal, ShardReply};
use dnc_core::ids::{RegistryId, RequestId};
use dnc_core::number::PhoneNumber;
use dnc_core::suppression::{Origin, Removal, Suppression};
use dnc_core::tenant::DEFAULT_TENANT_ID;
use openraft_rt::AsyncRuntime;
use rand::Rng;
use rand::seq::{IndexedRandom, IteratorRandom};
use tokio::time::sleep;

use crate::net::{CallError, Handler, Port};
use crate::note;
use crate::plan::ROUTERS;
use crate::raft::Rt;
use crate::router::{self, CHECK, CHECKS, Seen, WRITE, WRITES};
use crate::world::{Dice, World, now_ms};

/// The registry of the opt-outs: the second that a cluster has.
const INTERNAL: RegistryId = RegistryId(2);
/// What a caller waits for longer than the router does.
const MARGIN: Duration = Duration::from_millis(200);

/// Whoever calls routers.
pub struct Caller {
    port: Port,
    dice: Dice,
}

/// One client.
pub struct Client {
    world: World,
    caller: Caller,
    name: String,
    numbers: Vec<PhoneNumber>,
    own: Vec<PhoneNumber>,
}

// === impl Caller ===

impl Caller {
    /// A caller on a host of this name.
    pub async fn open(world: &World, name: &str) -> anyhow::Result<Caller> {
        let life = world.begin_life(name);
        let port = Port::open(name, life, world.trace().clone()).await?;
        let serving = port.clone();
        let nobody: Handler = Arc::new(|_, _| Box::pin(async { Err("nobody answers here".to_owned()) }));
        drop(Rt::spawn(async move { serving.serve(nobody).await }));
        Ok(Caller { port, dice: world.dice(name, life) })
    }

    /// Its chance.
    pub fn dice(&self) -> &Dice {
        &self.dice
    }

    /// Its end of the network.
    pub fn port(&self) -> &Port {
        &self.port
    }

    /// Asks any router.
    pub async fn ask(&self, path: &str, body: Vec<u8>, limit: Duration) -> Result<Vec<u8>, CallError> {
        let router = self.dice.draw(|rng| rng.random_range(1..=ROUTERS));
        self.port.call(&router::name(router), path, body, limit).await
    }

    /// Checks numbers once.
    pub async fn check(&self, numbers: &[PhoneNumber]) -> Option<Vec<Seen>> {
        let answer = self.ask(CHECKS, codec::encode(&numbers), CHECK + MARGIN).await.ok()?;
        codec::decode(&answer).ok()
    }
}

// === impl Client ===

impl Client {
    /// Works until all is healed, and then ends what is under way.
    pub async fn run(world: World, ordinal: u32) -> anyhow::Result<()> {
        let _work = world.works();
        let name = format!("c{ordinal}");
        let caller = Caller::open(&world, &name).await?;
        let numbers = world.model().numbers(world.plan());
        let clients = world.plan().clients;
        let own = numbers.iter().zip(0u32..).filter(|(_, i)| i % clients == ordinal % clients).map(|(n, _)| *n);
        let client = Client { own: own.collect(), world: world.clone(), caller, name, numbers };
        while !world.is_healed() {
            match client.caller.dice.draw(|rng| rng.random_range(0..100)) {
                0..55 => client.check().await,
                55..80 => client.suppress().await,
                _ => client.release().await,
            }
            sleep(client.caller.dice.time(Duration::from_millis(1), world.plan().rest)).await;
        }
        Ok(())
    }

    async fn check(&self) {
        let asked: Vec<PhoneNumber> = self.caller.dice.draw(|rng| {
            let many = rng.random_range(1..=self.numbers.len().min(8));
            self.numbers.iter().copied().choose_multiple(rng, many)
        });
        let begun = self.world.model().check_begins();
        let answer = self.caller.check(&asked).await;
        self.world.model().check_ends(&self.name, begun, &asked, answer.as_deref());
    }

    async fn suppress(&self) {
        let Some(number) = self.caller.dice.draw(|rng| self.own.choose(rng).copied()) else { return };
        let id = RequestId(self.caller.dice.draw(|rng| rng.random::<u128>()));
        let suppression = Suppression::new(id, DEFAULT_TENANT_ID, Origin::Consumer, now_ms());
        let command = ShardCommand::Suppress(Addition { number, registry: INTERNAL, suppression });
        self.world.model().suppress_called(number, id);
        if let ShardReply::Suppressed { .. } = self.write(number, &command).await {
            self.world.model().suppress_acknowledged(&self.name, number, id);
        }
    }

    async fn release(&self) {
        let standing = self.own.iter().filter(|number| self.world.model().standing(**number).is_some());
        let Some(number) = self.caller.dice.draw(|rng| standing.choose(rng).copied()) else { return };
        let entries: Vec<RequestId> = self.world.model().standing(number).into_iter().flatten().collect();
        let request = RequestId(self.caller.dice.draw(|rng| rng.random::<u128>()));
        let removal = Removal {
            request: Some(request),
            reason: String::new(),
            removed_by: self.name.clone(),
            removed_ms: now_ms(),
        };
        let tenant = DEFAULT_TENANT_ID;
        let command =
            ShardCommand::Release { request, number, registry: INTERNAL, tenant, entries: entries.clone(), removal };
        self.world.model().release_called(number, &entries);
        if let ShardReply::Released { .. } = self.write(number, &command).await {
            self.world.model().release_acknowledged(&self.name, number);
        }
    }

    /// Writes until it is acknowledged: what may have been done is repeated with the same id.
    async fn write(&self, number: PhoneNumber, command: &ShardCommand) -> ShardReply {
        let body = codec::encode(&(number, command));
        loop {
            let answer = self.caller.ask(WRITES, body.clone(), WRITE + MARGIN).await;
            match answer.map(|answer| codec::decode::<ShardReply>(&answer)) {
                Ok(Ok(ShardReply::Refused(why @ (ShardRefusal::RequestReused | ShardRefusal::Ended)))) => {
                    self.world.watch().broken(format!("{}: a write of a client's own is refused: {why}", self.name));
                    return ShardReply::Done;
                }
                Ok(Ok(ShardReply::Refused(why))) => {
                    note!(self.world.trace(), self.name, "a write was refused: {why}");
                    return ShardReply::Done;
                }
                Ok(Ok(reply)) => return reply,
                Ok(Err(_)) | Err(_) => {}
            }
            sleep(self.caller.dice.time(Duration::from_millis(10), Duration::from_millis(200))).await;
        }
    }
}
