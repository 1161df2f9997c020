//! What is wrong with the network, and how nftables says it. Nothing in here runs anything.
//!
//! A fault is of packets from one process to another, and is put up where they arrive. So each
//! process has one table of its own, and a cut in one direction is half of a cut in both.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use dnc_tests::cluster::Victim;

/// The name of the table in each namespace.
pub const TABLE: &str = "chaos";

/// What happens to packets from one process to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Harm {
    /// None arrives.
    Cut,
    /// So many of a hundred do not arrive.
    Loss(u32),
}

/// All that is wrong with the network: harm by where packets come from and where they go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Links(BTreeMap<(Victim, Victim), Harm>);

// === impl Links ===

impl Links {
    /// Does harm to what each of `from` sends to each of `to`.
    pub fn harm(&mut self, from: &[Victim], to: &[Victim], harm: Harm) {
        let pairs = from.iter().flat_map(|from| to.iter().map(move |to| (*from, *to)));
        self.0.extend(pairs.filter(|(from, to)| from != to).map(|pair| (pair, harm)));
    }

    /// Those at which packets arrive harmed.
    pub fn receivers(&self) -> BTreeSet<Victim> {
        self.0.keys().map(|(_, to)| *to).collect()
    }

    /// Whether nothing is wrong.
    pub fn is_whole(&self) -> bool {
        self.0.is_empty()
    }

    /// How many rules there are at one receiver.
    pub fn rules_at(&self, receiver: Victim) -> usize {
        self.0.keys().filter(|(_, to)| *to == receiver).count()
    }

    /// What makes the table of one receiver so, whatever it was before, all at once.
    pub fn table(&self, receiver: Victim, address: impl Fn(Victim) -> Ipv4Addr) -> String {
        let mut text = format!("add table ip {TABLE}\ndelete table ip {TABLE}\n");
        let mut rules = String::new();
        for ((from, _), harm) in self.0.iter().filter(|((_, to), _)| *to == receiver) {
            let chance = match harm {
                Harm::Cut => String::new(),
                Harm::Loss(percent) => format!("numgen random mod 100 < {percent} "),
            };
            rules.push_str(&format!("    ip saddr {} {chance}counter drop\n", address(*from)));
        }
        if !rules.is_empty() {
            text.push_str(&format!(
                "table ip {TABLE} {{\n  chain arriving {{\n    type filter hook input priority 0; policy accept;\n{rules}  }}\n}}\n"
            ));
        }
        text
    }
}

/// What a listed table says of its rules: packets dropped by each.
pub fn dropped(listed: &str) -> Vec<u64> {
    let after =
        |line: &str| line.split_once("counter packets ").and_then(|(_, rest)| rest.split(' ').next()?.parse().ok());
    listed.lines().filter_map(after).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use dnc_tests::process::Role;

    fn node(index: usize) -> Victim {
        Victim { role: Role::Node, index }
    }

    fn address(of: Victim) -> Ipv4Addr {
        Ipv4Addr::new(10, 0, 0, u8::try_from(of.index).expect("small"))
    }

    #[test]
    fn a_cut_in_one_direction_is_put_up_where_packets_arrive_and_nowhere_else() {
        let mut links = Links::default();
        links.harm(&[node(0)], &[node(1), node(2)], Harm::Cut);
        assert_eq!(links.receivers(), [node(1), node(2)].into());
        assert!(links.table(node(1), address).contains("ip saddr 10.0.0.0 counter drop"));
        assert!(!links.table(node(0), address).contains("drop"));
        assert_eq!((links.rules_at(node(0)), links.rules_at(node(1))), (0, 1));
    }

    #[test]
    fn nobody_is_cut_off_from_itself() {
        let mut links = Links::default();
        links.harm(&[node(0), node(1)], &[node(0), node(1)], Harm::Cut);
        assert_eq!(links.rules_at(node(0)), 1);
    }

    #[test]
    fn loss_drops_some() {
        let mut links = Links::default();
        links.harm(&[node(0)], &[node(1)], Harm::Loss(5));
        assert!(links.table(node(1), address).contains("numgen random mod 100 < 5 counter drop"));
    }

    #[test]
    fn the_counters_of_a_table_are_read() {
        let listed = "table ip chaos {\n chain arriving {\n type filter hook input priority filter; policy accept;\n \
                      ip saddr 10.0.0.1 counter packets 12 bytes 720 drop\n ip saddr 10.0.0.2 counter packets 0 bytes 0 drop\n }\n}\n";
        assert_eq!(dropped(listed), [12, 0]);
    }
}
