//! How much is taken in at once: requests and connections beyond a bound are refused early, so that what is taken in is
//! answered in time.
//!
//! One bound for both APIs, of which each tenant has a share ([`share`]). A refused caller is told to come back, or goes to
//! another router. Probes are never refused: a router that is busy is not dead.

mod share;

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::http::{HeaderMap, Request, Response};
use futures::future::{BoxFuture, FutureExt};
use hyper::body::{Body, Bytes, Frame, SizeHint};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::Status;
use tonic::metadata::AsciiMetadataValue;
use tower::{Layer, Service};

use self::share::{Account, Place, Refused, Shares};
use crate::api::caller;
use crate::cluster::Cluster;
use crate::failure::{Failure, Kind};
use crate::options::Options;
use crate::telemetry::{self, Api};

/// When a refused caller should come back.
pub const RETRY_AFTER: Duration = Duration::from_secs(1);
/// The same for gRPC, whose callers retry by themselves ("gRPC Retry Design", pushback).
const PUSHBACK_KEY: &str = "grpc-retry-pushback-ms";
/// Calls that are always taken in.
const PROBES: &str = "/grpc.health.v1.Health/";

/// What may be taken in at once. Clones share it.
#[derive(Clone)]
pub struct Admission {
    requests: Arc<Shares>,
    connections: Arc<Semaphore>,
    whose: Arc<Whose>,
}

/// Whose request has these headers, and whether the cluster has no other tenant.
type Whose = dyn Fn(&HeaderMap) -> (Account, bool) + Send + Sync;

/// Too many requests are under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Overloaded {
    /// Whoever asks.
    #[error("this router has as many requests under way as it takes; try again a little later, or another router")]
    Router,
    /// Of this tenant.
    #[error("this tenant has as many requests under way as are its share of this router; try again a little later")]
    Tenant,
}

/// A body during which its request is under way: a stream is not over when its first answer is there.
pub struct Held<B> {
    body: B,
    _place: Place,
}

/// Puts admission before gRPC services.
#[derive(Clone)]
pub struct AdmitLayer(pub Admission);

/// gRPC services behind admission.
#[derive(Clone)]
pub struct Admit<S> {
    services: S,
    admission: Admission,
}

// === impl Failure for Overloaded ===

impl Failure for Overloaded {
    fn kind(&self) -> Kind {
        Kind::Exhausted
    }
}

// === impl Admission ===

impl Admission {
    /// Takes in as much as the options say, for the tenants of this cluster.
    pub fn new<C: Cluster>(options: &Options, cluster: C) -> Self {
        let whose = move |headers: &HeaderMap| {
            let known = cluster.known();
            let named = headers.get(caller::TENANT).map(|name| name.as_bytes());
            (caller::tenant(&known, named).ok(), known.catalog.tenants.len() <= 1)
        };
        Self {
            requests: Shares::new(options.max_in_flight),
            connections: Arc::new(Semaphore::new(options.max_connections.min(Semaphore::MAX_PERMITS))),
            whose: Arc::new(whose),
        }
    }

    /// A place for the request with these headers, as long as it lives.
    pub fn request(&self, headers: &HeaderMap) -> Result<Place, Overloaded> {
        let (account, is_alone) = (self.whose)(headers);
        self.requests.take(account, is_alone).map_err(|why| {
            let (what, why) = match why {
                Refused::Full => ("request", Overloaded::Router),
                Refused::Share => ("share", Overloaded::Tenant),
            };
            metrics::counter!("dnc_router_refused_total", "what" => what).increment(1);
            why
        })
    }

    /// A place for a connection.
    pub fn connection(&self) -> Option<OwnedSemaphorePermit> {
        let place = Arc::clone(&self.connections).try_acquire_owned().ok();
        if place.is_none() {
            metrics::counter!("dnc_router_refused_total", "what" => "connection").increment(1);
        }
        place
    }
}

// === impl Held ===

impl<B> Held<B> {
    /// Keeps the place for as long as the body is being sent.
    pub fn new(body: B, place: Place) -> Self {
        Self { body, _place: place }
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Held<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

// === impl AdmitLayer ===

impl<S> Layer<S> for AdmitLayer {
    type Service = Admit<S>;

    fn layer(&self, services: S) -> Admit<S> {
        Admit { services, admission: self.0.clone() }
    }
}

// === impl Admit ===

impl<S, R> Service<Request<R>> for Admit<S>
where
    S: Service<Request<R>, Response = Response<tonic::body::Body>>,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<S::Response, S::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.services.poll_ready(context)
    }

    fn call(&mut self, request: Request<R>) -> Self::Future {
        if request.uri().path().starts_with(PROBES) {
            return self.services.call(request).boxed();
        }
        match self.admission.request(request.headers()) {
            Ok(place) => {
                let answer = self.services.call(request);
                async move { Ok(answer.await?.map(|body| tonic::body::Body::new(Held::new(body, place)))) }.boxed()
            }
            Err(why) => {
                telemetry::error(Api::Grpc, "resource_exhausted");
                let mut status = Status::resource_exhausted(why.to_string());
                let pushback = AsciiMetadataValue::from(u64::try_from(RETRY_AFTER.as_millis()).unwrap_or(u64::MAX));
                status.metadata_mut().insert(PUSHBACK_KEY, pushback);
                std::future::ready(Ok(status.into_http())).boxed()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use tower::ServiceExt;

    use super::*;
    use crate::testing::Fake;

    fn two() -> Admission {
        Admission::new(&Options { max_in_flight: 2, max_connections: 1, ..Options::default() }, Fake::founded())
    }

    async fn call(admission: &Admission, path: &str) -> Response<tonic::body::Body> {
        let services = tower::service_fn(async |_: Request<()>| {
            Ok::<_, Infallible>(Response::new(tonic::body::Body::new(axum::body::Body::from("answer"))))
        });
        let request = Request::builder().uri(path).body(()).expect("a request");
        AdmitLayer(admission.clone()).layer(services).oneshot(request).await.expect("infallible")
    }

    #[tokio::test]
    async fn what_is_beyond_the_bound_is_refused_with_a_time_to_come_back() {
        let admission = two();
        let (first, second) = (call(&admission, "/x").await, call(&admission, "/x").await);
        let refused = call(&admission, "/x").await;
        assert_eq!(refused.headers()["grpc-status"], "8");
        assert_eq!(refused.headers()[PUSHBACK_KEY], "1000");
        assert!(!call(&admission, "/grpc.health.v1.Health/Check").await.headers().contains_key("grpc-status"));
        // Over once its body is.
        drop((first, second));
        assert!(!call(&admission, "/x").await.headers().contains_key("grpc-status"));
    }

    #[tokio::test]
    async fn connections_have_a_bound_of_their_own() {
        let admission = two();
        let place = admission.connection().expect("free");
        assert!(admission.connection().is_none());
        assert!(admission.request(&HeaderMap::new()).is_ok());
        drop(place);
        assert!(admission.connection().is_some());
    }
}
