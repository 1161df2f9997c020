//! The network that the cluster lives in: one namespace for each process, joined by a bridge.
//!
//! The bridge has a namespace of its own, so that neither this machine's packet filter nor its
//! routes have a say; one link leads from there to the clients, in the namespace of this program.
//! All names begin with one prefix, all of it goes when the [`World`] is dropped, and no packet
//! leaves it. Start at [`World::new`]; `links` is what can be wrong.

pub mod command;
mod links;
mod relay;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use dnc_tests::cluster::{Place, Places, Victim};
use dnc_tests::process::Around;

use self::command::{fed, run};
pub use self::links::{Harm, Links};
use self::relay::{Program, Relay};

/// Ports of every process: each has an address of its own.
const GRPC: u16 = 7_400;
const RAFT: u16 = 7_401;
const HTTP: u16 = 7_402;

/// The clients' part of an address, and that of the first process.
const CLIENTS: u8 = 1;
const FIRST: u8 = 10;

/// What is put around a process by others than the network.
pub trait Dress {
    /// The variables that a process is started with; called before it is, with its data folder.
    fn dress(&mut self, process: Victim, data: &Path) -> Result<Vec<(String, String)>>;
}

/// Namespaces, the bridge, and what is wrong with the links now.
pub struct World {
    prefix: String,
    subnet: [u8; 3],
    hosts: BTreeMap<Victim, Ipv4Addr>,
    links: Links,
    relay: Option<Program>,
    relays: Vec<Relay>,
    dress: Box<dyn Dress>,
}

// === impl World ===

impl World {
    /// An empty world: the bridge and the clients' link. An error where namespaces or nftables are not to be had.
    pub fn new(dress: Box<dyn Dress>) -> Result<World> {
        let prefix = format!("dncx{}", std::process::id());
        let world = World {
            prefix,
            subnet: free_subnet()?,
            hosts: BTreeMap::new(),
            links: Links::default(),
            relay: None,
            relays: Vec::new(),
            dress,
        };
        world.build().context("make a network of namespaces: this needs root, ip and nft")?;
        Ok(world)
    }

    fn build(&self) -> Result<()> {
        run("nft", &["--version"])?;
        let (hub, outside) = (self.hub(), self.outside());
        run("ip", &["netns", "add", &hub])?;
        run("ip", &["-n", &hub, "link", "add", "bridge", "type", "bridge"])?;
        run("ip", &["-n", &hub, "link", "set", "bridge", "up"])?;
        run("ip", &["link", "add", &outside, "type", "veth", "peer", "name", "clients", "netns", &hub])?;
        run("ip", &["-n", &hub, "link", "set", "clients", "master", "bridge", "up"])?;
        let address = format!("{}/24", self.address(CLIENTS));
        run("ip", &["addr", "add", &address, "dev", &outside])?;
        run("ip", &["link", "set", &outside, "up"])?;
        Ok(())
    }

    fn hub(&self) -> String {
        format!("{}-hub", self.prefix)
    }

    /// The clients' end of their link; names of links have 15 letters at most.
    fn outside(&self) -> String {
        format!("{}c", self.prefix)
    }

    fn address(&self, host: u8) -> Ipv4Addr {
        let [a, b, c] = self.subnet;
        Ipv4Addr::new(a, b, c, host)
    }

    /// The namespace of a process.
    pub fn namespace(&self, process: Victim) -> String {
        format!("{}-{}{}", self.prefix, process.role.word(), process.index)
    }

    /// Every process that has a place here.
    pub fn processes(&self) -> Vec<Victim> {
        self.hosts.keys().copied().collect()
    }

    /// Makes the network as `links` say, and makes sure that it is so.
    pub fn set(&mut self, links: Links) -> Result<()> {
        let mut touched = self.links.receivers();
        touched.extend(links.receivers());
        for receiver in touched {
            let table = links.table(receiver, |of| self.hosts[&of]);
            self.nft(receiver, &["-f", "-"], &table)?;
            let listed = self.nft(receiver, &["list", "ruleset"], "")?;
            let rules = links::dropped(&listed).len();
            let wanted = links.rules_at(receiver);
            ensure!(rules == wanted, "{rules} rules of {wanted} are in effect at {receiver}");
        }
        self.links = links;
        Ok(())
    }

    /// Whatever a process sends and receives comes later by this much, and by up to `jitter` more.
    pub fn delay(&mut self, process: Victim, delay: Duration, jitter: Duration) -> Result<()> {
        if self.relay.is_none() {
            self.relay = Some(Program::build()?);
        }
        let program = self.relay.as_ref().context("it was built just now")?;
        self.relays.push(Relay::begin(program, &self.hub(), &port(process), delay, jitter)?);
        Ok(())
    }

    /// The network is whole again; how many packets were dropped or came late.
    pub fn mend(&mut self) -> Result<u64> {
        ensure!(!self.links.is_whole() || !self.relays.is_empty(), "the network is whole");
        let mut harmed = self.dropped()?;
        self.set(Links::default())?;
        for relay in std::mem::take(&mut self.relays) {
            harmed += relay.end()?;
        }
        Ok(harmed)
    }

    /// What is wrong with the network now.
    pub fn links(&self) -> &Links {
        &self.links
    }

    /// How many packets were dropped since the network was set.
    fn dropped(&self) -> Result<u64> {
        let mut dropped = 0;
        for receiver in self.links.receivers() {
            dropped += links::dropped(&self.nft(receiver, &["list", "ruleset"], "")?).iter().sum::<u64>();
        }
        Ok(dropped)
    }

    fn nft(&self, at: Victim, arguments: &[&str], input: &str) -> Result<String> {
        let namespace = self.namespace(at);
        let words: Vec<&str> = ["netns", "exec", &namespace, "nft"].iter().chain(arguments).copied().collect();
        fed("ip", &words, input)
    }
}

impl Places for World {
    fn place(&mut self, process: Victim, data: &Path) -> Result<Place> {
        let host = FIRST + u8::try_from(self.hosts.len()).context("a small cluster")?;
        let (address, namespace, hub) = (self.address(host), self.namespace(process), self.hub());
        let port = port(process);
        run("ip", &["netns", "add", &namespace])?;
        self.hosts.insert(process, address);
        run("ip", &["-n", &hub, "link", "add", &port, "type", "veth", "peer", "name", "eth0", "netns", &namespace])?;
        run("ip", &["-n", &hub, "link", "set", &port, "master", "bridge", "up"])?;
        run("ip", &["-n", &namespace, "addr", "add", &format!("{address}/24"), "dev", "eth0"])?;
        run("ip", &["-n", &namespace, "link", "set", "lo", "up"])?;
        run("ip", &["-n", &namespace, "link", "set", "eth0", "up"])?;
        let at = |port| SocketAddr::from((address, port));
        let around = Around { namespace: Some(namespace), variables: self.dress.dress(process, data)? };
        Ok(Place { grpc: at(GRPC), http: at(HTTP), raft: at(RAFT), around })
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.relays.clear();
        // The clients' link goes with the hub, but later: a namespace is taken apart in the background.
        let _ = run("ip", &["link", "del", &self.outside()]);
        for process in self.processes() {
            let _ = run("ip", &["netns", "del", &self.namespace(process)]);
        }
        let _ = run("ip", &["netns", "del", &self.hub()]);
    }
}

/// The hub's end of a process's link.
fn port(process: Victim) -> String {
    format!("{}{}", process.role.word(), process.index)
}

/// A network of private addresses of which this machine has none.
fn free_subnet() -> Result<[u8; 3]> {
    let taken = run("ip", &["-4", "route", "show", "table", "all"])?;
    let free = (0..=255).map(|last| [10, 213, last]).find(|[a, b, c]| !taken.contains(&format!("{a}.{b}.{c}.")));
    free.context("all of 10.213.0.0/16 is in use")
}
