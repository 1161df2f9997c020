//! Rules: patterns that list numbers without naming them, made and removed.
//!
//! A rule is acknowledged once no router anywhere can judge without it (`decide`). A tenant sees its own rules and the
//! global ones, never another tenant's, and removes its own alone; global ones are the default tenant's to make and
//! remove. Callers are not authenticated yet, so this keeps honest tenants apart and no others.

use std::sync::Arc;

use dnc_core::catalog::Change;
use dnc_core::ids::{BadRequestId, RequestId, TenantId};
use dnc_core::rule::{Pattern, Rule};
use dnc_core::suppression::MAX_TEXT;
use dnc_core::tenant::DEFAULT_TENANT_ID;
use dnc_meta::{CatalogCache, Known};
use dnc_proto::v1;
use tokio_util::sync::CancellationToken;
use tracing::info;
use uuid::Uuid;

use crate::clock::now_ms;
use crate::cluster::Cluster;
use crate::decide::{self, Undecided};
use crate::failure::{Failure, Invalid, Kind};
use crate::options::MAX_ID_BYTES;
use crate::telemetry;

/// Makes, shows and removes rules.
#[derive(Clone)]
pub struct Rules<C> {
    cluster: C,
}

/// Why there is no rule to show, or why it was not made or removed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A field is wrong.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// No such rule, or none that this tenant sees.
    #[error("there is no rule of this id")]
    Unknown,
    /// A global rule, and another tenant than the default one.
    #[error("global rules are made and removed by the tenant `default` alone")]
    Global,
    /// It is not decided, or not everywhere.
    #[error("{why} (request_id {request})")]
    NotAdded {
        /// Why.
        #[source]
        why: Undecided,
        /// Names the request.
        request: RequestId,
    },
    /// It is not decided, or not everywhere.
    #[error(transparent)]
    Undecided(#[from] Undecided),
}

// === impl Failure for Error ===

impl Failure for Error {
    fn kind(&self) -> Kind {
        match self {
            Error::Invalid(_) => Kind::Invalid,
            Error::Unknown => Kind::NotFound,
            Error::Global => Kind::Precondition,
            Error::NotAdded { why, .. } | Error::Undecided(why) => why.kind(),
        }
    }

    fn invalid(&self) -> Option<&Invalid> {
        if let Error::Invalid(why) = self { Some(why) } else { None }
    }
}

// === impl Rules ===

impl<C: Cluster> Rules<C> {
    /// The rules of this cluster.
    pub fn new(cluster: C) -> Self {
        Self { cluster }
    }

    /// The rules that a tenant sees, of one type or all, in the order of their ids; and the catalog they are in.
    pub fn list(&self, tenant: TenantId, kind: &str) -> Result<(Arc<Known>, Vec<Rule>), Invalid> {
        if !["", "area_code", "exchange", "prefix", "regex"].contains(&kind) {
            return Err(Invalid::new("type", "area_code, exchange, prefix or regex"));
        }
        let known = self.cluster.known();
        let rules = known.catalog.rules.values().filter(|rule| sees(tenant, rule));
        let rules = rules.filter(|rule| kind.is_empty() || rule.pattern.kind() == kind).cloned().collect();
        Ok((known, rules))
    }

    /// One rule that a tenant sees; waits a moment for one that another router may just have made.
    pub async fn get(&self, tenant: TenantId, id: &str) -> Result<(Arc<Known>, Rule), Error> {
        let id: RequestId = id.parse().map_err(|why: BadRequestId| Invalid::new("id", why.to_string()))?;
        let known = decide::recent(&self.cluster, |catalog| catalog.rules.contains_key(&id)).await;
        let rule = known.catalog.rules.get(&id).filter(|rule| sees(tenant, rule)).cloned();
        rule.map(|rule| (known, rule)).ok_or(Error::Unknown)
    }

    /// Adds a rule; one that repeats a request finds what that made.
    pub async fn add(&self, tenant: TenantId, request: v1::AddRuleRequest) -> Result<(Arc<Known>, Rule), Error> {
        let deadline = decide::deadline();
        let pattern = Pattern::parse(&request.r#type, &request.pattern).map_err(|why| {
            let field = if why == dnc_core::rule::BadPattern::Type { "type" } else { "pattern" };
            Invalid::new(field, why.to_string())
        })?;
        Invalid::limit("description", &request.description, MAX_TEXT)?;
        Invalid::limit("author", &request.author, MAX_ID_BYTES)?;
        let id = match request.request_id.as_str() {
            "" => RequestId(Uuid::now_v7().as_u128()),
            given => given.parse().map_err(|why: BadRequestId| Invalid::new("request_id", why.to_string()))?,
        };
        if request.global && tenant != DEFAULT_TENANT_ID {
            return Err(Error::Global);
        }
        let rule = Rule {
            id,
            tenant: (!request.global).then_some(tenant),
            pattern,
            description: request.description,
            author: request.author,
            created_ms: now_ms(),
        };
        let change = Change::AddRule(rule.clone());
        let decided = decide::decide(&self.cluster, &change, deadline).await;
        let (_, known) = decided.map_err(|why| Error::NotAdded { why, request: id })?;
        info!(rule = %id, tenant = %tenant, kind = rule.pattern.kind(), global = request.global, "rule added");
        // As the first of repeated requests made it.
        let rule = known.catalog.rules.get(&id).cloned().unwrap_or(rule);
        Ok((known, rule))
    }

    /// Removes a rule of this tenant.
    pub async fn remove(&self, tenant: TenantId, id: &str) -> Result<Rule, Error> {
        let deadline = decide::deadline();
        let (_, rule) = self.get(tenant, id).await?;
        if rule.tenant.is_none() && tenant != DEFAULT_TENANT_ID {
            return Err(Error::Global);
        }
        decide::decide(&self.cluster, &Change::RemoveRule { rule: rule.id }, deadline).await?;
        info!(rule = %rule.id, tenant = %tenant, "rule removed");
        Ok(rule)
    }
}

/// Whether a rule holds for a tenant's checks, and so may be shown to it.
fn sees(tenant: TenantId, rule: &Rule) -> bool {
    rule.tenant.is_none_or(|owner| owner == tenant)
}

/// Keeps the number of rules that are in force on this router as a metric, until `stop`.
pub async fn count(cache: CatalogCache, stop: CancellationToken) {
    let mut revisions = cache.subscribe();
    let mut view = None;
    loop {
        revisions.borrow_and_update();
        let known = cache.get();
        if view != Some(known.view.revision) {
            view = Some(known.view.revision);
            let mut counts = [("area_code", 0u32), ("exchange", 0), ("prefix", 0), ("regex", 0)];
            for rule in known.catalog.rules.values() {
                let kind = rule.pattern.kind();
                counts.iter_mut().filter(|(name, _)| *name == kind).for_each(|(_, count)| *count += 1);
            }
            counts.iter().for_each(|(kind, count)| telemetry::rules(kind, *count));
        }
        tokio::select! {
            changed = revisions.changed() => if changed.is_err() { return },
            () = stop.cancelled() => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use dnc_core::tenant::Terms;
    use dnc_proto::v1::AddRuleRequest;

    use super::*;
    use crate::testing::{Fake, number};

    fn request(kind: &str, pattern: &str) -> AddRuleRequest {
        AddRuleRequest { r#type: kind.into(), pattern: pattern.into(), ..AddRuleRequest::default() }
    }

    fn global(kind: &str, pattern: &str) -> AddRuleRequest {
        AddRuleRequest { global: true, ..request(kind, pattern) }
    }

    /// A cluster with a second tenant.
    fn founded() -> (Fake, TenantId) {
        let fake = Fake::founded();
        fake.change(Change::CreateTenant { name: "acme".into(), terms: Terms::everything() });
        let acme = fake.known().catalog.tenant_named("acme").expect("a tenant").id;
        (fake, acme)
    }

    fn patterns(rules: &Rules<Fake>, tenant: TenantId) -> Vec<String> {
        let (_, rules) = rules.list(tenant, "").expect("rules");
        rules.iter().map(|rule| rule.pattern.to_string()).collect()
    }

    #[tokio::test]
    async fn a_rule_is_in_the_view_and_behind_a_barrier_before_it_is_answered() {
        let (fake, _) = founded();
        let rules = Rules::new(fake.clone());
        for (kind, pattern) in [("area_code", "201"), ("exchange", "555"), ("prefix", "201555"), ("regex", "^\\+1201")]
        {
            let (known, rule) = rules.add(DEFAULT_TENANT_ID, request(kind, pattern)).await.expect(kind);
            assert_eq!((rule.pattern.kind(), rule.pattern.to_string().as_str()), (kind, pattern));
            assert_eq!(fake.barriers().last(), Some(&known.catalog.revision));
        }
        assert_eq!(fake.known().view.rules.matching(number("2015550100"), DEFAULT_TENANT_ID).len(), 4);
        let (_, regexes) = rules.list(DEFAULT_TENANT_ID, "regex").expect("rules");
        assert_eq!(regexes.len(), 1);
    }

    #[tokio::test]
    async fn a_repeated_request_finds_the_rule_that_the_first_one_made() {
        let (fake, acme) = founded();
        let rules = Rules::new(fake);
        let id = "01234567-89ab-cdef-0123-456789abcdef";
        let asked = AddRuleRequest { request_id: id.into(), ..request("area_code", "201") };
        let (_, first) = rules.add(acme, asked.clone()).await.expect("added");
        let (_, again) = rules.add(acme, asked.clone()).await.expect("found");
        assert_eq!(first, again);
        let other = rules.add(acme, AddRuleRequest { pattern: "202".into(), ..asked }).await.expect_err("another");
        assert_eq!(other.kind(), Kind::Exists);
        assert_eq!(patterns(&rules, acme), ["201"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_tenant_sees_and_removes_its_own_rules_and_never_anothers() {
        let (fake, acme) = founded();
        let rules = Rules::new(fake.clone());
        let (_, mine) = rules.add(acme, request("area_code", "201")).await.expect("added");
        let (_, theirs) = rules.add(DEFAULT_TENANT_ID, request("area_code", "202")).await.expect("added");
        let (_, all) = rules.add(DEFAULT_TENANT_ID, global("area_code", "203")).await.expect("added");
        assert_eq!(patterns(&rules, acme), ["201", "203"]);
        assert_eq!(patterns(&rules, DEFAULT_TENANT_ID), ["202", "203"]);
        for act in [
            rules.get(acme, &theirs.id.to_string()).await.map(|(_, rule)| rule),
            rules.remove(acme, &theirs.id.to_string()).await,
        ] {
            assert_eq!(act.expect_err("not theirs").kind(), Kind::NotFound);
        }
        assert!(matches!(rules.remove(acme, &all.id.to_string()).await, Err(Error::Global)));
        assert!(matches!(rules.add(acme, global("area_code", "204")).await, Err(Error::Global)));
        assert_eq!(rules.remove(acme, &mine.id.to_string()).await.expect("removed"), mine);
        assert_eq!(fake.barriers().last(), Some(&fake.known().catalog.revision));
        assert_eq!(rules.remove(acme, &mine.id.to_string()).await.expect_err("gone").kind(), Kind::NotFound);
        rules.remove(DEFAULT_TENANT_ID, &all.id.to_string()).await.expect("removed");
        assert_eq!(patterns(&rules, acme), [""; 0]);
    }

    #[tokio::test]
    async fn what_is_no_rule_is_refused_by_field() {
        let (fake, acme) = founded();
        let rules = Rules::new(fake);
        let long = "x".repeat(MAX_TEXT + 1);
        for (field, asked) in [
            ("type", request("area", "201")),
            ("pattern", request("area_code", "20")),
            ("pattern", request("regex", "(")),
            ("pattern", request("regex", "")),
            ("description", AddRuleRequest { description: long.clone(), ..request("area_code", "201") }),
            ("author", AddRuleRequest { author: long, ..request("area_code", "201") }),
            ("request_id", AddRuleRequest { request_id: "7".into(), ..request("area_code", "201") }),
        ] {
            let error = rules.add(acme, asked).await.expect_err(field);
            assert!(matches!(&error, Error::Invalid(why) if why.field == field), "{error}");
        }
        assert!(rules.list(acme, "area").is_err());
        assert_eq!(rules.get(acme, "x").await.expect_err("no id").kind(), Kind::Invalid);
    }

    #[tokio::test]
    async fn a_rule_that_is_not_confirmed_everywhere_names_the_request_that_confirms_it() {
        let (fake, acme) = founded();
        fake.lose_barriers();
        let rules = Rules::new(fake.clone());
        let error = rules.add(acme, request("area_code", "201")).await.expect_err("no barrier");
        assert_eq!(error.kind(), Kind::Unavailable);
        let Error::NotAdded { request: id, .. } = error else { panic!("{error}") };
        assert_eq!(patterns(&rules, acme), ["201"]);
        fake.find_barriers();
        let again = AddRuleRequest { request_id: id.to_string(), ..request("area_code", "201") };
        rules.add(acme, again).await.expect("confirmed");
        assert_eq!(fake.barriers().len(), 1);
    }
}
