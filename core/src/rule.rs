//! Rules: patterns that list numbers without naming them.
//!
//! All rules are evaluated for every check, so they are prepared once for each catalog that changes
//! them: area codes, exchanges and prefixes are looked up, regular expressions are run as one set in
//! time linear in the number's digits. [`RuleSet`] is that preparation.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use regex::bytes::{Regex, RegexBuilder, RegexSet, RegexSetBuilder};
use serde::{Deserialize, Serialize};

use crate::area::Area;
use crate::ids::{RequestId, TenantId};
use crate::number::PhoneNumber;

/// Most rules in a catalog.
pub const MAX_RULES: usize = 10_000;
/// Most of them that are regular expressions.
pub const MAX_REGEX_RULES: usize = 1_000;
/// Longest regular expression, bytes.
pub const MAX_REGEX_BYTES: usize = 256;
/// Largest compiled regular expression, bytes.
const MAX_COMPILED_BYTES: usize = 64 << 10;

/// Which numbers a rule lists.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Pattern {
    /// All of an area code, or of a country outside North America.
    AreaCode(Area),
    /// An exchange (the NXX), in any area code of North America.
    Exchange(u16),
    /// An area code and exchange: 201555.
    Prefix(u32),
    /// A regular expression over `+` and the E.164 digits, in the syntax of the `regex` crate.
    Regex(String),
}

/// One rule, as the catalog has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// Names it: the id of the request that made it.
    pub id: RequestId,
    /// For whose checks it holds; none means all.
    pub tenant: Option<TenantId>,
    /// Which numbers it lists.
    pub pattern: Pattern,
    /// Why, for people.
    pub description: String,
    /// Who made it.
    pub author: String,
    /// When, milliseconds since 1970.
    pub created_ms: u64,
}

/// A pattern that is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadPattern {
    /// No such type.
    #[error("a rule is of type area_code, exchange, prefix or regex")]
    Type,
    /// Not an area code.
    #[error("an area code is three digits such as 201, or + and a country code outside North America")]
    AreaCode,
    /// Not an exchange.
    #[error("an exchange is three digits, the first of them 2 to 9, such as 555")]
    Exchange,
    /// Not a prefix.
    #[error("a prefix is six digits, an area code and an exchange, such as 201555")]
    Prefix,
    /// Longer than allowed.
    #[error("a regular expression has at most {MAX_REGEX_BYTES} bytes")]
    TooLong,
    /// Larger than allowed once compiled.
    #[error("this regular expression is too large: repeat less")]
    TooLarge,
    /// One that lists every number there is.
    #[error("this regular expression matches every number")]
    Everything,
    /// Not a regular expression.
    #[error("not a regular expression: {0}")]
    Regex(String),
}

// === impl Pattern ===

impl Pattern {
    /// Reads a pattern of a type (`area_code`, `exchange`, `prefix`, `regex`).
    pub fn parse(kind: &str, text: &str) -> Result<Pattern, BadPattern> {
        let digits = |count: usize| text.len() == count && text.bytes().all(|b| b.is_ascii_digit());
        match kind {
            "area_code" => text.parse().map(Pattern::AreaCode).map_err(|_| BadPattern::AreaCode),
            "exchange" if digits(3) && text >= "200" => {
                text.parse().map(Pattern::Exchange).map_err(|_| BadPattern::Exchange)
            }
            "exchange" => Err(BadPattern::Exchange),
            "prefix" if digits(6) => text.parse().map(Pattern::Prefix).map_err(|_| BadPattern::Prefix),
            "prefix" => Err(BadPattern::Prefix),
            "regex" if text.len() > MAX_REGEX_BYTES => Err(BadPattern::TooLong),
            "regex" => {
                let compiled = compile(text)?;
                // What matches no digits at all matches everything: most likely an empty line of a form.
                if compiled.is_match(b"") { Err(BadPattern::Everything) } else { Ok(Pattern::Regex(text.into())) }
            }
            _ => Err(BadPattern::Type),
        }
    }

    /// The word for its type.
    pub fn kind(&self) -> &'static str {
        match self {
            Pattern::AreaCode(_) => "area_code",
            Pattern::Exchange(_) => "exchange",
            Pattern::Prefix(_) => "prefix",
            Pattern::Regex(_) => "regex",
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Pattern::AreaCode(area) => write!(f, "{area}"),
            Pattern::Exchange(exchange) => write!(f, "{exchange:03}"),
            Pattern::Prefix(prefix) => write!(f, "{prefix:06}"),
            Pattern::Regex(text) => f.write_str(text),
        }
    }
}

fn compile(text: &str) -> Result<Regex, BadPattern> {
    RegexBuilder::new(text).unicode(false).size_limit(MAX_COMPILED_BYTES).build().map_err(|why| match why {
        regex::Error::CompiledTooBig(_) => BadPattern::TooLarge,
        // The crate's own drawing of where the mistake is has several lines.
        other => BadPattern::Regex(other.to_string().lines().last().unwrap_or_default().trim().to_owned()),
    })
}

/// All rules, prepared for matching.
#[derive(Clone, Default)]
pub struct RuleSet {
    rules: Vec<Rule>,
    by_area: HashMap<Area, Vec<u32>>,
    by_exchange: HashMap<u16, Vec<u32>>,
    by_prefix: HashMap<u32, Vec<u32>>,
    /// The regular expressions, and which rule each is.
    regexes: Option<(RegexSet, Vec<u32>)>,
    /// Rules whose expression this program cannot compile: they list every number, for what they should list is not known.
    unreadable: Vec<u32>,
}

// === impl RuleSet ===

impl RuleSet {
    /// Prepares the rules of a catalog.
    pub fn new(rules: &BTreeMap<RequestId, Rule>) -> RuleSet {
        let mut set = RuleSet { rules: rules.values().cloned().collect(), ..RuleSet::default() };
        let mut texts = Vec::new();
        let mut owners = Vec::new();
        for (rule, at) in set.rules.iter().zip(0u32..) {
            match &rule.pattern {
                Pattern::AreaCode(area) => set.by_area.entry(*area).or_default().push(at),
                Pattern::Exchange(exchange) => set.by_exchange.entry(*exchange).or_default().push(at),
                Pattern::Prefix(prefix) => set.by_prefix.entry(*prefix).or_default().push(at),
                Pattern::Regex(text) if compile(text).is_ok() => {
                    texts.push(text.as_str());
                    owners.push(at);
                }
                Pattern::Regex(_) => set.unreadable.push(at),
            }
        }
        if !texts.is_empty() {
            // Each has been found small enough by itself.
            let whole = MAX_COMPILED_BYTES * texts.len().max(1);
            match RegexSetBuilder::new(&texts).unicode(false).size_limit(whole).build() {
                Ok(compiled) => set.regexes = Some((compiled, owners)),
                Err(_) => set.unreadable.extend(owners),
            }
        }
        set
    }

    /// Whether it was prepared from these very rules.
    pub fn are(&self, rules: &BTreeMap<RequestId, Rule>) -> bool {
        self.rules.len() == rules.len() && self.rules.iter().eq(rules.values())
    }

    /// How many rules there are.
    pub fn len(&self) -> usize {
        self.rules.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// The rules that list this number for this tenant, in the order of their ids.
    pub fn matching(&self, number: PhoneNumber, tenant: TenantId) -> Vec<&Rule> {
        if self.rules.is_empty() {
            return Vec::new();
        }
        let mut found: Vec<u32> = Vec::new();
        let mut look = |rules: Option<&Vec<u32>>| found.extend(rules.into_iter().flatten());
        let area = number.area();
        look(self.by_area.get(&area));
        if area.is_nanp() {
            // Eleven digits: 1, area code, exchange, line.
            let prefix = u32::try_from(number.block().0 % 1_000_000).expect("six digits");
            let exchange = u16::try_from(prefix % 1_000).expect("three digits");
            look(self.by_exchange.get(&exchange));
            look(self.by_prefix.get(&prefix));
        }
        look(Some(&self.unreadable));
        if let Some((regexes, owners)) = &self.regexes {
            let text = number.to_string();
            found.extend(regexes.matches(text.as_bytes()).into_iter().map(|at| owners[at]));
        }
        found.sort_unstable();
        found
            .into_iter()
            .map(|at| &self.rules[at as usize])
            .filter(|rule| rule.tenant.is_none_or(|owner| owner == tenant))
            .collect()
    }
}

impl PartialEq for RuleSet {
    /// Two sets of the same rules match the same numbers.
    fn eq(&self, other: &Self) -> bool {
        self.rules == other.rules
    }
}

impl Eq for RuleSet {}

impl fmt::Debug for RuleSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RuleSet").field(&self.rules).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(patterns: &[(&str, &str, Option<u32>)]) -> RuleSet {
        let rules = patterns.iter().zip(1u128..).map(|((kind, text, tenant), id)| {
            let rule = Rule {
                id: RequestId(id),
                tenant: tenant.map(TenantId),
                pattern: Pattern::parse(kind, text).expect("a pattern"),
                description: String::new(),
                author: String::new(),
                created_ms: 0,
            };
            (rule.id, rule)
        });
        RuleSet::new(&rules.collect())
    }

    fn ids(set: &RuleSet, number: &str, tenant: u32) -> Vec<u128> {
        let number = PhoneNumber::parse(number).expect("a number");
        set.matching(number, TenantId(tenant)).iter().map(|rule| rule.id.0).collect()
    }

    #[test]
    fn each_type_lists_what_it_says() {
        let set = set(&[
            ("area_code", "201", None),
            ("exchange", "555", None),
            ("prefix", "202555", None),
            ("regex", r"^\+1201555\d*0$", None),
            ("area_code", "+65", None),
        ]);
        assert_eq!(ids(&set, "2015550100", 1), [1, 2, 4]);
        assert_eq!(ids(&set, "2015550101", 1), [1, 2]);
        assert_eq!(ids(&set, "2025550101", 1), [2, 3]);
        assert_eq!(ids(&set, "2022220101", 1), [0u128; 0]);
        assert_eq!(ids(&set, "+6561234567", 1), [5]);
    }

    #[test]
    fn a_tenants_rule_lists_for_that_tenant_only() {
        let set = set(&[("area_code", "201", Some(2)), ("area_code", "201", None)]);
        assert_eq!(ids(&set, "2015550100", 1), [2]);
        assert_eq!(ids(&set, "2015550100", 2), [1, 2]);
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        use BadPattern as B;
        for (kind, text, why) in [
            ("area", "201", B::Type),
            ("area_code", "20", B::AreaCode),
            ("exchange", "155", B::Exchange),
            ("exchange", "5555", B::Exchange),
            ("prefix", "20155", B::Prefix),
            ("prefix", "20155x", B::Prefix),
            ("regex", "", B::Everything),
            ("regex", "a*", B::Everything),
            ("regex", &"a".repeat(MAX_REGEX_BYTES + 1), B::TooLong),
            ("regex", r"((\d{50}){50}){50}", B::TooLarge),
        ] {
            assert_eq!(Pattern::parse(kind, text), Err(why), "{kind} {text}");
        }
        assert!(matches!(Pattern::parse("regex", "("), Err(B::Regex(why)) if !why.contains('\n')));
    }

    #[test]
    fn a_rule_that_cannot_be_read_lists_every_number() {
        let rule = Rule {
            id: RequestId(1),
            tenant: Some(TenantId(2)),
            pattern: Pattern::Regex("(".into()),
            description: String::new(),
            author: String::new(),
            created_ms: 0,
        };
        let set = RuleSet::new(&BTreeMap::from([(rule.id, rule)]));
        assert_eq!(ids(&set, "2015550100", 2), [1]);
        assert_eq!(ids(&set, "2015550100", 1), [0u128; 0]);
    }
}
