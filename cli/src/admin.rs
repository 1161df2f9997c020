//! The HTTP side of meta voters and nodes: metrics and health. Routers serve the same three paths on their own port.

use std::net::TcpListener;

use anyhow::{Context, Result};
use axum::Router;
use axum::http::{StatusCode, header};
use axum::routing::get;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::recorder::Metrics;

/// Serves `/metrics`, `/healthz` (the process runs) and `/readyz` (it can do its work) until stopped.
pub async fn serve(
    listener: TcpListener,
    metrics: Metrics,
    ready: watch::Receiver<bool>,
    stop: CancellationToken,
) -> Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener).context("take the HTTP socket")?;
    let paths = Router::new()
        .route(
            "/metrics",
            get(move || async move { ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], metrics()) }),
        )
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(move || async move { readiness(*ready.borrow()) }));
    axum::serve(listener, paths).with_graceful_shutdown(stop.cancelled_owned()).await.context("serve HTTP")
}

fn readiness(ready: bool) -> (StatusCode, &'static str) {
    match ready {
        true => (StatusCode::OK, "ready\n"),
        false => (StatusCode::SERVICE_UNAVAILABLE, "starting\n"),
    }
}
