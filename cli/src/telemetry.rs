//! Logs and traces. Logs go to stderr, one JSON object a line; traces go to an OTLP endpoint when one is configured.

use std::io::IsTerminal;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::ValueEnum;
use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::WithExportConfig;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use serde::{Deserialize, Serialize};
use tracing::{Level, Metadata};
use tracing_subscriber::filter::{LevelFilter, filter_fn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

/// The variable that says what is logged, as `level` or `target=level`, separated by commas.
const FILTER: &str = "DNC_LOG";
/// What servers log unless told. openraft warns of every message to a peer that is down, for every group, and calls it an
/// error that a stopped group does not answer; what an operator needs of that is logged and counted by our own code.
pub const SERVER: &str = "info,openraft=error,openraft::raft=off";
/// What `dnc dev` logs unless told: less, for its terminal. While it starts, voters and nodes look for each other.
pub const DEV: &str = "warn,openraft=error,openraft::raft=off,dnc_meta::follow=error";
/// Whose spans are traced, whatever is logged: our own, not those of the libraries below.
const TRACED: [&str; 4] = ["dnc_router", "dnc_node", "dnc_meta", "dnc_consensus"];
/// How long one export of traces may take.
const EXPORT_LIMIT: Duration = Duration::from_secs(3);
/// How long the last traces may take when the process ends: within the shutdown's own limit.
const FLUSH_LIMIT: Duration = Duration::from_secs(2);

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One object a line, for machines.
    Json,
}

/// What to log and where to send traces.
pub struct Options {
    /// How log lines look.
    pub format: LogFormat,
    /// What is logged unless `DNC_LOG` says otherwise.
    pub filter: &'static str,
    /// Where traces go (`http://host:4317`); empty for nowhere.
    pub otlp_endpoint: String,
    /// The service's name in traces.
    pub service: &'static str,
    /// Tells this process from the others of its service.
    pub instance: String,
}

/// Keeps telemetry going; [`Telemetry::finish`] sends what is left.
pub struct Telemetry {
    traces: Option<SdkTracerProvider>,
}

/// Starts logs and traces for the process. Call it once, within the runtime.
pub fn start(options: Options) -> Result<Telemetry> {
    let filter = match std::env::var(FILTER) {
        Ok(text) => EnvFilter::try_new(&text).with_context(|| format!("read {FILTER}"))?,
        Err(_) => EnvFilter::new(options.filter),
    };
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let lines = match options.format {
        LogFormat::Json => lines.json().flatten_event(true).with_current_span(true).with_span_list(false).boxed(),
        LogFormat::Text => lines.compact().with_target(false).with_ansi(std::io::stderr().is_terminal()).boxed(),
    };
    let traces = match options.otlp_endpoint.as_str() {
        "" => None,
        endpoint => Some(exporter(endpoint, options.service, options.instance)?),
    };
    let spans = traces.as_ref().map(|provider| {
        let spans = tracing_opentelemetry::layer().with_tracer(provider.tracer("dnc"));
        spans.with_filter(filter_fn(is_traced).with_max_level_hint(LevelFilter::DEBUG))
    });
    let lines = lines.with_filter(filter);
    tracing_subscriber::registry().with(lines).with(spans).try_init().context("install the log")?;
    Ok(Telemetry { traces })
}

/// Spans down to debug: a check's costs too much to be made where nobody looks. What is logged in them from info on.
fn is_traced(of: &Metadata<'_>) -> bool {
    let level = if of.is_span() { Level::DEBUG } else { Level::INFO };
    *of.level() <= level && of.target().split("::").next().is_some_and(|of| TRACED.contains(&of))
}

fn exporter(endpoint: &str, service: &'static str, instance: String) -> Result<SdkTracerProvider> {
    let exporter = opentelemetry_otlp::SpanExporter::builder()
        .with_tonic()
        .with_endpoint(endpoint)
        .with_timeout(EXPORT_LIMIT)
        .build()
        .with_context(|| format!("send traces to `{endpoint}` (--otlp-endpoint, DNC_OTLP_ENDPOINT)"))?;
    let resource = Resource::builder()
        .with_service_name(service)
        .with_attribute(KeyValue::new("service.instance.id", instance))
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .build();
    opentelemetry::global::set_text_map_propagator(TraceContextPropagator::new());
    // The batch processor's queue is bounded: what an endpoint that is down does not take is dropped, never waited for.
    Ok(SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource).build())
}

// === impl Telemetry ===

impl Telemetry {
    /// Sends what is left, within a limit.
    pub async fn finish(self) {
        let Some(traces) = self.traces else { return };
        // It blocks its thread; the exporter's connection needs the others.
        let flushed = tokio::task::spawn_blocking(move || traces.shutdown_with_timeout(FLUSH_LIMIT)).await;
        if let Ok(Err(error)) = flushed {
            tracing::warn!(%error, "the last traces were not sent");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn spans_are_traced_down_to_debug_and_only_our_own() {
        struct Count(Arc<AtomicUsize>);
        impl<S: tracing::Subscriber> Layer<S> for Count {
            fn on_new_span(
                &self,
                _: &tracing::span::Attributes<'_>,
                _: &tracing::span::Id,
                _: tracing_subscriber::layer::Context<'_, S>,
            ) {
                self.0.fetch_add(1, Ordering::Relaxed);
            }

            fn on_event(&self, _: &tracing::Event<'_>, _: tracing_subscriber::layer::Context<'_, S>) {
                self.0.fetch_add(100, Ordering::Relaxed);
            }
        }
        let seen = Arc::new(AtomicUsize::new(0));
        let layer = Count(Arc::clone(&seen)).with_filter(filter_fn(is_traced).with_max_level_hint(LevelFilter::DEBUG));
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            drop(tracing::debug_span!(target: "dnc_router::api::checks", "ours"));
            drop(tracing::trace_span!(target: "dnc_router", "too fine"));
            drop(tracing::info_span!(target: "h2", "not ours"));
            tracing::info!(target: "dnc_node", "ours");
            tracing::debug!(target: "dnc_node", "too fine");
        });
        assert_eq!(seen.load(Ordering::Relaxed), 101);
    }
}
