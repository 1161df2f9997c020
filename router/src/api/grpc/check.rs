//! `CheckService`.

use dnc_core::number::PhoneNumber;
use dnc_proto::served::check_service_server::CheckService;
use dnc_proto::{PackedRequest, PreparedResponse, v1};
use tonic::{Request, Response, Status, Streaming};

use super::{named, packed, status, stream, tenant};
use crate::api::answer;
use crate::api::caller::{self, Caller};
use crate::api::checks::Judged;
use crate::api::state::State;
use crate::cluster::Cluster;
use crate::failure::Invalid;
use crate::options::MAX_ID_BYTES;
use crate::telemetry::{self, Api};

/// Checks over gRPC.
pub struct Service<C>(pub State<C>);

#[tonic::async_trait]
impl<C: Cluster> CheckService for Service<C> {
    async fn check(&self, request: Request<v1::CheckRequest>) -> Result<Response<PreparedResponse>, Status> {
        let deadline = caller::deadline(request.metadata(), self.0.checks.deadline());
        let request_id = caller::grpc_request_id(request.metadata());
        let tenant = tenant(&self.0, request.metadata())?;
        let request = request.into_inner();
        let number = read(&request).map_err(|why| status(&why))?;
        let caller = caller::asker(tenant, request.brand, request.campaign)
            .and_then(|asker| Caller::new(Api::Grpc, request_id, asker, request.call_id, request.checked_by))
            .map_err(|why| status(&why))?;
        let answer = self.0.checks.one(&caller, number, deadline).await;
        Ok(named(answer.into_prepared(request.correlation_id), &caller.request_id))
    }

    async fn bulk_check(
        &self,
        request: Request<v1::BulkCheckRequest>,
    ) -> Result<Response<v1::BulkCheckResponse>, Status> {
        let deadline = caller::deadline(request.metadata(), self.0.checks.deadline());
        let request_id = caller::grpc_request_id(request.metadata());
        let tenant = tenant(&self.0, request.metadata())?;
        let request = request.into_inner();
        self.within_limit("items", request.items.len())?;
        let caller = caller::asker(tenant, request.brand, request.campaign)
            .and_then(|asker| Caller::new(Api::Grpc, request_id, asker, request.call_id, request.checked_by))
            .map_err(|why| status(&why))?;
        telemetry::bulk(request.items.len());
        let numbers = request.items.iter().map(|item| PhoneNumber::parse(&item.phone_number)).collect();
        let judged = self.0.checks.many(&caller, numbers, deadline, "bulk").await;
        Ok(named(bulk(request.items, judged), &caller.request_id))
    }

    async fn packed_check(&self, request: Request<PackedRequest>) -> Result<Response<v1::PackedCheckResponse>, Status> {
        let deadline = caller::deadline(request.metadata(), self.0.checks.deadline());
        let request_id = caller::grpc_request_id(request.metadata());
        let tenant = tenant(&self.0, request.metadata())?;
        let PackedRequest(request) = request.into_inner();
        self.within_limit("numbers", request.numbers.len())?;
        let caller = caller::asker(tenant, request.brand, request.campaign)
            .and_then(|asker| Caller::new(Api::Grpc, request_id, asker, request.call_id, request.checked_by))
            .map_err(|why| status(&why))?;
        telemetry::bulk(request.numbers.len());
        let judged = self.0.checks.packed(&caller, &request.numbers, deadline).await;
        Ok(named(packed::response(request.numbers.len(), &judged), &caller.request_id))
    }

    type CheckStreamStream = stream::Answers;

    async fn check_stream(
        &self,
        request: Request<Streaming<v1::CheckRequest>>,
    ) -> Result<Response<Self::CheckStreamStream>, Status> {
        let request_id = caller::grpc_request_id(request.metadata());
        let tenant = tenant(&self.0, request.metadata())?;
        let (checks, stop) = (self.0.checks.clone(), self.0.stop.clone());
        let answers = stream::answers(checks, request_id.clone(), tenant, stop, request.into_inner());
        Ok(named(answers, &request_id))
    }
}

// === impl Service ===

impl<C: Cluster> Service<C> {
    /// Whether a bulk has as many numbers as it may have.
    #[allow(clippy::result_large_err)] // tonic's own error type.
    fn within_limit(&self, field: &'static str, count: usize) -> Result<(), Status> {
        let max = self.0.options.max_bulk_grpc;
        match count {
            1.. if count <= max => Ok(()),
            _ => Err(status(&Invalid::new(field, format!("a bulk has 1 to {max} numbers, this one {count}")))),
        }
    }
}

/// The number of a request whose fields are all as they should be.
fn read(request: &v1::CheckRequest) -> Result<PhoneNumber, Invalid> {
    Invalid::limit("correlation_id", &request.correlation_id, MAX_ID_BYTES)?;
    PhoneNumber::parse(&request.phone_number)
        .map_err(|error| Invalid::new("phone_number", answer::invalid_number(error).message))
}

/// Puts what was judged back to the items that asked for it.
fn bulk(items: Vec<v1::BulkItem>, judged: Judged) -> v1::BulkCheckResponse {
    let mut response = v1::BulkCheckResponse {
        results: Vec::with_capacity(items.len()),
        total_checked: u32::try_from(items.len()).expect("limited by max_bulk_grpc"),
        revision: judged.revision,
        checked_at: Some(answer::moment(judged.checked_at)),
        ..v1::BulkCheckResponse::default()
    };
    let malformed = |text: &str, error, correlation_id| {
        answer::malformed(text, error, correlation_id, judged.revision, judged.checked_at)
    };
    for (item, judged) in items.into_iter().zip(judged.items) {
        let result = match judged {
            _ if item.correlation_id.len() > MAX_ID_BYTES => malformed(&item.phone_number, too_long(), String::new()),
            Ok(answer) => answer.into_message(item.correlation_id),
            Err(error) => malformed(&item.phone_number, answer::invalid_number(error), item.correlation_id),
        };
        response.total_on_list += u32::from(result.verdict() == v1::Verdict::Listed);
        response.total_errors += u32::from(result.error.is_some());
        response.results.push(result);
    }
    response
}

/// The error of an item whose correlation id is too long to be given back.
pub(in crate::api::grpc) fn too_long() -> v1::ItemError {
    v1::ItemError { code: "too_long".into(), message: format!("correlation_id: longer than {MAX_ID_BYTES} bytes") }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use tokio_util::sync::CancellationToken;
    use tonic::Code;

    use super::*;
    use crate::options::Options;
    use crate::testing::{Fake, clear, listed, number};

    fn service(fake: &Fake) -> Service<Fake> {
        let options = Options { max_bulk_grpc: 5, ..Options::default() };
        Service(State::new(fake.clone(), Arc::new(options), CancellationToken::new()))
    }

    fn ask(phone_number: &str) -> v1::CheckRequest {
        v1::CheckRequest {
            phone_number: phone_number.into(),
            correlation_id: "c".into(),
            ..v1::CheckRequest::default()
        }
    }

    fn items(numbers: &[&str]) -> v1::BulkCheckRequest {
        v1::BulkCheckRequest {
            items: numbers
                .iter()
                .zip(0..)
                .map(|(phone_number, at)| v1::BulkItem {
                    phone_number: (*phone_number).into(),
                    correlation_id: format!("c{at}"),
                })
                .collect(),
            ..v1::BulkCheckRequest::default()
        }
    }

    #[tokio::test]
    async fn a_listed_number_comes_back_with_reason_evidence_and_ids() {
        let fake = Fake::founded();
        fake.judge(number("2015550100"), listed("federal"));
        let mut request = Request::new(ask("(201) 555-0100"));
        request.metadata_mut().insert("x-request-id", "r-1".parse().expect("ascii"));
        let response = service(&fake).check(request).await.expect("answers");
        assert_eq!(response.metadata().get("x-request-id").expect("named"), "r-1");
        let response = response.into_inner().into_message().expect("whole");
        assert_eq!(response.phone_number, "+12015550100");
        assert_eq!(response.verdict(), v1::Verdict::Listed);
        assert!(!response.may_call);
        assert_eq!(response.reasons, [v1::Reason::FederalDncRegistry as i32]);
        assert_eq!(response.evidence[0].registry, "federal");
        assert_eq!(response.evidence[0].file_sha256, "07".repeat(32));
        assert_eq!(response.correlation_id, "c");
        assert!(response.checked_at.is_some());
    }

    #[tokio::test]
    async fn what_cannot_be_known_is_an_answer_and_not_an_error() {
        let fake = Fake::founded();
        let response = service(&fake).check(Request::new(ask("2015550100"))).await.expect("answers");
        let response = response.into_inner().into_message().expect("whole");
        assert_eq!(response.verdict(), v1::Verdict::Unknown);
        assert_eq!(response.unknown_cause(), v1::UnknownCause::Unavailable);
        assert!(!response.may_call);
    }

    #[tokio::test]
    async fn a_malformed_number_is_refused_and_not_repeated() {
        let refused = service(&Fake::founded()).check(Request::new(ask("0123456"))).await.expect_err("no number");
        assert_eq!(refused.code(), Code::InvalidArgument);
        assert!(!refused.message().contains("0123456"), "{refused}");
    }

    #[tokio::test]
    async fn ids_that_are_too_long_are_refused_by_name() {
        let long = "x".repeat(MAX_ID_BYTES + 1);
        for (field, request) in [
            ("call_id", v1::CheckRequest { call_id: long.clone(), ..ask("2015550100") }),
            ("checked_by", v1::CheckRequest { checked_by: long.clone(), ..ask("2015550100") }),
            ("correlation_id", v1::CheckRequest { correlation_id: long.clone(), ..ask("2015550100") }),
        ] {
            let refused = service(&Fake::founded()).check(Request::new(request)).await.expect_err("too long");
            assert_eq!(refused.code(), Code::InvalidArgument);
            assert!(refused.message().starts_with(field), "{refused}");
        }
    }

    #[tokio::test]
    async fn a_bulk_keeps_order_ids_and_errors_by_position() {
        let fake = Fake::founded();
        fake.judge(number("2015550100"), listed("federal"));
        fake.judge(number("2015550101"), clear("federal"));
        let mut request = items(&["2015550101", "x", "2015550100", "2015550100"]);
        request.items[0].correlation_id = "x".repeat(MAX_ID_BYTES + 1);
        let response = service(&fake).bulk_check(Request::new(request)).await.expect("answers").into_inner();
        let shapes: Vec<_> = response
            .results
            .iter()
            .map(|r| {
                let code = r.error.as_ref().map_or("", |e| e.code.as_str());
                (r.correlation_id.as_str(), r.verdict(), code)
            })
            .collect();
        assert_eq!(
            shapes,
            [
                ("", v1::Verdict::Unspecified, "too_long"),
                ("c1", v1::Verdict::Unspecified, "invalid_number"),
                ("c2", v1::Verdict::Listed, ""),
                ("c3", v1::Verdict::Listed, ""),
            ]
        );
        let totals = (response.total_checked, response.total_on_list, response.total_errors);
        assert_eq!(totals, (4, 2, 2));
        assert!(response.results.iter().all(|r| !r.may_call));
        assert!(response.results.iter().all(|r| r.revision == response.revision));
    }

    #[tokio::test]
    async fn an_empty_bulk_and_one_too_large_are_refused_with_the_limit() {
        for request in [items(&[]), items(&["2015550100"; 6])] {
            let refused = service(&Fake::founded()).bulk_check(Request::new(request)).await.expect_err("refused");
            assert_eq!(refused.code(), Code::InvalidArgument);
            assert!(refused.message().contains("1 to 5"), "{refused}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_callers_own_timeout_shortens_the_deadline() {
        let fake = Fake::founded();
        let mut request = Request::new(ask("2015550100"));
        request.set_timeout(Duration::from_millis(100));
        service(&fake).check(request).await.expect("answers");
        assert_eq!(fake.last_time(), Some(Duration::from_millis(90)));
        service(&fake).check(Request::new(ask("2015550100"))).await.expect("answers");
        assert_eq!(fake.last_time(), Some(Duration::from_secs(1)));
    }
}
