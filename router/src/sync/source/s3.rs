//! Files of a bucket, through OpenDAL: it signs and pages, and asks over the same bounded client as everything here.

use axum::http::{Request, Response};
use futures::{StreamExt, TryStreamExt};
use opendal::options::{ListOptions, ReaderOptions};
use opendal::{
    Buffer, ErrorKind, HttpBody, HttpTransport, HttpTransporter, OperationContext, Operator, Result as DalResult,
};
use opendal_http_transport_reqwest::ReqwestTransport;

use super::{Fetched, MAX_OFFERS, Offer, Place, SourceError, client, is_list, too_many};
use crate::sync::options::SyncOptions;
use crate::sync::pace::RateLimit;
use crate::sync::spool::Spool;

/// Where buckets are if nobody says.
const REGION: &str = "us-east-1";

/// Files of a bucket under one prefix, those of deeper folders left out.
pub struct S3 {
    bucket: Operator,
}

/// HTTP with so many requests a second.
struct Paced {
    inner: ReqwestTransport,
    limit: RateLimit,
}

// === impl HttpTransport for Paced ===

impl HttpTransport for Paced {
    async fn fetch(&self, request: Request<Buffer>) -> DalResult<Response<HttpBody>> {
        self.limit.wait().await;
        self.inner.fetch(request).await
    }
}

// === impl S3 ===

impl S3 {
    /// The files of a bucket.
    pub fn new(
        place: &Place,
        key: Option<&str>,
        options: &SyncOptions,
        limit: &RateLimit,
    ) -> Result<Self, SourceError> {
        Ok(Self { bucket: bucket(place, key, options, limit)? })
    }

    /// The files under the prefix.
    pub async fn list(&self) -> Result<Vec<Offer>, SourceError> {
        let failed = |why| sort_out(&why, "list the bucket");
        let mut entries = self.bucket.lister_options("/", ListOptions::default()).await.map_err(failed)?;
        let mut offers = Vec::new();
        while let Some(entry) = entries.try_next().await.map_err(failed)? {
            let metadata = entry.metadata();
            if !metadata.is_file() || !is_list(entry.name()) {
                continue;
            }
            if offers.len() == MAX_OFFERS {
                return Err(too_many());
            }
            let modified = metadata.last_modified().map(|at| at.into_inner().as_millisecond());
            offers.push(Offer {
                name: entry.name().into(),
                path: entry.path().into(),
                bytes: Some(metadata.content_length()),
                modified_ms: modified.and_then(|ms| u64::try_from(ms).ok()),
                mark: metadata.etag().unwrap_or_default().into(),
            });
        }
        Ok(offers)
    }

    /// Downloads a file, if it is still the one that was listed.
    pub async fn fetch(&self, offer: &Offer, mut spool: Spool) -> Result<Fetched, SourceError> {
        let if_match = (!offer.mark.is_empty()).then(|| offer.mark.clone());
        let options = ReaderOptions { if_match, ..ReaderOptions::default() };
        let failed = |why| sort_out(&why, "read the file");
        let reader = self.bucket.reader_options(&offer.path, options).await.map_err(failed)?;
        let mut body = reader.into_stream(..).await.map_err(failed)?;
        while let Some(piece) = body.next().await {
            for piece in piece.map_err(failed)? {
                spool = spool.write(piece).await?;
            }
        }
        let file = spool.finish(offer.name.clone(), offer.bytes)?;
        Ok(Fetched::Whole { file, mark: offer.mark.clone() })
    }
}

/// The bucket of an `s3://` URL, with paths under the URL's own. The key is `access key id:secret access key`; without one
/// the environment has them.
pub fn bucket(
    place: &Place,
    key: Option<&str>,
    options: &SyncOptions,
    limit: &RateLimit,
) -> Result<Operator, SourceError> {
    let bucket = place.url().host_str().unwrap_or_default();
    let mut builder = opendal::services::S3::default().bucket(bucket).root(&place.path());
    if !options.s3_endpoint.is_empty() {
        builder = builder.endpoint(&options.s3_endpoint);
    }
    let in_environment = ["AWS_REGION", "AWS_DEFAULT_REGION"].iter().any(|name| std::env::var_os(name).is_some());
    if !options.s3_region.is_empty() {
        builder = builder.region(&options.s3_region);
    } else if !in_environment {
        builder = builder.region(REGION);
    }
    if let Some(key) = key {
        let (id, secret) = key.split_once(':').ok_or_else(|| {
            SourceError::never("its key must be the access key's id, a colon, and the secret access key")
        })?;
        builder = builder.access_key_id(id).secret_access_key(secret).disable_config_load().disable_ec2_metadata();
    }
    let transport = Paced { inner: ReqwestTransport::new(client(options)?), limit: limit.clone() };
    let context = OperationContext::new().with_http_transport(HttpTransporter::new(transport));
    let bucket = Operator::new(builder).map_err(|why| sort_out(&why, "prepare for object storage"))?;
    Ok(bucket.with_context(context))
}

/// What went wrong, in words of our own: OpenDAL's name URLs and requests.
fn sort_out(error: &opendal::Error, doing: &str) -> SourceError {
    let never = |what: &str| SourceError::never(format!("{doing}: {what}"));
    let later = |what: &str| SourceError::later(format!("{doing}: {what}"));
    match error.kind() {
        ErrorKind::NotFound => never("there is no such bucket or file"),
        ErrorKind::PermissionDenied => never("it wants another key, or none was given"),
        ErrorKind::ConfigInvalid => never("bucket, endpoint, region or key are not as they must be"),
        ErrorKind::RateLimited => later("it asks for fewer requests"),
        ErrorKind::ConditionNotMatch => later("the file changed after it was listed"),
        ErrorKind::Unexpected if error.is_temporary() => later("the connection broke, or it could not answer"),
        ErrorKind::Unexpected => later("it answers something else than object storage does"),
        kind => never(&format!("it does not work: {kind}")),
    }
}
