//! One number, asked of the place where a registry's list comes from: for checking the list against its origin.
//!
//! It changes nothing and answers no check. The origin says so by JSON with one of the fields [`FIELDS`], or by its
//! status alone: 404 for a number that is not listed, 200 without a body for one that is.

use dnc_core::ids::TenantId;
use dnc_core::number::PhoneNumber;
use dnc_core::verdict::{Asker, Cause, Verdict};
use futures::StreamExt;
use reqwest::{Response, StatusCode, Url};
use serde_json::Value;
use tokio::time::{Instant, timeout_at};

use super::Syncs;
use super::error::Error;
use super::source::{Place, SourceError, ask, client};
use crate::cluster::Cluster;
use crate::failure::Invalid;

/// Stands in a lookup URL for the digits of the number.
const NUMBER: &str = "{number}";
/// Fields of an origin's answer that say whether a number is listed; the first that is there counts.
const FIELDS: [&str; 4] = ["listed", "on_dnc_list", "is_on_dnc", "registered"];
/// Largest answer of an origin, bytes.
const MAX_ANSWER: usize = 64 << 10;

/// What the origin and this cluster say of a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Looked {
    /// The registry.
    pub registry: String,
    /// The number.
    pub number: PhoneNumber,
    /// Whether the origin lists it.
    pub origin: bool,
    /// What the registry's list says here.
    pub here: Here,
}

/// What a registry's list says of a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Here {
    /// It lists it.
    Listed,
    /// It covers it, and does not list it.
    NotListed,
    /// It does not cover it, or the tenant does not hold it.
    NotCovered,
    /// Too few replicas answered.
    Unavailable,
}

// === impl Looked ===

impl Looked {
    /// Whether both say the same; unknown unless both speak for the number.
    pub fn agree(&self) -> Option<bool> {
        match self.here {
            Here::Listed => Some(self.origin),
            Here::NotListed => Some(!self.origin),
            Here::NotCovered | Here::Unavailable => None,
        }
    }
}

// === impl Here ===

impl Here {
    /// The word for it in answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Here::Listed => "listed",
            Here::NotListed => "not_listed",
            Here::NotCovered => "not_covered",
            Here::Unavailable => "unavailable",
        }
    }
}

// === impl Syncs ===

impl<C: Cluster> Syncs<C> {
    /// Asks a registry's origin for a number, and this cluster too.
    pub async fn lookup(&self, tenant: TenantId, registry: &str, number: &str) -> Result<Looked, Error> {
        let number = PhoneNumber::parse(number).map_err(|why| Invalid::new("phone_number", why.to_string()))?;
        let registry = self.registry(registry).await?;
        let name = registry.name.clone();
        let fetch = registry.settings.fetch.as_ref().filter(|fetch| !fetch.lookup_url.is_empty());
        let fetch = fetch.ok_or_else(|| Error::NoLookup(name.clone()))?;
        let key = fetch.key.as_ref().map(|key| self.secrets.open(registry.id, key)).transpose();
        let key = key.map_err(|why| Error::Key(why.to_string()))?;
        let deadline = Instant::now() + self.options.sync.lookup();
        if !self.limit(&registry).wait_until(deadline).await {
            return Err(Error::LimitReached(name));
        }
        let url = filled(&fetch.lookup_url, number).map_err(|why| Error::NoAnswer(why.to_string()))?;
        let host = url.host_str().unwrap_or_default().to_owned();
        let no_answer = |why: &str| Error::NoAnswer(format!("{host}: {why}"));
        let client = client(&self.options.sync).map_err(|why| no_answer(&why.what))?;
        let asked = timeout_at(deadline, asked(&client, url, key.as_deref())).await;
        let asked = asked.unwrap_or_else(|_| Err(SourceError::later("it did not answer in time")));
        let origin = asked.map_err(|why| no_answer(&why.what))?;
        let here = self.here(tenant, &registry.name, number).await;
        Ok(Looked { registry: name, number, origin, here })
    }

    /// What a registry's list says of a number in this cluster.
    async fn here(&self, tenant: TenantId, registry: &str, number: PhoneNumber) -> Here {
        let deadline = Instant::now() + self.options.deadline();
        let checked = self.cluster.check(&[number], &Asker::tenant(tenant), "", deadline).await;
        let Some(judgement) = checked.judgements.get(0).map(|judged| judged.judgement()) else {
            return Here::Unavailable;
        };
        let answers =
            checked.view.tenant(tenant).is_some_and(|tenant| {
                checked.view.registries.iter().any(|known| {
                    known.name == registry && known.answers(tenant, number) && known.source(number).is_some()
                })
            });
        if judgement.evidence.iter().any(|evidence| evidence.registry == registry && evidence.listed) {
            Here::Listed
        } else if judgement.verdict == Verdict::Unknown(Cause::Unavailable) {
            Here::Unavailable
        } else if answers {
            Here::NotListed
        } else {
            Here::NotCovered
        }
    }
}

/// The URL for one number.
fn filled(url: &str, number: PhoneNumber) -> Result<Url, SourceError> {
    let usable =
        Place::parse(url).is_ok_and(|place| matches!(place.scheme(), "http" | "https")) && url.contains(NUMBER);
    let digits = number.to_u64().to_string();
    let filled = Url::parse(&url.replace(NUMBER, &digits)).ok().filter(|_| usable);
    filled.ok_or_else(|| SourceError::never(format!("a lookup URL is http(s) and has {NUMBER} in it")))
}

async fn asked(client: &reqwest::Client, url: Url, key: Option<&str>) -> Result<bool, SourceError> {
    match ask(client, url, key, None).await {
        Ok(response) => understand(&body(response).await?),
        Err(refused) if refused.status == Some(StatusCode::NOT_FOUND) => Ok(false),
        Err(refused) => Err(refused.why),
    }
}

async fn body(response: Response) -> Result<Vec<u8>, SourceError> {
    let mut body = Vec::new();
    let mut pieces = response.bytes_stream();
    while let Some(piece) = pieces.next().await {
        body.extend_from_slice(&piece.map_err(|_| SourceError::later("the connection broke"))?);
        if body.len() > MAX_ANSWER {
            return Err(SourceError::never("it answers more than an answer is"));
        }
    }
    Ok(body)
}

/// What an answer of 200 says. One that says nothing clearly is an error: it must not pass for "not listed".
fn understand(body: &[u8]) -> Result<bool, SourceError> {
    if body.trim_ascii().is_empty() {
        return Ok(true);
    }
    let answer: Option<Value> = serde_json::from_slice(body).ok();
    let field = answer.as_ref().and_then(|answer| FIELDS.iter().find_map(|field| answer.get(field)));
    let fields = FIELDS.join(", ");
    field
        .and_then(Value::as_bool)
        .ok_or_else(|| SourceError::never(format!("its answer is no JSON with true or false in one of {fields}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::number;

    #[test]
    fn an_origin_says_it_in_one_of_several_fields_or_without_a_body() {
        for (body, listed) in [
            (r#"{"listed": true}"#, true),
            (r#"{"on_dnc_list": false}"#, false),
            (r#"{"is_on_dnc": true, "other": 1}"#, true),
            (r#"{"registered": false}"#, false),
            (" \n", true),
        ] {
            assert_eq!(understand(body.as_bytes()), Ok(listed), "{body}");
        }
        for unclear in ["[]", "{}", "no", r#"{"listed": "no"}"#, r#"{"listed": null, "registered": true}"#, "<html>"] {
            assert!(understand(unclear.as_bytes()).is_err(), "{unclear}");
        }
    }

    #[test]
    fn a_lookup_url_is_http_and_takes_the_digits() {
        let number = number("2015550100");
        let url = filled("https://h/x/{number}?k=1", number).expect("a URL");
        assert_eq!(url.as_str(), "https://h/x/12015550100?k=1");
        for bad in ["https://h/x", "file:///{number}", "sftp://h/{number}", "{number}"] {
            let error = filled(bad, number).expect_err(bad);
            assert!(!error.what.contains("5550100"), "{error}");
        }
    }

    #[test]
    fn both_agree_only_where_both_speak_for_the_number() {
        let looked = |origin, here| Looked { registry: "x".into(), number: number("2015550100"), origin, here };
        assert_eq!(looked(true, Here::Listed).agree(), Some(true));
        assert_eq!(looked(true, Here::NotListed).agree(), Some(false));
        assert_eq!(looked(false, Here::NotListed).agree(), Some(true));
        assert_eq!(looked(false, Here::NotCovered).agree(), None);
    }
}
