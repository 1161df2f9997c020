//! What changes registries. Every request is safe to repeat: what is the case already is confirmed once more.

use std::sync::Arc;

use dnc_core::catalog::{Change, Decision, NewRegistry, Refusal};
use dnc_core::ids::{RegistryId, ShardId, TenantId};
use dnc_core::query::{ShardAnswer, ShardQuery};
use dnc_core::registry::{Registry, RegistryKind, SealedKey, Settings, check_name};
use dnc_meta::Known;
use dnc_proto::v1;
use futures::{StreamExt, TryStreamExt};
use tokio::time::Instant;
use tracing::info;

use super::settings::{lay_over, moves};
use super::{Error, Found, Registries, find};
use crate::clock::now_ms;
use crate::cluster::Cluster;
use crate::decide::{self, RETRIES, Undecided};
use crate::failure::Invalid;
use crate::secrets::SecretError;

/// Shards that are asked at a time.
const QUERIES_AT_ONCE: usize = 16;

// === impl Registries ===

impl<C: Cluster> Registries<C> {
    /// Makes a registry, or finds the same one.
    pub async fn create(&self, request: v1::CreateRegistryRequest) -> Result<Found, Error> {
        let deadline = decide::deadline();
        check_name(&request.name).map_err(|why| Invalid::new("name", why.to_string()))?;
        let kind: RegistryKind = request.r#type.parse().map_err(|why| Invalid::new("type", format!("{why}")))?;
        let owner = self.owner(&request.owner).await?;
        let mut given = request.settings.unwrap_or_default();
        given.jurisdiction.get_or_insert(request.jurisdiction);
        given.max_age_days = given.max_age_days.or(Some(request.max_age_days).filter(|days| *days > 0));
        let settings = lay_over(&Settings::default(), &given, kind)?;
        let key = given.api_key.filter(|key| !key.is_empty());
        if key.is_some() && !self.secrets.are_there() {
            return Err(no_secrets().into());
        }

        let new = NewRegistry { name: request.name, kind, owner, settings: settings.clone(), now_ms: now_ms() };
        let proposed = decide::propose(&self.cluster, &Change::CreateRegistry(new.clone()), deadline).await;
        let made = match (proposed, &key) {
            (Ok((Decision::Registry { id, .. }, known)), _) => Found { known, id },
            (Ok(_), _) => return Err(Undecided::Unexpected.into()),
            // One that has its key differs from what was proposed, which names none.
            (Err(Undecided::Refused(Refusal::NameTaken)), Some(key)) => self.made_before(&new, key)?,
            (Err(why), _) => return Err(why.into()),
        };
        info!(registry = new.name, id = %made.id, kind = %kind, "registry created");
        let made = match key {
            Some(key) if made.registry().settings == settings => self.give_key(made, &key, deadline).await?,
            _ => made,
        };
        decide::confirm(&self.cluster, &made.known, deadline).await?;
        Ok(made)
    }

    /// Changes settings: those that are given, or all of them.
    pub async fn update(&self, request: v1::UpdateRegistryRequest) -> Result<Found, Error> {
        let deadline = decide::deadline();
        let given = request.settings.unwrap_or_default();
        let mut found = self.get(&request.registry).await?;
        let id = found.id;
        let named = |edition: u64| {
            move |catalog: &dnc_core::catalog::Catalog| {
                catalog.registries.get(&id).is_some_and(|registry| registry.edition >= edition)
            }
        };
        let mut tries = 0;
        loop {
            // Whoever names an edition has seen it; what they give must not be laid over an older one.
            found.known = decide::recent(&self.cluster, named(request.edition)).await;
            let registry = found.registry();
            if registry.retired {
                return Err(Refusal::Retired.into());
            }
            let settings = self.changed(registry, &given, request.replace)?;
            let edition = registry.edition;
            if request.edition > 0 && request.edition != edition && settings != registry.settings {
                return Err(Refusal::Edited.into());
            }
            let change = Change::UpdateRegistry { registry: id, edition, settings };
            match decide::decide(&self.cluster, &change, deadline).await {
                Ok((_, known)) => {
                    info!(registry = %id, edition = found.registry().edition, "registry changed");
                    return Ok(Found { known, id });
                }
                // This router was behind; what it knows now is newer.
                Err(Undecided::Refused(Refusal::Edited)) if request.edition == 0 && tries < RETRIES => {
                    tries += 1;
                    decide::recent(&self.cluster, named(edition + 1)).await;
                }
                Err(why) => return Err(why.into()),
            }
        }
    }

    /// Gives a registry up, unless it holds suppressions.
    ///
    /// One that is added between the count and the decision is safe: checks keep honouring what a retired registry holds.
    pub async fn retire(&self, named: &str) -> Result<Found, Error> {
        let deadline = decide::deadline();
        let found = self.get(named).await?;
        let registry = found.registry();
        if registry.kind.is_live() && !registry.retired {
            match self.live(found.id, &found.known, deadline).await? {
                0 => {}
                held => return Err(Error::HoldsLive(held)),
            }
        }
        let change = Change::RetireRegistry { registry: found.id };
        let (_, known) = decide::decide(&self.cluster, &change, deadline).await?;
        info!(registry = %found.id, "registry retired");
        Ok(Found { known, id: found.id })
    }

    /// How many suppressions a registry holds in all shards.
    async fn live(&self, registry: RegistryId, known: &Arc<Known>, deadline: Instant) -> Result<u64, Error> {
        let shards = known.catalog.shard_map.shards();
        futures::stream::iter((0..shards).map(ShardId))
            .map(|shard| async move {
                match self.cluster.query(shard, &ShardQuery::Live, deadline).await {
                    Ok(ShardAnswer::Live(counts)) => {
                        Ok(counts.iter().filter(|(id, ..)| *id == registry).map(|(_, _, count)| count).sum::<u64>())
                    }
                    Ok(_) => Err(Error::Unexpected),
                    Err(why) => Err(Error::NotCounted(why)),
                }
            })
            .buffer_unordered(QUERIES_AT_ONCE)
            .try_fold(0u64, |sum, held| async move { Ok(sum.saturating_add(held)) })
            .await
    }

    async fn owner(&self, name: &str) -> Result<Option<TenantId>, Error> {
        if name.is_empty() {
            return Ok(None);
        }
        let known = decide::recent(&self.cluster, |catalog| catalog.tenant_named(name).is_some()).await;
        let tenant = known.catalog.tenant_named(name);
        let tenant = tenant.ok_or_else(|| Invalid::new("owner", "there is no tenant of this name"))?;
        Ok(Some(tenant.id))
    }

    /// The registry that an earlier request of the same content made, up to its key.
    fn made_before(&self, new: &NewRegistry, key: &str) -> Result<Found, Error> {
        let known = self.cluster.known();
        let taken = || Error::from(Refusal::NameTaken);
        let registry = find(&known.catalog, &new.name).ok_or_else(taken)?;
        let mut settings = registry.settings.clone();
        let sealed = settings.fetch.as_mut().and_then(|fetch| fetch.key.take());
        let same = registry.kind == new.kind && registry.owner == new.owner && settings == new.settings;
        let same_key = sealed.is_some_and(|sealed| self.is(registry.id, &sealed, key));
        if !same || !same_key || registry.retired {
            return Err(taken());
        }
        let id = registry.id;
        Ok(Found { known, id })
    }

    /// Seals a key for a registry that was made a moment ago: only then is there an id to seal it for.
    async fn give_key(&self, made: Found, key: &str, deadline: Instant) -> Result<Found, Error> {
        let registry = made.registry();
        let mut settings = registry.settings.clone();
        if let Some(fetch) = &mut settings.fetch {
            fetch.key = Some(self.seal(made.id, key)?);
        }
        let change = Change::UpdateRegistry { registry: made.id, edition: registry.edition, settings };
        let (_, known) = decide::propose(&self.cluster, &change, deadline).await?;
        Ok(Found { known, id: made.id })
    }

    /// The settings that a request makes of a registry's.
    fn changed(&self, registry: &Registry, given: &v1::RegistrySettings, replace: bool) -> Result<Settings, Error> {
        let base = if replace { &Settings::default() } else { &registry.settings };
        let mut settings = lay_over(base, given, registry.kind)?;
        let before = registry.settings.fetch.as_ref();
        let Some(fetch) = &mut settings.fetch else {
            return Ok(settings);
        };
        let stored = before.and_then(|fetch| fetch.key.clone());
        fetch.key = match (given.api_key.as_deref(), stored) {
            (Some(""), _) => None,
            // The same key keeps its seal, so that a repeated request changes nothing.
            (Some(key), Some(sealed)) if self.is(registry.id, &sealed, key) => Some(sealed),
            (Some(key), _) => Some(self.seal(registry.id, key)?),
            (None, Some(sealed)) => {
                if before.is_some_and(|before| moves(before, fetch)) {
                    let why = "was given for another place; give it again, or empty to take it away";
                    return Err(Invalid::new("api_key", why).into());
                }
                Some(sealed)
            }
            (None, None) => None,
        };
        Ok(settings)
    }

    fn is(&self, registry: RegistryId, sealed: &SealedKey, key: &str) -> bool {
        self.secrets.open(registry, sealed).is_ok_and(|opened| opened == key)
    }

    fn seal(&self, registry: RegistryId, key: &str) -> Result<SealedKey, Error> {
        self.secrets.seal(registry, key).map_err(|why| match why {
            SecretError::None | SecretError::Length => Invalid::new("api_key", why.to_string()).into(),
            SecretError::Sealed => Error::Secret(why),
        })
    }
}

fn no_secrets() -> Invalid {
    Invalid::new("api_key", SecretError::None.to_string())
}
