//! Registries: made here, and shown as the catalog has them.

use std::sync::Arc;
use std::time::Duration;

use dnc_core::catalog::{self, Change, Decision, Refusal};
use dnc_core::registry::{MAX_LIST_AGE_DAYS, Registry, RegistryKind, Settings, check_name};
use dnc_meta::Known;

use crate::clock::now_ms;
use crate::cluster::Cluster;
use crate::failure::{Failure, Invalid, Kind};

/// Time for the meta group to decide.
const PROPOSE: Duration = Duration::from_secs(5);
/// Time for this router to hear of it.
const HEAR: Duration = Duration::from_secs(2);
/// Longest jurisdiction, bytes.
const MAX_JURISDICTION: usize = 64;
/// Most days that a list may be old.
const MAX_AGE_DAYS: u32 = 366;

/// Makes and shows registries.
#[derive(Clone)]
pub struct Registries<C> {
    cluster: C,
}

/// A registry to be made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewRegistry {
    /// Its name.
    pub name: String,
    /// Whose numbers it will hold, as a word.
    pub kind: String,
    /// Country or state code; may be empty.
    pub jurisdiction: String,
    /// Days that its lists may be old; 0 for the usual.
    pub max_age_days: u32,
}

/// Why a registry was not made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A field is wrong.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// The meta group says no.
    #[error("{0}")]
    Refused(Refusal),
    /// It is not known whether it was made.
    #[error("the meta group did not confirm in time; repeating the request is safe")]
    Unconfirmed,
    /// The meta group answered what it should not have.
    #[error("the meta group gave an unexpected answer")]
    Unexpected,
}

// === impl Failure for Error ===

impl Failure for Error {
    fn kind(&self) -> Kind {
        match self {
            Error::Invalid(_) => Kind::Invalid,
            Error::Refused(Refusal::NameTaken) => Kind::Exists,
            Error::Refused(Refusal::NotFounded) | Error::Unconfirmed => Kind::Unavailable,
            Error::Refused(Refusal::Full(_)) => Kind::Exhausted,
            Error::Refused(_) => Kind::Precondition,
            Error::Unexpected => Kind::Internal,
        }
    }
}

// === impl Registries ===

impl<C: Cluster> Registries<C> {
    /// The registries of this cluster.
    pub fn new(cluster: C) -> Self {
        Self { cluster }
    }

    /// All registries, and the catalog they are in.
    pub fn list(&self) -> Arc<Known> {
        self.cluster.known()
    }

    /// Makes a registry, or finds the same one.
    pub async fn create(&self, new: NewRegistry) -> Result<Registry, Error> {
        check_name(&new.name).map_err(|why| Invalid::new("name", why.to_string()))?;
        let kind: RegistryKind = new.kind.parse().map_err(|why| Invalid::new("type", format!("{why}")))?;
        Invalid::limit("jurisdiction", &new.jurisdiction, MAX_JURISDICTION)?;
        if new.max_age_days > MAX_AGE_DAYS {
            return Err(Invalid::new("max_age_days", format!("at most {MAX_AGE_DAYS}")).into());
        }
        let max_age_days = match new.max_age_days {
            0 => MAX_LIST_AGE_DAYS,
            days => u16::try_from(days).expect("at most MAX_AGE_DAYS"),
        };
        let change = Change::CreateRegistry(catalog::NewRegistry {
            name: new.name,
            kind,
            owner: None,
            settings: Settings { jurisdiction: new.jurisdiction, max_age_days, ..Settings::default() },
            now_ms: now_ms(),
        });
        let decision = self.cluster.propose(&change, PROPOSE).await.map_err(|_| Error::Unconfirmed)?;
        let id = match decision {
            Decision::Registry { id, .. } => id,
            Decision::Refused(why) => return Err(Error::Refused(why)),
            _ => return Err(Error::Unexpected),
        };
        // Requests that follow on this router should find it.
        let heard = self
            .cluster
            .wait_for(HEAR, |catalog| catalog.registries.contains_key(&id))
            .await
            .ok()
            .and_then(|known| known.catalog.registries.get(&id).cloned());
        heard.ok_or(Error::Unconfirmed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Fake;

    fn new(name: &str, kind: &str) -> NewRegistry {
        NewRegistry { name: name.into(), kind: kind.into(), jurisdiction: "TX".into(), max_age_days: 0 }
    }

    #[tokio::test]
    async fn a_registry_is_made_once_however_often_it_is_asked_for() {
        let registries = Registries::new(Fake::founded());
        let made = registries.create(new("tx", "state")).await.expect("made");
        assert_eq!(made.settings.max_age_days, MAX_LIST_AGE_DAYS);
        let again = registries.create(new("tx", "state")).await.expect("found");
        assert_eq!(made, again);
        let other = registries.create(new("tx", "partner")).await;
        assert_eq!(other.expect_err("taken").kind(), Kind::Exists);
        assert!(registries.list().catalog.registry_named("tx").is_some());
    }

    #[tokio::test]
    async fn every_bad_field_is_refused_by_name() {
        let registries = Registries::new(Fake::founded());
        for (field, new) in [
            ("name", new("Bad Name", "state")),
            ("type", new("tx", "county")),
            ("jurisdiction", NewRegistry { jurisdiction: "x".repeat(65), ..new("tx", "state") }),
            ("max_age_days", NewRegistry { max_age_days: 367, ..new("tx", "state") }),
        ] {
            let error = registries.create(new).await.expect_err(field);
            assert!(matches!(&error, Error::Invalid(why) if why.field == field), "{error}");
        }
    }

    #[tokio::test]
    async fn an_unconfirmed_proposal_is_unavailable_and_can_be_repeated() {
        let fake = Fake::founded();
        fake.lose_meta(1);
        let registries = Registries::new(fake);
        let error = registries.create(new("tx", "state")).await;
        assert_eq!(error.expect_err("lost").kind(), Kind::Unavailable);
        registries.create(new("tx", "state")).await.expect("made");
    }
}
