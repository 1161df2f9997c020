//! Calls whose answers are read no further than what is held against the truth: as little as a client can do with them.

use std::net::SocketAddr;

use anyhow::{Context, Result};
use dnc_proto::v1;
use tonic::Status;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Channel, Endpoint};
use tonic_prost::ProstCodec;

/// A `CheckResponse` of which only the verdict is kept.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Verdict {
    /// The verdict.
    #[prost(enumeration = "v1::Verdict", tag = "2")]
    pub verdict: i32,
}

/// A client of one connection.
#[derive(Clone)]
pub struct Lean(Grpc<Channel>);

// === impl Lean ===

impl Lean {
    /// Connects.
    pub async fn connect(router: SocketAddr) -> Result<Self> {
        let endpoint = Endpoint::from_shared(format!("http://{router}"))?
            .tcp_nodelay(true)
            .initial_stream_window_size(4 << 20)
            .initial_connection_window_size(16 << 20);
        Ok(Self(Grpc::new(endpoint.connect().await.context("connect to the router")?)))
    }

    /// One number.
    pub async fn check(&mut self, request: v1::CheckRequest) -> Result<Verdict, Status> {
        self.ready().await?;
        let codec = ProstCodec::<v1::CheckRequest, Verdict>::default();
        let path = PathAndQuery::from_static("/dnc.v1.CheckService/Check");
        Ok(self.0.unary(tonic::Request::new(request), path, codec).await?.into_inner())
    }

    /// A stream of numbers.
    pub async fn stream(
        &mut self,
        requests: impl futures::Stream<Item = v1::CheckRequest> + Send + 'static,
    ) -> Result<tonic::Streaming<Verdict>, Status> {
        self.ready().await?;
        let codec = ProstCodec::<v1::CheckRequest, Verdict>::default();
        let path = PathAndQuery::from_static("/dnc.v1.CheckService/CheckStream");
        Ok(self.0.streaming(tonic::Request::new(requests), path, codec).await?.into_inner())
    }

    /// Many numbers, packed.
    pub async fn packed(&mut self, request: v1::PackedCheckRequest) -> Result<v1::PackedCheckResponse, Status> {
        self.ready().await?;
        let codec = ProstCodec::<v1::PackedCheckRequest, v1::PackedCheckResponse>::default();
        let path = PathAndQuery::from_static("/dnc.v1.CheckService/PackedCheck");
        Ok(self.0.unary(tonic::Request::new(request), path, codec).await?.into_inner())
    }

    async fn ready(&mut self) -> Result<(), Status> {
        self.0.ready().await.map_err(|error| Status::unavailable(error.to_string()))
    }
}
