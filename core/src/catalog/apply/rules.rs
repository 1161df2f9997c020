//! Rules: made and removed.

use crate::catalog::{Catalog, Decision, Refusal};
use crate::ids::RequestId;
use crate::rule::{MAX_REGEX_BYTES, MAX_REGEX_RULES, MAX_RULES, Pattern, Rule};
use crate::suppression::MAX_TEXT;

impl Catalog {
    pub(super) fn add_rule(&mut self, rule: Rule) -> Result<Decision, Refusal> {
        if let Some(known) = self.rules.get(&rule.id) {
            let same = known.pattern == rule.pattern && known.tenant == rule.tenant;
            return if same { self.done() } else { Err(Refusal::RuleIdTaken) };
        }
        if rule.tenant.is_some_and(|tenant| !self.tenants.contains_key(&tenant)) {
            return Err(Refusal::UnknownTenant);
        }
        if rule.description.len() > MAX_TEXT || rule.author.len() > MAX_TEXT {
            return Err(Refusal::BadRule);
        }
        if self.rules.len() >= MAX_RULES {
            return Err(Refusal::Full("rules".into()));
        }
        if let Pattern::Regex(text) = &rule.pattern {
            let regexes = self.rules.values().filter(|r| matches!(r.pattern, Pattern::Regex(_))).count();
            if text.len() > MAX_REGEX_BYTES {
                return Err(Refusal::BadRule);
            }
            if regexes >= MAX_REGEX_RULES {
                return Err(Refusal::Full("regular expressions".into()));
            }
        }
        self.rules.insert(rule.id, rule);
        self.bump_view();
        self.done()
    }

    pub(super) fn remove_rule(&mut self, rule: RequestId) -> Result<Decision, Refusal> {
        if self.rules.remove(&rule).is_none() {
            return Err(Refusal::UnknownRule);
        }
        self.bump_view();
        self.done()
    }
}
