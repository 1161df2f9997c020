//! What the fake answers because it was told so: judgements of numbers, and what nodes say of themselves.

use std::collections::HashMap;

use dnc_core::ids::{RegistryId, TenantId, VersionId};
use dnc_core::number::PhoneNumber;
use dnc_core::registry::Source;
use dnc_core::verdict::{Evidence, Judgement, Reason, Verdict};
use jiff::civil::date;

use super::Fake;
use crate::route::{NodeReplicas, NodeWarmed};

/// All that it was told.
#[derive(Default)]
pub struct Said {
    judgements: HashMap<PhoneNumber, Judgement>,
    /// Live suppressions of every shard, beside those that it has.
    pub live: Vec<(RegistryId, TenantId, u64)>,
    /// What nodes say of their replicas.
    pub replicas: Vec<NodeReplicas>,
    /// What nodes say when they are warmed.
    pub warmed: Vec<NodeWarmed>,
}

/// A number that is one.
pub fn number(text: &str) -> PhoneNumber {
    PhoneNumber::parse(text).expect("a number")
}

/// What a list in a registry says.
pub fn listed(registry: &str) -> Judgement {
    Judgement {
        verdict: Verdict::Listed,
        reasons: vec![Reason::FederalDncRegistry],
        evidence: vec![evidence(registry, true)],
        exemption: None,
    }
}

/// What a registry that covers a number and does not list it says.
pub fn clear(registry: &str) -> Judgement {
    let evidence = vec![evidence(registry, false)];
    Judgement { verdict: Verdict::Clear, reasons: Vec::new(), evidence, exemption: None }
}

fn evidence(registry: &str, listed: bool) -> Evidence {
    Evidence {
        registry: registry.into(),
        listed,
        version: Some(VersionId(3)),
        source: Some(Source {
            list_date: date(2026, 11, 9),
            file: "2026-11-9_201_x.txt".into(),
            sha256: [7; 32],
            numbers: 5,
        }),
        suppression: None,
        rule: None,
        lifted: false,
    }
}

// === impl Said ===

impl Said {
    /// How a number is judged; without a word, not at all.
    pub fn judgement(&self, number: PhoneNumber) -> Judgement {
        self.judgements.get(&number).cloned().unwrap_or_else(Judgement::unavailable)
    }
}

// === impl Fake ===

impl Fake {
    /// Judges a number like this.
    pub fn judge(&self, number: PhoneNumber, judgement: Judgement) {
        self.state.lock().said.judgements.insert(number, judgement);
    }

    /// Every shard has so many live suppressions of a tenant in a registry.
    pub fn live(&self, registry: RegistryId, tenant: TenantId, count: u64) {
        self.state.lock().said.live.push((registry, tenant, count));
    }

    /// Nodes say this of their replicas.
    pub fn stand(&self, replicas: Vec<NodeReplicas>) {
        self.state.lock().said.replicas = replicas;
    }

    /// Nodes say this when they are warmed.
    pub fn warms(&self, warmed: Vec<NodeWarmed>) {
        self.state.lock().said.warmed = warmed;
    }
}
