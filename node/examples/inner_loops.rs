//! The inner loops of a check, each once over a thousand numbers, for `make instructions` to count their instructions.
//!
//! Nothing is timed here. What is prepared is not counted: only what runs inside of `measured`.

#![allow(missing_docs, clippy::expect_used, reason = "counted, not used")]

use std::collections::BTreeSet;
use std::hint::black_box;
use std::sync::Arc;

use dnc_core::block::{Block, BlockBuilder, BlockId};
use dnc_core::ids::{Position, RegistryId, RequestId, TenantId, VersionId};
use dnc_core::number::PhoneNumber;
use dnc_core::read_rule::Standing;
use dnc_core::registry::{Coverage, RegistryKind, Source};
use dnc_core::rule::{Pattern, Rule, RuleSet};
use dnc_core::tenant::{DEFAULT_TENANT_ID, Terms};
use dnc_core::verdict::{Asker, Findings, Now};
use dnc_core::view::{ActiveVersion, View, ViewRegistry, ViewTenant};
use dnc_node::shard::Resident;
use jiff::civil::date;

const FEDERAL: RegistryId = RegistryId(1);
const FIRST_BLOCK: u64 = 1_201_200;
const BLOCKS: u64 = 500;

mod measured {
    use super::*;
    use dnc_core::read_rule::settle;
    use dnc_core::verdict::judge;

    #[inline(never)]
    pub fn parse_numbers(texts: &[String]) -> usize {
        texts.iter().filter(|text| PhoneNumber::parse(text).is_ok()).count()
    }

    #[inline(never)]
    pub fn shards_of_numbers(numbers: &[PhoneNumber]) -> u32 {
        numbers.iter().map(|number| number.block().shard(64)).max().unwrap_or(0)
    }

    #[inline(never)]
    pub fn look_into_dense_blocks(list: &Resident, numbers: &[PhoneNumber]) -> bool {
        list.holding(numbers).any()
    }

    // Not written like the one above: equal functions are made one, and then neither can be counted.
    #[inline(never)]
    pub fn look_into_sparse_blocks(list: &Resident, numbers: &[PhoneNumber]) -> Option<u8> {
        list.holding(numbers).into_bytes().pop()
    }

    #[inline(never)]
    pub fn settle_majorities(answers: &[[Standing; 2]]) -> usize {
        answers.iter().filter(|two| matches!(settle(*two), dnc_core::read_rule::Settlement::Settled { .. })).count()
    }

    #[inline(never)]
    pub fn settle_leases(answers: &[[Standing; 1]]) -> usize {
        answers.iter().filter(|one| matches!(settle(*one), dnc_core::read_rule::Settlement::Settled { .. })).count()
    }

    #[inline(never)]
    pub fn match_rules(rules: &RuleSet, numbers: &[PhoneNumber]) -> usize {
        numbers.iter().map(|number| rules.matching(*number, DEFAULT_TENANT_ID).len()).sum()
    }

    #[inline(never)]
    pub fn judge_numbers(view: &View, findings: &Findings, asker: &Asker, now: Now, numbers: &[PhoneNumber]) -> usize {
        numbers.iter().map(|number| judge(*number, findings, view, asker, now).evidence.len()).sum()
    }
}

/// Blocks of which every so many lines are listed.
fn list(step: usize) -> Resident {
    let block = || -> Block {
        let mut builder = BlockBuilder::new();
        (0..10_000_u16).step_by(step).for_each(|line| builder.insert(line).expect("a line"));
        builder.build()
    };
    Resident::new((FIRST_BLOCK..FIRST_BLOCK + BLOCKS).map(|id| (BlockId(id), block())))
}

fn standing(node: u64, leased: bool) -> Standing {
    let at = |index| Some(Position { term: 3, index });
    Standing {
        node,
        last: at(90 + node),
        applied: at(90),
        membership: Arc::new(vec![BTreeSet::from([1, 2, 3])]),
        membership_at: at(1),
        barrier: 4,
        leased,
    }
}

fn view() -> View {
    let source = Source { list_date: date(2026, 11, 9), file: "f".into(), sha256: [0; 32], numbers: 0 };
    View {
        revision: 5,
        registries: vec![ViewRegistry {
            id: FEDERAL,
            name: "federal".into(),
            kind: RegistryKind::Federal,
            owner: None,
            max_age_days: 31,
            exemption_months: Default::default(),
            active: Some(ActiveVersion { id: VersionId(1), coverage: Coverage::Everywhere(source) }),
        }],
        tenants: vec![ViewTenant { id: DEFAULT_TENANT_ID, name: "default".into(), terms: Terms::everything() }],
        rules: Default::default(),
    }
}

fn rules() -> RuleSet {
    let rule = |id, kind, pattern: &str, tenant| Rule {
        id: RequestId(id),
        pattern: Pattern::parse(kind, pattern).expect("a pattern"),
        tenant,
        description: String::new(),
        author: String::new(),
        created_ms: 0,
    };
    let rules = [
        rule(1, "prefix", "201777", None),
        rule(2, "area_code", "415", Some(TenantId(2))),
        rule(3, "regex", "^1201222", Some(DEFAULT_TENANT_ID)),
    ];
    RuleSet::new(&rules.into_iter().map(|rule| (rule.id, rule)).collect())
}

fn main() {
    // Spread by a step that meets every block, and every line of it in the end.
    let numbers: Vec<PhoneNumber> = (0..1_000u64)
        .map(|at| FIRST_BLOCK * 10_000 + at * 7_919_113 % (BLOCKS * 10_000))
        .map(|digits| PhoneNumber::from_u64(digits).expect("a number"))
        .collect();
    let texts: Vec<String> = numbers.iter().map(|number| format!("+{}", number.to_u64())).collect();
    let (dense, sparse) = (list(2), list(20));
    let majorities: Vec<[Standing; 2]> = (0..1_000).map(|_| [standing(1, false), standing(2, false)]).collect();
    let leases: Vec<[Standing; 1]> = (0..1_000).map(|_| [standing(1, true)]).collect();
    let (view, rules) = (view(), rules());
    let findings = Findings { bulk: vec![FEDERAL], ..Findings::default() };
    let (asker, now) = (Asker::tenant(DEFAULT_TENANT_ID), Now { today: date(2026, 11, 21), ms: 1_795_000_000_000 });

    black_box(measured::parse_numbers(black_box(&texts)));
    black_box(measured::shards_of_numbers(black_box(&numbers)));
    black_box(measured::look_into_dense_blocks(black_box(&dense), black_box(&numbers)));
    black_box(measured::look_into_sparse_blocks(black_box(&sparse), black_box(&numbers)));
    black_box(measured::settle_majorities(black_box(&majorities)));
    black_box(measured::settle_leases(black_box(&leases)));
    black_box(measured::match_rules(black_box(&rules), black_box(&numbers)));
    black_box(measured::judge_numbers(
        black_box(&view),
        black_box(&findings),
        black_box(&asker),
        now,
        black_box(&numbers),
    ));
}
