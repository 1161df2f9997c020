//! `SuppressionService`.

use std::pin::Pin;

use dnc_proto::v1;
use dnc_proto::v1::import_suppressions_request::Part;
use dnc_proto::v1::suppression_service_server::SuppressionService;
use futures::{Stream, StreamExt, TryStreamExt};
use prost::bytes::Bytes;
use tonic::{Request, Response, Status, Streaming};
use tracing::Instrument;

use super::{named, shown_id, status, tenant};
use crate::api::caller::grpc_request_id;
use crate::api::state::State;
use crate::cluster::Cluster;
use crate::failure::Invalid;
use crate::suppress::{
    Addition, Bulk, BulkAnswer, BulkItem, BulkRemoval, Error, Format, MAX_PIECE, Outcome, Question, Removal,
    Verification, shown_time,
};

/// Opt-outs over gRPC.
pub struct Service<C>(pub State<C>);

#[tonic::async_trait]
impl<C: Cluster> SuppressionService for Service<C> {
    async fn add_suppression(
        &self,
        request: Request<v1::AddSuppressionRequest>,
    ) -> Result<Response<v1::AddSuppressionResponse>, Status> {
        let request_id = grpc_request_id(request.metadata());
        let tenant = tenant(&self.0, request.metadata())?;
        let span = tracing::info_span!("add_suppression", api = "grpc", request_id = shown_id(&self.0, &request_id));
        let added = self.0.suppressions.add(tenant, addition(request.into_inner())).instrument(span).await;
        let added = added.map_err(|why| status(&why))?;
        let response = v1::AddSuppressionResponse {
            suppression_id: added.id.to_string(),
            phone_number: added.number.to_string(),
            registry: added.registry,
        };
        Ok(named(response, &request_id))
    }

    async fn bulk_add_suppressions(
        &self,
        request: Request<v1::BulkAddSuppressionsRequest>,
    ) -> Result<Response<v1::BulkSuppressionsResponse>, Status> {
        let request_id = grpc_request_id(request.metadata());
        let tenant = tenant(&self.0, request.metadata())?;
        let span = tracing::info_span!("bulk_add_suppressions", api = "grpc", request_id);
        let request = request.into_inner();
        let bulk = Bulk {
            items: request.items.into_iter().map(addition).collect(),
            partial: request.partial,
            request_id: request.request_id,
        };
        let done = self.0.suppressions.add_bulk(tenant, bulk).instrument(span).await;
        Ok(named(bulk_response(done.map_err(|why| refused("items", &why))?), &request_id))
    }

    async fn remove_suppression(
        &self,
        request: Request<v1::RemoveSuppressionRequest>,
    ) -> Result<Response<v1::RemoveSuppressionResponse>, Status> {
        let request_id = grpc_request_id(request.metadata());
        let tenant = tenant(&self.0, request.metadata())?;
        let span = tracing::info_span!("remove_suppression", api = "grpc", request_id = shown_id(&self.0, &request_id));
        let request = request.into_inner();
        let removal = Removal {
            phone_number: request.phone_number,
            registry: request.registry,
            reason: request.reason,
            removed_by: request.removed_by,
            request_id: request.request_id,
            entry_ids: request.entry_ids,
        };
        let removed = self.0.suppressions.remove(tenant, removal).instrument(span).await;
        let removed = removed.map_err(|why| status(&why))?;
        let response = v1::RemoveSuppressionResponse {
            removed: removed.removed,
            phone_number: removed.number.to_string(),
            registry: removed.registry,
            kept: removed.kept,
        };
        Ok(named(response, &request_id))
    }

    async fn bulk_remove_suppressions(
        &self,
        request: Request<v1::BulkRemoveSuppressionsRequest>,
    ) -> Result<Response<v1::BulkSuppressionsResponse>, Status> {
        let request_id = grpc_request_id(request.metadata());
        let tenant = tenant(&self.0, request.metadata())?;
        let span = tracing::info_span!("bulk_remove_suppressions", api = "grpc", request_id);
        let request = request.into_inner();
        let bulk = BulkRemoval {
            phone_numbers: request.phone_numbers,
            registry: request.registry,
            reason: request.reason,
            removed_by: request.removed_by,
            partial: request.partial,
            request_id: request.request_id,
        };
        let done = self.0.suppressions.remove_bulk(tenant, bulk).instrument(span).await;
        Ok(named(bulk_response(done.map_err(|why| refused("phone_numbers", &why))?), &request_id))
    }

    async fn verify_suppression(
        &self,
        request: Request<v1::VerifySuppressionRequest>,
    ) -> Result<Response<v1::VerifySuppressionResponse>, Status> {
        let request_id = grpc_request_id(request.metadata());
        let tenant = tenant(&self.0, request.metadata())?;
        let span = tracing::info_span!("verify_suppression", api = "grpc", request_id);
        let request = request.into_inner();
        let verification = Verification {
            phone_number: request.phone_number,
            registry: request.registry,
            request_id: request.request_id,
        };
        let verified = self.0.suppressions.verify(tenant, verification).instrument(span).await;
        let verified = verified.map_err(|why| status(&why))?;
        let response = v1::VerifySuppressionResponse {
            verified: verified.entries,
            phone_number: verified.number.to_string(),
            registry: verified.registry,
            last_verified_at: shown_time(verified.verified_ms),
        };
        Ok(named(response, &request_id))
    }

    async fn search_suppressions(
        &self,
        request: Request<v1::SearchSuppressionsRequest>,
    ) -> Result<Response<v1::SearchSuppressionsResponse>, Status> {
        let request_id = grpc_request_id(request.metadata());
        let tenant = tenant(&self.0, request.metadata())?;
        let span = tracing::info_span!("search_suppressions", api = "grpc", request_id);
        let request = request.into_inner();
        let question = Question {
            number: request.number,
            prefix: request.prefix,
            reason: request.reason,
            added_by: request.added_by,
            from: request.from,
            until: request.until,
            not_verified_since: request.not_verified_since,
            removed: request.removed,
            registry: request.registry,
            limit: request.limit,
            cursor: request.cursor,
        };
        let page = self.0.suppressions.search(tenant, &question).instrument(span).await;
        let page = page.map_err(|why| status(&why))?;
        let response = v1::SearchSuppressionsResponse {
            suppressions: page.entries.into_iter().map(v1::Suppression::from).collect(),
            cursor: page.cursor,
        };
        Ok(named(response, &request_id))
    }

    type ExportSuppressionsStream = Pin<Box<dyn Stream<Item = Result<v1::ExportSuppressionsResponse, Status>> + Send>>;

    async fn export_suppressions(
        &self,
        request: Request<v1::ExportSuppressionsRequest>,
    ) -> Result<Response<Self::ExportSuppressionsStream>, Status> {
        let request_id = grpc_request_id(request.metadata());
        let tenant = tenant(&self.0, request.metadata())?;
        let span = tracing::info_span!("export_suppressions", api = "grpc", request_id);
        let request = request.into_inner();
        let format: Format = request.format.parse().map_err(|why: Invalid| status(&why))?;
        let export = self.0.suppressions.export(tenant, format, &request.registry).instrument(span).await;
        let pieces = export.map_err(|why| status(&why))?.into_stream();
        let pieces: Self::ExportSuppressionsStream = Box::pin(pieces.map(|piece| match piece {
            Ok(piece) => Ok(v1::ExportSuppressionsResponse { chunk: piece.to_vec() }),
            Err(why) => Err(status(&why)),
        }));
        Ok(named(pieces, &request_id))
    }

    async fn import_suppressions(
        &self,
        request: Request<Streaming<v1::ImportSuppressionsRequest>>,
    ) -> Result<Response<v1::ImportSuppressionsResponse>, Status> {
        let request_id = grpc_request_id(request.metadata());
        let tenant = tenant(&self.0, request.metadata())?;
        let span = tracing::info_span!("import_suppressions", api = "grpc", request_id);
        let mut parts = request.into_inner();
        let Some(Part::Header(header)) = parts.message().await?.and_then(|first| first.part) else {
            return Err(status(&Invalid::new("header", "must come first")));
        };
        let format: Format = header.format.parse().map_err(|why: Invalid| status(&why))?;
        let pieces = parts.map_err(|_| cut("the sender broke off")).and_then(|part| async {
            match part.part {
                Some(Part::Chunk(chunk)) if chunk.len() <= MAX_PIECE => Ok(Bytes::from(chunk)),
                Some(Part::Chunk(_)) => Err(Invalid::new("chunk", format!("longer than {MAX_PIECE} bytes")).into()),
                // What a sender says that could not read its file to the end.
                Some(Part::Header(_)) | None => Err(Invalid::new("part", "must be a chunk after the header").into()),
            }
        });
        let done = self.0.suppressions.import(tenant, format, &header.registry, pieces).instrument(span).await;
        let done = done.map_err(|why| status(&why))?;
        let refused_lines = done.refused_lines.into_iter().map(|(line, error)| v1::RefusedLine { line, error });
        let response = v1::ImportSuppressionsResponse {
            entries: done.entries,
            added: done.added,
            unchanged: done.unchanged,
            ended: done.ended,
            refused: done.refused,
            refused_lines: refused_lines.collect(),
        };
        Ok(named(response, &request_id))
    }
}

fn cut(why: &str) -> Error {
    Error::Stopped { why: why.into(), done: 0 }
}

fn addition(request: v1::AddSuppressionRequest) -> Addition {
    Addition {
        phone_number: request.phone_number,
        registry: request.registry,
        reason: request.reason,
        source: request.source,
        added_by: request.added_by,
        origin: request.origin,
        consumer_name: request.consumer_name,
        notes: request.notes,
        expires_at: request.expires_at,
        expires_in: request.expires_in,
        scope: request.scope,
        metadata: request.metadata.into_iter().collect(),
        request_id: request.request_id,
    }
}

/// Why a bulk was not done, with its malformed items by position.
#[allow(clippy::result_large_err)] // tonic's own error type.
fn refused(field: &'static str, why: &Error) -> Status {
    let Error::Malformed(faults) = why else {
        return status(why);
    };
    // A status is cut where it gets too long.
    let faults: Vec<String> =
        faults.iter().take(100).map(|fault| format!("{field}[{}].{}", fault.position, fault.why)).collect();
    status(&Invalid::new(field, format!("{why}: {}", faults.join("; "))))
}

fn bulk_response(answer: BulkAnswer) -> v1::BulkSuppressionsResponse {
    v1::BulkSuppressionsResponse {
        request_id: answer.request.to_string(),
        results: answer.items.into_iter().map(result).collect(),
    }
}

fn result(item: BulkItem) -> v1::SuppressionResult {
    let (outcome, error) = match item.outcome {
        Outcome::Acknowledged => (v1::WriteOutcome::Acknowledged, String::new()),
        Outcome::Refused(why) => (v1::WriteOutcome::Refused, why),
        Outcome::NotDone(why) => (v1::WriteOutcome::NotDone, why),
        Outcome::Unknown => (v1::WriteOutcome::Unknown, "not confirmed in time: it may have been done".into()),
    };
    v1::SuppressionResult {
        outcome: outcome.into(),
        suppression_id: item.id.map_or_else(String::new, |id| id.to_string()),
        phone_number: item.number.map_or_else(String::new, |number| number.to_string()),
        error,
        removed: item.removed,
        kept: item.kept,
    }
}
