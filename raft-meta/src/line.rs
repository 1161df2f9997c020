//! What calls to a node go over: a connection, or whatever stands in for one.
//!
//! Routers and the meta leader see a [`Line`] alone, so that a simulation can carry their calls over a network of its own.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::TryFutureExt;
use futures::future::{Either, MapErr};
use tonic::body::Body;
use tonic::codegen::http::{Request, Response};
use tonic::codegen::{Service, StdError};
use tonic::transport::Channel;
use tonic::transport::channel::ResponseFuture;
use tower::util::BoxCloneSyncService;

/// The way to one address. Clones share it.
#[derive(Clone)]
pub struct Line(Kind);

#[derive(Clone)]
enum Kind {
    Connection(Channel),
    StandIn(BoxCloneSyncService<Request<Body>, Response<Body>, StdError>),
}

type Connected = MapErr<ResponseFuture, fn(tonic::transport::Error) -> StdError>;
type Boxed = Pin<Box<dyn Future<Output = Result<Response<Body>, StdError>> + Send>>;

// === impl Line ===

impl Line {
    /// A line that is no connection: calls go to this service.
    pub fn stand_in<S>(service: S) -> Line
    where
        S: Service<Request<Body>, Response = Response<Body>, Error = StdError> + Clone + Send + Sync + 'static,
        S::Future: Send + 'static,
    {
        Line(Kind::StandIn(BoxCloneSyncService::new(service)))
    }
}

impl From<Channel> for Line {
    fn from(channel: Channel) -> Line {
        Line(Kind::Connection(channel))
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Line")
    }
}

impl Service<Request<Body>> for Line {
    type Response = Response<Body>;
    type Error = StdError;
    type Future = Either<Connected, Boxed>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StdError>> {
        match &mut self.0 {
            Kind::Connection(channel) => channel.poll_ready(cx).map_err(Into::into),
            Kind::StandIn(service) => service.poll_ready(cx),
        }
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        match &mut self.0 {
            Kind::Connection(channel) => {
                Either::Left(channel.call(request).map_err(StdError::from as fn(tonic::transport::Error) -> StdError))
            }
            Kind::StandIn(service) => Either::Right(Box::pin(service.call(request))),
        }
    }
}
