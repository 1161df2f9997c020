//! A rule as JSON: the one shape that REST answers with and `dnc rule -o json` prints.

use dnc_proto::v1;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::{filled, moment};

/// Rules that a tenant sees.
#[derive(Serialize, ToSchema)]
#[schema(as = Rules)]
pub struct RulesShown<'a> {
    rules: Vec<RuleShown<'a>>,
    revision: u64,
}

/// One rule.
#[derive(Serialize, ToSchema)]
#[schema(as = Rule)]
pub struct RuleShown<'a> {
    id: &'a str,
    #[schema(pattern = "^(area_code|exchange|prefix|regex)$")]
    r#type: &'a str,
    pattern: &'a str,
    /// The tenant for whose checks it holds; null if it holds for all.
    tenant: Option<&'a str>,
    global: bool,
    description: &'a str,
    author: &'a str,
    created_at: Option<Timestamp>,
}

// === impl RulesShown, RuleShown ===

impl<'a> RulesShown<'a> {
    /// All rules of an answer.
    pub fn of(answer: &'a v1::ListRulesResponse) -> Self {
        Self { rules: answer.rules.iter().map(RuleShown::of).collect(), revision: answer.revision }
    }
}

impl<'a> RuleShown<'a> {
    /// A rule's fields under the names that they are shown by.
    pub fn of(rule: &'a v1::Rule) -> Self {
        Self {
            id: &rule.id,
            r#type: &rule.r#type,
            pattern: &rule.pattern,
            tenant: filled(&rule.tenant),
            global: rule.tenant.is_empty(),
            description: &rule.description,
            author: &rule.author,
            created_at: rule.created_at.as_ref().and_then(moment),
        }
    }
}
